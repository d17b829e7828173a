/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The node that a guest would go to: what is open to it, what it leaves free, what advice says. */
#include "decide/plan_target.h"

#include "arith.h"
#include "decide/model.h"

/* What must be there for it, so that it can grow beside others; never less than it has. */
static uint64_t room_for(const struct place_move_policy *move, uint64_t bytes)
{
	const unsigned percent = move->utilization_percent;

	return percent && percent < 100 ? place_scale(bytes, 100, percent) : bytes;
}

bool plan_moves_cpus_alone(const struct place_plan_input *input, size_t guest)
{
	return input->classes[guest] == PLACE_CLASS_DEVICE && input->may_steer[guest];
}

/* Of the pool that its memory is from; 0: it is plain memory. */
static uint64_t pool_page_bytes(const struct place_guest *facts)
{
	return facts->resident_pool_bytes ? facts->hugepage_bytes : 0;
}

/*
 * The host as it would be without this guest, and with what the steps so far take. Room is what it
 * has for such memory as the guest's.
 */
static int model_without(const struct place_plan_input *input, size_t guest,
			 struct place_plan_scratch *scratch, struct place_model *ret_model)
{
	const struct place_activity *activity = &input->activities[guest];
	const struct place_guest *facts = &input->sample->guests[guest];
	int r;

	r = place_model_build_without(input->topology, input->sample, guest, input->promises,
				      input->n_promises, input->policy, scratch->nodes, ret_model);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ret_model->n_nodes; i++) {
		struct place_node_model *node = &scratch->nodes[i];
		const uint64_t room = place_add(
			place_model_room(node, &input->sample->nodes[i], pool_page_bytes(facts)),
			activity->bytes[i]);

		node->usable_bytes = node->pool_bytes =
			place_subtract(room, scratch->taken_bytes[i]);
	}
	return 0;
}

static void forbid(struct place_node_model *node)
{
	node->flags &= ~(unsigned)(PLACE_NODE_ELIGIBLE | PLACE_NODE_OVERFLOW | PLACE_NODE_ALLOWED);
}

bool plan_is_open(const struct place_plan_input *input, size_t guest, size_t node)
{
	const struct place_guest *facts = &input->sample->guests[guest];

	if (!(facts->known & PLACE_GUEST_MEMS) ||
	    place_set_has(&facts->mems, input->topology->nodes[node].id))
		return true;
	/* Pages of a pool go into free pages of the other node's pool, or not at all. */
	return input->may_change_nodes[guest] &&
	       place_model_pool_opening(&input->sample->nodes[node], facts->hugepage_bytes) >=
		       facts->resident_pool_bytes;
}

uint64_t plan_bytes_to_go(const struct place_plan_input *input, size_t guest, size_t node)
{
	const struct place_guest *facts = &input->sample->guests[guest];
	const struct place_activity *activity = &input->activities[guest];
	const uint64_t bytes = place_subtract(place_sum(activity->bytes, input->topology->n_nodes),
					      activity->bytes[node]);

	if (plan_moves_cpus_alone(input, guest))
		return 0;
	if (!facts->resident_pool_bytes)
		return bytes;
	return place_least(bytes, place_model_pool_opening(&input->sample->nodes[node],
							   facts->hugepage_bytes));
}

void plan_name_old_node(const struct place_guest *facts, struct place_step *step)
{
	if (!(facts->known & PLACE_GUEST_MEMS) || place_set_has(&facts->mems, step->to_node))
		return;
	step->changes_nodes = true;
	step->from_node = (unsigned)place_set_next(&facts->mems, 0);
}

/* Leaves the nodes that the guest's memory may go to. */
static void restrict_nodes(const struct place_plan_input *input, size_t guest,
			   struct place_node_model *nodes)
{
	const struct place_activity *activity = &input->activities[guest];
	const bool may_steer = input->may_steer[guest];

	for (size_t i = 0; i < input->topology->n_nodes; i++)
		if (!plan_is_open(input, guest, i) ||
		    (!may_steer && activity->run_permille[i] < PLACE_RUN_HOME_PERMILLE))
			forbid(&nodes[i]);
}

static bool is_any_eligible(const struct place_model *model)
{
	for (size_t i = 0; i < model->n_nodes; i++)
		if (model->nodes[i].flags & PLACE_NODE_ELIGIBLE)
			return true;
	return false;
}

/* Where most of its memory lies, by index. */
static size_t find_home(const struct place_plan_input *input, size_t guest)
{
	const struct place_activity *activity = &input->activities[guest];
	size_t home = 0;

	for (size_t i = 1; i < input->topology->n_nodes; i++)
		if (activity->bytes[i] > activity->bytes[home])
			home = i;
	return home;
}

/*
 * All that it may have must fit, be it there or not; what beyond that is left for others to grow
 * (room_for()) is asked of a node that memory goes to, not of the one where it lies. Pages of a
 * pool that lie elsewhere come or stay, memory that is never moved stays: nobody is harmed by that.
 */
static bool has_room_at_home(const struct place_plan_input *input, size_t guest,
			     const struct place_node_model *home)
{
	const struct place_guest *facts = &input->sample->guests[guest];
	const uint64_t there = place_sum(input->activities[guest].bytes, input->topology->n_nodes);

	return pool_page_bytes(facts) || plan_moves_cpus_alone(input, guest) ||
	       home->usable_bytes >= place_most(there, facts->memory_bytes);
}

/*
 * CPUs go to the memory for nothing, where that node holds the guest and its CPUs are not spoken
 * for: by no more than an eighth beyond what they are, as for a new guest (score.c).
 */
static bool can_stay_home(const struct place_plan_input *input, size_t guest,
			  const struct place_node_model *home, const struct place_request *request)
{
	const uint64_t asked_millicpu = (uint64_t)request->vcpus_centi * 10;

	return input->may_steer[guest] && (home->flags & PLACE_NODE_ELIGIBLE) &&
	       has_room_at_home(input, guest, home) &&
	       (uint64_t)home->n_cpus * 1000 >= asked_millicpu &&
	       place_add(home->committed_millicpu, asked_millicpu) <=
		       home->capacity_millicpu + home->capacity_millicpu / 8;
}

enum place_fate plan_find_target(const struct place_plan_input *input, size_t guest,
				 struct place_plan_scratch *scratch, size_t *ret_target)
{
	const struct place_guest *facts = &input->sample->guests[guest];
	const bool is_of_pool = pool_page_bytes(facts);
	const struct place_request request = {
		.vcpus_centi = facts->known & PLACE_GUEST_VCPUS ? facts->n_vcpus * 100 : 100,
		.memory_bytes = is_of_pool ? facts->memory_bytes :
					     room_for(input->move, facts->memory_bytes),
	};
	struct place_policy policy = *input->policy;
	struct place_advice advice;
	struct place_model model;

	if (model_without(input, guest, scratch, &model) < 0)
		return PLACE_FATE_UNKNOWN;
	restrict_nodes(input, guest, scratch->nodes);
	if (!is_any_eligible(&model))
		return PLACE_FATE_NO_BETTER;
	*ret_target = find_home(input, guest);
	if (can_stay_home(input, guest, &model.nodes[*ret_target], &request))
		return PLACE_FATE_MOVE;
	if (plan_moves_cpus_alone(input, guest))
		return PLACE_FATE_CLASS;
	policy.hugepages = is_of_pool ? PLACE_HUGEPAGES_ALWAYS : PLACE_HUGEPAGES_NEVER;
	if (place_advise(&model, &policy, &request, &scratch->advise, &advice) < 0)
		return PLACE_FATE_UNKNOWN;
	if (advice.verdict == PLACE_VERDICT_NO_ROOM || advice.verdict == PLACE_VERDICT_BLIND)
		return PLACE_FATE_NO_ROOM;
	if (advice.verdict != PLACE_VERDICT_ONE_NODE)
		return PLACE_FATE_NO_BETTER;
	*ret_target =
		place_topology_index(input->topology, (unsigned)place_set_next(&advice.nodes, 0));
	return PLACE_FATE_MOVE;
}
