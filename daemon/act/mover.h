/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A move of one guest's memory to one node, beside the loop: a child with its own workers, which
 * tells how far it is through a socket and hears "pause", "resume" and "stop". The loop never waits
 * for it. A child that does not come back out of the kernel is killed and forgotten; the kernel
 * ends it when the call returns.
 *
 * It ends by itself when the guest leaves or begins to migrate, the target has no room left, tasks
 * of the host begin to wait for memory, its calls take far too long (a realtime thread holds a
 * CPU), or there is far more to look at than to move.
 */
#pragma once

#include <systemd/sd-event.h>

#include "act/pages.h"
#include "act/relocate.h"

enum mover_end {
	MOVER_RUNNING,
	/* All windows were gone through, and enough of it came; or most_bytes have gone. */
	MOVER_DONE,
	MOVER_STOPPED,	 /* we were told */
	MOVER_GONE,	 /* the guest has ended */
	MOVER_MIGRATING, /* it has begun to stream its memory: what was wide is wide still */
	/* The target has no room beyond its reserve, or no blocks for the most of it. */
	MOVER_FULL,
	MOVER_PRESSURE, /* tasks wait for memory */
	MOVER_SLOW,	/* two calls in a row took longer than half a second */
	MOVER_SPARSE,	/* it looked for far too long for what it was to move (crew.c) */
	/*
	 * move_pages(2) or its groups refused as a whole; or (-EBUSY) next to nothing of it moved
	 * beside what will not, or, of who was to change nodes, less than that. error says why.
	 */
	MOVER_DENIED,
	MOVER_DIED, /* the child ended without a word */
	MOVER_END_COUNT,
};

const char *mover_end_word(enum mover_end end);

struct mover_report {
	enum mover_end end;
	bool is_killed;	       /* it did not end by itself: the child may hang in the kernel */
	int error;	       /* -errno behind it, or 0 */
	uint64_t total_bytes;  /* of address space to go through */
	uint64_t looked_bytes; /* of it, done */
	uint64_t taken_ns;     /* since its start */
	uint64_t call_ns; /* how long the oldest call has been under way: above a second, tell */
	struct pages_count count; /* exact where all windows were gone through */
	enum relocate_state mems; /* of its groups, where the order moves them */
};

struct mover_order {
	int pid;
	uint64_t start_ns; /* as in place_guest; 0: whoever has the pid */
	unsigned to_node;
	struct place_set keep; /* other nodes whose pages may stay where they are */
	/*
	 * What is its memory: place_ranges_read() in the child, told by these two; or the ranges
	 * given here, where they are not NULL.
	 */
	const struct place_guest *guest; /* NULL: nothing is known of it but its pid */
	bool is_guest;			 /* else all of its memory is looked at */
	const struct pages_range *ranges;
	size_t n_ranges;
	uint64_t reserve_bytes;	  /* stays free on the target: at least its high watermark */
	uint64_t bandwidth_mib_s; /* 0: no limit */
	uint64_t stall_budget_ms; /* for one call; 0: no limit */
	uint64_t planned_bytes; /* to be moved, as is thought: it bounds the looking; 0: no bound */
	uint64_t most_bytes;	/* it is done when so much has moved, or a little more; 0: all */
	bool bears_pressure;	/* goes on while tasks wait for memory: it is what helps them */
	unsigned workers;	/* 1 .. MOVER_WORKERS_MAX */
	/*
	 * Its groups have exactly from_node in cpuset.mems and are to have to_node (class auto, one
	 * node, no memory slots). The caller has written the intent (INTENT_MEMS) before, and drops
	 * it when the move has ended unless report.mems is RELOCATE_WIDE: then a job must mend it.
	 */
	bool moves_mems;
	unsigned from_node;
	uint64_t from_reserve_bytes; /* stays free there, should it go back; 0 for others */
	struct cgroup_cpus cpus;     /* go along when all is there; without a name: none */
	bool is_dry;
	struct stuck *stuck; /* the guest's from earlier moves, or NULL; must outlive the move */
	struct act *act;     /* a test's; NULL: the kernel */
};

#define MOVER_WORKERS_MAX 8

struct mover;
typedef void (*mover_tell)(void *data, const struct mover_report *report);

/*
 * Starts a move. The order is read before this returns. on_progress comes about ten times a second
 * at most, on_done exactly once; the mover is gone when on_done returns.
 *
 * Returns: 0 or -errno (-EAGAIN, -ENOMEM: no child could be made; nothing is called then).
 * Ownership: *ret_mover is ours until on_done was called. The child is left to whoever waits for
 * children (the loop's SIGCHLD).
 */
int mover_start(sd_event *event, const struct mover_order *order, mover_tell on_progress,
		mover_tell on_done, void *data, struct mover **ret_mover);

/* Between two calls of a worker, so within a few ms. */
void mover_pause(struct mover *mover);
void mover_resume(struct mover *mover);

/* From the next call on; 0: no limit. */
void mover_set_bandwidth(struct mover *mover, uint64_t bandwidth_mib_s);

/* What must stay free from the next call on: on the target, and on the old node as in the order. */
void mover_set_reserve(struct mover *mover, uint64_t reserve_bytes, uint64_t from_reserve_bytes);

/* Asks it to end; on_done comes, at the latest after MOVER_GRACE_MS, when it is killed. */
void mover_stop(struct mover *mover);
#define MOVER_GRACE_MS 2000

/*
 * The same for a guest that migrates: nothing is moved any more, not even by groups that are made
 * narrow again. It ends as MOVER_MIGRATING.
 */
void mover_hold(struct mover *mover);

/* Ends it at once, without on_done. Returns: NULL. */
struct mover *mover_cancel(struct mover *mover);

/* Its child, for status. */
pid_t mover_pid(const struct mover *mover);
