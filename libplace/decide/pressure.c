/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growth against room, guest by guest. */
#include "decide/pressure.h"

#include <errno.h>

#include "arith.h"
#include "decide/model.h"
#include "decide/pressure_parts.h"

/* Remote memory below this share of a guest is not worth a word. */
#define LOCALITY_PART 8
#define MARGIN_PART 32
#define MARGIN_LEAST (16 * PLACE_MIB)

/* The nodes that a guest is judged by. */
struct place_at {
	const struct place_nodes *allowed; /* or NULL */
	const struct place_set *mems;	   /* NULL: node `home` alone */
	unsigned home;
};

/* Who is judged, and how what it takes is charged to nodes. */
struct judged {
	const struct place_guest *guest;
	const struct place_activity *activity; /* or NULL */
	struct tie tie;
	uint64_t claim_bytes; /* what of the promises is its own */
};

/* Whether its nodes are all that it may take memory from. */
static bool is_confined_to_nodes(const struct place_guest *guest)
{
	return guest->known & PLACE_GUEST_MEMS &&
	       (guest->bind == PLACE_BIND_STRICT || guest->bind == PLACE_BIND_CPUSET);
}

/* Whether its policy would let it go elsewhere, and its cpuset does not. */
static bool is_confined_by_cpuset(const struct place_guest *guest)
{
	return guest->known & PLACE_GUEST_ALLOWED &&
	       (guest->bind == PLACE_BIND_PREFERRED || guest->bind == PLACE_BIND_INTERLEAVE);
}

bool place_pressure_may_be_confined(const struct place_guest *guest)
{
	return !(guest->known & PLACE_GUEST_MEMS) || is_confined_to_nodes(guest) ||
	       is_confined_by_cpuset(guest);
}

bool place_pressure_may_be_confined_to(const struct place_guest *guest, unsigned node)
{
	if (is_confined_by_cpuset(guest))
		return place_nodes_has(&guest->allowed, node);
	return !(guest->known & PLACE_GUEST_MEMS) ||
	       (is_confined_to_nodes(guest) && place_set_has(&guest->mems, node));
}

static bool is_at(const struct place_at *at, unsigned id)
{
	if (at->allowed)
		return place_nodes_has(at->allowed, id);
	return at->mems ? place_set_has(at->mems, id) : id == at->home;
}

static bool find_home(const struct place_pressure_input *input, size_t guest, unsigned *ret_id)
{
	const struct place_activity *activity = pressure_activity(input, guest);
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

/* ---- by cell ------------------------------------------------------------------------------ */

/* Samples of some minutes ago would make growth of what is there by now. */
static bool is_by_cell(const struct judged *judged, uint64_t limit_bytes)
{
	const struct place_guest *guest = judged->guest;
	uint64_t sum = 0;

	for (size_t i = 0; i < guest->n_parts && i < PLACE_PARTS_MAX; i++)
		sum = place_add(sum, guest->parts[i].bytes);
	return guest->n_parts && !guest->hugepage_bytes && sum == limit_bytes && judged->activity &&
	       judged->activity->known & PLACE_ACTIVITY_BYTES &&
	       judged->activity->bytes_source == PLACE_BYTES_CGROUP;
}

static uint64_t part_on(const struct place_guest *guest, unsigned node)
{
	for (size_t i = 0; i < guest->n_parts && i < PLACE_PARTS_MAX; i++)
		if (guest->parts[i].node == node)
			return guest->parts[i].bytes;
	return 0;
}

/* What the guest takes on node i beyond what is left there, each of its nodes counted alone. */
static uint64_t lack_on(const struct place_pressure_input *input, const struct judged *judged,
			const struct place_pressure *pressure, size_t i, uint64_t left)
{
	uint64_t growth;

	if (pressure->is_by_cell)
		growth = place_subtract(part_on(judged->guest, input->model->nodes[i].id),
					judged->activity->bytes[i]);
	else if (judged->guest->bind == PLACE_BIND_INTERLEAVE && !pressure->is_by_cpuset)
		growth = pressure_share(input, &judged->tie, pressure->growth_bytes, i);
	else
		return 0;
	return place_subtract(growth, left);
}

static void add_lack(const struct place_pressure_input *input, uint64_t lack, size_t i,
		     uint64_t *most, struct place_pressure *pressure)
{
	pressure->short_bytes =
		place_least(place_add(pressure->short_bytes, lack), pressure->growth_bytes);
	if (lack <= *most)
		return;
	*most = lack;
	pressure->short_node = input->model->nodes[i].id;
	pressure->short_node_bytes = place_least(lack, pressure->growth_bytes);
}

/* ---- one guest ---------------------------------------------------------------------------- */

/* Adds what a node has for the guest, or what it has to spare for one that is not there. */
static void add_node(const struct place_pressure_input *input,
		     const struct place_pressure_node *nodes, size_t i, bool is_its,
		     const struct judged *judged, uint64_t *most_lack,
		     struct place_pressure *pressure)
{
	uint64_t room, promised, left;

	pressure_weigh_node(input, nodes, i, judged->tie.page_bytes, &room, &promised);
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
	promised = place_subtract(promised,
				  pressure_share(input, &judged->tie, judged->claim_bytes, i));
	left = place_subtract(room, promised);
	pressure->room_bytes = place_add(pressure->room_bytes, room);
	pressure->neighbours_bytes = place_add(pressure->neighbours_bytes, room - left);
	add_lack(input, lack_on(input, judged, pressure, i, left), i, most_lack, pressure);
	if (input->nearness && input->nearness[i] > pressure->nearness)
		pressure->nearness = input->nearness[i];
}

/* What is confined and short: the kind of harm is settled when all are known. */
static enum place_risk name_risk(const struct place_guest *guest, struct place_pressure *pressure)
{
	const uint64_t room = place_subtract(pressure->room_bytes, pressure->neighbours_bytes);
	const bool is_confined = pressure->is_by_cpuset || is_confined_to_nodes(guest);
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

	if (pressure->is_by_cpuset) {
		at.allowed = &facts->allowed;
	} else if (facts->bind == PLACE_BIND_NONE) {
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

static void mark_short(const struct place_pressure_input *input, struct place_pressure_node *nodes,
		       const struct place_at *at)
{
	for (size_t i = 0; i < input->model->n_nodes; i++) {
		if (!is_at(at, input->model->nodes[i].id))
			continue;
		if (at->allowed)
			nodes[i].is_short_together = true;
		else
			nodes[i].is_short = true;
	}
}

static void judge_by(const struct place_pressure_input *input, struct place_pressure_node *nodes,
		     size_t guest, bool by_cpuset, struct place_pressure *pressure)
{
	const unsigned needed = PLACE_GUEST_MEMS | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;
	const struct place_guest *facts = &input->sample->guests[guest];
	struct judged judged = { .guest = facts, .activity = pressure_activity(input, guest) };
	uint64_t plain_bytes, pool_bytes, left, most_lack = 0;
	struct place_at at;
	bool is_rough;

	*pressure = (struct place_pressure){ .is_pool = facts->hugepage_bytes != 0,
					     .is_by_cpuset = by_cpuset };
	if ((facts->known & needed) != needed)
		return;
	pressure->limit_bytes = pressure_limit(facts);
	pressure->growth_bytes = pressure->is_pool ? place_subtract(pressure->limit_bytes,
								    facts->resident_pool_bytes) :
						     pressure_growth(input, facts);
	if (!find_nodes(input, nodes, guest, pressure, &at, &is_rough))
		return;
	place_model_guest_claim(input->policy, facts, &plain_bytes, &pool_bytes);
	judged.claim_bytes =
		place_least(pressure->is_pool ? pool_bytes : plain_bytes, pressure->growth_bytes);
	judged.tie = pressure_tie(input, facts, pressure->is_pool ? facts->hugepage_bytes : PLAIN);
	pressure->is_by_cell = is_by_cell(&judged, pressure->limit_bytes);
	for (size_t i = 0; i < input->model->n_nodes; i++)
		add_node(input, nodes, i, is_at(&at, input->model->nodes[i].id), &judged,
			 &most_lack, pressure);
	left = place_subtract(pressure->room_bytes, pressure->neighbours_bytes);
	if ((facts->bind != PLACE_BIND_INTERLEAVE || by_cpuset) && !pressure->is_by_cell)
		pressure->short_bytes = place_subtract(pressure->growth_bytes, left);
	pressure->has_better =
		pressure->short_bytes && pressure->spare_bytes >= pressure->short_bytes;
	pressure->risk = name_risk(facts, pressure);
	is_rough = is_rough ||
		   (pressure->is_pool && may_have_surplus(input->stall, facts->hugepage_bytes));
	if (is_rough && pressure->risk > PLACE_RISK_NONE)
		pressure->risk = PLACE_RISK_UNKNOWN;
	pressure->remedy = find_remedy(pressure);
	if (pressure->risk == PLACE_RISK_SWAP)
		mark_short(input, nodes, &at);
}

/* Where its cpuset holds it by far, what is left to be said is what becomes of its policy. */
static void judge(const struct place_pressure_input *input, struct place_pressure_node *nodes,
		  size_t guest, struct place_pressure *pressure)
{
	if (is_confined_by_cpuset(&input->sample->guests[guest])) {
		judge_by(input, nodes, guest, true, pressure);
		if (pressure->risk != PLACE_RISK_NONE ||
		    pressure->spare_bytes < place_pressure_margin(pressure->limit_bytes))
			return;
	}
	judge_by(input, nodes, guest, false, pressure);
}

/* ---- all of them -------------------------------------------------------------------------- */

int place_pressure_find(const struct place_pressure_input *input, struct place_pressure_node *nodes,
			struct place_pressure *pressures)
{
	const size_t n_nodes = input->topology->n_nodes;

	if (input->sample->n_nodes != n_nodes || input->model->n_nodes != n_nodes)
		return -EINVAL;
	pressure_fill_nodes(input, nodes);
	for (size_t i = 0; i < input->sample->n_guests; i++)
		judge(input, nodes, i, &pressures[i]);
	pressure_settle_swap(input, nodes, pressures);
	return 0;
}

uint64_t place_pressure_margin(uint64_t limit_bytes)
{
	return place_most(limit_bytes / MARGIN_PART, MARGIN_LEAST);
}

enum place_risk place_pressure_settle(enum place_risk before, const struct place_pressure *now)
{
	const uint64_t margin = place_pressure_margin(now->limit_bytes);

	if (now->risk == PLACE_RISK_UNKNOWN)
		return before;
	/* What can grow no more needs no distance to anything. */
	if (now->risk >= before || now->spare_bytes >= margin || now->growth_bytes < margin)
		return now->risk;
	return before;
}
