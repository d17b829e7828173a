/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What would be if somebody went: the same model and the same pressure, of a host so changed. */
#include <errno.h>
#include <string.h>

#include "arith.h"
#include "decide/model.h"
#include "decide/relief_parts.h"

static size_t n_nodes(const struct relief_world *world)
{
	return world->sample.n_nodes;
}

size_t relief_find_guest(const struct place_sample *sample, int pid)
{
	size_t i = 0;

	while (i < sample->n_guests && sample->guests[i].pid != pid)
		i++;
	return i;
}

/* ---- changes ------------------------------------------------------------------------------ */

/* Where the guest's memory lies, for the world to change. NULL: there are no more rows. */
static uint64_t *own_row(struct relief_world *world, size_t guest)
{
	struct place_relief_scratch *scratch = world->scratch;
	struct place_activity *activity = &scratch->activities[guest];
	uint64_t *row;

	if (activity->bytes != world->input->plan->activities[guest].bytes)
		return activity->bytes;
	if (world->n_rows == PLACE_RELIEF_ROWS)
		return NULL;
	row = scratch->rows + world->n_rows++ * n_nodes(world);
	memcpy(row, activity->bytes, n_nodes(world) * sizeof(*row));
	activity->bytes = row;
	return row;
}

/* Pages of a pool go into another pool: what is free besides is as it was. */
static void shift(struct relief_world *world, const struct place_step *step, uint64_t *row,
		  uint64_t bytes, bool is_pool)
{
	const struct place_topology *topology = world->input->plan->topology;
	const size_t to = place_topology_index(topology, step->to_node);
	struct place_node_sample *raw = world->scratch->raw;

	if (to == topology->n_nodes)
		return;
	for (size_t i = 0; i < topology->n_nodes; i++) {
		const uint64_t n = place_least(row[i], bytes);

		if (i == to || place_set_has(&step->keep, topology->nodes[i].id))
			continue;
		row[i] -= n;
		row[to] = place_add(row[to], n);
		bytes -= n;
		if (is_pool)
			continue;
		raw[i].free_bytes = place_add(raw[i].free_bytes, n);
		raw[to].free_bytes = place_subtract(raw[to].free_bytes, n);
	}
}

static void change(struct relief_world *world, size_t guest, const struct place_step *step,
		   uint64_t *row)
{
	struct place_guest *facts = &world->scratch->guests[guest];

	shift(world, step, row, step->bytes, facts->resident_pool_bytes != 0);
	if (!step->changes_nodes)
		return;
	facts->mems = (struct place_set){ 0 };
	place_set_add(&facts->mems, step->to_node);
}

/* ---- what comes of it --------------------------------------------------------------------- */

bool relief_is_harm(const struct place_pressure *pressure)
{
	return pressure->risk >= PLACE_RISK_SWAP && !pressure->is_pool;
}

static uint64_t sum_short(const struct relief_world *world)
{
	const struct place_relief_scratch *scratch = world->scratch;
	uint64_t sum = 0;

	for (size_t i = 0; i < world->sample.n_guests; i++)
		if (relief_is_harm(&scratch->pressures[i]))
			sum = place_add(sum, scratch->pressures[i].short_bytes);
	for (size_t i = 0; i < world->pressure.n_promises; i++)
		sum = place_add(sum, place_pressure_promise(&world->pressure, scratch->nodes,
							    &world->pressure.promises[i]));
	return sum;
}

static int evaluate(struct relief_world *world)
{
	const struct place_plan_input *plan = world->input->plan;
	int r;

	r = place_model_build(plan->topology, &world->sample, plan->promises, plan->n_promises,
			      plan->policy, world->scratch->models, &world->model);
	if (r < 0)
		return r;
	return place_pressure_find(&world->pressure, world->scratch->nodes,
				   world->scratch->pressures);
}

static void settle(struct relief_world *world)
{
	for (size_t i = 0; i < world->sample.n_guests; i++)
		world->scratch->risks[i] = world->scratch->pressures[i].risk;
	world->short_bytes = sum_short(world);
}

/* ---- the world ---------------------------------------------------------------------------- */

static int take_under_way(struct relief_world *world)
{
	for (size_t n = 0; n < world->input->n_under_way; n++) {
		const struct place_step *step = &world->input->under_way[n];
		const size_t i = relief_find_guest(&world->sample, step->pid);
		uint64_t *row;

		if (i == world->sample.n_guests ||
		    !(world->scratch->activities[i].known & PLACE_ACTIVITY_BYTES))
			continue;
		row = own_row(world, i);
		if (!row)
			return -EINVAL;
		change(world, i, step, row);
	}
	return 0;
}

int relief_world_begin(const struct place_relief_input *input, struct place_relief_scratch *scratch,
		       struct relief_world *world)
{
	const struct place_sample *sample = input->plan->sample;
	const size_t n = sample->n_guests;
	int r;

	if (sample->n_nodes != input->plan->topology->n_nodes)
		return -EINVAL;
	*world = (struct relief_world){
		.input = input,
		.scratch = scratch,
		.sample = *sample,
		.pressure = *input->pressure,
	};
	memcpy(scratch->raw, sample->nodes, sample->n_nodes * sizeof(*scratch->raw));
	if (n) {
		memcpy(scratch->guests, sample->guests, n * sizeof(*scratch->guests));
		memcpy(scratch->activities, input->plan->activities,
		       n * sizeof(*scratch->activities));
	}
	world->sample.nodes = scratch->raw;
	world->sample.guests = scratch->guests;
	world->pressure.sample = &world->sample;
	world->pressure.model = &world->model;
	world->pressure.activities = scratch->activities;
	r = take_under_way(world);
	if (r == 0)
		r = evaluate(world);
	if (r == 0)
		settle(world);
	return r;
}

uint64_t relief_short_of(const struct relief_world *world, const struct relief_need *need)
{
	const struct place_relief_scratch *scratch = world->scratch;

	if (need->guest == SIZE_MAX)
		return place_pressure_promise(&world->pressure, scratch->nodes,
					      &world->pressure.promises[need->promise]);
	if (need->cause == PLACE_CAUSE_ARRIVAL && !relief_is_harm(&scratch->pressures[need->guest]))
		return 0;
	return scratch->pressures[need->guest].risk >= PLACE_RISK_LOCALITY ?
		       scratch->pressures[need->guest].short_bytes :
		       0;
}

/* Nobody pays for it; and it helps. */
static bool is_better(const struct relief_world *world, const struct relief_need *need)
{
	const struct place_relief_scratch *scratch = world->scratch;
	const bool is_plan = need->cause == PLACE_CAUSE_LOCALITY;
	const enum place_risk bearable =
		need->costs_locality || is_plan ? PLACE_RISK_LOCALITY : PLACE_RISK_NONE;

	for (size_t i = 0; i < world->sample.n_guests; i++)
		if (scratch->pressures[i].risk > scratch->risks[i] &&
		    scratch->pressures[i].risk > bearable)
			return false;
	if (need->cause == PLACE_CAUSE_ARRIVAL)
		return sum_short(world) < world->short_bytes;
	return sum_short(world) <= world->short_bytes &&
	       (is_plan || relief_short_of(world, need) < need->short_bytes);
}

bool relief_world_try(struct relief_world *world, size_t guest, const struct place_step *step,
		      const struct relief_need *need)
{
	struct place_relief_scratch *scratch = world->scratch;
	const struct place_set mems = scratch->guests[guest].mems;
	const size_t size = n_nodes(world) * sizeof(*scratch->saved_row);
	uint64_t *row = own_row(world, guest);

	if (!row)
		return false;
	memcpy(scratch->saved_row, row, size);
	for (size_t i = 0; i < n_nodes(world); i++)
		scratch->saved_free[i] = scratch->raw[i].free_bytes;
	change(world, guest, step, row);
	if (evaluate(world) == 0 && is_better(world, need)) {
		settle(world);
		return true;
	}
	memcpy(row, scratch->saved_row, size);
	for (size_t i = 0; i < n_nodes(world); i++)
		scratch->raw[i].free_bytes = scratch->saved_free[i];
	scratch->guests[guest].mems = mems;
	(void)evaluate(world);
	return false;
}
