/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of each node at this moment: free, reclaimable, the kernel's reserve, hugepage pools. */
#pragma once

#include "flow.h"
#include "host/root.h"

/*
 * Fills samples[0 .. topology->n_nodes), one per node. What cannot be read has its bit clear.
 *
 * Returns: 0, or -ENODATA where not one node's memory could be read.
 */
int place_nodestat_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, struct place_node_sample *samples);
