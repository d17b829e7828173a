/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may come to harm, who makes room for him, and how fast: doc/decisions/0017-arrivals.md. */
#include "cycle_parts.h"

#include "arith.h"
#include "decide/pressure.h"
#include "decide/relief.h"

/* A guest arrives for so long after it was first seen: it may take all of its memory at once. */
#define ARRIVING_NS (10 * NS_PER_S)
/*
 * Fast growth is measured from turn to turn, but no sooner: one batch of pages would be a flood.
 * Slow growth over some turns.
 */
#define FAST_WINDOW_NS (150 * NS_PER_MS)
#define FAST_FOR_NS (5 * NS_PER_S)
#define SLOW_WINDOW_NS (4 * NS_PER_S)
#define SLOW_FOR_NS (30 * NS_PER_S)
#define SLOW_BYTES_S (2 * PLACE_MIB)
/* From this part of the bandwidth limit on growth might be faster than who makes room. */
#define FAST_PART 4
#define FAST_LEAST_BYTES_S (16 * PLACE_MIB)

/* ---- risks -------------------------------------------------------------------------------- */

struct risk_memory *cycle_risk_memory(size_t i, void *data)
{
	struct cycle *cycle = data;

	return &cycle->memories[i].risk;
}

int cycle_find_risks(struct cycle *cycle, const struct place_ledger *ledger,
		     struct place_model *ret_model, struct place_pressure_input *ret_input)
{
	int r;

	*ret_input = (struct place_pressure_input){
		.topology = &cycle->host->topology,
		.sample = &cycle->sample,
		.model = ret_model,
		.policy = &cycle->policy,
		.promises = ledger->promises,
		.n_promises = ledger->n,
		.activities = cycle->watch.activities,
	};
	cycle->risks.n = 0;
	risks_observe(&cycle->risks, &cycle->host->root, &cycle->host->text, ret_input->topology,
		      ret_input->sample, cycle->refreshed_ns);
	r = place_model_build(ret_input->topology, ret_input->sample, ret_input->promises,
			      ret_input->n_promises, ret_input->policy, cycle->advice.nodes,
			      ret_model);
	if (r == 0)
		r = risks_find(&cycle->risks, ret_input, cycle_risk_memory, cycle);
	if (r == 0)
		risks_find_swapped(&cycle->risks, ret_input->sample, cycle->watch.with_swap);
	return r;
}

/* ---- who grows ---------------------------------------------------------------------------- */

/* Growth below that is slower than any move. */
static uint64_t fast_bytes_s(const struct cycle *cycle)
{
	return place_most(place_multiply(cycle->settings->bandwidth_mib_s, PLACE_MIB) / FAST_PART,
			  FAST_LEAST_BYTES_S);
}

/* Whether it grows at that rate, or has done so a moment ago. */
static bool follow(struct cycle_growth *growth, uint64_t resident_bytes, uint64_t now,
		   uint64_t window_ns, uint64_t least_bytes_s, uint64_t for_ns)
{
	const uint64_t grown = place_subtract(resident_bytes, growth->resident_bytes);

	if (now < growth->looked_ns + window_ns)
		return now < growth->until_ns;
	if (growth->looked_ns &&
	    place_scale(grown, NS_PER_S, now - growth->looked_ns) >= least_bytes_s)
		growth->until_ns = now + for_ns;
	growth->resident_bytes = resident_bytes;
	growth->looked_ns = now;
	return now < growth->until_ns;
}

void cycle_find_growing(struct cycle *cycle)
{
	const uint64_t now = cycle->refreshed_ns, fast = fast_bytes_s(cycle);

	for (size_t i = 0; i < cycle->watch.n; i++) {
		const struct place_guest *guest = &cycle->watch.guests[i];
		const uint64_t resident =
			place_add(guest->resident_bytes, guest->resident_pool_bytes);
		struct cycle_memory *memory = &cycle->memories[i];
		bool is_fast, is_slow;

		cycle->is_growing[i] = false;
		if (!(guest->known & PLACE_GUEST_RESIDENT))
			continue;
		is_fast = follow(&memory->fast, resident, now, FAST_WINDOW_NS, fast, FAST_FOR_NS);
		is_slow = follow(&memory->slow, resident, now, SLOW_WINDOW_NS, SLOW_BYTES_S,
				 SLOW_FOR_NS);
		cycle->is_growing[i] = is_fast || is_slow;
	}
}

/* Whether guest i takes memory so fast, or is about to, that who makes room must not be slow. */
static bool is_in_a_hurry(const struct cycle *cycle, size_t i)
{
	const unsigned coming = PLACE_TRAIT_STARTING | PLACE_TRAIT_MIGRATING;

	return cycle->refreshed_ns < cycle->memories[i].fast.until_ns ||
	       cycle->watch.traits[i] & coming ||
	       cycle->refreshed_ns < cycle->memories[i].seen_ns + ARRIVING_NS ||
	       cycle->risks.pressures[i].nearness >= PLACE_NEARNESS_CLOSE;
}

/* ---- who makes room ----------------------------------------------------------------------- */

/* By what is settled: a moment's figures do not break off what they would begin again. */
static void pace_moves(struct cycle *cycle, const struct place_relief_input *input)
{
	bool is_needed = place_relief_is_promise_short(input), is_urgent = is_needed;

	for (size_t i = 0; i < cycle->risks.n; i++) {
		if (cycle->risks.settled[i] < PLACE_RISK_SWAP || cycle->risks.pressures[i].is_pool)
			continue;
		is_needed = true;
		is_urgent = is_urgent || is_in_a_hurry(cycle, i);
	}
	/* For whom they make room need not be in the watch again yet: they go on as they did. */
	if (!is_urgent && moves_is_watch_anew(&cycle->moves))
		return;
	if (is_needed)
		moves_hurry(&cycle->moves, is_urgent);
	else
		moves_relieved(&cycle->moves);
}

/* For the plan they are moving, and what they bring is on its way. */
static void mark_relief(struct cycle *cycle)
{
	for (size_t n = 0; n < cycle->relief.n_steps; n++) {
		const struct place_step *step = &cycle->relief.steps[n];
		const int i = place_watch_find(&cycle->watch, step->pid);
		const size_t to = place_topology_index(&cycle->host->topology, step->to_node);

		if (i < 0 || step->cause != PLACE_CAUSE_ARRIVAL)
			continue;
		cycle->is_moving[i] = true;
		cycle->coming_bytes[to] = place_add(cycle->coming_bytes[to], step->bytes);
	}
}

static struct place_relief_input make_input(struct cycle *cycle,
					    const struct place_plan_input *plan,
					    const struct place_pressure_input *pressure)
{
	return (struct place_relief_input){
		.plan = plan,
		.pressure = pressure,
		.nodes = cycle->risks.nodes,
		.pressures = cycle->risks.pressures,
		.is_growing = cycle->is_growing,
		.stuck_until_ns = cycle->stuck_until_ns,
		.under_way = cycle->under_way,
		.n_under_way = moves_under_way(&cycle->moves, cycle->under_way, MOVES_MAX),
	};
}

void cycle_find_relief(struct cycle *cycle, const struct place_plan_input *plan,
		       const struct place_pressure_input *pressure)
{
	const struct place_relief_input input = make_input(cycle, plan, pressure);

	pace_moves(cycle, &input);
	for (size_t i = 0; i < cycle->watch.n; i++)
		cycle->relief_scratch.vain[i] = cycle->memories[i].vain;
	if (place_relief_find(&input, &cycle->relief_scratch, &cycle->relief) < 0)
		cycle->relief.n_steps = 0;
	for (size_t i = 0; i < cycle->watch.n; i++)
		cycle->memories[i].vain = cycle->relief_scratch.vain[i];
	mark_relief(cycle);
}

void cycle_settle_relief(struct cycle *cycle, const struct place_plan_input *plan,
			 const struct place_pressure_input *pressure)
{
	struct place_relief_input input;

	if (!cycle->relief.is_urgent && (cycle->plan.n_steps || moves_n_running(&cycle->moves) > 0))
		cycle->relief.n_steps = 0;
	if (cycle->plan.n_steps) {
		input = make_input(cycle, plan, pressure);
		for (size_t n = 0; n < cycle->relief.n_steps; n++)
			cycle->under_way[input.n_under_way++] = cycle->relief.steps[n];
		(void)place_relief_restrain(&input, &cycle->relief_scratch, &cycle->plan);
	}
	for (size_t n = 0; n < cycle->relief.n_steps; n++) {
		const int i = place_watch_find(&cycle->watch, cycle->relief.steps[n].pid);

		if (i >= 0)
			cycle->plan.fates[i] = PLACE_FATE_MOVE;
	}
}

/* ---- what answers see --------------------------------------------------------------------- */

static void hide_on(const struct moves *moves, unsigned id, struct place_node_sample *node)
{
	node->free_bytes = place_subtract(node->free_bytes, moves_coming_bytes(moves, id, 0));
	for (size_t i = 0; i < node->n_pools && i < PLACE_POOLS_MAX; i++) {
		struct place_pool *pool = &node->pools[i];

		if (pool->page_bytes)
			pool->free_pages = place_subtract(
				pool->free_pages,
				moves_coming_bytes(moves, id, pool->page_bytes) / pool->page_bytes);
	}
}

void cycle_hide_coming(struct cycle *cycle)
{
	for (size_t i = 0; i < cycle->sample.n_nodes && i < cycle->n_nodes; i++) {
		cycle->hidden_from[i] = cycle->sample.nodes[i];
		hide_on(&cycle->moves, cycle->host->topology.nodes[i].id, &cycle->sample.nodes[i]);
	}
}

void cycle_show_coming(struct cycle *cycle)
{
	for (size_t i = 0; i < cycle->sample.n_nodes && i < cycle->n_nodes; i++)
		cycle->sample.nodes[i] = cycle->hidden_from[i];
}
