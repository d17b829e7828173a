/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves the pages of one process to one node, window by window: asks where they lie, keeps what
 * lies wrong, gives one address per huge page, and counts what became of each byte.
 *
 * A window is at most 16 K base pages (64 MiB), so that memory for the lists does not grow with the
 * guest. Windows are independent: several workers take disjoint ones.
 *
 * A slot of 2 MiB whose test pages all lie wrong is sent without asking for the others: pages of it
 * that lay right count as moved.
 *
 * Which addresses begin a transparent huge page is told by PAGEMAP_SCAN (6.7); before that a slot
 * of 2 MiB whose four test pages lie on the same wrong node is probed: one of them is moved, and
 * where the others went along, it was one huge page. That needs no privilege and one call per
 * window.
 */
#pragma once

#include <pthread.h>

#include "act/act.h"
#include "act/pace.h"
#include "act/stuck.h"

#define PAGES_WINDOW 16384 /* base pages */

/* Memory that may be moved; start and end are multiples of the base page. */
struct pages_range {
	uint64_t start, end;
	uint64_t pool_bytes; /* its page size where it is hugetlb memory, else 0 */
	bool is_shared;	     /* a mapping that other processes may have too: a memory backend */
};

/* Bytes, by what became of them; each byte that was looked at is in one of these. */
struct pages_count {
	uint64_t right_bytes;			   /* lay where they should, or may stay */
	uint64_t outcome_bytes[ACT_OUTCOME_COUNT]; /* ACT_ABSENT: empty places */
	uint64_t no_block_bytes; /* stayed: on the target no block or pool page of their size */
	uint64_t calls;
	uint64_t longest_ns; /* of a call that moved */
};

/* What all workers of one move share; read-only but for pace, stuck and in_flight. */
struct pages_task {
	struct act *act; /* attached */
	unsigned to_node;
	const struct place_set *right; /* nodes whose pages stay, to_node among them */
	/* Of the target: what must be free after each batch. May change meanwhile. */
	_Atomic uint64_t reserve_bytes;
	uint64_t budget_ns; /* for one call, 0: no limit */
	uint64_t slow_ns; /* two calls in a row that take longer end it all (-ETIME); 0: no limit */
	struct stuck *stuck; /* never NULL */
	struct pace *pace;
	_Atomic uint64_t in_flight_bytes;
	/* Asked before each call. Returns: 0, or -errno that ends it all. */
	int (*may_go_on)(void *data);
	void *data;
};

struct pages_retry {
	void *page;
	uint64_t bytes;
	enum act_kind kind;
	int flags;
};

#define PAGES_RETRIES 4096

/* One worker's lists and counts. */
struct pages_work {
	struct pages_task *task;
	pthread_mutex_t lock; /* of count */
	struct pages_count count;
	_Atomic uint64_t
		call_since_ns; /* 0 outside of a call: somebody may watch how long it takes */
	struct pace_batch plain, huge;
	unsigned n_slow;  /* calls in a row that took longer than slow_ns */
	bool is_doubtful; /* the last call may have been one: the next has few pages */
	int from_node;	  /* where probed pages lie */
	unsigned n_plain; /* slots in a row that were probed, and were plain */
	uint64_t look_ns; /* went into asking where pages lie; the worker's own */
	size_t n_retries;
	struct pages_retry retries[PAGES_RETRIES];
	/* The slot that was asked for hidden pages last. */
	uint64_t present_from;
	uint8_t present[ACT_PRESENT_MAX];
	/* The window's. */
	void *pages[PAGES_WINDOW];
	int status[PAGES_WINDOW];
	int nodes[PAGES_WINDOW]; /* all of them to_node */
};

/* Returns: 0 or -ENOMEM. Ownership: the caller's. */
int pages_work_new(struct pages_task *task, struct pages_work **ret_work);
struct pages_work *pages_work_free(struct pages_work *work);

/* A consistent copy of the counts, from any thread. */
void pages_work_count(struct pages_work *work, struct pages_count *ret_count);

/* Adds one to the other; longest_ns is the longer one. */
void pages_count_add(struct pages_count *sum, const struct pages_count *count);

/* What was tried and lies where it lay, for whatever reason. */
uint64_t pages_count_left(const struct pages_count *count);

/*
 * How large windows are: PAGES_WINDOW, smaller where several workers would have too few of them to
 * end together. A multiple of huge_bytes.
 */
uint64_t pages_window_bytes(const struct act *act, uint64_t total_bytes, unsigned n_workers);

/*
 * The windows of ranges: how many, and one of them by its number. A range of pool pages larger than
 * a window has one page per window.
 */
size_t pages_n_windows(const struct pages_range *ranges, size_t n_ranges, uint64_t window_bytes);
void pages_window(const struct pages_range *ranges, size_t n_ranges, uint64_t window_bytes,
		  size_t number, struct pages_range *ret_window);

/*
 * Moves what lies wrong in a window.
 *
 * Returns: 0, or what ends the whole move: -ESRCH the process is gone; -ENOSPC the target is full;
 * -ETIME two calls took longer than slow_ns; -EACCES, -ENODEV, -EPERM as move_pages(2) for a
 * whole call; or what may_go_on() returned. The counts are right in every case.
 */
int pages_move_window(struct pages_work *work, const struct pages_range *window);

/* Tries what was busy once more, after its back-off. Errors as above. */
int pages_retry_busy(struct pages_work *work);
