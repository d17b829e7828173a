/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /run/placed, written by root only: the promise ledger, the CPU times of guests, the cores.
 * One lock covers all of it; files are replaced whole, so that a crash leaves the old or the
 * new one and readers need no lock.
 */
#pragma once

#include <stddef.h>

#include "flow.h"

#define STATE_DIR "/run/placed"

struct state_dir {
	int fd;
	int lock_fd;
};

/*
 * Makes the folder where it is missing, and makes sure that it is ours alone to write: what lies in
 * it steers where guests go, and who answers.
 *
 * Returns: a descriptor (O_CLOEXEC) to be closed, or -errno.
 * Errors: -EPERM it belongs to somebody else, others may write into it, or it is no folder.
 */
int state_dir_make(void);

/*
 * Opens the folder, makes it where it is missing, and takes the lock.
 *
 * Returns: 0 or -errno; *ret_state is untouched on failure.
 * Errors: -EACCES, -EROFS, ... it cannot be written here; -EPERM as state_dir_make(); -ETIMEDOUT
 * the lock is held for longer than wait_ms.
 * Ownership: release with state_dir_close().
 */
int state_dir_open(unsigned wait_ms, struct state_dir *ret_state);
void state_dir_close(struct state_dir *state);

/* Replaces a file of it. Returns: 0 or -errno; the old file stands on failure. */
int state_dir_replace(const struct state_dir *state, const char *name, const char *text,
		      size_t size);

/* Replaces the ledger. Returns: 0 or -errno; the old one stands on failure. */
int state_dir_put_ledger(const struct state_dir *state, const struct place_ledger *ledger,
			 const char *boot_id);
