/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs that guests were given, from the plan's step until the daemon lets go of the guest. */
#include "moves.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "act/affinity.h"
#include "decide/plan.h"
#include "moves_parts.h"
#include "observe/facts.h"
#include "tell/event.h"

bool moves_is_guest(const struct moves *moves, size_t i)
{
	return !(moves->watch->traits[i] & PLACE_TRAIT_INCLUDED);
}

int moves_steer(struct moves *moves, const struct place_step *step, size_t i)
{
	const struct place_topology *topology = &moves->host->topology;
	const struct place_set *cpus =
		&topology->nodes[place_topology_index(topology, step->to_node)].cpus;
	const struct intent *held =
		intents_find(&moves->intents, INTENT_AFFINITY, step->pid, step->start_ns);
	const struct place_set before = held ? held->given : (struct place_set){ 0 };
	int r;

	r = affinity_give(moves->act, &moves->host->root, &moves->host->text, &moves->intents,
			  step->pid, step->start_ns, moves_is_guest(moves, i), cpus);
	if (r < 0)
		event(LOG_NOTICE, EVENT_TROUBLE, KV_U64("pid", (uint64_t)step->pid),
		      KV("note", "its vCPUs stay where they are"), KV("error", strerror(-r)));
	else if ((held = intents_find(&moves->intents, INTENT_AFFINITY, step->pid,
				      step->start_ns)) &&
		 !place_set_equal(&held->given, &before))
		event(LOG_INFO, EVENT_STEER, KV_U64("pid", (uint64_t)step->pid),
		      KV_U64("to", step->to_node), KV_U64("bytes_elsewhere", step->bytes));
	return r;
}

int moves_steer_cells(struct moves *moves, size_t i, const struct affinity_cell *cells, size_t n)
{
	const struct place_guest *guest = &moves->watch->guests[i];
	const bool is_of_system = place_plan_is_of_system(moves->watch->traits[i]);

	/* Cells are many: nobody's guests take all the lines there are. */
	if (!is_of_system && moves->intents.n + n > INTENTS_MAX - INTENTS_OF_SYSTEM)
		return -E2BIG;
	if (intents_find_whole(&moves->intents, guest->pid, guest->start_ns))
		moves_release(moves, guest->pid, guest->start_ns);
	return affinity_give_cells(moves->act, &moves->host->root, &moves->host->text,
				   &moves->intents, guest->pid, guest->start_ns, cells, n);
}

void moves_release(struct moves *moves, int pid, uint64_t start_ns)
{
	if (!moves_steers(moves, pid, start_ns))
		return;
	affinity_take_back(moves->act, &moves->host->root, &moves->host->text, &moves->intents, pid,
			   start_ns);
	(void)intents_write(&moves->intents);
}

void moves_release_from(struct moves *moves, const struct move *move)
{
	const struct place_topology *topology = &moves->host->topology;
	const size_t to = place_topology_index(topology, move->to_node);
	const struct intent *intent =
		intents_find_whole(&moves->intents, move->pid, move->start_ns);

	if (intent && to < topology->n_nodes &&
	    place_set_intersects(&intent->given, &topology->nodes[to].cpus))
		moves_release(moves, move->pid, move->start_ns);
}

/* A look that was under way while they were given has seen those of before: one is no proof. */
#define LOOKS_OF_OTHERS 2

bool moves_has_given(struct moves *moves, int pid, uint64_t start_ns, const struct place_set *cpus)
{
	struct intent *intent = intents_find_whole(&moves->intents, pid, start_ns);

	if (!intent || place_set_is_empty(cpus))
		return true;
	intent->n_others = place_set_intersects(cpus, &intent->given) ? 0 : intent->n_others + 1;
	return intent->n_others < LOOKS_OF_OTHERS;
}

/* A node that no guest may use leaves nobody confined (look.c): its CPUs are kept from all. */
bool moves_was_confined(const struct moves *moves, int pid, uint64_t start_ns)
{
	const struct intent *intent = intents_find(&moves->intents, INTENT_AFFINITY, pid, start_ns);
	const struct place_topology *topology = &moves->host->topology;
	const struct place_confine *confine = &moves->host->sample.confine;

	for (size_t i = 0; intent && i < topology->n_nodes; i++) {
		struct place_set cpus = topology->nodes[i].cpus;

		if (confine->have_cpus)
			place_set_and(&cpus, &confine->cpus);
		if (!place_set_is_empty(&cpus) && !place_set_intersects(&intent->before, &cpus))
			return true;
	}
	return false;
}

/*
 * Whether what all of its vCPUs were given may stay. Since then somebody may have chosen CPUs or
 * nodes for it: those that we gave are in his way. Who migrates or cannot be read is what it was.
 */
static bool may_keep(enum place_class class, unsigned traits)
{
	switch (class) {
	case PLACE_CLASS_FREE:
	case PLACE_CLASS_DEVICE:
		return !(traits & (PLACE_TRAIT_PINNED | PLACE_TRAIT_NODESET));
	case PLACE_CLASS_MIGRATING:
	case PLACE_CLASS_UNREADABLE:
		return true;
	case PLACE_CLASS_AUTO:
	case PLACE_CLASS_STATIC:
	case PLACE_CLASS_PINNED:
	case PLACE_CLASS_INTERLEAVED:
	case PLACE_CLASS_CONFIDENTIAL:
	case PLACE_CLASS_EXCLUDED:
	case PLACE_CLASS_COUNT:
		break;
	}
	return false;
}

static bool is_still_ours(const struct moves *moves, const struct intent *intent)
{
	const struct place_watch *watch = moves->watch;
	const int i = place_watch_find(watch, intent->pid);

	if (i < 0 && moves_is_watch_anew(moves))
		return place_facts_check_start(&moves->host->root, &moves->host->text, intent->pid,
					       intent->start_ns) == 0;
	if (i < 0 || watch->guests[i].start_ns != intent->start_ns)
		return false;
	/* CPUs by cell are let go of by who gave them (cycle_wide.c). */
	if (!place_set_is_empty(&intent->vcpus))
		return watch->classes[i] != PLACE_CLASS_EXCLUDED;
	return may_keep(watch->classes[i], watch->traits[i]);
}

static void take_back(struct moves *moves, bool from_all)
{
	bool has_changed = false;

	for (size_t n = moves->intents.n; n-- > 0;) {
		/* Cells have several, which go together. */
		if (n >= moves->intents.n)
			continue;
		const struct intent *intent = &moves->intents.list[n];

		if (intent->kind != INTENT_AFFINITY || (!from_all && is_still_ours(moves, intent)))
			continue;
		affinity_take_back(moves->act, &moves->host->root, &moves->host->text,
				   &moves->intents, intent->pid, intent->start_ns);
		has_changed = true;
	}
	if (has_changed)
		(void)intents_write(&moves->intents);
}

void moves_let_go(struct moves *moves)
{
	take_back(moves, false);
}

void moves_take_back(struct moves *moves)
{
	take_back(moves, true);
}

/* Processes may make threads as fast as they like; more than this are for the next turn. */
#define FOLLOW_MAX 64
/* libvirt gives a new vCPU its CPUs just after it began, and would overwrite ours. */
#define FOLLOW_AFTER_NS UINT64_C(3000000000)

/* Returns: how many threads may still be looked at. */
static unsigned follow(struct moves *moves, struct intent *intent, size_t i, unsigned budget)
{
	const uint64_t now_ns = moves->act->ops->now_ns(moves->act);
	struct place_thread thread;
	unsigned n_given = 0;
	int error = 0;

	for (; budget; budget--) {
		int r;

		if (!place_watch_next_thread(moves->watch, i, &intent->seen, &thread) ||
		    now_ns < thread.start_ns + FOLLOW_AFTER_NS)
			break;
		r = affinity_follow(moves->act, &moves->host->root, &moves->host->text, intent,
				    moves_is_guest(moves, i), &thread);
		n_given += r > 0;
		if (r < 0 && r != -ESRCH)
			error = r;
	}
	if (n_given)
		event(LOG_INFO, EVENT_STEER, KV_U64("pid", (uint64_t)intent->pid),
		      KV_U64("threads", n_given),
		      KV("note", "they came later and go where the others are"));
	if (error)
		event(LOG_NOTICE, EVENT_TROUBLE, KV_U64("pid", (uint64_t)intent->pid),
		      KV("note", "a vCPU that came later stays where it is"),
		      KV("error", strerror(-error)));
	return budget;
}

/* The budget is for all of them; where it did not reach, the next turn begins. */
void moves_follow(struct moves *moves)
{
	const size_t n = moves->intents.n;
	unsigned budget = FOLLOW_MAX;

	for (size_t visited = 0; visited < n && budget; visited++) {
		struct intent *intent = &moves->intents.list[moves->follow_next % n];
		const int i = intent->kind == INTENT_AFFINITY ?
				      place_watch_find(moves->watch, intent->pid) :
				      -ENOENT;

		moves->follow_next = (moves->follow_next + 1) % n;
		if (i >= 0 && moves->watch->guests[i].start_ns == intent->start_ns)
			budget = follow(moves, intent, (size_t)i, budget);
	}
}

bool moves_steers(const struct moves *moves, int pid, uint64_t start_ns)
{
	return intents_find(&moves->intents, INTENT_AFFINITY, pid, start_ns) != NULL;
}
