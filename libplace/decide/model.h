/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host looks like to a decision: per node what is there, what is spoken for, what is
 * left. A pure function of topology, sample, promises and policy.
 */
#pragma once

#include "flow.h"

/*
 * Fills one entry of `nodes` per node of the topology.
 *
 * A node's usable memory is free + reclaimable (where the policy counts it) - reserve -
 * promised. Promised is what running guests have not touched yet, and promises that no guest
 * has taken up (pid 0; settle them first). What may come from several nodes is charged to them
 * in proportion to what they have left after all that can only come from one; interleaved
 * memory evenly. The order of guests and promises does not matter.
 *
 * Guests on hugepages are charged to the pools. A promise is charged to plain memory, to the
 * pools, or, where the policy cannot tell, to both: too much for a while, never too little.
 *
 * Returns: 0 or -errno; *ret_model is untouched on failure.
 * Errors: -EINVAL the sample is not of this topology, or there are more nodes than a set holds.
 * Ownership: *ret_model points into `nodes` and into the topology's distances.
 */
int place_model_build(const struct place_topology *topology, const struct place_sample *sample,
		      const struct place_promise *promises, size_t n_promises,
		      const struct place_policy *policy, struct place_node_model *nodes,
		      struct place_model *ret_model);

/*
 * The same as if the guest at index `without` of the sample were not there: what it has not
 * touched yet and its CPUs are not charged. What it has touched stays taken.
 */
int place_model_build_without(const struct place_topology *topology,
			      const struct place_sample *sample, size_t without,
			      const struct place_promise *promises, size_t n_promises,
			      const struct place_policy *policy, struct place_node_model *nodes,
			      struct place_model *ret_model);

/*
 * What a guest may still take, QEMU's own needs included: its claim on plain memory and on the
 * pools. Where it is not known what it has, that is all of it; 0 where its size is not known.
 */
void place_model_guest_claim(const struct place_policy *policy, const struct place_guest *guest,
			     uint64_t *ret_plain_bytes, uint64_t *ret_pool_bytes);

/* A guest takes its pages from one pool: what two sizes have together is of no use to it. */
uint64_t place_model_largest_pool(const struct place_node_sample *node);

/* What is free in the node's pool of pages of that size; 0 where it has none. */
uint64_t place_model_pool_room(const struct place_node_sample *node, uint64_t page_bytes);

/* Of that, what may come from another node: where all that is free is reserved, nothing. */
uint64_t place_model_pool_opening(const struct place_node_sample *node, uint64_t page_bytes);

/*
 * What may come to a node beside what is promised, of the pool of that page size, or (0) plain
 * memory.
 */
uint64_t place_model_room(const struct place_node_model *node,
			  const struct place_node_sample *sample, uint64_t page_bytes);
