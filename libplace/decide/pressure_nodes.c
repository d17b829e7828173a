/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims spread over nodes by the model's rule, and nodes as they are weighed. */
#include "arith.h"
#include "decide/model.h"
#include "decide/pressure_parts.h"

/* As in the model: sums of so many stay exact. */
#define WEIGHT_MAX (UINT64_C(1) << 50)

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
		return place_least(place_model_pool_room(&input->sample->nodes[i], tie->page_bytes),
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
		const struct place_pool *pool = place_node_pool(raw, tie->page_bytes);
		uint64_t *promised;

		if (!pool)
			continue;
		promised = &nodes[i].pool_promised_bytes[pool - raw->pools];
		*promised = place_add(*promised, pressure_share(input, tie, amount, i));
	}
}

uint64_t pressure_limit(const struct place_guest *guest)
{
	return guest->known & PLACE_GUEST_BALLOON ?
		       place_least(guest->memory_bytes, guest->balloon_bytes) :
		       guest->memory_bytes;
}

/*
 * Advice keeps all that a QEMU may need beside its guest's memory. What it has not taken of that
 * by the time the guest has all of its memory, it has no use for. And QEMU's own counts as the
 * guest's where it is resident: what swap has is what comes back, however much that is.
 */
uint64_t pressure_growth(const struct place_pressure_input *input, const struct place_guest *guest)
{
	const uint64_t limit = pressure_limit(guest);
	const uint64_t ram = place_subtract(
		limit, guest->hugepage_bytes ? guest->resident_pool_bytes : guest->resident_bytes);
	const uint64_t overhead =
		limit ? place_scale(input->policy->guest_overhead_bytes, ram, limit) : 0;

	return guest->hugepage_bytes ? place_subtract(overhead, guest->resident_bytes) :
				       place_most(place_add(ram, overhead), guest->swapped_bytes);
}

static void charge_guest(const struct place_pressure_input *input,
			 struct place_pressure_node *nodes, const struct place_guest *guest)
{
	uint64_t plain_bytes, pool_bytes, doubtful_bytes;
	struct tie tie;

	place_model_guest_claim(input->policy, guest, &plain_bytes, &pool_bytes);
	doubtful_bytes = plain_bytes;
	if (guest->known & PLACE_GUEST_RESIDENT)
		doubtful_bytes = place_subtract(plain_bytes, pressure_growth(input, guest));
	if (doubtful_bytes)
		tie = pressure_tie(input, guest, PLAIN);
	for (size_t i = 0; doubtful_bytes && i < input->model->n_nodes; i++)
		nodes[i].doubtful_bytes = place_add(nodes[i].doubtful_bytes,
						    pressure_share(input, &tie, doubtful_bytes, i));
	if (guest->known & PLACE_GUEST_RESIDENT && pool_bytes) {
		tie = pressure_tie(input, guest, guest->hugepage_bytes);
		charge_pool(input, nodes, &tie, pool_bytes);
	}
}

/*
 * Whether it may well come from pools: it is not known, and those of its nodes hold all that is
 * promised of them. So it is where advice went by pools, plain memory being too little.
 */
static bool may_be_pooled(const struct place_pressure_input *input,
			  const struct place_promise *promise)
{
	uint64_t room = 0, promised = 0;

	if (input->policy->hugepages != PLACE_HUGEPAGES_EITHER || !promise->memory_bytes)
		return false;
	for (size_t i = 0; i < input->model->n_nodes; i++) {
		const struct place_node_model *node = &input->model->nodes[i];

		if (!place_set_has(&promise->nodes, node->id))
			continue;
		room = place_add(room, place_model_largest_pool(&input->sample->nodes[i]));
		promised = place_add(promised, node->pool_promised_bytes);
	}
	return promise->memory_bytes <= room && promised <= room;
}

/* A promise does not say of which size its pages will be: only where there is one size. */
static void charge_promise(const struct place_pressure_input *input,
			   struct place_pressure_node *nodes, const struct place_promise *promise)
{
	uint64_t page_bytes = 0;
	struct tie tie;

	if (!place_promise_is_open(promise) || input->policy->hugepages != PLACE_HUGEPAGES_ALWAYS)
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

/* What of a promise may be taken from pools is not weighed against plain memory. */
static void leave_to_pools(const struct place_pressure_input *input,
			   struct place_pressure_node *nodes, const struct place_promise *promise)
{
	struct tie tie;

	if (!place_promise_is_open(promise) || !may_be_pooled(input, promise))
		return;
	tie = make_tie(input, &promise->nodes, false, PLAIN);
	for (size_t i = 0; i < input->model->n_nodes; i++)
		nodes[i].pooled_bytes =
			place_add(nodes[i].pooled_bytes,
				  pressure_share(input, &tie, promise->memory_bytes, i));
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
	for (size_t i = 0; i < input->n_promises; i++) {
		charge_promise(input, nodes, &input->promises[i]);
		leave_to_pools(input, nodes, &input->promises[i]);
	}
	for (size_t i = 0; i < input->model->n_nodes; i++)
		nodes[i].promised_bytes =
			place_subtract(input->model->nodes[i].promised_bytes,
				       place_add(nodes[i].doubtful_bytes, nodes[i].pooled_bytes));
}

void pressure_weigh_node(const struct place_pressure_input *input,
			 const struct place_pressure_node *nodes, size_t i, uint64_t page_bytes,
			 uint64_t *ret_room, uint64_t *ret_promised)
{
	const struct place_node_sample *raw = &input->sample->nodes[i];
	const struct place_pool *pool = place_node_pool(raw, page_bytes);

	if (page_bytes == PLAIN) {
		*ret_room = nodes[i].room_bytes;
		*ret_promised = nodes[i].promised_bytes;
		return;
	}
	*ret_room = place_model_pool_room(raw, page_bytes);
	*ret_promised = pool ? nodes[i].pool_promised_bytes[pool - raw->pools] : 0;
}

uint64_t place_pressure_promise(const struct place_pressure_input *input,
				const struct place_pressure_node *nodes,
				const struct place_promise *promise)
{
	const uint64_t claim =
		place_add(promise->memory_bytes, input->policy->guest_overhead_bytes);
	struct tie tie;
	uint64_t left = 0;

	if (!place_promise_is_open(promise) || !promise->memory_bytes ||
	    input->policy->hugepages == PLACE_HUGEPAGES_ALWAYS || may_be_pooled(input, promise))
		return 0;
	tie = make_tie(input, &promise->nodes, false, PLAIN);
	for (size_t i = 0; i < input->model->n_nodes; i++) {
		if (!is_source(input, &tie, i))
			continue;
		if (!nodes[i].is_weighed || nodes[i].is_rough)
			return 0;
		left = place_add(left, place_subtract(nodes[i].room_bytes,
						      place_subtract(nodes[i].promised_bytes,
								     pressure_share(input, &tie,
										    claim, i))));
	}
	return place_add(left, NOISE_BYTES) > claim ? 0 : claim - left;
}
