/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The CPUs and nodes that a guest started by the asker will be confined to: an answer outside
 * of them makes the start fail.
 */
#pragma once

#include "flow.h"
#include "observe/mounts.h"

/*
 * libvirt puts guests of the system into machine.slice (or /machine): its cpuset counts where it
 * exists. Else it is the asker's own, which a container or a user's session hands down: that of
 * process `asker_pid`, or of this one where that is 0.
 * Isolated CPUs do not count as usable, unless nothing else is left.
 *
 * What cannot be read confines nothing.
 */
void place_confine_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, const struct place_mounts *mounts,
			int asker_pid, struct place_confine *ret_confine);
