/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What move_pages(2) answers, page by page: where they lie, and what became of each. The status
 * array is believed only after a call that returned 0, else the pages are asked for again.
 */
#pragma once

#include "act/batch.h"

/* Adds bytes to an outcome, or takes them away. */
void answer_count(struct pages_work *work, enum act_outcome outcome, int64_t bytes);
void answer_count_no_block(struct pages_work *work, uint64_t bytes);

/*
 * Around each question to the kernel about the guest's pages: it may wait for the guest's mmap
 * lock, which whoever watches call_since_ns is to see. The time between them goes into look_ns.
 */
void answer_look_begin(struct pages_work *work);
void answer_look_end(struct pages_work *work);

/* Where they are: work->status[0 .. n). Returns: 0 or -errno. n <= PAGES_WINDOW. */
int answer_query(struct pages_work *work, void **pages, size_t n);

/* Nothing of a whole slot is there: one look, in place of a question for each page. */
bool answer_is_empty(struct pages_work *work, uint64_t slot_address);

/*
 * Asks, counts what is right, absent or stuck, and leaves in the list what is to be moved, in
 * order. Returns: 0 or -errno.
 */
int answer_filter(struct pages_work *work, struct batch_list *list);

/* Counts n pages of the list by work->status, after a call that returned 0: each entry is true. */
void answer_statuses(struct pages_work *work, const struct batch_list *list, void **pages,
		     size_t n);

/*
 * After any other call only a query tells: counts what arrived or left, and puts what still lies
 * wrong to the front, *ret_left of them. ret_has_gaps may be NULL: whether there were absent ones.
 * Returns: 0 or -errno.
 */
int answer_arrived(struct pages_work *work, const struct batch_list *list, void **pages, size_t n,
		   size_t *ret_left, bool *ret_has_gaps);

/* Counts them as pinned and remembers each. */
void answer_stuck(struct pages_work *work, const struct batch_list *list, void **pages, size_t n);
