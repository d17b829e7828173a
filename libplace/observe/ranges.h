/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a guest's RAM lies in the address space of its process: what is sampled, and what is
 * moved. QEMU's own heap, stacks and libraries are left out, as far as /proc/PID/maps shows.
 */
#pragma once

#include "flow.h"
#include "observe/mounts.h"

/* QEMU has one mapping per NUMA cell and DIMM, of which it allows 256; fewer are ever used. */
#define PLACE_RANGES_MAX 128

struct place_range {
	uint64_t start; /* addresses in the process, both multiples of page_bytes */
	uint64_t end;
	uint64_t page_bytes; /* the least unit: 4096, or that of its hugepage pool */
	bool is_shared;	     /* others may map it too: pages move only with MPOL_MF_MOVE_ALL */
};

struct place_ranges {
	size_t n;
	struct place_range list[PLACE_RANGES_MAX]; /* ascending, not overlapping */
	uint64_t bytes;				   /* of all of them */
	bool is_complete; /* false: they hold less than the guest's memory, or were too many */
};

/*
 * Picks the ranges from the text of /proc/PID/maps: the largest mappings that may be written but
 * not executed, until they hold guest->memory_bytes; then whatever else is at least 64 MiB
 * (virtio-mem maps more than it has). Of a process that is no guest, all such mappings and the
 * heap. Neighbours of one kind are one range: policies and KSM cut mappings up.
 */
void place_ranges_parse(const char *maps, const struct place_mounts *mounts,
			const struct place_guest *guest, bool is_guest,
			struct place_ranges *ret_ranges);

/*
 * The same from guest->pid. Reading maps takes the mmap lock of the process for a moment at a
 * time.
 *
 * Returns: 0 or -errno: -ESRCH, -ENOENT gone; -EACCES; -ENODATA nothing like RAM was found.
 */
int place_ranges_read(const struct place_root *root, struct place_text *text,
		      const struct place_mounts *mounts, const struct place_guest *guest,
		      bool is_guest, struct place_ranges *ret_ranges);
