/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may harm guests on this host, said before it does: once in the log, and to whoever asks
 * (placectl doctor), with the remedy. Nothing of it is changed here. What is found stays said for
 * an hour after it was last seen, so that what comes and goes does not fill the log.
 */
#pragma once

#include "decide/pressure.h"
#include "flow.h"
#include "host/root.h"
#include "tell/report.h"

#define FINDINGS_MAX 32

struct findings {
	size_t n;
	struct report_finding list[FINDINGS_MAX]; /* points into texts */
	struct finding_texts {
		char subject[PLACE_GUEST_NAME_MAX];
		char text[256];
		char remedy[160];
	} texts[FINDINGS_MAX];
	struct finding_told {
		const char *what;
		char subject[PLACE_GUEST_NAME_MAX];
		uint64_t seen_ns;
	} told[FINDINGS_MAX];
	uint64_t looked_ns; /* 0: never */
};

/* What is looked at, apart from files below the root. */
struct findings_view {
	const struct place_topology *topology;
	const struct place_sample *sample;
	const struct place_model *model;     /* NULL: none */
	const enum place_nearness *nearness; /* per node; NULL: nothing is known */
	uint64_t now_ns;
	/* Per node, of the model's promises what may be taken from huge pages; NULL: nothing. */
	const struct place_pressure_node *pooled;
};

/* Whether the last look is a minute old, or there was none. */
bool findings_are_due(const struct findings *findings, uint64_t now_ns);

/*
 * Looks anew. Reads four small files of /proc and /sys with
 * `text` as their buffer; allocates nothing but what that grows by.
 */
void findings_look(struct findings *findings, const struct place_root *root,
		   struct place_text *text, const struct findings_view *view);
