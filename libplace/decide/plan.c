/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rule, guest by guest; the figures it weighs come from model.c, the target from advise.c. */
#include "decide/plan.h"

#include <errno.h>
#include <string.h>

#include "arith.h"
#include "decide/class.h"
#include "decide/plan_target.h"

/*
 * What remote access costs: with all of it remote a guest loses this much of its CPU time. The
 * closest published figure is 23 % for KVM guests (doi 10.1007/978-3-642-45293-2_3).
 */
#define REMOTE_COST_PERMILLE 200

/*
 * What a move costs: CPU time per MiB. 1.1 us for a 4 KiB page on bare metal (EPYC, 2025-09,
 * lkml 20250923174752.35701), and as much again for faults and caches that are filled anew.
 */
#define MOVE_NS_PER_MIB UINT64_C(600000)

/*
 * Each takes a model of the whole host; the others wait for the next cycle. Half of them are those
 * with most traffic, half come in turn: where those with most cannot move, others still may.
 */
#define WEIGHED_MAX 16
#define WEIGHED_BY_TRAFFIC 8
/* Of those in turn: so that no crowd of users' guests keeps root's waiting. */
#define WEIGHED_OF_SYSTEM 4

bool place_plan_pays(const struct place_move_policy *move, uint64_t bytes, unsigned gain_permille,
		     uint64_t busy_millicpu)
{
	const uint64_t cost_ns = place_scale(bytes, MOVE_NS_PER_MIB, PLACE_MIB);
	/* millicpu x permille x permille: 10^-9 CPU, so the product with seconds is in ns. */
	const uint64_t gain_ns = place_multiply(
		place_multiply(busy_millicpu, (uint64_t)gain_permille * REMOTE_COST_PERMILLE),
		move->payback_s);

	return gain_ns > cost_ns;
}

static bool is_movable(const struct place_move_policy *move, enum place_class class)
{
	return place_class_moves_memory(class) ||
	       (class == PLACE_CLASS_INTERLEAVED && move->merges_interleaved);
}

/* What can be said of a guest by itself; PLACE_FATE_WAITING: it is worth a closer look. */
static enum place_fate judge_alone(const struct place_plan_input *input, size_t i)
{
	const unsigned facts = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN | PLACE_ACTIVITY_REMOTE;
	const unsigned identity = PLACE_GUEST_START | PLACE_GUEST_MEMORY;
	const struct place_activity *activity = &input->activities[i];

	if (input->is_moving[i])
		return PLACE_FATE_MOVING;
	/* What it does now, it will not do again; and CPUs that we gave would be overwritten. */
	if (input->traits[i] & PLACE_TRAIT_STARTING)
		return PLACE_FATE_UNKNOWN;
	/* Cells that are bound each in its own way are gathered on no node, whatever the class. */
	if (input->sample->guests[i].is_split ||
	    (!is_movable(input->move, input->classes[i]) && !plan_moves_cpus_alone(input, i)))
		return PLACE_FATE_CLASS;
	/* Where a moment's CPUs are is no home for memory; CPUs that go with it need none. */
	if ((activity->known & PLACE_ACTIVITY_BRIEF) && !input->may_steer[i])
		return PLACE_FATE_UNKNOWN;
	if ((activity->known & facts) != facts ||
	    (input->sample->guests[i].known & identity) != identity)
		return PLACE_FATE_UNKNOWN;
	if (activity->busy_millicpu < input->move->busy_millicpu)
		return PLACE_FATE_IDLE;
	if (input->is_wide && input->is_wide[i])
		return input->move->is_enabled ? PLACE_FATE_CELLS : PLACE_FATE_PAUSED;
	if (activity->remote_permille < input->move->remote_permille)
		return PLACE_FATE_LOCAL;
	if (!input->move->is_enabled)
		return PLACE_FATE_PAUSED;
	if (input->held_until_ns[i] > input->now_ns)
		return PLACE_FATE_HELD_OFF;
	return PLACE_FATE_WAITING;
}

bool place_plan_is_of_system(unsigned traits)
{
	const unsigned which = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_SESSION;

	return (traits & which) == PLACE_TRAIT_LIBVIRT;
}

static bool is_of_system(const struct place_plan_input *input, size_t i)
{
	return place_plan_is_of_system(input->traits[i]);
}

/* Whether guest a goes before guest b. */
static bool goes_first(const struct place_plan_input *input, const uint64_t *traffic, size_t a,
		       size_t b)
{
	const struct place_guest *first = &input->sample->guests[a];
	const struct place_guest *second = &input->sample->guests[b];
	int order;

	if (is_of_system(input, a) != is_of_system(input, b))
		return is_of_system(input, a);
	if (traffic[a] != traffic[b])
		return traffic[a] > traffic[b];
	order = strcmp(first->uuid, second->uuid);
	return order ? order < 0 : first->pid < second->pid;
}

/* The guest that goes first of all and has not been weighed; n_guests where there is none. */
static size_t pick(const struct place_plan_input *input, const struct place_plan *plan,
		   const uint64_t *traffic)
{
	const size_t n = input->sample->n_guests;
	size_t best = n;

	for (size_t i = 0; i < n; i++)
		if (plan->fates[i] == PLACE_FATE_WAITING && traffic[i] &&
		    (best == n || goes_first(input, traffic, i, best)))
			best = i;
	return best;
}

/*
 * In turn: the next by pid behind *after_pid that has not been weighed, from the first again behind
 * the last.
 */
static size_t pick_in_turn(const struct place_plan_input *input, const struct place_plan *plan,
			   const uint64_t *traffic, bool of_system, int *after_pid)
{
	const size_t n = input->sample->n_guests;
	const struct place_guest *guests = input->sample->guests;
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		const bool is_behind = guests[i].pid > *after_pid;

		if (plan->fates[i] != PLACE_FATE_WAITING || !traffic[i] ||
		    (of_system && !is_of_system(input, i)))
			continue;
		if (best == n || is_behind > (guests[best].pid > *after_pid) ||
		    (is_behind == (guests[best].pid > *after_pid) &&
		     guests[i].pid < guests[best].pid))
			best = i;
	}
	if (best < n)
		*after_pid = guests[best].pid;
	return best;
}

static size_t pick_next(const struct place_plan_input *input, struct place_plan *plan,
			const uint64_t *traffic, unsigned n)
{
	size_t guest = input->sample->n_guests;

	if (n < WEIGHED_BY_TRAFFIC)
		return pick(input, plan, traffic);
	if (n < WEIGHED_BY_TRAFFIC + WEIGHED_OF_SYSTEM)
		guest = pick_in_turn(input, plan, traffic, true, &plan->after_system_pid);
	if (guest == input->sample->n_guests)
		guest = pick_in_turn(input, plan, traffic, false, &plan->after_pid);
	return guest;
}

static enum place_fate weigh(const struct place_plan_input *input, size_t guest,
			     struct place_plan_scratch *scratch, struct place_plan *plan)
{
	const struct place_activity *activity = &input->activities[guest];
	const struct place_guest *facts = &input->sample->guests[guest];
	const bool may_steer = input->may_steer[guest];
	const uint64_t bytes = place_sum(activity->bytes, input->topology->n_nodes);
	uint64_t coming, there;
	unsigned left_permille;
	enum place_fate fate;
	size_t target;

	fate = plan_find_target(input, guest, scratch, &target);
	if (fate != PLACE_FATE_MOVE)
		return fate;
	coming = plan_bytes_to_go(input, guest, target);
	there = activity->bytes[target] + coming;
	/*
	 * Its vCPUs go with it; another's stay, and what they do elsewhere stays remote. So do
	 * pages that cannot come.
	 */
	left_permille =
		1000 - (unsigned)place_scale(may_steer ? 1000 : activity->run_permille[target],
					     there, place_most(bytes, 1));
	if (left_permille >= activity->remote_permille ||
	    (!may_steer &&
	     place_scale(activity->bytes[target], 1000, bytes) >= input->move->locality_permille))
		return PLACE_FATE_NO_BETTER;
	if (!place_plan_pays(input->move, coming, activity->remote_permille - left_permille,
			     activity->busy_millicpu))
		return PLACE_FATE_NOT_WORTH;
	scratch->taken_bytes[target] = place_add(scratch->taken_bytes[target], coming);
	plan->steps[plan->n_steps] = (struct place_step){
		.pid = facts->pid,
		.start_ns = facts->start_ns,
		.to_node = input->topology->nodes[target].id,
		.bytes = coming,
		.remote_permille = activity->remote_permille,
	};
	plan_name_old_node(facts, &plan->steps[plan->n_steps++]);
	return PLACE_FATE_MOVE;
}

static void judge_all(const struct place_plan_input *input, struct place_plan_scratch *scratch,
		      struct place_plan *plan, size_t *ret_n_moving)
{
	*ret_n_moving = 0;
	for (size_t i = 0; i < input->sample->n_guests; i++) {
		const struct place_activity *activity = &input->activities[i];

		plan->fates[i] = judge_alone(input, i);
		*ret_n_moving += plan->fates[i] == PLACE_FATE_MOVING;
		scratch->traffic[i] = 0;
		if (plan->fates[i] == PLACE_FATE_WAITING)
			scratch->traffic[i] =
				place_multiply(activity->remote_permille, activity->busy_millicpu);
	}
}

int place_plan_make(const struct place_plan_input *input, struct place_plan_scratch *scratch,
		    struct place_plan *plan)
{
	const size_t n_nodes = input->topology->n_nodes, n_guests = input->sample->n_guests;
	size_t n_moving, n_steps_max;

	if (input->sample->n_nodes != n_nodes)
		return -EINVAL;
	plan->n_steps = 0;
	for (size_t i = 0; i < n_nodes; i++)
		scratch->taken_bytes[i] = input->coming_bytes ? input->coming_bytes[i] : 0;
	judge_all(input, scratch, plan, &n_moving);
	n_steps_max = place_least(input->move->steps_max, PLACE_STEPS_MAX);
	for (unsigned n = 0; n < WEIGHED_MAX && n_moving + plan->n_steps < n_steps_max; n++) {
		const size_t guest = pick_next(input, plan, scratch->traffic, n);

		if (guest == n_guests)
			break;
		plan->fates[guest] = weigh(input, guest, scratch, plan);
	}
	return 0;
}
