/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The threads of one move in its child: each takes the next window until there is none, while the
 * first thread hears commands, sends reports, and ends them all when the guest has gone or memory
 * is short. Only mover_child.c fills it in.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "act/mover.h"
#include "act/pools.h"

struct crew {
	const struct mover_order *order;
	struct act *act;
	struct pages_task task;
	struct place_set right;
	struct pace pace;
	const struct pages_range *ranges;
	size_t n_ranges, n_windows;
	uint64_t window_bytes;
	struct pools *pools; /* as they were before; NULL: none of its memory is of a pool */
	uint64_t begin_ns, total_bytes;
	atomic_size_t next_window;
	_Atomic uint64_t looked_bytes;
	_Atomic uint64_t look_ns; /* all workers' */
	atomic_int end_r;	  /* -errno that ended it, first come */
	atomic_bool is_paused;
	atomic_uint n_working;
	int end_fd; /* an eventfd: no worker works any more; -1: nobody tells */
	unsigned n_workers;
	struct pages_work *works[MOVER_WORKERS_MAX];
	pthread_t threads[MOVER_WORKERS_MAX];
	/* Pressure, at the begin of this window. */
	uint64_t pressure_ns, pressure_us;
	bool knows_pressure, is_pressed;
	enum relocate_state mems;
	uint64_t from_reserve_bytes; /* of the order, or as was told since; of the first thread */
};

/* What ends a move because its guest migrates. */
#define CREW_MIGRATES (-EINPROGRESS)
/* It has looked for far too long for what little it was to move. */
#define CREW_SPARSE (-ETIMEDOUT)

/*
 * Whether its guest streams its memory: page moves would fight the tracking of what it writes.
 * Names of threads mean something only in a guest.
 */
bool crew_is_streaming(const struct crew *crew);

/* pages_task's; data is the crew. Returns: 0 or -ECANCELED; waits while the move is paused. */
int crew_may_go_on(void *data);

/*
 * Starts the workers and watches over them until all have ended; commands come in by fd, reports go
 * out. Returns: 0, what ended them (pages_move_window(), -ECANCELED, CREW_MIGRATES, CREW_SPARSE),
 * or -errno where not even one could be started.
 */
int crew_run(struct crew *crew, int fd);

/* How far it is; the end is left to the caller. Any time after the crew was filled in. */
void crew_report(struct crew *crew, struct mover_report *ret_report);

/* One report as one packet. A loop that does not read loses one on the way, never the last. */
void crew_send(const struct mover_report *report, int fd, int flags);
