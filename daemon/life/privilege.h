/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon may: it stays root, with three capabilities.
 *
 *   CAP_SYS_NICE         sched_setaffinity() and move_pages(MPOL_MF_MOVE_ALL) on others' processes
 *   CAP_SYS_PTRACE       move_pages(), /proc/PID/{maps,numa_maps,exe,fd/...} of others
 *   CAP_DAC_READ_SEARCH  folders that only their owner may enter: /proc/PID/fd, session libvirt's
 *
 * All else follows from being the owner: files of root's with u+w (cpusets of system guests,
 * /run/placed, numad's log, sysfs), the queue that we made (msgctl asks for the uid), signals to
 * our own children. Not possible any more: to write what belongs to another user, to remove a queue
 * that somebody else made (CAP_SYS_ADMIN; do that before), to raise hard limits.
 */
#pragma once

/*
 * Drops all other capabilities, from the bounding set too where that may be changed, and sets
 * no_new_privs: nothing that we might execute gets them back. Children and threads made later
 * inherit this; threads that run already do not.
 *
 * Returns: 0 or -errno. Started by somebody who is not root it only sets no_new_privs.
 */
int privilege_drop(void);

/*
 * Keeps what of the daemon is in memory there, its code as well. Where a node runs full the kernel
 * takes pages of files first: who is to say so before anybody is swapped out must not wait for his
 * own code to be read again. Children that are forked later keep nothing of their own.
 *
 * Returns: 0 or -errno (-EPERM: not root, and limited); it runs without, too.
 */
int privilege_lock_memory(void);

/*
 * Raises the soft limit of open files to the hard one: the daemon keeps some files open for each
 * guest. Returns: the limit, or -errno.
 */
long privilege_raise_files(void);
