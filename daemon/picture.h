/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there is to see of the daemon at this moment: a view for the lines behind placectl
 * (tell/report.h), and room for all that it points to and that nobody else keeps.
 */
#pragma once

#include "commands.h"
#include "tell/report.h"
#include "tell/risk.h"

#define PICTURE_COUNTERS_MAX 48
/*
 * More guests at risk than these are one line together: of the system's guests, and as many of
 * those that anybody may start.
 */
#define PICTURE_RISKS_MAX 64

/* The words of findings. */
struct picture_risks {
	size_t n;
	struct risk_words list[PICTURE_RISKS_MAX];
};

struct picture {
	struct report_view view;
	struct place_model model;
	struct report_counter counters[PICTURE_COUNTERS_MAX];
	struct report_move moves[MOVES_MAX];
	struct report_cell cells[WIDE_MAX * PLACE_CELLS_MAX];
	/* Beside them: a realtime thread, guests not judged, and how many more are at risk. */
	struct report_finding findings[FINDINGS_MAX + 2 * PICTURE_RISKS_MAX + 3];
	struct picture_risks system_risks, other_risks;
	char more_risks[128], unjudged[192];
};

/* As it is now. What the cycle has is borrowed: good until its next turn. */
void picture_fill(const struct commands *commands, struct picture *picture);

/* ---- what its parts share ------------------------------------------------------------------ */

/* False: the last turn could not find out who is at risk, which is not that nobody is. */
bool picture_knows_risks(const struct cycle *cycle);

/* The counters and gauges of metrics. */
void picture_count(const struct commands *commands, struct picture *picture);
