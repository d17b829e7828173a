/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan looks at the room of one node. What others may still take of several nodes, or of any,
 * lies elsewhere once that is gone: so its steps are tried as well before they are done.
 */
#include "decide/relief_parts.h"

int place_relief_restrain(const struct place_relief_input *input,
			  struct place_relief_scratch *scratch, struct place_plan *plan)
{
	const struct relief_need nobody = { .guest = SIZE_MAX, .cause = PLACE_CAUSE_LOCALITY };
	struct relief_world world;
	size_t n_kept = 0;
	int r;

	if (!plan->n_steps)
		return 0;
	r = relief_world_begin(input, scratch, &world);
	if (r < 0)
		return r;
	for (size_t n = 0; n < plan->n_steps; n++) {
		const struct place_step *step = &plan->steps[n];
		const size_t i = relief_find_guest(&world.sample, step->pid);

		if (i == world.sample.n_guests)
			continue;
		if (step->bytes && !relief_world_try(&world, i, step, &nobody))
			plan->fates[i] = PLACE_FATE_NO_ROOM;
		else
			plan->steps[n_kept++] = *step;
	}
	plan->n_steps = n_kept;
	return 0;
}
