/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a realtime thread can own a CPU of this host. move_pages(2) waits until a worker of each
 * CPU has emptied that CPU's list of pages (lru_add_drain_all()): beside a SCHED_FIFO loop a call
 * takes most of a second, and where such threads are not limited it never returns. There nothing is
 * moved, and the finding is told.
 *
 * Reads the stat file of every thread of the host: for a job, not for the loop.
 */
#pragma once

#include <stdbool.h>

#include "host/root.h"

struct realtime_thread {
	int pid, tid;
	uint64_t start_ticks;
	uint64_t cpu_ticks;
	char name[20];
};

struct realtime_threads {
	struct realtime_thread *list;
	size_t n, room;
};

enum realtime_risk {
	REALTIME_SAFE,
	REALTIME_UNLIMITED, /* kernel.sched_rt_runtime_us is -1, or all of sched_rt_period_us */
	REALTIME_BUSY,	    /* a realtime thread uses a CPU for more than half of the time */
	REALTIME_UNKNOWN,   /* /proc could not be read */
};

struct realtime_finding {
	enum realtime_risk risk;
	struct realtime_thread thread; /* REALTIME_BUSY */
};

/*
 * Threads of SCHED_FIFO and SCHED_RR that are not the kernel's own, all of them: one that is busy
 * may be the last of many. Returns: 0 or -errno. Ownership: realtime_threads_done().
 */
int realtime_list(const struct place_root *root, struct place_text *text,
		  struct realtime_threads *ret_threads);
void realtime_threads_done(struct realtime_threads *threads);

/* Two lists of the same host, ticks apart. */
void realtime_compare(const struct place_root *root, struct place_text *text,
		      const struct realtime_threads *before, const struct realtime_threads *after,
		      uint64_t ticks, struct realtime_finding *ret_finding);

/* Both, and the time between them: about 300 ms. */
void realtime_check(const struct place_root *root, struct place_text *text,
		    struct realtime_finding *ret_finding);

/* "kernel.sched_rt_runtime_us limits nobody: ...": a sentence with the remedy, for log and status.
 */
void realtime_say(const struct realtime_finding *finding, char *text, size_t size);
