/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes of a guest that libvirt confined (cpuset.mems of its thread groups, strict and restrictive
 * mode): from one node to another one, by way of both. Facts, tried on 6.1 (tests/guest):
 *
 *   - widening {1} to {0,1} moves nothing; it remaps policies by ordinal, so that bind:1 becomes
 *     bind:0. With one node before and one after, bind:OLD ends as bind:NEW in both directions;
 *     with more nodes it does not, and these guests keep theirs.
 *   - narrowing moves what is left, synchronously and with the mmap lock held before 6.7: it comes
 *     last, when next to nothing is left.
 *
 * So a group is only written where it has exactly the one node, is read again before each write,
 * and where somebody else wrote, that stands. Reads through the host root, writes through libcgroup
 * by way of the seam. Writes may wait for cpuset's lock: for a child, not for the loop.
 */
#pragma once

#include "act/act.h"
#include "host/root.h"
#include "observe/mounts.h"

struct cgroup_mems {
	size_t n;
	char (*paths)[PLACE_GROUP_PATH_MAX]; /* below the cpuset controller, in no order */
	bool is_v2;
};

/* Which groups will do. */
enum cgroup_find {
	CGROUP_SOME, /* those that have the nodes, whoever came to live there: ours are narrowed */
	CGROUP_OWN,  /* -EBUSY where somebody else's process lives in one of them */
	CGROUP_ALL, /* and where a thread's own group has other nodes, or one above it just these */
};

/*
 * The groups of a guest's threads that have exactly these nodes in cpuset.mems: each thread's own,
 * none above it.
 *
 * Returns: 0 or -errno: -EBUSY they are not all its own (`how`); -ESRCH gone; -ENODATA none of its
 * groups has these nodes; -ENOMEM. Ownership: cgroup_mems_done().
 */
int cgroup_mems_find(const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, int pid, const struct place_set *mems,
		     enum cgroup_find how, struct cgroup_mems *ret_groups);
void cgroup_mems_done(struct cgroup_mems *groups);

/*
 * Writes `to` into every group that has exactly `from`. A group that has gone is none; one that has
 * something else was written by somebody else. Where it grows, the first that cannot be written
 * ends it, and those before it stay written; where it shrinks, all others are written all the same:
 * nothing stays wide that need not.
 *
 * Returns: how many were written; -EBUSY one had something else; or -errno of a write (-ENOSPC,
 * -EACCES).
 */
int cgroup_mems_change(struct act *act, const struct place_root *root, struct place_text *text,
		       const struct place_mounts *mounts, const struct cgroup_mems *groups,
		       const struct place_set *from, const struct place_set *to);

/*
 * A set of a group, such as its own cpuset.mems: empty where it has none (v2). Returns: 0 or
 * -errno.
 */
int cgroup_read_set(const struct place_root *root, struct place_text *text,
		    const struct place_mounts *mounts, const char *group, const char *name,
		    struct place_set *ret_set);

/*
 * Whether that is why a read or a write of it failed with r: libcgroup says -EIO of whatever it
 * cannot open, so that it is asked for again then.
 */
bool cgroup_is_gone(const struct place_root *root, struct place_text *text,
		    const struct place_mounts *mounts, const char *group, int r);

/* A thread's own group. Returns: 0; -ENODATA the root; -ENAMETOOLONG; or -errno: it has ended. */
int cgroup_of_thread(const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, int pid, unsigned tid,
		     char path[PLACE_GROUP_PATH_MAX]);
