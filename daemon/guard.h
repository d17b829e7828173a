/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that must end in time. libvirt waits for -w without a limit of its own, while a read of
 * /proc/PID/cmdline waits for that process (its mmap lock, or a page that a FUSE server or
 * userfaultfd holds back), and any bug of ours could end in a signal.
 */
#pragma once

#include <stdio.h>

#include "host/root.h"

/*
 * Runs work(data, out) in a child process and collects what it writes to `out` (text, no NUL),
 * for at most deadline_ms; a child that takes longer is killed and not waited for. One that has
 * said all may still be ending when this returns: a caller that lives on has a child to reap.
 *
 * Returns: 0 when work returned 0 in time, ret_text then holds all of it; else -errno:
 * what work returned, -ETIMEDOUT, -EIO where it died, or why no child could be made.
 */
int guard_run(int (*work)(void *data, FILE *out), void *data, unsigned deadline_ms,
	      struct place_text *ret_text);

/*
 * From here on the program ends with status 0 after limit_ms, whatever it is waiting for. For
 * what comes after the answer.
 */
void guard_limit_rest(unsigned limit_ms);
