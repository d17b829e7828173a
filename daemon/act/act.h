/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam between what was decided and the kernel: everything that changes another process goes
 * through one table of functions. act_linux is the real one, act_null changes nothing (dry run),
 * and the tests script a third. Nothing here decides.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"

/*
 * What became of a page, a thread or a group. Errors of move_pages(2) by page and by call, as seen
 * on 6.1 and 6.12 (mm/migrate.c do_pages_move()).
 */
enum act_outcome {
	ACT_MOVED,  /* it is where it was sent, or was there already */
	ACT_BUSY,   /* somebody holds it for a moment: again soon */
	ACT_ABSENT, /* nothing there to move: untouched, swapped, the zero page */
	ACT_PINNED, /* held for longer: a device, a registered buffer */
	ACT_DENIED, /* not ours to move: shared by KSM or others, a target outside the cpuset */
	ACT_FULL,   /* the target has no room */
	ACT_GONE,   /* the process has ended */
	ACT_OUTCOME_COUNT,
};

/* The word of an outcome, for logs and reports. */
const char *act_outcome_word(enum act_outcome outcome);

/* One entry of the status array, after a call that returned 0. Not for ACT_STATUS_UNSET. */
enum act_outcome act_outcome_of_page(int status);

/* A call that failed as a whole, or another operation of the seam: r is -errno. */
enum act_outcome act_outcome_of_call(int r);

/*
 * How long it is left alone before the next try; UINT64_MAX: never again in this run. The memory
 * of pinned pages is longer than a run (stuck.h).
 */
uint64_t act_outcome_back_off_ns(enum act_outcome outcome);

/*
 * What a status entry holds before the call. After a call that could not move everything the
 * kernel leaves entries untouched, also of pages that did move: only a query tells then.
 */
#define ACT_STATUS_UNSET INT_MIN

/* What is to be moved next. */
enum act_kind {
	ACT_PLAIN, /* pages of the base size */
	ACT_HUGE,  /* transparent huge pages */
	ACT_POOL,  /* hugetlb pages */
};

/* Room on a node for it. Only what its kind needs is filled. */
struct act_room {
	uint64_t free_bytes;
	uint64_t anon_huge_bytes; /* transparent huge pages that lie on the node now */
	uint64_t huge_blocks;	  /* ACT_HUGE: free blocks that hold such a page */
	uint64_t pool_pages;	  /* ACT_POOL: free pages of the pool that nobody has reserved */
};

/* How large the pools of one page size are, in pages, node by node; surplus pages do not count. */
struct act_pools {
	struct place_set nodes; /* those that were read */
	uint64_t pages[PLACE_NODES_MAX];
};

struct act;

struct act_ops {
	/* Opens what is kept open for one target. Returns: 0 or -errno; -ESRCH it is gone. */
	int (*attach)(struct act *act, int pid, uint64_t start_ns);
	/* Whether it still has memory: one that was killed is on its way out for a while. */
	bool (*is_alive)(struct act *act);
	/* Whether it is a QEMU that streams its memory now (observe/streams.h); unknown: false. */
	bool (*is_streaming)(struct act *act);

	/*
	 * move_pages(2); nodes NULL only asks. Returns: 0 all done, > 0 that many at least were not
	 * moved and the status array means nothing, or -errno for the whole call.
	 */
	long (*move_pages)(struct act *act, size_t n, void **pages, const int *nodes, int *status,
			   int flags);

	/*
	 * Which slots (of huge_bytes, the first one at start) are mapped by one huge page; bit i of
	 * slots. start and end are multiples of huge_bytes, at most 64 slots apart.
	 * Returns: 0 or -errno; -EOPNOTSUPP the kernel cannot tell (before 6.7).
	 */
	int (*find_huge)(struct act *act, uint64_t start, uint64_t end, uint64_t *ret_slots);

	/*
	 * Whether pages are mapped, by /proc/PID/pagemap, a set of ACT_PAGE_... each: in place of a
	 * question for each, and of those that move_pages(2) calls absent although they are there
	 * (may_hide). n <= ACT_PRESENT_MAX. Returns: 0 or -errno.
	 */
	int (*find_present)(struct act *act, uint64_t start, size_t n, uint8_t *ret_pages);

	/* page_bytes: of the pool, for ACT_POOL. */
	int (*get_room)(struct act *act, unsigned node, enum act_kind kind, uint64_t page_bytes,
			struct act_room *ret_room);

	/* A node without such a pool is left out. Returns: 0 or -errno. */
	int (*get_pools)(struct act *act, uint64_t page_bytes, struct act_pools *ret_pools);
	/*
	 * One of them. It may come to less where the node has no such block left, and to more
	 * beside surplus pages on other nodes: look. Returns: 0 or -errno.
	 */
	int (*set_pool)(struct act *act, unsigned node, uint64_t page_bytes, uint64_t pages);

	/* Microseconds that some task stood still for want of memory (PSI). -EOPNOTSUPP without. */
	int (*get_pressure)(struct act *act, uint64_t *ret_stalled_us);

	int (*get_affinity)(struct act *act, int tid, struct place_set *ret_cpus);
	int (*set_affinity)(struct act *act, int tid, const struct place_set *cpus);

	/* cpuset.mems of a group, its path below the controller's mount. No attach() needed. */
	int (*write_mems)(struct act *act, const char *group, const char *mems);
	/* cpuset.cpus of it: before 6.2 what its threads may use is that, whatever they had. */
	int (*write_cpus)(struct act *act, const char *group, const char *cpus);

	/* CLOCK_BOOTTIME, and a sleep of that clock's time. */
	uint64_t (*now_ns)(struct act *act);
	void (*sleep_ns)(struct act *act, uint64_t ns);

	void (*free)(struct act *act);
};

#define ACT_PRESENT_MAX 512

#define ACT_PAGE_PRESENT 1 /* the zero page too */
#define ACT_PAGE_SINGLE 2  /* and mapped once: the zero page and merged ones are not */

struct act {
	const struct act_ops *ops;
	uint64_t base_bytes; /* size of a plain page */
	uint64_t huge_bytes; /* of a transparent huge page */
	/*
	 * The kernel's NUMA balancing is on: from 6.1 to 6.5 a page that it has marked for a hint
	 * fault is absent to move_pages(2) until somebody touches it (gup_can_follow_protnone();
	 * undone by d74943a2f3cd, 6.6). Set by attach().
	 */
	bool may_hide;
	/*
	 * Pages of one call are unmapped, copied and mapped again one by one, so that how many
	 * there are is nothing to the guest: before 6.3, where migrate_pages_batch() came, which
	 * has up to 512 plain pages unmapped at a time. Huge ones go one by one everywhere.
	 */
	bool moves_singly;
	const char
		*root_path; /* of the host whose groups and pools are read: NULL is the live one */
};

/*
 * Returns: 0 or -ENOMEM. Ownership: the caller's; act_free(). Nothing is opened before attach(),
 * so that a child can make it its own.
 */
int act_linux_new(struct act **ret_act);

/* act_linux's: act_cgroup.c. */
int act_linux_write_mems(struct act *act, const char *group, const char *mems);
int act_linux_write_cpus(struct act *act, const char *group, const char *cpus);

/* Asks through `under` (and owns it), changes nothing; every change succeeds. Errors: -ENOMEM. */
int act_null_new(struct act *under, struct act **ret_act);

static inline struct act *act_free(struct act *act)
{
	if (act)
		act->ops->free(act);
	return NULL;
}
