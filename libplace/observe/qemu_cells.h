/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's NUMA cells as its command line says them: -numa node and -numa cpu. What contradicts
 * itself, or leaves open which memory or which vCPUs are a cell's, makes no cells at all: who is
 * not sure must not be taken apart.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/nodeset.h"

/* QEMU allows 128 (MAX_NODES, include/sysemu/numa.h, 7.2); a host with more nodes is rare. */
#define PLACE_CELLS_MAX 16

struct place_cell {
	unsigned id; /* as the guest numbers it */
	uint64_t bytes;
	unsigned order;		/* its memory was made as the so many-th of the guest's backends */
	struct place_set vcpus; /* indices, as in the names of threads: "CPU 3/KVM" is 3 */
};

struct place_cells {
	size_t n;	   /* 0: none, or not sure */
	bool is_one_block; /* memory is one piece, cells follow each other in it (mem=) */
	struct place_cell list[PLACE_CELLS_MAX]; /* ascending id */
};

/* While the line is read. */
#define PLACE_CELL_RULES_MAX 256

struct place_cells_parse {
	struct place_cells cells;
	char memdevs[PLACE_CELLS_MAX][64]; /* of the cell at that place, "" for none */
	bool is_bad, have_memdev, have_mem;
	/* -numa cpu: which of the vCPUs; -1 is any. */
	size_t n_rules;
	struct place_cell_rule {
		unsigned cell;
		int socket, die, core, thread;
	} rules[PLACE_CELL_RULES_MAX];
};

/* What -smp makes of it; 0 is unknown. */
struct place_cells_smp {
	unsigned sockets, dies, cores, threads, max_cpus;
};

/*
 * Finds a memory backend by its id. Returns: how many were made before it, or -1; *ret_bytes is its
 * size.
 */
typedef int (*place_cells_backend)(void *data, const char *id, uint64_t *ret_bytes);

/* One value of -numa. */
void place_cells_add(struct place_cells_parse *parse, const char *value);

/* When the line is read. cells.n is 0 where something is missing or contradicts itself. */
void place_cells_finish(struct place_cells_parse *parse, const struct place_cells_smp *smp,
			place_cells_backend backend, void *data, struct place_cells *ret_cells);
