/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that changes nodes: its groups are widened to the old node and the new one, its memory
 * goes, its groups are narrowed. In the mover's child; relocate_mend() is for a job after a child
 * that died in between, and at a start that finds the intent of such a move.
 */
#pragma once

#include "act/cgroup.h"
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
 * Widens. Returns: 0 (RELOCATE_WIDE); or -errno and nothing is changed: -ENODATA its groups do not
 * have exactly the old node, -EBUSY others live in them or wrote meanwhile, -ESRCH, -ENOENT ...
 */
int relocate_widen(struct act *act, int pid, unsigned from, unsigned to);

/*
 * Narrows to one of them: to the new node where nearly all memory is there or more of it than on
 * the old one, and what is left fits there too (`room_bytes`: free beyond its reserve).
 * Returns: what was made of it.
 */
enum relocate_state relocate_settle(struct act *act, int pid, unsigned from, unsigned to,
				    const struct pages_count *count, uint64_t room_bytes);

/*
 * Narrows groups that are still wide, back to the old node. Returns: 0 nothing is wide any more, or
 * -errno: the intent stays.
 */
int relocate_mend(struct act *act, int pid, unsigned from, unsigned to);
