/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errno by errno, what became of it. */
#include "act.h"

#include <errno.h>

#include "act/stuck.h"

#define MS_NS UINT64_C(1000000)

const char *act_outcome_word(enum act_outcome outcome)
{
	static const char *const words[ACT_OUTCOME_COUNT] = {
		[ACT_MOVED] = "moved",	 [ACT_BUSY] = "busy",	  [ACT_ABSENT] = "absent",
		[ACT_PINNED] = "pinned", [ACT_DENIED] = "denied", [ACT_FULL] = "full",
		[ACT_GONE] = "gone",
	};

	return outcome < ACT_OUTCOME_COUNT ? words[outcome] : "unknown";
}

enum act_outcome act_outcome_of_page(int status)
{
	if (status >= 0)
		return ACT_MOVED;
	switch (-status) {
	case EFAULT: /* nothing mapped; 6.1 also for the zero page */
	case ENOENT: /* no page there; 6.12 for the zero page */
		return ACT_ABSENT;
	case EACCES: /* mapped by several, and MPOL_MF_MOVE_ALL was not given */
	case EPERM:
	case EINVAL: /* a file system that cannot move its pages */
		return ACT_DENIED;
	case ENOMEM:
		return ACT_FULL;
	case ESRCH:
		return ACT_GONE;
	default: /* EBUSY: isolated by others; EIO: dirty and without a way to be moved now */
		return ACT_BUSY;
	}
}

enum act_outcome act_outcome_of_call(int r)
{
	if (r >= 0)
		return ACT_MOVED;
	switch (-r) {
	case ESRCH:
	case EINVAL: /* it is ending: its memory has gone before it (find_mm_struct(), 6.1) */
		return ACT_GONE;
	case ENOMEM:
	case ENOSPC: /* cpuset.mems that would be empty; an empty pool */
		return ACT_FULL;
	case EAGAIN:
	case EINTR:
	case EBUSY:
		return ACT_BUSY;
	case ENOENT: /* a group or a thread that went: the process goes on */
		return ACT_ABSENT;
	default: /* EPERM, EACCES: outside its cpuset; ENODEV: no such node */
		return ACT_DENIED;
	}
}

uint64_t act_outcome_back_off_ns(enum act_outcome outcome)
{
	switch (outcome) {
	case ACT_MOVED:
		return 0;
	case ACT_BUSY: /* writeback, isolation by compaction: milliseconds */
		return 50 * MS_NS;
	case ACT_FULL: /* others may leave, or reclaim may come along */
		return 30000 * MS_NS;
	case ACT_PINNED: /* the guest's buffers change, a device's do not */
		return STUCK_FOR_NS;
	case ACT_DENIED: /* after some refusals in a row; whoever refuses may come to allow it */
		return 600000 * MS_NS;
	case ACT_ABSENT:
	case ACT_GONE:
	case ACT_OUTCOME_COUNT:
		break;
	}
	return UINT64_MAX;
}
