/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at the cells of wide guests, one after the other, and what comes of them: a node for each
 * cell, its vCPUs there at once, and its memory behind them.
 */
#include "cycle_wide.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "arith.h"
#include "tell/event.h"

/* A look is some ms of a child; one that did not come back is not tried again soon. */
#define AGAIN_NS (60 * NS_PER_S)
#define IN_VAIN_NS (300 * NS_PER_S)

/*
 * Its vCPUs may be sorted by node. A static or advised guest's too: inside the CPUs that they have,
 * and they get all of them back; nobody has said which of them is for which vCPU.
 */
static bool may_sort_cpus(enum place_class class, unsigned traits)
{
	return class != PLACE_CLASS_PINNED && !(traits & PLACE_TRAIT_PINNED);
}

static void tell(const struct wide_guest *guest)
{
	char text[PLACE_CELLS_MAX * 24];
	size_t at = 0;

	text[0] = '\0';
	for (size_t k = 0; k < guest->n_cells && at < sizeof(text); k++)
		if (guest->cells[k].to_node != PLACE_CELL_NOWHERE)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u:%u",
					       at ? " " : "", guest->cells[k].id,
					       guest->cells[k].to_node);
	event(guest->error ? LOG_NOTICE : LOG_INFO, EVENT_PLAN, KV_U64("pid", (uint64_t)guest->pid),
	      KV("guest", guest->name[0] ? guest->name : NULL),
	      KV("cells_to_nodes", text[0] ? text : NULL),
	      KV("error", guest->error ? strerror(-guest->error) : NULL));
}

/* Its vCPUs get back what they had before we gave them CPUs. */
static void release(struct cycle *cycle, const struct wide_guest *guest)
{
	moves_release(&cycle->moves, guest->pid, guest->start_ns);
}

/* What the look found is true no longer than now: CPUs are given at once. */
static void take_look(struct cycle *cycle, size_t i, struct wide_guest *guest,
		      const struct place_cells_look *look, const uint64_t *bytes)
{
	const bool may_sort = may_sort_cpus(cycle->watch.classes[i], cycle->watch.traits[i]);
	const bool may_act =
		!cycle->is_dry_run && cycle->host->root.is_live && cycle->move.is_enabled;
	const bool is_checking = guest->is_checking, was_wide = guest->is_wide;

	if (!cycle->is_dry_run && cycle_has_other_cells(cycle, guest, look)) {
		/* What its vCPUs may use is what we gave: it is looked at again without. */
		release(cycle, guest);
		guest->next_ns = guest->n_cells = 0;
		return;
	}
	guest->is_checking = false;
	guest->looked_ns = place_host_now_ns(cycle->host);
	guest->next_ns = guest->looked_ns + AGAIN_NS;
	guest->error = cycle_sort_cells(cycle, i, may_sort, guest, look, bytes);
	if (was_wide && !guest->is_wide)
		release(cycle, guest);
	if (guest->error || !guest->is_wide || !may_act)
		return;
	if (may_sort)
		guest->error = cycle_sort_cpus(cycle, i, guest, look);
	else /* somebody has pinned one since: his word, and ours is taken back */
		release(cycle, guest);
	if (guest->error)
		guest->is_wide = false;
	else if (is_checking)
		guest->next_ns = guest->looked_ns +
				 place_most(cycle->settings->holdoff_s * NS_PER_S, NS_PER_S);
	else
		cycle_mark_due_cells(cycle, guest, i);
}

/* It was not to be seen what its cells are. */
static void take_nothing(struct cycle *cycle, struct wide_guest *guest)
{
	const bool is_starting = guest->error == -ENOTUNIQ || guest->error == -ENODATA;

	if (guest->is_wide)
		release(cycle, guest);
	guest->is_wide = false;
	guest->n_cells = 0;
	guest->next_ns = place_host_now_ns(cycle->host) + (is_starting ? AGAIN_NS : IN_VAIN_NS);
	tell(guest);
}

static void on_looked(void *data, struct wide_guest *guest, const struct place_cells_look *look,
		      const uint64_t *bytes)
{
	struct cycle *cycle = data;
	const int i = place_watch_find(&cycle->watch, guest->pid);

	if (i < 0 || cycle->watch.guests[i].start_ns != guest->start_ns)
		return;
	if (cycle->watch.guests[i].known & PLACE_GUEST_NAME)
		memcpy(guest->name, cycle->watch.guests[i].name, sizeof(guest->name));
	/* Somebody gave it a policy since it was asked for, or the plan moves it as a whole. */
	if (!cycle_may_be_wide(cycle, (size_t)i) ||
	    moves_is_moving(&cycle->moves, guest->pid, guest->start_ns))
		return;
	if (!look) {
		take_nothing(cycle, guest);
		return;
	}
	take_look(cycle, (size_t)i, guest, look, bytes);
	if (guest->error || cycle_find_due_cell(cycle, guest))
		tell(guest);
	if (guest->is_wide)
		cycle_move_next_cell(cycle, guest, (size_t)i);
}

/* A free guest that one node could hold is the plan's. */
static bool has_one_node(struct cycle *cycle, size_t i)
{
	const struct place_guest *facts = &cycle->watch.guests[i];
	const uint64_t pool_bytes = facts->resident_pool_bytes ? facts->hugepage_bytes : 0;
	const struct place_request request = {
		.vcpus_centi = facts->known & PLACE_GUEST_VCPUS ? facts->n_vcpus * 100 : 100,
		.memory_bytes = place_add(facts->memory_bytes,
					  pool_bytes ? 0 : cycle->policy.guest_overhead_bytes),
	};
	struct place_model model;

	if (cycle->watch.classes[i] != PLACE_CLASS_FREE)
		return false;
	if (cycle_model_without(cycle, i, &model) < 0)
		return true;
	for (size_t j = 0; j < model.n_nodes; j++) {
		struct place_node_model *node = &cycle->scratch.nodes[j];

		node->usable_bytes =
			place_add(place_model_room(node, &cycle->sample.nodes[j], pool_bytes),
				  cycle->watch.activities[i].bytes[j]);
	}
	return place_cells_fits_one(&model, &request);
}

void cycle_look_at_cells(struct cycle *cycle, struct wide_guest *guest, size_t i)
{
	if (has_one_node(cycle, i)) {
		if (guest->is_wide)
			release(cycle, guest);
		guest->is_wide = guest->is_checking = false;
		guest->n_cells = 0;
		guest->looked_ns = cycle->refreshed_ns;
		guest->next_ns = cycle->refreshed_ns + AGAIN_NS;
		return;
	}
	cycle->wide.n_samples = cycle->settings->samples;
	cycle->wide.on_looked = on_looked;
	cycle->wide.data = cycle;
	if (wide_look(&cycle->wide, cycle->event, cycle->host, &cycle->watch.guests[i]) < 0)
		guest->next_ns = cycle->refreshed_ns + AGAIN_NS;
}
