/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Amounts over nodes by weight, to the last byte: the order of the guests must not matter. */
#include "decide/model_parts.h"

#include "arith.h"

/* A node's share of something is never derived from more than this; sums of 8192 stay exact. */
#define WEIGHT_MAX (UINT64_C(1) << 50)

/* Makes the weights so small that a product with their sum fits 64 bits; returns that sum. */
static uint64_t shrink_weights(struct model_build *build)
{
	uint64_t sum = 0, shrunk = 0;
	unsigned shift = 0;

	for (size_t i = 0; i < build->n_nodes; i++)
		sum += build->nodes[i].weight;
	while (sum >> shift >> 32)
		shift++;
	if (!shift)
		return sum;
	for (size_t i = 0; i < build->n_nodes; i++) {
		build->nodes[i].weight >>= shift;
		shrunk += build->nodes[i].weight;
	}
	return shrunk;
}

void model_spread(struct model_build *build, uint64_t amount, size_t field)
{
	uint64_t sum = amount ? shrink_weights(build) : 0, whole, rest, running = 0, given = 0;

	if (!sum)
		return;
	whole = amount / sum;
	rest = amount % sum;
	for (size_t i = 0; i < build->n_nodes; i++) {
		uint64_t weight = build->nodes[i].weight, running_share;
		uint64_t *value = (uint64_t *)((char *)&build->nodes[i] + field);

		if (!weight)
			continue;
		running += weight;
		running_share = rest * running / sum;
		*value = place_add(*value, whole * weight + running_share - given);
		given = running_share;
	}
}

static bool is_source(const struct model_build *build, size_t i, const struct place_set *mems)
{
	return (build->nodes[i].flags & PLACE_NODE_HAS_MEMORY) &&
	       (!mems || place_set_has(mems, build->nodes[i].id));
}

size_t model_only_source(const struct model_build *build, const struct place_set *mems,
			 size_t *ret_n)
{
	size_t only = build->n_nodes, n = 0;

	for (size_t i = 0; i < build->n_nodes; i++) {
		if (!is_source(build, i, mems))
			continue;
		only = i;
		n++;
	}
	*ret_n = n;
	return n == 1 ? only : build->n_nodes;
}

uint64_t model_weigh_left(const struct place_node_model *node)
{
	return place_least(node->left_bytes, WEIGHT_MAX);
}

uint64_t model_weigh_pool(const struct place_node_model *node)
{
	return place_least(node->pool_bytes, WEIGHT_MAX);
}

uint64_t model_weigh_even(const struct place_node_model *node)
{
	(void)node;
	return 1;
}

void model_spread_memory(struct model_build *build, const struct place_set *mems, uint64_t amount,
			 uint64_t (*weigh)(const struct place_node_model *node), size_t field)
{
	uint64_t sum = 0;

	if (!amount)
		return;
	for (size_t i = 0; i < build->n_nodes; i++) {
		struct place_node_model *node = &build->nodes[i];

		node->weight = is_source(build, i, mems) ? weigh(node) : 0;
		sum += node->weight;
	}
	/* Where nothing is left at all, it comes from anywhere. */
	for (size_t i = 0; !sum && i < build->n_nodes; i++)
		build->nodes[i].weight = is_source(build, i, mems);
	model_spread(build, amount, field);
}
