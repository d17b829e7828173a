/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A look at one process: who it is, what class of guest the traits of its command line, libvirt's
 * record, threads and descriptors make it, and which groups it is in. It reads files that can
 * wait for the process's mmap lock or for a page behind FUSE, so the daemon does it in a job.
 */
#pragma once

#include "flow.h"
#include "observe/mounts.h"

/*
 * Looks at a process of the live host or of a recording, which may have less: what a recording
 * left out says nothing. On the live host whatever could not be read sets PLACE_TRAIT_PARTIAL.
 *
 * A process that is no QEMU has is_guest false and its facts filled as far as they exist: its
 * memory is what it has, its name is what it calls itself, all of its threads count as vCPUs. Who
 * wants it all the same sets is_guest and PLACE_TRAIT_INCLUDED, who excludes it
 * PLACE_TRAIT_EXCLUDED.
 *
 * PLACE_TRAIT_CONFINED comes from the affinity of its threads as it is now: whoever has set that
 * affinity himself clears the bit.
 *
 * Returns: 0 (ret_look->guest.known is 0 where the process is gone) or -ENOMEM.
 */
int place_look(const struct place_root *root, struct place_text *text,
	       const struct place_topology *topology, const struct place_mounts *mounts, int pid,
	       struct place_look *ret_look);

/*
 * The same in two steps: the second reads the policy in numa_maps, where nothing else says it, and
 * may wait for the process after all of the first is known.
 */
int place_look_facts(const struct place_root *root, struct place_text *text,
		     const struct place_topology *topology, const struct place_mounts *mounts,
		     int pid, struct place_look *ret_look);
void place_look_policy(const struct place_root *root, struct place_text *text,
		       const struct place_topology *topology, struct place_look *look);
