/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growth against room, guest by guest. */
#include "decide/pressure.h"

#include <errno.h>

#include "arith.h"
#include "decide/model.h"
#include "decide/pressure_parts.h"

/* Less than this is noise of reading one file after the other. */
#define NOISE_BYTES PLACE_MIB
/* Remote memory below this share of a guest is not worth a word. */
#define LOCALITY_PART 8
#define MARGIN_PART 32
#define MARGIN_LEAST (16 * PLACE_MIB)

/* The nodes that a guest is judged by. */
struct place_at {
	const struct place_set *mems; /* NULL: node `home` alone */
	unsigned home;
};

/* Whether its nodes are all that it may take memory from. */
static bool is_confined_to_nodes(const struct place_guest *guest)
{
	return guest->known & PLACE_GUEST_MEMS &&
	       (guest->bind == PLACE_BIND_STRICT || guest->bind == PLACE_BIND_CPUSET);
}

bool place_pressure_may_be_confined(const struct place_guest *guest)
{
	return !(guest->known & PLACE_GUEST_MEMS) || is_confined_to_nodes(guest);
}

static bool is_at(const struct place_at *at, unsigned id)
{
	return at->mems ? place_set_has(at->mems, id) : id == at->home;
}

static bool find_home(const struct place_pressure_input *input, size_t guest, unsigned *ret_id)
{
	const struct place_activity *activity =
		input->activities ? &input->activities[guest] : NULL;
	size_t home = 0;

	if (!activity || !(activity->known & PLACE_ACTIVITY_BYTES) || !input->model->n_nodes)
		return false;
	for (size_t i = 1; i < input->model->n_nodes; i++)
		if (activity->bytes[i] > activity->bytes[home])
			home = i;
	*ret_id = input->model->nodes[home].id;
	return activity->bytes[home] > 0;
}

static bool is_known(const struct place_pressure_input *input,
		     const struct place_pressure_node *nodes, size_t i, uint64_t page_bytes)
{
	return page_bytes == PLAIN ? nodes[i].is_weighed :
				     (input->sample->nodes[i].known & PLACE_NODE_POOLS) != 0;
}

/* Adds what a node has for the guest, or what it has to spare for one that is not there. */
static void add_node(const struct place_pressure_input *input,
		     const struct place_pressure_node *nodes, size_t i, bool is_its,
		     const struct tie *tie, uint64_t claim, struct place_pressure *pressure)
{
	uint64_t room, promised, left;

	pressure_weigh_node(input, nodes, i, tie->page_bytes, &room, &promised);
	if (!is_its) {
		left = place_subtract(room, promised);
		pressure->elsewhere_bytes = place_add(pressure->elsewhere_bytes, left);
		/* For now the most that one of them has; settled when it is known what is short. */
		if (left > pressure->spare_bytes) {
			pressure->spare_bytes = left;
			pressure->better_node = input->model->nodes[i].id;
		}
		return;
	}
	promised = place_subtract(promised, pressure_share(input, tie, claim, i));
	left = place_subtract(room, promised);
	pressure->room_bytes = place_add(pressure->room_bytes, room);
	pressure->neighbours_bytes = place_add(pressure->neighbours_bytes, room - left);
	if (tie->is_even && tie->sum)
		pressure->short_bytes = place_add(
			pressure->short_bytes,
			place_subtract(pressure_share(input, tie, pressure->growth_bytes, i),
				       left));
	if (input->nearness && input->nearness[i] > pressure->nearness)
		pressure->nearness = input->nearness[i];
}

/* What is confined and short: the kind of harm is settled when all are known. */
static enum place_risk name_risk(const struct place_guest *guest, struct place_pressure *pressure)
{
	const uint64_t room = place_subtract(pressure->room_bytes, pressure->neighbours_bytes);
	const bool is_confined = is_confined_to_nodes(guest);
	const uint64_t bearable =
		is_confined ? NOISE_BYTES - 1 : pressure->limit_bytes / LOCALITY_PART;
	const uint64_t need = place_subtract(pressure->growth_bytes, bearable);

	if (pressure->short_bytes <= bearable) {
		pressure->spare_bytes = pressure->short_bytes ? bearable - pressure->short_bytes :
								place_subtract(room, need);
		return PLACE_RISK_NONE;
	}
	pressure->spare_bytes = UINT64_MAX;
	if (!is_confined)
		return PLACE_RISK_LOCALITY;
	return pressure->is_pool ? PLACE_RISK_KILL : PLACE_RISK_SWAP;
}

static enum place_remedy find_remedy(const struct place_pressure *pressure)
{
	if (pressure->risk <= PLACE_RISK_NONE)
		return PLACE_REMEDY_NONE;
	if (pressure->is_pool)
		return PLACE_REMEDY_POOL;
	return pressure->elsewhere_bytes >= pressure->short_bytes ? PLACE_REMEDY_MODE :
								    PLACE_REMEDY_ROOM;
}

/* Its nodes, and whether all that must be known of them is. */
static bool find_nodes(const struct place_pressure_input *input,
		       const struct place_pressure_node *nodes, size_t guest,
		       struct place_pressure *pressure, struct place_at *ret_at, bool *ret_is_rough)
{
	const struct place_guest *facts = &input->sample->guests[guest];
	struct place_at at = { .mems = &facts->mems };
	size_t n = 0;

	if (facts->bind == PLACE_BIND_NONE) {
		at.mems = NULL;
		pressure->is_home = true;
		if (!find_home(input, guest, &at.home))
			return false;
		pressure->home_node = at.home;
	}
	*ret_is_rough = false;
	for (size_t i = 0; i < input->model->n_nodes; i++) {
		if (!is_at(&at, input->model->nodes[i].id))
			continue;
		n++;
		if (!is_known(input, nodes, i, pressure->is_pool ? facts->hugepage_bytes : PLAIN))
			return false;
		*ret_is_rough = *ret_is_rough || (!pressure->is_pool && nodes[i].is_rough);
	}
	*ret_at = at;
	return n > 0;
}

/* Whether there may be more huge pages than the pools have: they are made of what is free. */
static bool may_have_surplus(const struct place_stall *stall, uint64_t page_bytes)
{
	for (size_t i = 0; stall && i < stall->n_surplus && i < PLACE_POOLS_MAX; i++)
		if (stall->surplus[i].page_bytes == page_bytes)
			return stall->surplus[i].pages > 0;
	return true;
}

static void judge(const struct place_pressure_input *input, struct place_pressure_node *nodes,
		  size_t guest, struct place_pressure *pressure)
{
	const unsigned needed = PLACE_GUEST_MEMS | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;
	const struct place_guest *facts = &input->sample->guests[guest];
	uint64_t plain_bytes, pool_bytes, left;
	struct place_at at;
	struct tie tie;
	bool is_rough;

	*pressure = (struct place_pressure){ .is_pool = facts->hugepage_bytes != 0 };
	if ((facts->known & needed) != needed)
		return;
	pressure->limit_bytes = facts->known & PLACE_GUEST_BALLOON ?
					place_least(facts->memory_bytes, facts->balloon_bytes) :
					facts->memory_bytes;
	pressure->growth_bytes = place_subtract(pressure->limit_bytes,
						pressure->is_pool ? facts->resident_pool_bytes :
								    facts->resident_bytes);
	if (!find_nodes(input, nodes, guest, pressure, &at, &is_rough))
		return;
	place_model_guest_claim(input->policy, facts, &plain_bytes, &pool_bytes);
	tie = pressure_tie(input, facts, pressure->is_pool ? facts->hugepage_bytes : PLAIN);
	for (size_t i = 0; i < input->model->n_nodes; i++)
		add_node(input, nodes, i, is_at(&at, input->model->nodes[i].id), &tie,
			 pressure->is_pool ? pool_bytes : plain_bytes, pressure);
	left = place_subtract(pressure->room_bytes, pressure->neighbours_bytes);
	if (facts->bind != PLACE_BIND_INTERLEAVE)
		pressure->short_bytes = place_subtract(pressure->growth_bytes, left);
	pressure->has_better =
		pressure->short_bytes && pressure->spare_bytes >= pressure->short_bytes;
	pressure->risk = name_risk(facts, pressure);
	is_rough = is_rough ||
		   (pressure->is_pool && may_have_surplus(input->stall, facts->hugepage_bytes));
	if (is_rough && pressure->risk > PLACE_RISK_NONE)
		pressure->risk = PLACE_RISK_UNKNOWN;
	pressure->remedy = find_remedy(pressure);
	for (size_t i = 0; pressure->risk == PLACE_RISK_SWAP && i < input->model->n_nodes; i++)
		nodes[i].is_short = nodes[i].is_short || is_at(&at, input->model->nodes[i].id);
}

/* ---- all of them -------------------------------------------------------------------------- */

/* What swap has to take if all take what they may: the same for all, in whatever order they come.
 */
static uint64_t swap_needed(const struct place_pressure_node *nodes, size_t n)
{
	uint64_t needed = 0;

	for (size_t i = 0; i < n; i++)
		if (nodes[i].is_short)
			needed = place_add(needed, place_subtract(nodes[i].promised_bytes,
								  nodes[i].room_bytes));
	return needed;
}

static void settle_swap(const struct place_pressure_input *input, uint64_t needed,
			struct place_pressure *pressure)
{
	const uint64_t all = place_most(needed, pressure->short_bytes);

	if (pressure->risk != PLACE_RISK_SWAP || !input->stall ||
	    !(input->stall->known & PLACE_STALL_SWAP))
		return;
	if (input->stall->swap_free_bytes < all)
		pressure->risk = PLACE_RISK_KILL;
	else
		pressure->spare_bytes = input->stall->swap_free_bytes - all;
}

int place_pressure_find(const struct place_pressure_input *input, struct place_pressure_node *nodes,
			struct place_pressure *pressures)
{
	const size_t n_nodes = input->topology->n_nodes;
	uint64_t needed;

	if (input->sample->n_nodes != n_nodes || input->model->n_nodes != n_nodes)
		return -EINVAL;
	pressure_fill_nodes(input, nodes);
	for (size_t i = 0; i < input->sample->n_guests; i++)
		judge(input, nodes, i, &pressures[i]);
	needed = swap_needed(nodes, n_nodes);
	for (size_t i = 0; i < input->sample->n_guests; i++)
		settle_swap(input, needed, &pressures[i]);
	return 0;
}

enum place_risk place_pressure_settle(enum place_risk before, const struct place_pressure *now)
{
	const uint64_t margin = place_most(now->limit_bytes / MARGIN_PART, MARGIN_LEAST);

	if (now->risk == PLACE_RISK_UNKNOWN)
		return before;
	/* What can grow no more needs no distance to anything. */
	if (now->risk >= before || now->spare_bytes >= margin || now->growth_bytes < margin)
		return now->risk;
	return before;
}
