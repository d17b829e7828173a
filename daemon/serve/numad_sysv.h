/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's side of one of numad's queues: making it, removing it, keeping it from filling up.
 * Owner and mode are all that guards it, so one that somebody else made is never used.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* What stood there before. */
struct numad_sysv_found {
	bool is_foreign; /* a queue of somebody else: removed, or in the way (-EPERM) */
	uid_t owner;	 /* (uid_t)-1 where even that cannot be read */
};

/*
 * Makes a queue under `key` that only we (root) may use, mode 0600, in place of whatever stands
 * there: messages in a queue left behind are meant for processes of another time. Without
 * CAP_SYS_ADMIN a queue that is ours is emptied and kept instead, since a stranger might be
 * quicker with a new one.
 *
 * Returns: 0 or -errno; *ret_id is untouched on failure, *ret_found always holds.
 * Errors: -EPERM it is another user's and we may not remove it (CAP_SYS_ADMIN); -EBUSY somebody
 * makes it anew each time; -ENOSPC, -ENOMEM no queue to be had; -ENOSYS a kernel without them.
 * Ownership: the caller removes it with numad_sysv_remove().
 */
int numad_sysv_make(key_t key, int *ret_id, struct numad_sysv_found *ret_found);

/* Whoever waits in it is woken (EIDRM). Returns: 0, also where it is gone already; -errno. */
int numad_sysv_remove(int id);

/* If another reply would not go in. A queue that is gone is not full. */
bool numad_sysv_is_full(int id);

/*
 * Takes out what nobody will: messages to pids that do not exist, and messages that are too long,
 * since numad's clients of 2015 empty the queue in a loop that never ends at one. Messages to
 * `self` are the reader's. Unless at_once, nothing is done within NUMAD_SYSV_AGE_S of the last
 * message, so that no exchange is disturbed, not even one between other pid namespaces.
 *
 * Returns: the number taken out, or -errno (-ENOSYS: the kernel has no MSG_COPY,
 * CONFIG_CHECKPOINT_RESTORE).
 */
int numad_sysv_sweep(int id, pid_t self, bool at_once);

#define NUMAD_SYSV_AGE_S 10
