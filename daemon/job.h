/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that may wait for another process (its mmap lock, a page behind FUSE): it is done in a
 * child, which has a copy of all that we know, and comes back through a pipe. The loop never waits
 * for it; a child that takes too long is killed and left to the kernel.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-event.h>

struct job;

/* In the child: writes its result to `out`, raw structs or text. Returns: 0 or -errno. */
typedef int (*job_work)(void *data, FILE *out);

/*
 * In the parent, once: r is 0 and bytes hold all of the result; or -errno: what work returned,
 * -ETIMEDOUT, -EIO where the child died, with what had come by then. The job is gone afterwards.
 */
typedef void (*job_done)(void *data, int r, const void *bytes, size_t size);

/*
 * Starts a job. Of our descriptors the child has stdio and kept_fd (-1: not even that). Returns: 0
 * or -errno (-EAGAIN, -ENOMEM: no child could be made; done is not called). Ownership: *ret_job is
 * ours until done was called; job_cancel() ends it early, without done.
 */
int job_start(sd_event *event, job_work work, job_done done, void *data, int kept_fd,
	      uint64_t deadline_ms, struct job **ret_job);
struct job *job_cancel(struct job *job);

/* While done() has not returned: for how long nothing has come, what has, and the child. */
uint64_t job_silent_ms(const struct job *job);
const void *job_peek(const struct job *job, size_t *ret_size);
pid_t job_pid(const struct job *job);
