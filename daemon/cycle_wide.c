/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wide guests (wide.h), behind the plan: whom their cells place, and whose turn it is. Who has a
 * node for all of it is the plan's. Looks are in cycle_wide_look.c, moves in cycle_wide_move.c.
 */
#include "cycle_wide.h"

#include "arith.h"
#include "decide/class.h"

/* One turn of so many is for guests that are not the system's. */
#define OTHERS_EACH 4

/* ---- who it is for ------------------------------------------------------------------------- */

bool cycle_may_be_wide(const struct cycle *cycle, size_t i)
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

static bool is_of_system(const struct cycle *cycle, size_t i)
{
	return place_plan_is_of_system(cycle->watch.traits[i]);
}

/* Who was not looked at yet is nobody else's to move, but for a free guest: one node is better. */
bool cycle_is_wide(struct cycle *cycle, size_t i)
{
	const struct place_guest *guest = &cycle->watch.guests[i];
	const struct wide_guest *known;

	if (!cycle_may_be_wide(cycle, i))
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

/* ---- the turn ------------------------------------------------------------------------------ */

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

/* One cell follows the other, but for a guest that is refused again and again. */
static bool is_held_off(const struct cycle *cycle, size_t i)
{
	return cycle->memories[i].n_denied > 1 &&
	       cycle->refreshed_ns < cycle->memories[i].held_until_ns;
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
		if (!cycle_may_be_wide(cycle, i)) {
			let_go(cycle, i);
			continue;
		}
		if (!is_at_hand(cycle, i) || is_held_off(cycle, i))
			continue;
		guest = wide_add(&cycle->wide, facts->pid, facts->start_ns, of_system);
		if (!guest)
			continue;
		if (guest->is_wide && cycle_find_due_cell(cycle, guest))
			cycle_move_next_cell(cycle, guest, i);
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
	cycle->wide.is_crowded_out = false;
	go_through(cycle, true, &of_system);
	go_through(cycle, false, &other);
	next = of_system.guest ? &of_system : &other;
	if (cycle->wide.n_turns % OTHERS_EACH == OTHERS_EACH - 1 && other.guest)
		next = &other;
	if (!next->guest || cycle->wide.job)
		return;
	cycle->wide.n_turns++;
	cycle_look_at_cells(cycle, next->guest, next->i);
}
