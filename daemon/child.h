/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Children that we may have to kill. They are reaped wherever SIGCHLD is read, perhaps before their
 * end is heard of by whoever made them; by then their pid may be somebody else's.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* A descriptor of a child that was made just now, or -1 (kernels before 5.3). */
int child_open(pid_t pid);

/* SIGKILL. Without a descriptor, to the pid if that is a child of ours. */
void child_kill(int pid_fd, pid_t pid);

/* Whether it has not been reaped: it runs, or hangs in the kernel. */
bool child_is_there(pid_t pid);

/* The same, of one that has not ended yet: nothing that only waits to be reaped. */
bool child_runs(pid_t pid);

/* In a child: closes what lies between the two, and not them. */
void child_close_between(int first, int end);
