/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of addresses, asked for or moved in calls of the right size. All that is known of
 * move_pages(2)'s answers is here: what it says is believed only after a call that returned 0,
 * else the pages are asked for again, the rest is tried in smaller pieces, and what fails twice is
 * remembered as stuck.
 */
#pragma once

#include "act/pages.h"

struct batch_list {
	void **pages; /* in work->pages, or with its own nodes and status behind it */
	size_t n;
	enum act_kind kind;
	uint64_t bytes;	     /* counted for each */
	uint64_t room_bytes; /* needed on the target for each; a probe may turn out to be larger */
	int flags;	     /* MPOL_MF_MOVE or MPOL_MF_MOVE_ALL */
	size_t n_untried; /* by batch_move(): the last so many, for want of a block of their size */
};

/* Where they are: work->status[0 .. n). Returns: 0 or -errno. n <= PAGES_WINDOW. */
int batch_query(struct pages_work *work, void **pages, size_t n);

/*
 * Asks, counts what is right, absent or stuck, and leaves in the list what is to be moved, in
 * order. Returns: 0 or -errno.
 */
int batch_filter(struct pages_work *work, struct batch_list *list);

/*
 * How many of the list's kind go in the next call, 1 or more: what fits the budget, no more than
 * the bandwidth of now lets through at once, and few after a call that took suspiciously long.
 */
size_t batch_most(struct pages_work *work, const struct batch_list *list);

/*
 * Moves all of them and counts, but for the untried. The order of what was tried is lost.
 * Returns: as pages_move_window().
 */
int batch_move(struct pages_work *work, struct batch_list *list);

/* Adds bytes to an outcome, or takes them away. */
void batch_count(struct pages_work *work, enum act_outcome outcome, int64_t bytes);
void batch_count_no_block(struct pages_work *work, uint64_t bytes);
