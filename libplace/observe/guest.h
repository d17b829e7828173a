/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running guests: who they are, what they were promised, what they have, where they may be. */
#pragma once

#include "flow.h"
#include "observe/load.h"
#include "observe/mounts.h"

/* Guests beyond this are not looked at, and the sample says that it is incomplete. */
#define PLACE_GUESTS_MAX 16384

struct place_guests {
	struct place_guest *list; /* ascending pid */
	size_t n;
	size_t room;
	bool is_complete; /* no process was refused to us, none left out */
};

/*
 * Finds every process whose program is a QEMU emulator and reads what its command
 * line, its status and libvirt's record of it say. `loads` are earlier CPU times, or
 * NULL. A process that goes meanwhile is left out: that is no error.
 *
 * Returns: 0 or -errno (-ENOMEM; -ENOENT, -EACCES of /proc itself).
 * Ownership: release with place_guests_done().
 */
int place_guests_read(const struct place_root *root, struct place_text *text,
		      const struct place_topology *topology, const struct place_mounts *mounts,
		      const struct place_loads *loads, uint64_t now_ns,
		      struct place_guests *ret_guests);
void place_guests_done(struct place_guests *guests);
