/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may happen to a guest that takes all it may, in words: for the log and for reports. */
#pragma once

#include "flow.h"

struct risk_words {
	const char *what; /* for programs: may_be_killed, may_be_swapped, locality_at_risk */
	char subject[PLACE_GUEST_NAME_MAX]; /* its name, or "pid 812" */
	char nodes[160];		    /* in list format; a longer list is "..." */
	char text[480];
	char remedy[320];
};

/*
 * Fills *ret_words; `risk` is the settled one (decide/pressure.h), LOCALITY or worse.
 * `stall` says what swap has.
 */
void risk_describe(const struct place_guest *guest, const struct place_pressure *pressure,
		   enum place_risk risk, const struct place_stall *stall,
		   struct risk_words *ret_words);
