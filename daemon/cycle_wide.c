/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done with wide guests (wide.h), behind the plan: who has a node for all of it is the
 * plan's. vCPUs go first, so that what the guest touches meanwhile lies right already.
 */
#include "cycle_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "arith.h"
#include "decide/class.h"
#include "tell/event.h"

/* A look is some ms of a child; one that did not come back is not tried again soon. */
#define AGAIN_NS (60 * NS_PER_S)
#define IN_VAIN_NS (300 * NS_PER_S)
/* So often a move is tried that cannot begin now. */
#define MOVE_TRIES 3
#define OTHERS_EACH 4
/* So much of a cell's memory on its node is enough. */
#define RIGHT_PERMILLE 950

/* ---- who it is for ------------------------------------------------------------------------- */

static bool may_be_wide(const struct cycle *cycle, size_t i)
{
	const struct place_guest *guest = &cycle->watch.guests[i];
	const unsigned needed = PLACE_GUEST_START | PLACE_GUEST_MEMORY;
	const enum place_class class = cycle->watch.classes[i];

	/* Cells that are bound to a node each are where somebody wants them. */
	if (!(cycle->watch.traits[i] & PLACE_TRAIT_CELLS) || (guest->known & needed) != needed ||
	    guest->is_split)
		return false;
	if ((class == PLACE_CLASS_AUTO || class == PLACE_CLASS_STATIC) &&
	    guest->known & PLACE_GUEST_MEMS)
		return place_set_count(&guest->mems) > 1;
	return class == PLACE_CLASS_AUTO || class == PLACE_CLASS_STATIC ||
	       class == PLACE_CLASS_PINNED || class == PLACE_CLASS_FREE;
}

/*
 * Its vCPUs may be sorted by node. A static or advised guest's too: inside the CPUs that they have,
 * and they get all of them back; nobody has said which of them is for which vCPU.
 */
static bool may_sort_cpus(enum place_class class, unsigned traits)
{
	return class != PLACE_CLASS_PINNED && !(traits & PLACE_TRAIT_PINNED);
}

static bool is_of_system(const struct cycle *cycle, size_t i)
{
	return place_plan_is_of_system(cycle->watch.traits[i]);
}

/* Who was not looked at yet is nobody else's to move, but for a free guest: one node is better. */
bool cycle_is_wide(struct cycle *cycle, size_t i)
{
	const struct place_guest *guest = &cycle->watch.guests[i];
	const struct wide_guest *known;

	if (!may_be_wide(cycle, i))
		return false;
	known = wide_find(&cycle->wide, guest->pid, guest->start_ns);
	if (known && (known->looked_ns || known->error))
		return known->is_wide;
	return cycle->watch.classes[i] != PLACE_CLASS_FREE &&
	       (known || wide_has_room(&cycle->wide, is_of_system(cycle, i)));
}

/* Cells speak more clearly of a guest's accesses than where all of it lies. */
void cycle_find_wide_evidence(struct cycle *cycle, size_t i)
{
	struct place_activity *activity = &cycle->watch.activities[i];
	const struct place_guest *guest = &cycle->watch.guests[i];
	const struct wide_guest *known = NULL;

	if ((cycle->watch.traits[i] & PLACE_TRAIT_CELLS) &&
	    (activity->known & PLACE_ACTIVITY_REMOTE) &&
	    activity->evidence == PLACE_EVIDENCE_RESIDENCY)
		known = wide_find(&cycle->wide, guest->pid, guest->start_ns);
	if (known)
		(void)wide_remote_permille(known, &activity->remote_permille);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void mark_due(const struct cycle *cycle, struct wide_guest *guest, size_t i)
{
	uint64_t present = 0, wrong = 0;

	guest->n_refused = 0;
	for (size_t k = 0; k < guest->n_cells; k++) {
		struct wide_cell *cell = &guest->cells[k];

		if (cell->to_node == PLACE_CELL_NOWHERE)
			continue;
		present = place_add(present, cell->present_bytes);
		wrong = place_add(wrong, cell->present_bytes - cell->right_bytes);
		cell->is_due = place_scale(cell->right_bytes, 1000, cell->present_bytes | 1) <
				       RIGHT_PERMILLE &&
			       cell->present_bytes;
	}
	if (!present ||
	    !place_plan_pays(&cycle->move, wrong, (unsigned)place_scale(wrong, 1000, present),
			     cycle->watch.activities[i].busy_millicpu))
		for (size_t k = 0; k < guest->n_cells; k++)
			guest->cells[k].is_due = false;
}

static uint64_t free_on(const struct cycle *cycle, unsigned id)
{
	const size_t j = place_topology_index(&cycle->host->topology, id);

	return j < cycle->sample.n_nodes ? cycle->sample.nodes[j].free_bytes : 0;
}

/* Of the cells that wait the one with most room before it: who moves makes room for the next. */
static struct wide_cell *find_due(const struct cycle *cycle, struct wide_guest *guest)
{
	struct wide_cell *best = NULL;

	for (size_t k = 0; k < guest->n_cells; k++) {
		struct wide_cell *cell = &guest->cells[k];

		if (cell->is_due &&
		    (!best || free_on(cycle, cell->to_node) > free_on(cycle, best->to_node)))
			best = cell;
	}
	return best;
}

/* A child that has just ended counts as hung until it is reaped: that is over in a moment. */
static bool is_worth_trying_again(struct wide_guest *guest, int r)
{
	return (r == -EBUSY || r == -EAGAIN) && ++guest->n_refused < MOVE_TRIES;
}

/* One mover at a time. When the last has ended, a look says what has come of it. */
static void move_next(struct cycle *cycle, struct wide_guest *guest, size_t i)
{
	struct wide_cell *cell = find_due(cycle, guest);
	struct place_step step = { .pid = guest->pid, .start_ns = guest->start_ns };
	int r;

	if (!cell || !cycle->move.is_enabled || cycle->is_dry_run || !cycle->host->root.is_live ||
	    moves_n_running(&cycle->moves) >= cycle->move.steps_max ||
	    moves_may_start(&cycle->moves) < 0)
		return;
	step.to_node = cell->to_node;
	step.bytes = cell->present_bytes - cell->right_bytes;
	step.remote_permille = (unsigned)place_scale(step.bytes, 1000, cell->present_bytes | 1);
	r = moves_start(&cycle->moves, &step, i, cycle_reserve_on(cycle, i, step.to_node),
			&cell->range);
	cell->is_due = is_worth_trying_again(guest, r);
	if (r == 0)
		guest->n_refused = 0;
	if (r == 0 && !find_due(cycle, guest))
		guest->next_ns = 0, guest->is_checking = true;
}

/* ---- looks --------------------------------------------------------------------------------- */

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
		moves_release(&cycle->moves, guest->pid, guest->start_ns);
		guest->next_ns = guest->n_cells = 0;
		return;
	}
	guest->is_checking = false;
	guest->looked_ns = place_host_now_ns(cycle->host);
	guest->next_ns = guest->looked_ns + AGAIN_NS;
	guest->error = cycle_sort_cells(cycle, i, may_sort, guest, look, bytes);
	if (was_wide && !guest->is_wide)
		moves_release(&cycle->moves, guest->pid, guest->start_ns);
	if (guest->error || !guest->is_wide || !may_act)
		return;
	if (may_sort)
		guest->error = cycle_sort_cpus(cycle, i, guest, look);
	else /* somebody has pinned one since: his word, and ours is taken back */
		moves_release(&cycle->moves, guest->pid, guest->start_ns);
	if (guest->error)
		guest->is_wide = false;
	else if (is_checking)
		guest->next_ns = guest->looked_ns +
				 place_most(cycle->settings->holdoff_s * NS_PER_S, NS_PER_S);
	else
		mark_due(cycle, guest, i);
}

/* It was not to be seen what its cells are. */
static void take_nothing(struct cycle *cycle, struct wide_guest *guest)
{
	const bool is_starting = guest->error == -ENOTUNIQ || guest->error == -ENODATA;

	if (guest->is_wide)
		moves_release(&cycle->moves, guest->pid, guest->start_ns);
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
	if (!may_be_wide(cycle, (size_t)i) ||
	    moves_is_moving(&cycle->moves, guest->pid, guest->start_ns))
		return;
	if (!look) {
		take_nothing(cycle, guest);
		return;
	}
	take_look(cycle, (size_t)i, guest, look, bytes);
	if (guest->error || find_due(cycle, guest))
		tell(guest);
	if (guest->is_wide)
		move_next(cycle, guest, (size_t)i);
}

/* A free guest that one node could hold is the plan's. */
static bool has_one_node(struct cycle *cycle, size_t i)
{
	const struct place_guest *facts = &cycle->watch.guests[i];
	const struct place_request request = {
		.vcpus_centi = facts->known & PLACE_GUEST_VCPUS ? facts->n_vcpus * 100 : 100,
		.memory_bytes = facts->memory_bytes,
	};
	struct place_model model;

	if (cycle->watch.classes[i] != PLACE_CLASS_FREE)
		return false;
	if (cycle_model_without(cycle, i, &model) < 0)
		return true;
	for (size_t j = 0; j < model.n_nodes; j++)
		cycle->scratch.nodes[j].usable_bytes = place_add(
			cycle->scratch.nodes[j].usable_bytes, cycle->watch.activities[i].bytes[j]);
	return place_cells_fits_one(&model, &cycle->policy, &request);
}

static void look_at(struct cycle *cycle, struct wide_guest *guest, size_t i)
{
	if (has_one_node(cycle, i)) {
		if (guest->is_wide)
			moves_release(&cycle->moves, guest->pid, guest->start_ns);
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

/* Busy, nothing is being done with it, and the plan has no step for it. */
static bool is_at_hand(const struct cycle *cycle, size_t i)
{
	switch (cycle->plan.fates[i]) {
	case PLACE_FATE_LOCAL:
	case PLACE_FATE_HELD_OFF:
	case PLACE_FATE_NO_ROOM:
	case PLACE_FATE_NO_BETTER:
	case PLACE_FATE_NOT_WORTH:
	case PLACE_FATE_CELLS:
		return !moves_is_moving(&cycle->moves, cycle->watch.guests[i].pid,
					cycle->watch.guests[i].start_ns);
	case PLACE_FATE_UNKNOWN:
	case PLACE_FATE_IDLE:
	case PLACE_FATE_CLASS:
	case PLACE_FATE_WAITING:
	case PLACE_FATE_PAUSED:
	case PLACE_FATE_MOVE:
	case PLACE_FATE_MOVING:
	case PLACE_FATE_COUNT:
		break;
	}
	return false;
}

/*
 * It was wide, and is no more: somebody gave it one node, or a policy. A guest that migrates, or
 * that could not be looked at, is what it was.
 */
static void let_go(struct cycle *cycle, size_t i)
{
	const struct place_guest *facts = &cycle->watch.guests[i];
	const enum place_class class = cycle->watch.classes[i];
	struct wide_guest *guest = NULL;

	if (cycle->watch.traits[i] & PLACE_TRAIT_CELLS &&
	    (place_class_moves_memory(class) || class == PLACE_CLASS_INTERLEAVED))
		guest = wide_find(&cycle->wide, facts->pid, facts->start_ns);
	if (!guest || !guest->is_wide || cycle->is_dry_run)
		return;
	moves_release(&cycle->moves, facts->pid, facts->start_ns);
	*guest = (struct wide_guest){ .pid = facts->pid, .start_ns = facts->start_ns };
}

struct due_look {
	struct wide_guest *guest;
	size_t i; /* in the watch */
};

/* Of the system's guests, or of the others: moves what is due, and finds whose look comes next. */
static void go_through(struct cycle *cycle, bool of_system, struct due_look *best)
{
	for (size_t i = 0; i < cycle->watch.n; i++) {
		const struct place_guest *facts = &cycle->watch.guests[i];
		struct wide_guest *guest;

		if (is_of_system(cycle, i) != of_system)
			continue;
		if (!may_be_wide(cycle, i)) {
			let_go(cycle, i);
			continue;
		}
		if (!is_at_hand(cycle, i))
			continue;
		guest = wide_add(&cycle->wide, facts->pid, facts->start_ns, of_system);
		if (!guest)
			continue;
		if (guest->is_wide && find_due(cycle, guest))
			move_next(cycle, guest, i);
		else if (cycle->refreshed_ns >= guest->next_ns &&
			 (!best->guest || guest->next_ns < best->guest->next_ns))
			*best = (struct due_look){ .guest = guest, .i = i };
	}
}

/* Anybody can start guests with as many cells as he likes: the system's go first, three in four. */
void cycle_act_wide(struct cycle *cycle)
{
	struct due_look of_system = { 0 }, other = { 0 };
	const struct due_look *next;

	wide_forget(&cycle->wide, &cycle->watch);
	go_through(cycle, true, &of_system);
	go_through(cycle, false, &other);
	next = of_system.guest ? &of_system : &other;
	if (cycle->wide.n_turns % OTHERS_EACH == OTHERS_EACH - 1 && other.guest)
		next = &other;
	if (!next->guest || cycle->wide.job)
		return;
	cycle->wide.n_turns++;
	look_at(cycle, next->guest, next->i);
}
