/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wide guests: one that no node holds, and that has NUMA cells of its own. Each of its cells gets
 * one of the nodes that the guest has anyway: so that as much memory as possible may stay where it
 * is, there is room and there are CPUs, and no two cells share a node without need.
 */
#pragma once

#include <limits.h>

#include "flow.h"

#define PLACE_CELLS_WANTED_MAX 16
/* Of the nodes that a guest has, the first so many are looked at. */
#define PLACE_CELLS_NODES_MAX 64
#define PLACE_CELL_NOWHERE UINT_MAX

/* What one cell needs. */
struct place_cell_want {
	uint64_t bytes;	  /* when all of it is there */
	unsigned n_vcpus; /* with a thread */
	uint64_t allowed; /* bit i: it may go to nodes[i]; 0: it stays as it is */
	uint64_t here_bytes[PLACE_CELLS_NODES_MAX]; /* of it on nodes[i] now */
};

/* What one node has for the guest. */
struct place_cells_node {
	uint64_t room_bytes; /* with what the guest has there now */
	unsigned n_cpus;     /* that its vCPUs may use */
};

struct place_cells_wanted {
	size_t n_cells, n_nodes;
	struct place_cell_want cells[PLACE_CELLS_WANTED_MAX];
	struct place_cells_node nodes[PLACE_CELLS_NODES_MAX];
};

/*
 * A node, by its place in wanted->nodes, for each cell: PLACE_CELL_NOWHERE for those that stay.
 * First a node for each cell alone, with room and CPUs; then nodes shared; then with too few CPUs,
 * alone and shared. The same question gets the same answer. In each of these four it looks at 20000
 * possibilities at most, with up to six cells at all; each is a way through the nodes.
 *
 * Returns: 0; -ENOSPC there is no room for them; -EINVAL.
 */
int place_cells_assign(const struct place_cells_wanted *wanted,
		       unsigned node_of[PLACE_CELLS_WANTED_MAX]);

/*
 * Whether one node could hold all of the guest, with what QEMU needs beside it, as the host is
 * without it.
 */
bool place_cells_fits_one(const struct place_model *model, const struct place_request *request);
