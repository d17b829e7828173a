/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reduces a topology, a sample and the ledger to figures per node: who may be in an answer,
 * how much memory is left there, and how many CPUs are spoken for. It decides nothing, and it
 * must give the same figures for the same guests in any order: what can come from one node only is
 * charged first, then what several may give, by what those have left.
 */
#include "decide/model.h"

#include <errno.h>

#include "arith.h"
#include "decide/model_parts.h"

/* What can come from one node only, from all nodes alike, or evenly from several. */
static void charge_fixed_memory(struct model_build *build, const struct model_claim *claim)
{
	size_t n, only;

	if (!claim->plain_bytes && !claim->pool_bytes)
		return;
	only = model_only_source(build, claim->mems, &n);
	if (!claim->mems || !n) {
		build->loose_bytes = place_add(build->loose_bytes, claim->plain_bytes);
		build->loose_pool_bytes = place_add(build->loose_pool_bytes, claim->pool_bytes);
	} else if (n == 1) {
		struct place_node_model *node = &build->nodes[only];

		node->promised_bytes = place_add(node->promised_bytes, claim->plain_bytes);
		node->pool_promised_bytes = place_add(node->pool_promised_bytes, claim->pool_bytes);
	} else if (claim->is_even) {
		model_spread_memory(build, claim->mems, claim->plain_bytes, model_weigh_even,
				    offsetof(struct place_node_model, promised_bytes));
		model_spread_memory(build, claim->mems, claim->pool_bytes, model_weigh_even,
				    offsetof(struct place_node_model, pool_promised_bytes));
	}
}

/* What may come from several nodes, by what those have left after all of the above. */
static void charge_shared_memory(struct model_build *build, const struct model_claim *claim)
{
	size_t n;

	if (!claim->mems || claim->is_even || (!claim->plain_bytes && !claim->pool_bytes))
		return;
	(void)model_only_source(build, claim->mems, &n);
	if (n < 2)
		return;
	model_spread_memory(build, claim->mems, claim->plain_bytes, model_weigh_left,
			    offsetof(struct place_node_model, promised_bytes));
	model_spread_memory(build, claim->mems, claim->pool_bytes, model_weigh_pool,
			    offsetof(struct place_node_model, pool_promised_bytes));
}

/* Worth its while only where the nodes have more words than the set that is walked for it. */
static void list_words(struct model_build *build, const struct place_set *cpus)
{
	build->n_words = PLACE_SET_WORDS;
	if (build->n_node_words <= PLACE_SET_WORDS)
		return;
	build->n_words = 0;
	for (unsigned i = 0; i < PLACE_SET_WORDS; i++)
		if (cpus->words[i])
			build->words[build->n_words++] = i;
}

/* Guests have few words of CPUs; a node's siblings may lie far apart. Walk what is shorter. */
static unsigned count_claimed(const struct model_build *build, size_t i,
			      const struct place_set *claimed)
{
	const struct place_node_model *node = &build->nodes[i];
	const struct place_set *cpus = &build->topology->nodes[i].cpus;
	unsigned count = 0;

	if (build->n_words + node->first_word > node->end_word)
		return model_count_common(node, cpus, claimed);
	for (unsigned k = 0; k < build->n_words; k++) {
		uint64_t word = cpus->words[build->words[k]] & claimed->words[build->words[k]];

		if (word)
			count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

/*
 * The CPUs are the emulator thread's. Where none of them is beside the memory, it has been pinned
 * out of the vCPUs' way, and those run where the memory is.
 */
static bool are_cpus_elsewhere(const struct model_build *build, const struct model_claim *claim)
{
	if (!claim->cpus || !claim->mems)
		return false;
	for (size_t i = 0; i < build->n_nodes; i++)
		if (place_set_has(claim->mems, build->nodes[i].id) &&
		    count_claimed(build, i, claim->cpus))
			return false;
	return true;
}

static uint64_t weigh_cpus(const struct model_build *build, size_t i,
			   const struct model_claim *claim)
{
	const struct place_node_model *node = &build->nodes[i];

	if (claim->cpus)
		return count_claimed(build, i, claim->cpus);
	if (claim->mems)
		return place_set_has(claim->mems, node->id) ? node->n_cpus : 0;
	return node->n_cpus;
}

static void charge_cpu(struct model_build *build, const struct model_claim *claim)
{
	const struct place_set *online = &build->topology->cpus_online;
	struct model_claim at = { .mems = claim->mems, .cpus = claim->cpus };
	uint64_t sum = 0;
	bool is_loose;

	if (at.cpus)
		list_words(build, at.cpus);
	if (are_cpus_elsewhere(build, &at))
		at.cpus = NULL;
	is_loose = at.cpus ? place_set_is_subset(online, at.cpus) : !at.mems;
	for (size_t i = 0; !is_loose && i < build->n_nodes; i++) {
		build->nodes[i].weight = weigh_cpus(build, i, &at);
		sum += build->nodes[i].weight;
	}
	if (sum)
		model_spread(build, claim->millicpu,
			     offsetof(struct place_node_model, committed_millicpu));
	else
		build->loose_millicpu = place_add(build->loose_millicpu, claim->millicpu);
}

static void charge_fixed(struct model_build *build, const struct model_claim *claim)
{
	charge_fixed_memory(build, claim);
	charge_cpu(build, claim);
}

static void for_each_claim(struct model_build *build, const struct place_promise *promises,
			   size_t n_promises,
			   void (*charge)(struct model_build *build,
					  const struct model_claim *claim))
{
	for (size_t i = 0; i < build->sample->n_guests; i++) {
		struct model_claim claim;

		if (i == build->without)
			continue;
		claim = model_claim_of_guest(build, &build->sample->guests[i]);
		charge(build, &claim);
	}
	for (size_t i = 0; i < n_promises; i++) {
		struct model_claim claim;

		/* Its guest is charged instead. */
		if (!place_promise_is_open(&promises[i]))
			continue;
		claim = model_claim_of_promise(build, &promises[i]);
		charge(build, &claim);
	}
}

static void settle_left(struct model_build *build)
{
	for (size_t i = 0; i < build->n_nodes; i++) {
		struct place_node_model *node = &build->nodes[i];

		node->left_bytes = place_subtract(node->left_bytes, node->promised_bytes);
		node->pool_bytes = place_subtract(node->pool_bytes, node->pool_promised_bytes);
	}
}

static void charge_loose(struct model_build *build)
{
	const struct model_claim anywhere = { 0 };

	model_spread_memory(build, NULL, build->loose_bytes, model_weigh_left,
			    offsetof(struct place_node_model, promised_bytes));
	model_spread_memory(build, NULL, build->loose_pool_bytes, model_weigh_pool,
			    offsetof(struct place_node_model, pool_promised_bytes));
	for (size_t i = 0; i < build->n_nodes; i++)
		build->nodes[i].weight = weigh_cpus(build, i, &anywhere);
	model_spread(build, build->loose_millicpu,
		     offsetof(struct place_node_model, committed_millicpu));
}

static void fill_results(const struct model_build *build, size_t i)
{
	struct place_node_model *node = &build->nodes[i];
	uint64_t taken = place_add(node->reserve_bytes, node->promised_bytes);

	node->usable_bytes =
		place_subtract(place_add(node->free_bytes, node->reclaimable_bytes), taken);
	node->pool_bytes = place_subtract(place_model_largest_pool(&build->sample->nodes[i]),
					  node->pool_promised_bytes);
}

int place_model_build_without(const struct place_topology *topology,
			      const struct place_sample *sample, size_t without,
			      const struct place_promise *promises, size_t n_promises,
			      const struct place_policy *policy, struct place_node_model *nodes,
			      struct place_model *ret_model)
{
	struct model_build build = { .topology = topology,
				     .sample = sample,
				     .policy = policy,
				     .nodes = nodes,
				     .n_nodes = topology->n_nodes,
				     .without = without };

	if (sample->n_nodes != topology->n_nodes || topology->n_nodes > PLACE_SET_MAX)
		return -EINVAL;
	for (size_t i = 0; i < build.n_nodes; i++)
		model_fill_node(&build, i);
	for_each_claim(&build, promises, n_promises, charge_fixed);
	settle_left(&build);
	for_each_claim(&build, promises, n_promises, charge_shared_memory);
	charge_loose(&build);
	for (size_t i = 0; i < build.n_nodes; i++)
		fill_results(&build, i);
	*ret_model = (struct place_model){ .n_nodes = build.n_nodes,
					   .nodes = nodes,
					   .distance = topology->distance,
					   .now_ns = sample->taken_ns };
	return 0;
}

int place_model_build(const struct place_topology *topology, const struct place_sample *sample,
		      const struct place_promise *promises, size_t n_promises,
		      const struct place_policy *policy, struct place_node_model *nodes,
		      struct place_model *ret_model)
{
	return place_model_build_without(topology, sample, SIZE_MAX, promises, n_promises, policy,
					 nodes, ret_model);
}
