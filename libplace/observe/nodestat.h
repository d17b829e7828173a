/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of each node at this moment: free, reclaimable, the kernel's reserve, hugepage pools. */
#pragma once

#include "flow.h"
#include "host/root.h"

/* The hugepage sizes of a host: they do not change while it runs. */
struct place_pool_sizes {
	bool is_known;
	size_t n;
	unsigned kib[PLACE_POOLS_MAX]; /* ascending */
};

/*
 * Fills samples[0 .. topology->n_nodes), one per node. What cannot be read has its bit clear.
 * `sizes` starts as zeros; kept for the next reading, it spares that one the search, and with it
 * the only allocation.
 *
 * Returns: 0, or -ENODATA where not one node's memory could be read.
 */
int place_nodestat_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, struct place_pool_sizes *sizes,
			struct place_node_sample *samples);
