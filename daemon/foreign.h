/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking a numad daemon that is not ours, over its message queue. numad's own client waits
 * without end, empties the queue of everybody's messages, and believes whoever answers; this one
 * does none of that.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "flow.h"

#define FOREIGN_PID_PATH "/run/numad.pid"

/*
 * Asks the daemon that FOREIGN_PID_PATH names for nodes, and waits for at most deadline_ms.
 * `nodes` then holds a nodeset inside the online nodes, in list format (96 bytes are enough).
 *
 * Returns: 0 or -errno; nodes is untouched on failure. Every failure means: compute it yourself.
 * Errors: -ENOENT no such daemon, or it serves no queue; -EPERM, -EACCES its pid file or queue is
 * not root's alone; -EAGAIN the queue is full; -ETIMEDOUT no answer came; -EBADMSG the answer
 * was none; -EIDRM, -EINVAL the queue went; -ENOTUNIQ which queue is its own cannot be told;
 * -ENOBUFS nodes is too small.
 */
int foreign_ask(const struct place_request *request, unsigned deadline_ms, char *nodes,
		size_t size);

/*
 * Whether a process runs a program of ours: a daemon of ours may be called numad as well, but its
 * file is always called placed. Returns: 1, 0, or -errno where that cannot be seen.
 */
int foreign_is_placed(pid_t pid);
