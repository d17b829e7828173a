/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a turn needs and what it remembers: buffers that keep their size, so that a steady turn
 * allocates nothing, and a line per guest that follows the watch.
 */
#include "cycle_memory.h"

#include <errno.h>
#include <stdlib.h>

void cycle_scratch_done(struct cycle *cycle)
{
	free(cycle->coming_bytes);
	free(cycle->scratch.nodes);
	free(cycle->scratch.taken_bytes);
	free(cycle->scratch.advise.candidates);
	free(cycle->scratch.advise.reasons);
	cycle->n_nodes = 0;
}

int cycle_scratch_resize(struct cycle *cycle)
{
	const size_t n = cycle->host->topology.n_nodes;
	struct place_plan_scratch *scratch = &cycle->scratch;

	if (n == cycle->n_nodes)
		return 0;
	cycle_scratch_done(cycle);
	cycle->coming_bytes = calloc(n, sizeof(*cycle->coming_bytes));
	scratch->nodes = calloc(n, sizeof(*scratch->nodes));
	scratch->taken_bytes = calloc(n, sizeof(*scratch->taken_bytes));
	scratch->advise.candidates = calloc(n, sizeof(*scratch->advise.candidates));
	scratch->advise.reasons = calloc(n, sizeof(*scratch->advise.reasons));
	scratch->advise.n_nodes = n;
	if (!cycle->coming_bytes || !scratch->nodes || !scratch->taken_bytes ||
	    !scratch->advise.candidates || !scratch->advise.reasons)
		return -ENOMEM;
	cycle->n_nodes = n;
	return 0;
}

static int grow(void *array, size_t room, size_t size)
{
	void **at = array;
	void *more = reallocarray(*at, room, size);

	if (!more)
		return -ENOMEM;
	*at = more;
	return 0;
}

/* Arrays with an entry per guest. */
static int reserve_guests(struct cycle *cycle)
{
	const size_t room = cycle->watch.n + cycle->watch.n / 2 + 16;

	if (cycle->watch.n <= cycle->room)
		return 0;
	if (grow(&cycle->memories, room, sizeof(*cycle->memories)) < 0 ||
	    grow(&cycle->memories_before, room, sizeof(*cycle->memories_before)) < 0 ||
	    grow(&cycle->held_until_ns, room, sizeof(*cycle->held_until_ns)) < 0 ||
	    grow(&cycle->is_moving, room, sizeof(*cycle->is_moving)) < 0 ||
	    grow(&cycle->may_steer, room, sizeof(*cycle->may_steer)) < 0 ||
	    grow(&cycle->may_change_nodes, room, sizeof(*cycle->may_change_nodes)) < 0 ||
	    grow(&cycle->is_wide, room, sizeof(*cycle->is_wide)) < 0 ||
	    grow(&cycle->plan.fates, room, sizeof(*cycle->plan.fates)) < 0 ||
	    grow(&cycle->scratch.traffic, room, sizeof(*cycle->scratch.traffic)) < 0)
		return -ENOMEM;
	cycle->room = room;
	return 0;
}

/* Brings what is remembered into the order of the watch: both ascend by pid. */
int cycle_align_memories(struct cycle *cycle)
{
	struct cycle_memory *before;
	size_t n_before = cycle->n_memories, j = 0;
	int r;

	r = reserve_guests(cycle);
	if (r < 0)
		return r;
	before = cycle->memories;
	cycle->memories = cycle->memories_before;
	cycle->memories_before = before;
	for (size_t i = 0; i < cycle->watch.n; i++) {
		const struct place_guest *guest = &cycle->watch.guests[i];

		while (j < n_before && before[j].pid < guest->pid)
			j++;
		if (j < n_before && before[j].pid == guest->pid &&
		    before[j].start_ns == guest->start_ns)
			cycle->memories[i] = before[j];
		else
			cycle->memories[i] = (struct cycle_memory){ .pid = guest->pid,
								    .start_ns = guest->start_ns,
								    .class_told = PLACE_CLASS_COUNT,
								    .fate_told = PLACE_FATE_COUNT };
	}
	for (size_t i = 0; i < cycle->watch.n; i++)
		if (!cycle->memories[i].seen_ns)
			cycle->memories[i].seen_ns = cycle->refreshed_ns;
	cycle->n_memories = cycle->watch.n;
	return 0;
}

void cycle_memories_done(struct cycle *cycle)
{
	free(cycle->scratch.traffic);
	free(cycle->memories);
	free(cycle->memories_before);
	free(cycle->held_until_ns);
	free(cycle->is_moving);
	free(cycle->may_steer);
	free(cycle->may_change_nodes);
	free(cycle->is_wide);
	free(cycle->plan.fates);
	cycle->n_memories = cycle->room = 0;
}
