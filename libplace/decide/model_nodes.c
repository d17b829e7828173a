/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nodes alone, before anybody is charged: CPUs, memory, and who may be in an answer. */
#include "decide/model_parts.h"

#include "arith.h"
#include "decide/model.h"

static void find_words(struct place_node_model *node, const struct place_set *cpus)
{
	node->first_word = PLACE_SET_WORDS;
	node->end_word = 0;
	for (unsigned i = 0; i < PLACE_SET_WORDS; i++) {
		if (!cpus->words[i])
			continue;
		node->first_word = node->first_word < i ? node->first_word : i;
		node->end_word = i + 1;
	}
}

unsigned model_count_common(const struct place_node_model *node, const struct place_set *cpus,
			    const struct place_set *with)
{
	unsigned count = 0;

	for (unsigned i = node->first_word; i < node->end_word; i++) {
		uint64_t word = cpus->words[i] & with->words[i];

		if (word)
			count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

static unsigned count_usable_cpus(const struct model_build *build,
				  const struct place_node_model *node, const struct place_set *cpus)
{
	const struct place_confine *confine = &build->sample->confine;
	unsigned count = 0;

	for (unsigned i = node->first_word; i < node->end_word; i++) {
		uint64_t word = cpus->words[i] & ~build->policy->reserved_cpus.words[i];

		if (confine->have_cpus)
			word &= confine->cpus.words[i];
		if (word)
			count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

static void fill_cpus(struct model_build *build, size_t i)
{
	const struct place_node *from = &build->topology->nodes[i];
	struct place_node_model *node = &build->nodes[i];
	unsigned all, cores = from->n_cores;
	uint64_t capacity;

	find_words(node, &from->cpus);
	if (node->end_word)
		build->n_node_words += node->end_word - node->first_word;
	all = model_count_common(node, &from->cpus, &from->cpus);
	node->n_cpus = count_usable_cpus(build, node, &from->cpus);
	if (!all)
		return;
	if (!cores || cores > all)
		cores = all;
	capacity = (uint64_t)cores * 1000 +
		   (uint64_t)(all - cores) * place_least(build->policy->smt_percent, 100) * 10;
	node->capacity_millicpu = capacity * node->n_cpus / all;
}

uint64_t place_model_largest_pool(const struct place_node_sample *from)
{
	uint64_t most = 0;

	if (!(from->known & PLACE_NODE_POOLS))
		return 0;
	for (size_t i = 0; i < from->n_pools && i < PLACE_POOLS_MAX; i++)
		most = place_most(
			most, place_multiply(from->pools[i].free_pages, from->pools[i].page_bytes));
	return most;
}

uint64_t place_model_pool_room(const struct place_node_sample *node, uint64_t page_bytes)
{
	const struct place_pool *pool = place_node_pool(node, page_bytes);

	return pool ? place_multiply(pool->free_pages, page_bytes) : 0;
}

uint64_t place_model_pool_opening(const struct place_node_sample *node, uint64_t page_bytes)
{
	const struct place_pool *pool = place_node_pool(node, page_bytes);

	return pool ? place_multiply(place_subtract(pool->free_pages, pool->withheld_pages),
				     page_bytes) :
		      0;
}

uint64_t place_model_room(const struct place_node_model *node,
			  const struct place_node_sample *sample, uint64_t page_bytes)
{
	if (!page_bytes)
		return node->usable_bytes;
	/* What is reserved is promised, too, where its owner is known: not twice. */
	return place_least(place_subtract(place_model_pool_room(sample, page_bytes),
					  node->pool_promised_bytes),
			   place_model_pool_opening(sample, page_bytes));
}

static void fill_memory(const struct model_build *build, size_t i)
{
	const struct place_node_sample *from = &build->sample->nodes[i];
	struct place_node_model *node = &build->nodes[i];
	uint64_t margin;

	if (from->known & PLACE_NODE_TOTAL)
		node->total_bytes = from->total_bytes;
	if (from->known & PLACE_NODE_FREE)
		node->free_bytes = from->free_bytes;
	if ((from->known & PLACE_NODE_RECLAIMABLE) && build->policy->count_reclaimable)
		node->reclaimable_bytes = from->reclaimable_bytes;
	if (from->known & PLACE_NODE_RESERVE)
		node->reserve_bytes = from->reserve_bytes;
	margin = place_scale(node->total_bytes, build->policy->reserve_permille, 1000);
	node->reserve_bytes = place_most(node->reserve_bytes, margin);
	node->pool_bytes = place_model_largest_pool(from);
	node->left_bytes = place_subtract(place_add(node->free_bytes, node->reclaimable_bytes),
					  node->reserve_bytes);
	if (from->known & PLACE_NODE_FREE)
		node->flags |= PLACE_NODE_MEMORY_KNOWN;
	if (node->total_bytes || node->free_bytes)
		node->flags |= PLACE_NODE_HAS_MEMORY;
}

static void fill_flags(const struct model_build *build, size_t i)
{
	const unsigned fit = PLACE_NODE_HAS_MEMORY | PLACE_NODE_MEMORY_KNOWN | PLACE_NODE_ALLOWED;
	const struct place_confine *confine = &build->sample->confine;
	struct place_node_model *node = &build->nodes[i];

	if (node->n_cpus)
		node->flags |= PLACE_NODE_HAS_CPUS;
	if (!confine->have_mems || place_set_has(&confine->mems, node->id))
		node->flags |= PLACE_NODE_ALLOWED;
	if ((node->flags & fit) != fit)
		return;
	if (node->n_cpus)
		node->flags |= PLACE_NODE_ELIGIBLE;
	else if (place_set_is_empty(&build->topology->nodes[i].cpus) &&
		 build->policy->memory_only_nodes == PLACE_MEMORY_ONLY_OVERFLOW)
		node->flags |= PLACE_NODE_OVERFLOW;
}

void model_fill_node(struct model_build *build, size_t i)
{
	build->nodes[i] = (struct place_node_model){ .id = build->topology->nodes[i].id };
	fill_cpus(build, i);
	fill_memory(build, i);
	fill_flags(build, i);
}
