/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's NUMA cells as they are now: which of its memory and which of its threads is whose, and
 * where both are. Reads what can wait for the guest (its mmap lock, its command line): for jobs.
 */
#pragma once

#include "flow.h"
#include "observe/mounts.h"
#include "observe/qemu_cells.h"
#include "observe/ranges.h"
#include "observe/residency.h"

struct place_cell_look {
	unsigned id;
	uint64_t bytes;		  /* of its memory */
	uint64_t present_bytes;	  /* of that, what is there */
	struct place_range range; /* where it is in the process */
	struct place_set vcpus;	  /* indices; not all need be there */
	unsigned n_threads;	  /* those that are */
	struct place_set cpus;	  /* where these threads may run, together */
};

struct place_cells_look {
	size_t n;
	struct place_cell_look list[PLACE_CELLS_MAX];
};

/*
 * Finds which range of /proc/PID/maps is which cell's: QEMU maps one range for each backend, of
 * exactly its size and with a guard page behind it (util/mmap-alloc.c, 7.2); below it another
 * mapping may begin at once. Of cells that are as
 * large as each other, the ranges are taken in the order in which they were made: from above
 * downwards, which is the kernel's order where the program's loader lies above them, or from below
 * upwards where it lies below. mem= is one range, cut up in the order of the cells.
 *
 * Returns: 0; -ENODATA there are none; -ENOTUNIQ it is not certain which is which.
 */
int place_cells_find(const char *maps, const struct place_mounts *mounts,
		     const struct place_guest *guest, const struct place_cells *cells,
		     struct place_range ranges[PLACE_CELLS_MAX]);

/*
 * Looks at all cells of guest->pid. `bytes`, PLACE_CELLS_MAX rows by index of the node, is set to
 * what lies where; how->n_samples is for all cells together.
 *
 * Returns: 0 or -errno: as place_cells_find(); -ESRCH it is gone, or another process; -ENOENT its
 * threads have no names of vCPUs; -ENOMEM; -EACCES.
 */
int place_cells_look(const struct place_root *root, struct place_text *text,
		     const struct place_topology *topology, const struct place_mounts *mounts,
		     const struct place_guest *guest, const struct place_residency_how *how,
		     uint64_t *bytes, struct place_cells_look *ret_look);

/* The index in the name of a vCPU's thread ("CPU 3/KVM", "CPU 0/TCG"); -1 where it is none. */
int place_cells_vcpu(const char *comm);
