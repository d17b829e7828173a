/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the machine is: online nodes, their CPUs and distances, a few files that every question
 * needs. Which CPUs share a core takes a file per CPU, see cores.h. Why this is not hwloc's work:
 * doc/decisions/0002-topology.md.
 */
#pragma once

#include "flow.h"
#include "host/root.h"

/*
 * Reads the topology. A host without node files (CONFIG_NUMA=n, s390, no /sys) has one node 0
 * with all CPUs.
 *
 * Returns: 0 or -errno; *ret_topology is untouched on failure.
 * Errors: -ENOMEM. What cannot be read or is damaged is left unknown instead.
 * Ownership: release with place_topology_done().
 */
int place_topology_read(const struct place_root *root, struct place_text *text,
			struct place_topology *ret_topology);
void place_topology_done(struct place_topology *topology);
