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

/*
 * Narrows to one of them: to the new node where nearly all memory is there or more of it than on
 * the old one, and what is left fits there too (`room_bytes`: free beyond its reserve).
 * unseen_bytes: of its address space, not gone through when the move ended.
 * Returns: what was made of it.
 */
enum relocate_state relocate_settle(struct act *act, int pid, unsigned from, unsigned to,
				    const struct pages_count *count, uint64_t unseen_bytes,
				    uint64_t room_bytes);

/*
 * Narrows groups that are still wide, whoever else has come to live there: on to the new node where
 * some have it already, since that is where the others were going, else back to the old one.
 * Returns: 0 nothing is wide any more, or -errno: the intent stays.
 */
int relocate_mend(struct act *act, int pid, unsigned from, unsigned to);

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
 * one, and its CPUs. What somebody gave the other groups since stays. cpus: NULL: none. Returns:
 * how many groups were changed, or -errno: -ESRCH gone, -EBUSY somebody else lives in one of them
 * or wrote to it.
 */
int relocate_follow(struct act *act, int pid, unsigned from, unsigned to,
		    const struct cgroup_cpus *cpus);
