/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who can say how much of a guest's access is remote: one interface for every source. To add one
 * (resctrl's memory bandwidth counters, a PMU), write its two functions, add its word to enum
 * place_evidence and its row to the table in evidence.c; nothing else changes.
 */
#pragma once

#include "flow.h"
#include "host/root.h"

/* What a source may look at. */
struct place_evidence_ask {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_guest *guest;
	const struct place_activity *activity; /* as far as it is known; rows as in the topology */
};

/* Accesses, or whatever a source counts in their place. */
struct place_reading {
	uint64_t remote;
	uint64_t all;
	unsigned sure_permille; /* how far their ratio may be trusted */
};

struct place_evidence_source {
	enum place_evidence evidence;
	/* Counts since the guest began: only the difference of two readings says what is now. */
	bool is_cumulative;
	/* Whether this host has it at all, and it is switched on. */
	bool (*probe)(const struct place_root *root, struct place_text *text);
	/* Returns: 0; -ENODATA it has nothing to say of this guest now; or -errno. */
	int (*read)(const struct place_evidence_ask *ask, struct place_reading *ret_reading);
};

/* All sources, the best first, and NULL. */
extern const struct place_evidence_source *const place_evidence_sources[];

/*
 * The share of remote accesses; `before` is an earlier reading of the same source and guest, NULL
 * where there is none. Returns: if there is one: a source that counts without end needs both.
 */
bool place_evidence_permille(const struct place_evidence_source *source,
			     const struct place_reading *before, const struct place_reading *now,
			     unsigned *ret_permille);

/*
 * Asks the sources in turn until one answers whose counts are of now, and writes its answer into
 * `activity` (remote_permille, sure_permille, evidence, known).
 *
 * Returns: 0, or -ENODATA: nobody knows; the bit is cleared then.
 */
int place_evidence_find(const struct place_evidence_ask *ask, struct place_activity *activity);
