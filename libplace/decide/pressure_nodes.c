/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims spread over nodes by the model's rule, and nodes as they are weighed. */
#include "arith.h"
#include "decide/model.h"
#include "decide/pressure_parts.h"

/* As in the model: sums of so many stay exact. */
#define WEIGHT_MAX (UINT64_C(1) << 50)

static const struct place_pool *find_pool(const struct place_node_sample *raw, uint64_t page_bytes)
{
	for (size_t i = 0; i < raw->n_pools && i < PLACE_POOLS_MAX; i++)
		if (raw->pools[i].page_bytes == page_bytes)
			return &raw->pools[i];
	return NULL;
}

static uint64_t pool_room(const struct place_node_sample *raw, uint64_t page_bytes)
{
	const struct place_pool *pool = find_pool(raw, page_bytes);

	return pool ? place_multiply(pool->free_pages, page_bytes) : 0;
}

/* ---- whose growth lies where -------------------------------------------------------------- */

static bool is_source(const struct place_pressure_input *input, const struct tie *tie, size_t i)
{
	const struct place_node_model *node = &input->model->nodes[i];

	return (node->flags & PLACE_NODE_HAS_MEMORY) &&
	       (!tie->mems || place_set_has(tie->mems, node->id));
}

static uint64_t weigh(const struct place_pressure_input *input, const struct tie *tie, size_t i)
{
	if (!is_source(input, tie, i))
		return 0;
	if (tie->is_even)
		return 1;
	if (tie->page_bytes != PLAIN)
		return place_least(pool_room(&input->sample->nodes[i], tie->page_bytes),
				   WEIGHT_MAX);
	return place_least(input->model->nodes[i].left_bytes, WEIGHT_MAX);
}

static uint64_t sum_weights(const struct place_pressure_input *input, const struct tie *tie)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < input->model->n_nodes; i++)
		sum = place_add(sum, weigh(input, tie, i));
	return sum;
}

static struct tie make_tie(const struct place_pressure_input *input, const struct place_set *mems,
			   bool is_even, uint64_t page_bytes)
{
	struct tie tie = { .mems = mems, .page_bytes = page_bytes, .is_even = is_even };

	tie.sum = sum_weights(input, &tie);
	if (tie.sum)
		return tie;
	/* Where nothing is left at all, it comes from anywhere. */
	tie.is_even = true;
	tie.sum = sum_weights(input, &tie);
	if (tie.sum)
		return tie;
	tie = (struct tie){ .page_bytes = page_bytes };
	tie.sum = sum_weights(input, &tie);
	return tie;
}

struct tie pressure_tie(const struct place_pressure_input *input, const struct place_guest *guest,
			uint64_t page_bytes)
{
	const bool is_bound = guest->known & PLACE_GUEST_MEMS && guest->bind != PLACE_BIND_NONE;

	return make_tie(input, is_bound ? &guest->mems : NULL,
			guest->bind == PLACE_BIND_INTERLEAVE || guest->is_split, page_bytes);
}

uint64_t pressure_share(const struct place_pressure_input *input, const struct tie *tie,
			uint64_t amount, size_t i)
{
	return tie->sum ? place_scale(amount, weigh(input, tie, i), tie->sum) : 0;
}

static void charge_pool(const struct place_pressure_input *input, struct place_pressure_node *nodes,
			const struct tie *tie, uint64_t amount)
{
	for (size_t i = 0; amount && i < input->model->n_nodes; i++) {
		const struct place_node_sample *raw = &input->sample->nodes[i];
		const struct place_pool *pool = find_pool(raw, tie->page_bytes);
		uint64_t *promised;

		if (!pool)
			continue;
		promised = &nodes[i].pool_promised_bytes[pool - raw->pools];
		*promised = place_add(*promised, pressure_share(input, tie, amount, i));
	}
}

static void charge_guest(const struct place_pressure_input *input,
			 struct place_pressure_node *nodes, const struct place_guest *guest)
{
	uint64_t plain_bytes, pool_bytes;
	struct tie tie;

	place_model_guest_claim(input->policy, guest, &plain_bytes, &pool_bytes);
	if (!(guest->known & PLACE_GUEST_RESIDENT)) {
		tie = pressure_tie(input, guest, PLAIN);
		for (size_t i = 0; plain_bytes && i < input->model->n_nodes; i++)
			nodes[i].doubtful_bytes =
				place_add(nodes[i].doubtful_bytes,
					  pressure_share(input, &tie, plain_bytes, i));
	} else if (pool_bytes) {
		tie = pressure_tie(input, guest, guest->hugepage_bytes);
		charge_pool(input, nodes, &tie, pool_bytes);
	}
}

/* A promise does not say of which size its pages will be: only where there is one size. */
static void charge_promise(const struct place_pressure_input *input,
			   struct place_pressure_node *nodes, const struct place_promise *promise)
{
	uint64_t page_bytes = 0;
	struct tie tie;

	if (promise->pid || input->policy->hugepages != PLACE_HUGEPAGES_ALWAYS)
		return;
	for (size_t i = 0; i < input->model->n_nodes; i++)
		for (size_t j = 0; j < input->sample->nodes[i].n_pools && j < PLACE_POOLS_MAX;
		     j++) {
			const struct place_pool *pool = &input->sample->nodes[i].pools[j];

			if (!pool->total_pages)
				continue;
			if (page_bytes && pool->page_bytes != page_bytes)
				return;
			page_bytes = pool->page_bytes;
		}
	if (!page_bytes)
		return;
	tie = make_tie(input, &promise->nodes, false, page_bytes);
	charge_pool(input, nodes, &tie, promise->memory_bytes);
}

void pressure_fill_nodes(const struct place_pressure_input *input,
			 struct place_pressure_node *nodes)
{
	for (size_t i = 0; i < input->model->n_nodes; i++) {
		const struct place_node_sample *raw = &input->sample->nodes[i];
		const bool has_cache = raw->known & PLACE_NODE_RECLAIMABLE;

		nodes[i] = (struct place_pressure_node){
			.is_weighed = raw->known & PLACE_NODE_FREE,
			.is_rough = !has_cache,
			.room_bytes = place_subtract(
				place_add(raw->free_bytes, has_cache ? raw->reclaimable_bytes : 0),
				input->model->nodes[i].reserve_bytes),
		};
	}
	for (size_t i = 0; i < input->sample->n_guests; i++)
		charge_guest(input, nodes, &input->sample->guests[i]);
	for (size_t i = 0; i < input->n_promises; i++)
		charge_promise(input, nodes, &input->promises[i]);
	for (size_t i = 0; i < input->model->n_nodes; i++)
		nodes[i].promised_bytes = place_subtract(input->model->nodes[i].promised_bytes,
							 nodes[i].doubtful_bytes);
}

void pressure_weigh_node(const struct place_pressure_input *input,
			 const struct place_pressure_node *nodes, size_t i, uint64_t page_bytes,
			 uint64_t *ret_room, uint64_t *ret_promised)
{
	const struct place_node_sample *raw = &input->sample->nodes[i];
	const struct place_pool *pool = find_pool(raw, page_bytes);

	if (page_bytes == PLAIN) {
		*ret_room = nodes[i].room_bytes;
		*ret_promised = nodes[i].promised_bytes;
		return;
	}
	*ret_room = pool_room(raw, page_bytes);
	*ret_promised = pool ? nodes[i].pool_promised_bytes[pool - raw->pools] : 0;
}
