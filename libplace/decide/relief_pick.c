/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which neighbour goes first, and where to: what can be said of each by himself. */
#include <string.h>

#include "arith.h"
#include "decide/class.h"
#include "decide/model.h"
#include "decide/plan_target.h"
#include "decide/relief_parts.h"

/* Who makes less room than this part of what is lacking is not worth a move. */
#define LEAST_PART 16

bool relief_is_at(const struct relief_need *need, unsigned node)
{
	if (need->allowed)
		return place_nodes_has(need->allowed, node);
	return need->set ? place_set_has(need->set, node) : node == need->home_node;
}

/* ---- who ---------------------------------------------------------------------------------- */

/* Its nodes are one, and that is one of the need's: what it has not taken yet goes with it. */
static bool may_change_nodes(const struct relief_world *world, const struct relief_need *need,
			     size_t i)
{
	const struct place_guest *facts = &world->sample.guests[i];

	return world->input->plan->may_change_nodes[i] && facts->known & PLACE_GUEST_MEMS &&
	       place_set_count(&facts->mems) == 1 &&
	       relief_is_at(need, (unsigned)place_set_next(&facts->mems, 0));
}

static bool has_step(const struct relief_tried *tried, size_t guest)
{
	for (size_t i = 0; i < tried->n; i++)
		if (tried->list[i].stands && tried->list[i].guest == guest)
			return true;
	return false;
}

static bool was_tried(const struct relief_tried *tried, const struct relief_option *option)
{
	for (size_t i = tried->first; i < tried->n; i++)
		if (tried->list[i].guest == option->guest &&
		    tried->list[i].target == option->target &&
		    tried->list[i].is_part == (option->most_bytes != 0))
			return true;
	return false;
}

/* Of root's libvirt; promises are made to root alone. */
static bool is_need_of_system(const struct relief_world *world, const struct relief_need *need)
{
	return need->guest == SIZE_MAX ||
	       place_plan_is_of_system(world->input->plan->traits[need->guest]);
}

/*
 * Anybody can start a guest that asks for more than there is. The system's guests make room for it
 * when it takes that memory, which they would feel.
 */
static bool is_owed(const struct relief_world *world, const struct relief_need *need, size_t i)
{
	const struct place_relief_input *input = world->input;

	return is_need_of_system(world, need) || !place_plan_is_of_system(input->plan->traits[i]) ||
	       (input->is_growing && input->is_growing[need->guest]);
}

/* Who went for one may go for the next, but not to and fro for whoever starts one after another. */
static bool is_held(const struct relief_world *world, const struct relief_need *need, size_t i)
{
	const struct place_relief_input *input = world->input;
	const bool is_now_or_never =
		need->cause == PLACE_CAUSE_ARRIVAL && is_need_of_system(world, need);
	const uint64_t *until_ns = is_now_or_never && input->stuck_until_ns ?
					   input->stuck_until_ns :
					   input->plan->held_until_ns;

	return until_ns[i] > input->plan->now_ns;
}

static bool may_go(const struct relief_world *world, const struct relief_need *need, size_t i)
{
	const unsigned identity = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;
	const unsigned never = PLACE_TRAIT_STARTING | PLACE_TRAIT_MIGRATING;
	const struct place_plan_input *plan = world->input->plan;
	const struct place_guest *facts = &world->sample.guests[i];

	if (!is_owed(world, need, i) || plan->is_moving[i] || is_held(world, need, i))
		return false;
	if (!place_class_moves_memory(plan->classes[i]) || plan->traits[i] & never ||
	    facts->bind == PLACE_BIND_INTERLEAVE || facts->is_split ||
	    (plan->is_wide && plan->is_wide[i]))
		return false;
	if ((facts->known & identity) != identity || facts->hugepage_bytes ||
	    !(plan->activities[i].known & PLACE_ACTIVITY_BYTES))
		return false;
	/* Who is short goes himself only where what he has not taken yet goes along. */
	return i != need->guest || may_change_nodes(world, need, i);
}

/* ---- where -------------------------------------------------------------------------------- */

struct look {
	const struct relief_world *world;
	const struct relief_need *need;
	size_t guest;
	bool changes_nodes, is_idle, is_pinned;
	uint64_t all_bytes, near_bytes; /* what it has, and of it on the nodes of the need */
	uint64_t claim_bytes;		/* that goes along where it changes nodes */
	size_t home; /* the node of the need that has most of it; n_nodes: none */
};

static bool holds(const struct look *look, size_t target, uint64_t bytes)
{
	const struct place_node_model *node = &look->world->model.nodes[target];

	return place_subtract(look->world->sample.nodes[target].free_bytes, node->reserve_bytes) >=
		       bytes &&
	       node->usable_bytes >= place_add(bytes, look->claim_bytes);
}

/* By no more than an eighth beyond what they are, as for a new guest (score.c). */
static bool has_cpus(const struct look *look, size_t target)
{
	const struct place_guest *facts = &look->world->sample.guests[look->guest];
	const struct place_node_model *node = &look->world->model.nodes[target];
	const unsigned n = facts->known & PLACE_GUEST_VCPUS && facts->n_vcpus ? facts->n_vcpus : 1;

	return n <= node->n_cpus && place_add(node->committed_millicpu, (uint64_t)n * 1000) <=
					    node->capacity_millicpu + node->capacity_millicpu / 8;
}

static bool is_target(const struct look *look, size_t i)
{
	const struct place_node_model *node = &look->world->model.nodes[i];

	return node->flags & PLACE_NODE_ELIGIBLE && !relief_is_at(look->need, node->id) &&
	       (look->changes_nodes || plan_is_open(look->world->input->plan, look->guest, i));
}

static size_t home_of(const struct look *look)
{
	const size_t n = look->world->model.n_nodes;
	const uint64_t *bytes = look->world->scratch->activities[look->guest].bytes;
	size_t home = n;

	for (size_t i = 0; i < n; i++)
		if (relief_is_at(look->need, look->world->model.nodes[i].id) &&
		    (home == n || bytes[i] > bytes[home]))
			home = i;
	return home;
}

static unsigned distance_to(const struct look *look, size_t target)
{
	const size_t n = look->world->model.n_nodes;

	return look->home == n ? 0 : look->world->model.distance[look->home * n + target];
}

static struct relief_option describe(const struct look *look, size_t target)
{
	const struct place_plan_input *plan = look->world->input->plan;
	const struct place_activity *activity = &plan->activities[look->guest];
	const bool knows_run = activity->known & PLACE_ACTIVITY_RUN;

	return (struct relief_option){
		.guest = look->guest,
		.target = target,
		.changes_nodes = look->changes_nodes,
		.run_permille = knows_run ? activity->run_permille[target] : 0,
		.distance = distance_to(look, target),
		.usable_bytes = look->world->model.nodes[target].usable_bytes,
	};
}

/* All of it goes there, and its vCPUs along where they may. */
static bool make_whole(const struct look *look, size_t target, struct relief_option *option)
{
	const uint64_t *bytes = look->world->scratch->activities[look->guest].bytes;
	const bool may_take_cpus =
		look->changes_nodes || look->world->input->plan->may_steer[look->guest];
	bool is_near;

	*option = describe(look, target);
	option->bytes = place_subtract(look->all_bytes, bytes[target]);
	if (!holds(look, target, option->bytes))
		return false;
	option->keeps_cpus = !may_take_cpus || !has_cpus(look, target);
	is_near = !option->keeps_cpus || option->run_permille >= PLACE_RUN_HOME_PERMILLE;
	if (look->is_pinned && option->run_permille < PLACE_RUN_HOME_PERMILLE)
		return false;
	option->rank = look->is_pinned ? 2 : look->is_idle || is_near ? 0 : 1;
	option->relief_bytes = place_add(look->near_bytes, look->claim_bytes);
	option->covers = option->relief_bytes >= look->need->lacking_bytes;
	return true;
}

/*
 * As much as is lacking, where that is at most half of what it has there. A part that leaves it
 * local enough is no loss.
 */
static bool make_part(const struct look *look, size_t target, struct relief_option *option)
{
	const uint64_t bytes = look->need->lacking_bytes;
	const uint64_t bearable =
		place_scale(look->all_bytes, look->world->input->plan->move->remote_permille, 1000);

	*option = describe(look, target);
	if (look->changes_nodes || look->is_pinned || bytes > look->near_bytes / 2 ||
	    !holds(look, target, bytes))
		return false;
	option->keeps_cpus = true;
	option->rank = !look->is_idle && bytes > bearable &&
		       option->run_permille < PLACE_RUN_HOME_PERMILLE;
	option->bytes = option->most_bytes = option->relief_bytes = bytes;
	option->covers = true;
	return true;
}

/* ---- which ---------------------------------------------------------------------------------*/

static bool goes_first(const struct relief_world *world, const struct relief_option *a,
		       const struct relief_option *b)
{
	const struct place_guest *first = &world->sample.guests[a->guest];
	const struct place_guest *second = &world->sample.guests[b->guest];
	int order;

	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->covers != b->covers)
		return a->covers;
	if (a->covers && a->bytes != b->bytes)
		return a->bytes < b->bytes;
	if (!a->covers && a->relief_bytes != b->relief_bytes)
		return a->relief_bytes > b->relief_bytes;
	if (a->run_permille != b->run_permille)
		return a->run_permille > b->run_permille;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	if (a->usable_bytes != b->usable_bytes)
		return a->usable_bytes > b->usable_bytes;
	order = strcmp(first->uuid, second->uuid);
	return order ? order < 0 : first->pid < second->pid;
}

static void offer(const struct look *look, const struct relief_option *option, bool *is_any,
		  struct relief_option *best)
{
	/* For somebody's locality nobody loses his. */
	if (look->need->cause != PLACE_CAUSE_ARRIVAL && option->rank)
		return;
	if (*is_any && !goes_first(look->world, option, best))
		return;
	*best = *option;
	*is_any = true;
}

static struct look look_at(const struct relief_world *world, const struct relief_need *need,
			   size_t i)
{
	const struct place_plan_input *plan = world->input->plan;
	const struct place_activity *activity = &world->scratch->activities[i];
	struct look look = {
		.world = world,
		.need = need,
		.guest = i,
		.changes_nodes = may_change_nodes(world, need, i),
		.is_idle = activity->known & PLACE_ACTIVITY_RUN &&
			   activity->busy_millicpu < plan->move->busy_millicpu,
		.is_pinned = plan->classes[i] == PLACE_CLASS_PINNED,
		.all_bytes = place_sum(activity->bytes, world->model.n_nodes),
	};
	uint64_t pool_bytes;

	for (size_t k = 0; k < world->model.n_nodes; k++)
		if (relief_is_at(need, world->model.nodes[k].id))
			look.near_bytes = place_add(look.near_bytes, activity->bytes[k]);
	look.home = home_of(&look);
	if (look.changes_nodes)
		place_model_guest_claim(plan->policy, &world->sample.guests[i], &look.claim_bytes,
					&pool_bytes);
	return look;
}

bool relief_pick(const struct relief_world *world, const struct relief_need *need,
		 const struct relief_tried *tried, struct relief_option *ret_option)
{
	const uint64_t least = place_most(PLACE_MIB, need->lacking_bytes / LEAST_PART);
	struct relief_option option;
	bool is_any = false;

	for (size_t i = 0; i < world->sample.n_guests; i++) {
		struct look look;

		if (!may_go(world, need, i) || has_step(tried, i))
			continue;
		look = look_at(world, need, i);
		if (place_add(look.near_bytes, look.claim_bytes) < least)
			continue;
		for (size_t k = 0; k < world->model.n_nodes; k++) {
			if (!is_target(&look, k))
				continue;
			if (make_whole(&look, k, &option) && !was_tried(tried, &option))
				offer(&look, &option, &is_any, ret_option);
			if (make_part(&look, k, &option) && !was_tried(tried, &option))
				offer(&look, &option, &is_any, ret_option);
		}
	}
	return is_any;
}
