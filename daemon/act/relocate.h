/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that changes nodes: its groups are widened to the old node and the new one, its memory
 * goes, its groups are narrowed. In the mover's child; relocate_mend() is for a job after a child
 * that died in between, and at a start that finds the intent of such a move.
 */
#pragma once

#include "act/cgroup.h"
#include "act/cgroup_cpus.h"
#include "act/pages.h"

enum relocate_state {
	RELOCATE_NONE,	  /* its groups were not touched, or are gone */
	RELOCATE_WIDE,	  /* both nodes */
	RELOCATE_FORWARD, /* the new one only */
	RELOCATE_BACK,	  /* the old one only, as before */
	RELOCATE_FOREIGN, /* somebody else wrote to one of them: what he wrote stands */
	RELOCATE_STATE_COUNT,
};

const char *relocate_state_word(enum relocate_state state);

/*
 * Widens. Returns: 0; or -errno: -ENODATA its groups do not have exactly the old node, -EBUSY
 * others live in them or wrote meanwhile, -ESRCH, -ENOENT ... *ret_state: RELOCATE_WIDE, or after
 * an error RELOCATE_NONE where nothing is changed; WIDE then is what could not be undone.
 */
int relocate_widen(struct act *act, int pid, unsigned from, unsigned to,
		   enum relocate_state *ret_state);

/* What narrowing would bring to a node comes out of this: free beyond its reserve. */
struct relocate_room {
	uint64_t from_bytes, to_bytes;
};

/*
 * Where groups that are wide are to end, by what lies on the new node and on the old one. FORWARD:
 * most of it is there, and the rest fits there too. BACK: what is there fits on the old node. Else
 * they stay WIDE for now: what is narrowed moves in one go, and the kernel makes room for it at the
 * cost of whoever is there.
 */
enum relocate_state relocate_choose(uint64_t there_bytes, uint64_t behind_bytes,
				    const struct relocate_room *room);

/*
 * Narrows to the one that relocate_choose() says by what the move has counted. unseen_bytes: of its
 * address space, not gone through when the move ended; it may be memory on the old node. Returns:
 * what was made of it; WIDE is for relocate_mend(), later.
 */
enum relocate_state relocate_settle(struct act *act, int pid, unsigned from, unsigned to,
				    const struct pages_count *count, uint64_t unseen_bytes,
				    const struct relocate_room *room);

/*
 * Narrows groups that are still wide, whoever else has come to live there: on to the new node where
 * some have it already, since the memory went with these; else as was chosen: FORWARD, BACK, or
 * WIDE where they must stay as they are.
 * Returns: 0 nothing is wide any more, or -errno: the intent stays; -ENOSPC: as was chosen.
 */
int relocate_mend(struct act *act, int pid, unsigned from, unsigned to, enum relocate_state choice);

/*
 * Where its groups are: WIDE if one of them is, FORWARD if one has the new node (those that came
 * later may have libvirt's), BACK, NONE: the guest is gone, FOREIGN: nothing of all that.
 * Returns: 0 or -errno (-ENOMEM, -EMFILE ...): nobody knows, and *ret_state is WIDE.
 */
int relocate_look(struct act *act, int pid, unsigned from, unsigned to,
		  enum relocate_state *ret_state);

/*
 * After RELOCATE_FORWARD: the CPUs go with the memory. Returns: how many groups were given, or
 * -errno as cgroup_cpus_give().
 */
int relocate_cpus(struct act *act, int pid, const struct cgroup_cpus *cpus);

/*
 * Later, again and again: groups with the old node alone were made since by libvirt, which goes by
 * its own record (a vCPU was added). They get the new node, at once since nothing lies on the old
 * one, and its CPUs. What somebody gave the other groups since stays; where he gave the main
 * thread's the old node he is about to give it to all. cpus: NULL: none. Returns: how many groups
 * were changed, or -errno: -ESRCH gone, -EBUSY somebody else lives in one of them or wrote to it.
 */
int relocate_follow(struct act *act, int pid, unsigned from, unsigned to,
		    const struct cgroup_cpus *cpus);
