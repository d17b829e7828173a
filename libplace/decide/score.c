/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Comparisons between answers that are all possible. Integers only, relative to a node's own
 * size, so that a host twice as large is judged alike. The weights were found with
 * bench/packing; doc/decisions/0003-advice-score.md has the table.
 */
#include "decide/score.h"

#include "arith.h"

/* vCPUs are seldom all busy: an eighth too few CPUs is no reason yet to avoid a node. */
#define CPU_SHORT_PART 8

uint64_t place_score_room(const struct place_node_model *node, const struct place_need *need)
{
	return need->from_pools ? node->pool_bytes : node->usable_bytes;
}

static uint64_t asked_bytes(const struct place_need *need)
{
	return need->from_pools ? need->pool_bytes : need->memory_bytes;
}

/* part of whole in 1/1024; a node is never told to be more than eight times too small. */
static uint64_t fraction(uint64_t part, uint64_t whole)
{
	if (!whole)
		return 0;
	return place_least(place_scale(part, PLACE_SCORE_ONE, whole), 8 * PLACE_SCORE_ONE);
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * A tight fit leaves whole nodes to large guests; memory and CPU that are left in proportion
 * can both be used. Steps of a 32nd of a node keep page cache that comes and goes out of it.
 */
static uint64_t cost_of_sized(uint64_t memory_left, uint64_t cpu_left, uint64_t cpu_short)
{
	return (memory_left + 2 * apart(memory_left, cpu_left) + 4 * cpu_short) / 32;
}

/* Without a size there is nothing to fit: to where most is left, of memory and CPU alike. */
static uint64_t cost_of_unsized(uint64_t memory_left, uint64_t cpu_left, uint64_t cpu_short)
{
	return (2 * PLACE_SCORE_ONE - memory_left - cpu_left + 4 * cpu_short) / 32;
}

struct place_score place_score_node(const struct place_node_model *node,
				    const struct place_need *need)
{
	uint64_t room = place_score_room(node, need), asked = asked_bytes(need);
	uint64_t size = place_most(place_most(node->total_bytes, node->free_bytes), room);
	uint64_t capacity = node->capacity_millicpu;
	uint64_t committed = place_add(node->committed_millicpu, need->millicpu);
	uint64_t memory_left = fraction(place_subtract(room, asked), size);
	uint64_t cpu_left = fraction(place_subtract(capacity, committed), capacity);
	uint64_t cpu_short = fraction(place_subtract(committed, capacity), capacity);
	struct place_score score = { .id = node->id };

	score.is_short_of_cpu = cpu_short > PLACE_SCORE_ONE / CPU_SHORT_PART;
	score.cost = asked ? cost_of_sized(memory_left, cpu_left, cpu_short) :
			     cost_of_unsized(memory_left, cpu_left, cpu_short);
	score.is_pool_short = need->prefer_both && node->pool_bytes < need->pool_bytes;
	return score;
}

int place_score_compare(const struct place_score *a, const struct place_score *b)
{
	if (a->is_short_of_cpu != b->is_short_of_cpu)
		return a->is_short_of_cpu < b->is_short_of_cpu ? -1 : 1;
	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	if (a->is_pool_short != b->is_pool_short)
		return a->is_pool_short < b->is_pool_short ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return 0;
}

unsigned place_score_distance(const struct place_model *model, size_t a, size_t b)
{
	return (unsigned)model->distance[a * model->n_nodes + b] +
	       model->distance[b * model->n_nodes + a];
}
