/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the plan's steps to the movers, and what is remembered of a guest that was tried. */
#include "cycle_parts.h"

#include "arith.h"
#include "decide/class.h"

/* A guest whose CPUs could not be given is taken as it is for so long: perhaps it only begins. */
#define UNSTEERABLE_FOR_NS (60 * NS_PER_S)
#define STEERED_FOR_NS (60 * NS_PER_S)

/* Nobody chose its CPUs, nobody will miss them: libvirt goes by its own record of the others. */
bool cycle_may_steer(const struct cycle *cycle, size_t i)
{
	const enum place_class class = cycle->watch.classes[i];

	return (class == PLACE_CLASS_FREE || class == PLACE_CLASS_DEVICE) &&
	       place_class_moves_cpus(class, cycle->watch.traits[i]) &&
	       cycle->refreshed_ns >= cycle->memories[i].unsteerable_ns;
}

bool cycle_may_change_nodes(const struct cycle *cycle, size_t i)
{
	return place_class_changes_nodes(cycle->watch.classes[i], &cycle->watch.guests[i],
					 cycle->watch.traits[i]);
}

int cycle_model_without(struct cycle *cycle, size_t i, struct place_model *ret_model)
{
	const struct place_ledger *ledger = advice_settle(&cycle->advice);

	return place_model_build_without(&cycle->host->topology, &cycle->sample, i,
					 ledger->promises, ledger->n, &cycle->policy,
					 cycle->scratch.nodes, ret_model);
}

uint64_t cycle_reserve_on(void *data, size_t guest, unsigned node, enum place_cause cause)
{
	struct cycle *cycle = data;
	struct place_model model;
	uint64_t cache_bytes;
	size_t i;

	if (cycle_model_without(cycle, guest, &model) < 0)
		return UINT64_MAX;
	i = place_topology_index(&cycle->host->topology, node);
	if (i == model.n_nodes)
		return UINT64_MAX;
	cache_bytes = cause == PLACE_CAUSE_LOCALITY ? 0 : model.nodes[i].reclaimable_bytes;
	return place_add(model.nodes[i].reserve_bytes,
			 place_subtract(model.nodes[i].promised_bytes, cache_bytes));
}

void cycle_keep_together(struct cycle *cycle, const struct place_step *step, size_t i)
{
	const size_t to = place_topology_index(&cycle->host->topology, step->to_node);

	if (cycle->may_steer[i] && to < cycle->host->topology.n_nodes &&
	    step->bytes > cycle->watch.activities[i].bytes[to])
		moves_release(&cycle->moves, step->pid, step->start_ns);
}

/* Tried is tried: a guest that cannot be moved must not be tried each turn. */
static void take_step(struct cycle *cycle, const struct place_step *step, size_t i)
{
	struct cycle_memory *memory = &cycle->memories[i];
	/* Its CPUs do not go where its memory cannot follow. */
	const bool is_barred =
		step->bytes && moves_is_barred(&cycle->moves, step->pid, step->start_ns);

	memory->held_until_ns = cycle->refreshed_ns + cycle->settings->holdoff_s * NS_PER_S;
	if (!is_barred && cycle->may_steer[i] && moves_steer(&cycle->moves, step, i) < 0) {
		/* What was planned rested on that; next time it is planned without. */
		memory->unsteerable_ns = cycle->refreshed_ns + UNSTEERABLE_FOR_NS;
		memory->held_until_ns = 0;
		cycle->is_hurried = true;
		return;
	}
	if (!step->bytes) {
		/* Only its CPUs were elsewhere; where they run now is known a while later. */
		memory->held_until_ns = cycle->refreshed_ns + STEERED_FOR_NS;
		return;
	}
	if (moves_start(&cycle->moves, step, i, NULL) < 0 && !is_barred)
		cycle_keep_together(cycle, step, i);
}

void cycle_act(struct cycle *cycle)
{
	cycle->is_hurried = false;
	moves_keep_free(&cycle->moves);
	moves_check(&cycle->moves, !cycle->move.is_enabled);
	/* Whether this host may be moved on is found out while guests are: a step need not wait. */
	if ((!cycle->plan.n_steps && !cycle->is_new) || cycle->is_dry_run ||
	    !cycle->move.is_enabled || !cycle->host->root.is_live ||
	    moves_may_start(&cycle->moves) < 0)
		return;
	for (size_t n = 0; n < cycle->plan.n_steps; n++) {
		const struct place_step *step = &cycle->plan.steps[n];
		const int i = place_watch_find(&cycle->watch, step->pid);

		if (i >= 0)
			take_step(cycle, step, (size_t)i);
	}
}
