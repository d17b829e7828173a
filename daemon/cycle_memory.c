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
	free(cycle->hidden_from);
	free(cycle->scratch.nodes);
	free(cycle->scratch.taken_bytes);
	free(cycle->scratch.advise.candidates);
	free(cycle->scratch.advise.reasons);
	free(cycle->relief_scratch.models);
	free(cycle->relief_scratch.raw);
	free(cycle->relief_scratch.nodes);
	free(cycle->relief_scratch.saved_free);
	free(cycle->relief_scratch.saved_row);
	free(cycle->relief_scratch.rows);
	cycle->n_nodes = 0;
}

static int resize_relief(struct place_relief_scratch *scratch, size_t n)
{
	scratch->models = calloc(n, sizeof(*scratch->models));
	scratch->raw = calloc(n, sizeof(*scratch->raw));
	scratch->nodes = calloc(n, sizeof(*scratch->nodes));
	scratch->saved_free = calloc(n, sizeof(*scratch->saved_free));
	scratch->saved_row = calloc(n, sizeof(*scratch->saved_row));
	scratch->rows = calloc(n * PLACE_RELIEF_ROWS, sizeof(*scratch->rows));
	return scratch->models && scratch->raw && scratch->nodes && scratch->saved_free &&
			       scratch->saved_row && scratch->rows ?
		       0 :
		       -ENOMEM;
}

int cycle_scratch_resize(struct cycle *cycle)
{
	const size_t n = cycle->host->topology.n_nodes;
	struct place_plan_scratch *scratch = &cycle->scratch;

	if (n == cycle->n_nodes)
		return 0;
	cycle_scratch_done(cycle);
	cycle->coming_bytes = calloc(n, sizeof(*cycle->coming_bytes));
	cycle->hidden_from = calloc(n, sizeof(*cycle->hidden_from));
	scratch->nodes = calloc(n, sizeof(*scratch->nodes));
	scratch->taken_bytes = calloc(n, sizeof(*scratch->taken_bytes));
	scratch->advise.candidates = calloc(n, sizeof(*scratch->advise.candidates));
	scratch->advise.reasons = calloc(n, sizeof(*scratch->advise.reasons));
	scratch->advise.n_nodes = n;
	if (resize_relief(&cycle->relief_scratch, n) < 0 || !cycle->coming_bytes ||
	    !cycle->hidden_from || !scratch->nodes || !scratch->taken_bytes ||
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
static int reserve_guests(struct cycle *cycle, size_t n)
{
	struct place_relief_scratch *relief = &cycle->relief_scratch;
	const size_t room = n + n / 2 + 16;

	if (n <= cycle->room)
		return 0;
	if (grow(&cycle->memories, room, sizeof(*cycle->memories)) < 0 ||
	    grow(&cycle->memories_before, room, sizeof(*cycle->memories_before)) < 0 ||
	    grow(&cycle->held_until_ns, room, sizeof(*cycle->held_until_ns)) < 0 ||
	    grow(&cycle->stuck_until_ns, room, sizeof(*cycle->stuck_until_ns)) < 0 ||
	    grow(&cycle->is_moving, room, sizeof(*cycle->is_moving)) < 0 ||
	    grow(&cycle->may_steer, room, sizeof(*cycle->may_steer)) < 0 ||
	    grow(&cycle->may_change_nodes, room, sizeof(*cycle->may_change_nodes)) < 0 ||
	    grow(&cycle->is_wide, room, sizeof(*cycle->is_wide)) < 0 ||
	    grow(&cycle->is_growing, room, sizeof(*cycle->is_growing)) < 0 ||
	    grow(&relief->guests, room, sizeof(*relief->guests)) < 0 ||
	    grow(&relief->activities, room, sizeof(*relief->activities)) < 0 ||
	    grow(&relief->pressures, room, sizeof(*relief->pressures)) < 0 ||
	    grow(&relief->risks, room, sizeof(*relief->risks)) < 0 ||
	    grow(&relief->vain, room, sizeof(*relief->vain)) < 0 ||
	    grow(&cycle->plan.fates, room, sizeof(*cycle->plan.fates)) < 0 ||
	    grow(&cycle->scratch.traffic, room, sizeof(*cycle->scratch.traffic)) < 0)
		return -ENOMEM;
	cycle->room = room;
	return 0;
}

static struct cycle_memory new_memory(const struct place_guest *guest, uint64_t now_ns)
{
	return (struct cycle_memory){
		.pid = guest->pid,
		.start_ns = guest->start_ns,
		.seen_ns = now_ns,
		.class_told = PLACE_CLASS_COUNT,
		.fate_told = PLACE_FATE_COUNT,
	};
}

static int compare_guests(const void *a, const void *b)
{
	const struct cycle_memory *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

/* Of whom the watch does not have yet since it began anew: behind those that it has. */
static void keep(struct cycle *cycle, const struct cycle_memory *before)
{
	struct cycle_memory *kept = &cycle->memories[cycle->watch.n + cycle->n_kept++];

	*kept = *before;
	/* What looks and samples found went with the watch. */
	kept->looked_ns = kept->sampled_ns = 0;
}

/* Brings what is remembered into the order of the watch: both ascend by pid, and start. */
int cycle_align_memories(struct cycle *cycle)
{
	const bool is_anew = moves_is_watch_anew(&cycle->moves);
	const size_t n_before = cycle->n_memories;
	struct cycle_memory *before;
	size_t j = 0;
	int r;

	r = reserve_guests(cycle, cycle->watch.n + (is_anew ? n_before : 0));
	if (r < 0)
		return r;
	before = cycle->memories;
	cycle->memories = cycle->memories_before;
	cycle->memories_before = before;
	if (cycle->n_kept)
		qsort(before, n_before, sizeof(*before), compare_guests);
	cycle->n_kept = 0;
	for (size_t i = 0; i < cycle->watch.n; i++) {
		struct cycle_memory *memory = &cycle->memories[i];

		*memory = new_memory(&cycle->watch.guests[i], cycle->refreshed_ns);
		for (; j < n_before && compare_guests(&before[j], memory) < 0; j++)
			if (is_anew)
				keep(cycle, &before[j]);
		if (j < n_before && compare_guests(&before[j], memory) == 0)
			*memory = before[j++];
	}
	for (; is_anew && j < n_before; j++)
		keep(cycle, &before[j]);
	cycle->n_memories = cycle->watch.n + cycle->n_kept;
	return 0;
}

void cycle_memories_done(struct cycle *cycle)
{
	free(cycle->scratch.traffic);
	free(cycle->memories);
	free(cycle->memories_before);
	free(cycle->held_until_ns);
	free(cycle->stuck_until_ns);
	free(cycle->is_moving);
	free(cycle->may_steer);
	free(cycle->may_change_nodes);
	free(cycle->is_wide);
	free(cycle->is_growing);
	free(cycle->relief_scratch.guests);
	free(cycle->relief_scratch.activities);
	free(cycle->relief_scratch.pressures);
	free(cycle->relief_scratch.risks);
	free(cycle->relief_scratch.vain);
	free(cycle->plan.fates);
	cycle->n_memories = cycle->n_kept = cycle->room = 0;
}
