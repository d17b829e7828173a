/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of addresses, moved in calls of the right size: what fits the target, the bandwidth and
 * the stall budget. After a call that could not move all the rest is tried in smaller pieces, and
 * what fails twice is remembered as stuck.
 */
#pragma once

#include "act/pages.h"

struct batch_list {
	void **pages; /* in work->pages, or with its own nodes and status behind it */
	size_t n;
	size_t n_unasked; /* the first so many: whether they lie wrong is only supposed */
	enum act_kind kind;
	uint64_t bytes;	     /* counted for each */
	uint64_t room_bytes; /* needed on the target for each; a probe may turn out to be larger */
	int flags;	     /* MPOL_MF_MOVE or MPOL_MF_MOVE_ALL */
	size_t n_untried; /* by batch_move(): the last so many, for want of a block of their size */
};

/*
 * How many of the list's kind go in the next call, 1 or more: what fits the budget, no more than
 * the bandwidth of now lets through at once, and few after a call that took suspiciously long.
 */
size_t batch_most(struct pages_work *work, const struct batch_list *list);

/*
 * Whether the target holds so much now: that nothing needs to be known of pages that lie there
 * already.
 */
bool batch_has_room(struct pages_work *work, uint64_t bytes);

/*
 * Moves all of them and counts, but for the untried. The order of what was tried is lost.
 * Returns: as pages_move_window().
 */
int batch_move(struct pages_work *work, struct batch_list *list);
