/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From steps that make room for somebody to the movers. */
#include "cycle_parts.h"

#include <errno.h>

#include "arith.h"

/* Each is a process with some threads, of which the unit may have so many (TasksMax=). */
static size_t most_at_once(const struct cycle *cycle)
{
	return place_most(cycle->move.steps_max, PLACE_STEPS_MAX);
}

/* Where its CPUs cannot be given its memory goes alone: what it loses is less than a death. */
static void relieve_by(struct cycle *cycle, const struct place_step *step)
{
	const int i = place_watch_find(&cycle->watch, step->pid);
	struct place_step here = *step;
	bool is_barred;

	/* Its CPUs do not go where its memory cannot follow. */
	if (i < 0 || moves_n_running(&cycle->moves) >= most_at_once(cycle))
		return;
	is_barred = moves_is_barred(&cycle->moves, step->pid, step->start_ns);
	cycle->memories[i].held_until_ns = cycle->memories[i].stuck_until_ns =
		cycle->refreshed_ns + cycle->settings->holdoff_s * NS_PER_S;
	if (!is_barred && !step->keeps_cpus && cycle->may_steer[i] &&
	    moves_steer(&cycle->moves, step, (size_t)i) < 0)
		here.keeps_cpus = true;
	if (moves_start(&cycle->moves, &here, (size_t)i, NULL) == 0)
		cycle->is_relieving = true;
	else if (!is_barred && !here.keeps_cpus)
		cycle_keep_together(cycle, step, (size_t)i);
}

void cycle_relieve(struct cycle *cycle)
{
	int r;

	cycle->is_relieving = moves_n_relieving(&cycle->moves) > 0;
	if (!cycle->relief.n_steps || cycle->is_dry_run || !cycle->move.is_enabled ||
	    !cycle->host->root.is_live)
		return;
	r = moves_may_start(&cycle->moves);
	cycle->is_relieving = cycle->is_relieving || r == -EINPROGRESS;
	for (size_t n = 0; r == 0 && n < cycle->relief.n_steps; n++)
		relieve_by(cycle, &cycle->relief.steps[n]);
}
