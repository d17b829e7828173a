/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Needs in their order, and for each the neighbours that go, one after the other. */
#include "decide/relief.h"

#include <string.h>

#include "arith.h"
#include "decide/plan_target.h"
#include "decide/relief_parts.h"

/* Who cannot be helped is passed by, so many times. */
#define HELPLESS_MAX 8
/* So many promises among them before guests for whom it was in vain already. */
#define PROMISES_FIRST 2

/* ---- whether ------------------------------------------------------------------------------ */

bool place_relief_is_promise_short(const struct place_relief_input *input)
{
	for (size_t i = 0; i < input->pressure->n_promises; i++)
		if (place_pressure_promise(input->pressure, input->nodes,
					   &input->pressure->promises[i]))
			return true;
	return false;
}

bool place_relief_is_urgent(const struct place_relief_input *input)
{
	for (size_t i = 0; i < input->plan->sample->n_guests; i++)
		if (relief_is_harm(&input->pressures[i]))
			return true;
	return place_relief_is_promise_short(input);
}

static bool is_growing_away(const struct place_relief_input *input,
			    const struct place_pressure *pressure, size_t i)
{
	return pressure->risk == PLACE_RISK_LOCALITY && !pressure->is_pool && input->is_growing &&
	       input->is_growing[i];
}

bool place_relief_is_wanted(const struct place_relief_input *input)
{
	if (place_relief_is_urgent(input))
		return true;
	for (size_t i = 0; i < input->plan->sample->n_guests; i++)
		if (is_growing_away(input, &input->pressures[i], i))
			return true;
	return false;
}

/* ---- for whom ----------------------------------------------------------------------------- */

struct helpless {
	size_t n, n_promises;
	struct {
		size_t guest, promise;
	} list[HELPLESS_MAX];
};

static bool is_helpless(const struct helpless *helpless, size_t guest, size_t promise)
{
	for (size_t i = 0; i < helpless->n; i++)
		if (helpless->list[i].guest == guest && helpless->list[i].promise == promise)
			return true;
	return false;
}

/* What is lacking on its nodes: its neighbours' promises may be more than they have, too. */
static void find_lacking(const struct relief_world *world, uint64_t limit_bytes,
			 struct relief_need *need)
{
	uint64_t lacking = 0;

	for (size_t i = 0; i < world->model.n_nodes; i++)
		if (relief_is_at(need, world->model.nodes[i].id))
			lacking = place_add(lacking,
					    place_subtract(world->scratch->nodes[i].promised_bytes,
							   world->scratch->nodes[i].room_bytes));
	need->lacking_bytes = place_add(place_most(lacking, need->short_bytes),
					place_pressure_margin(limit_bytes));
}

static struct relief_need need_of_guest(const struct relief_world *world, size_t i,
					enum place_cause cause)
{
	const struct place_pressure *pressure = &world->scratch->pressures[i];
	const bool is_at_one = pressure->is_home || pressure->is_by_cell;

	return (struct relief_need){
		.guest = i,
		.allowed = pressure->is_by_cpuset ? &world->sample.guests[i].allowed : NULL,
		.set = is_at_one ? NULL : &world->sample.guests[i].mems,
		.home_node = pressure->is_by_cell ? pressure->short_node : pressure->home_node,
		.short_bytes =
			pressure->is_by_cell ? pressure->short_node_bytes : pressure->short_bytes,
		.cause = cause,
	};
}

static bool is_short(const struct relief_world *world, size_t i, enum place_cause cause)
{
	const struct place_pressure *pressure = &world->scratch->pressures[i];

	return cause == PLACE_CAUSE_ARRIVAL ? relief_is_harm(pressure) :
					      is_growing_away(world->input, pressure, i);
}

static bool was_in_vain(const struct relief_world *world, size_t i)
{
	return world->scratch->vain && world->scratch->vain[i].nodes_ns;
}

/*
 * Whether guest a's need goes first: of those who have waited longest since it was in vain, of
 * those who may be killed, and of the system's.
 */
static bool goes_before(const struct relief_world *world, size_t a, size_t b)
{
	const struct place_pressure *first = &world->scratch->pressures[a];
	const struct place_pressure *second = &world->scratch->pressures[b];
	const struct place_relief_vain *vain = world->scratch->vain;
	const unsigned *traits = world->input->plan->traits;
	const bool of_system = place_plan_is_of_system(traits[a]);

	if (vain && vain[a].nodes_ns != vain[b].nodes_ns)
		return vain[a].nodes_ns < vain[b].nodes_ns;
	if (vain && vain[a].own_ns != vain[b].own_ns)
		return vain[a].own_ns < vain[b].own_ns;
	if (first->risk != second->risk)
		return first->risk > second->risk;
	if (of_system != place_plan_is_of_system(traits[b]))
		return of_system;
	if (first->short_bytes != second->short_bytes)
		return first->short_bytes > second->short_bytes;
	return world->sample.guests[a].pid < world->sample.guests[b].pid;
}

static bool find_guest(const struct relief_world *world, const struct helpless *helpless,
		       enum place_cause cause, struct relief_need *ret_need)
{
	const size_t n = world->sample.n_guests;
	size_t best = n;

	for (size_t i = 0; i < n; i++)
		if (is_short(world, i, cause) && !is_helpless(helpless, i, 0) &&
		    (best == n || goes_before(world, i, best)))
			best = i;
	if (best == n)
		return false;
	*ret_need = need_of_guest(world, best, cause);
	find_lacking(world, world->scratch->pressures[best].limit_bytes, ret_need);
	return true;
}

/* The last one first: its guest is about to come, where older ones may be of starts that failed. */
static bool find_promise(const struct relief_world *world, const struct helpless *helpless,
			 struct relief_need *ret_need)
{
	for (size_t i = world->pressure.n_promises; i-- > 0;) {
		const struct place_promise *promise = &world->pressure.promises[i];
		const uint64_t lacks =
			place_pressure_promise(&world->pressure, world->scratch->nodes, promise);

		if (!lacks || is_helpless(helpless, SIZE_MAX, i))
			continue;
		*ret_need = (struct relief_need){
			.guest = SIZE_MAX,
			.promise = i,
			.set = &promise->nodes,
			.short_bytes = lacks,
			.cause = PLACE_CAUSE_ARRIVAL,
		};
		find_lacking(world, promise->memory_bytes, ret_need);
		return true;
	}
	return false;
}

/* Guests that are there go before guests that may come, but for who was tried in vain. */
static bool find_need(const struct relief_world *world, const struct helpless *helpless,
		      bool is_urgent, struct relief_need *ret_need)
{
	const bool is_any = find_guest(world, helpless, PLACE_CAUSE_ARRIVAL, ret_need);

	if (is_any &&
	    (!was_in_vain(world, ret_need->guest) || helpless->n_promises >= PROMISES_FIRST))
		return true;
	if (find_promise(world, helpless, ret_need) || is_any)
		return true;
	/* What is no danger of death waits until all else is done. */
	if (is_urgent || world->input->n_under_way)
		return false;
	return find_guest(world, helpless, PLACE_CAUSE_GROWTH, ret_need);
}

static bool is_at_same_nodes(const struct relief_need *a, const struct relief_need *b)
{
	if (a->allowed || b->allowed)
		return a->allowed && b->allowed &&
		       memcmp(a->allowed, b->allowed, sizeof(*a->allowed)) == 0;
	if (!a->set || !b->set)
		return !a->set && !b->set && a->home_node == b->home_node;
	return place_set_equal(a->set, b->set);
}

/*
 * On a node that is promised too much for months many guests are short, and nobody can help any of
 * them: what was in vain for one of them is so for the others, as a rule.
 */
static void pass_by(const struct relief_world *world, const struct relief_need *need,
		    struct helpless *helpless)
{
	struct place_relief_vain *vain = world->scratch->vain;
	const uint64_t now = world->input->plan->now_ns;

	helpless->list[helpless->n].guest = need->guest;
	helpless->list[helpless->n++].promise = need->promise;
	if (need->guest == SIZE_MAX) {
		helpless->n_promises++;
		return;
	}
	for (size_t i = 0; vain && i < world->sample.n_guests; i++) {
		struct relief_need other;

		if (!is_short(world, i, need->cause))
			continue;
		other = need_of_guest(world, i, need->cause);
		if (is_at_same_nodes(&other, need))
			vain[i].nodes_ns = now;
	}
	if (vain)
		vain[need->guest].own_ns = now;
}

/* ---- who goes ----------------------------------------------------------------------------- */

static struct place_step make_step(const struct relief_world *world, const struct relief_need *need,
				   const struct relief_option *option)
{
	const struct place_plan_input *plan = world->input->plan;
	const struct place_guest *facts = &world->sample.guests[option->guest];
	struct place_step step = {
		.pid = facts->pid,
		.start_ns = facts->start_ns,
		.to_node = plan->topology->nodes[option->target].id,
		.bytes = option->bytes,
		.remote_permille = plan->activities[option->guest].remote_permille,
		.cause = need->cause,
		.keeps_cpus = option->keeps_cpus,
		.most_bytes = option->most_bytes,
	};

	if (need->guest == SIZE_MAX)
		step.for_bytes = world->pressure.promises[need->promise].memory_bytes;
	else
		step.for_pid = world->sample.guests[need->guest].pid;
	if (option->changes_nodes)
		plan_name_old_node(facts, &step);
	for (size_t i = 0; step.most_bytes && i < world->model.n_nodes; i++)
		if (!relief_is_at(need, world->model.nodes[i].id) && i != option->target)
			place_set_add(&step.keep, world->model.nodes[i].id);
	return step;
}

/* For nobody's locality more is moved than that is worth. */
static bool pays(const struct relief_world *world, const struct relief_need *need,
		 const struct relief_option *option)
{
	const struct place_plan_input *plan = world->input->plan;
	const struct place_pressure *pressure;

	if (need->cause == PLACE_CAUSE_ARRIVAL)
		return true;
	pressure = &world->scratch->pressures[need->guest];
	return plan->activities[need->guest].known & PLACE_ACTIVITY_RUN && pressure->limit_bytes &&
	       place_plan_pays(
		       plan->move, option->bytes,
		       (unsigned)place_scale(pressure->short_bytes, 1000, pressure->limit_bytes),
		       plan->activities[need->guest].busy_millicpu);
}

/* One step for that need. Returns: whether one stands. */
static bool relieve(struct relief_world *world, struct relief_need *need,
		    struct place_relief *relief, struct relief_tried *tried)
{
	struct relief_option option;

	tried->first = tried->n;
	while (tried->n < RELIEF_TRIED_MAX && tried->n - tried->first < RELIEF_TRIED_EACH &&
	       relief_pick(world, need, tried, &option)) {
		const struct place_step step = make_step(world, need, &option);
		const bool stands = pays(world, need, &option) &&
				    relief_world_try(world, option.guest, &step, need);

		tried->list[tried->n].guest = option.guest;
		tried->list[tried->n].target = option.target;
		tried->list[tried->n].is_part = option.most_bytes != 0;
		tried->list[tried->n++].stands = stands;
		if (!stands)
			continue;
		relief->steps[relief->n_steps++] = step;
		return true;
	}
	return false;
}

/* At first such that nobody loses anything, then at the cost of somebody's locality. */
static bool relieve_somehow(struct relief_world *world, struct relief_need *need,
			    struct place_relief *relief, struct relief_tried *tried)
{
	if (relieve(world, need, relief, tried))
		return true;
	need->costs_locality = need->cause == PLACE_CAUSE_ARRIVAL;
	return need->costs_locality && relieve(world, need, relief, tried);
}

int place_relief_find(const struct place_relief_input *input, struct place_relief_scratch *scratch,
		      struct place_relief *relief)
{
	struct helpless helpless = { 0 };
	struct relief_world world;
	struct relief_need need;
	struct relief_tried tried = { 0 };
	size_t n_max = PLACE_STEPS_MAX;
	int r;

	*relief = (struct place_relief){ 0 };
	if (!input->plan->move->is_enabled || !place_relief_is_wanted(input))
		return 0;
	r = relief_world_begin(input, scratch, &world);
	if (r < 0)
		return r;
	relief->is_urgent = world.short_bytes > 0;
	if (!relief->is_urgent)
		n_max = 1;
	while (relief->n_steps < n_max && tried.n < RELIEF_TRIED_MAX && helpless.n < HELPLESS_MAX &&
	       find_need(&world, &helpless, relief->is_urgent, &need)) {
		/* Where no tries are left it was not in vain: next time it is the first. */
		if (!relieve_somehow(&world, &need, relief, &tried) && tried.n < RELIEF_TRIED_MAX)
			pass_by(&world, &need, &helpless);
	}
	return 0;
}
