/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast pages go: a token bucket that the workers of one move share, and the size of the next
 * batch, so that one call takes no longer than the guest may be held up. No clock here: now_ns
 * comes in, waits go out.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

struct pace {
	pthread_mutex_t lock;
	uint64_t bytes_s; /* 0: no limit */
	uint64_t next_ns; /* when the bucket is empty up to what was taken */
};

void pace_init(struct pace *pace, uint64_t bytes_s);

/* Another bandwidth; what was taken stays taken. */
void pace_set(struct pace *pace, uint64_t bytes_s);

/* What may go at once, 0: as much as wanted. */
uint64_t pace_burst_bytes(struct pace *pace);

/* Takes bytes out of the bucket. Returns: nanoseconds to wait before they may go. */
uint64_t pace_take(struct pace *pace, uint64_t bytes, uint64_t now_ns);

/*
 * The number of addresses of the next call. Each call has a cost of its own before it touches a
 * page: the kernel empties every CPU's list of pages (lru_cache_disable()), which holds up us and
 * not the guest, and on a busy or large host takes longer than moving the pages. So what is held
 * against the budget is the cost per page, told apart by the sizes of recent calls.
 */
struct pace_batch {
	unsigned n, least, most;
	uint64_t budget_ns; /* for the pages of one call; 0: always as many as possible */
	unsigned n_calls;
	/* Sums over recent calls, each weighing an eighth less than the next one. */
	double weight, sum_n, sum_ns, sum_n_n, sum_n_ns;
};

void pace_batch_init(struct pace_batch *batch, unsigned first, unsigned least, unsigned most,
		     uint64_t budget_ns);

/* A call with n addresses took so long. */
void pace_batch_took(struct pace_batch *batch, unsigned n, uint64_t took_ns);
