/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer, in steps: one node; several; several and memory-only ones; what has most room;
 * a guess where nothing is known. The first step that holds the request is the answer, and
 * every node is told why it is in it or not. Busy CPUs never make an answer wider.
 */
#include "decide/advise.h"

#include <errno.h>

#include "arith.h"
#include "decide/score.h"

struct turn {
	const struct place_model *model;
	struct place_advise_scratch *scratch;
	struct place_need need;
	struct place_advice advice;
};

/* Whether a node can take part in a step of the answer. */
typedef bool (*node_test)(const struct turn *turn, const struct place_node_model *node);

static bool is_eligible(const struct turn *turn, const struct place_node_model *node)
{
	(void)turn;
	return node->flags & PLACE_NODE_ELIGIBLE;
}

static bool is_overflow(const struct turn *turn, const struct place_node_model *node)
{
	(void)turn;
	return node->flags & PLACE_NODE_OVERFLOW;
}

static uint64_t room_of(const struct turn *turn, const struct place_node_model *node)
{
	return place_score_room(node, &turn->need);
}

static uint64_t asked(const struct turn *turn)
{
	return turn->need.from_pools ? turn->need.pool_bytes : turn->need.memory_bytes;
}

static bool holds_memory(const struct turn *turn, const struct place_node_model *node)
{
	return room_of(turn, node) >= asked(turn);
}

static bool holds_cpus(const struct turn *turn, const struct place_node_model *node)
{
	return (uint64_t)node->n_cpus * 100 >= turn->need.centicpu;
}

static size_t add_nodes(struct turn *turn, node_test test)
{
	size_t n = 0;

	for (size_t i = 0; i < turn->model->n_nodes; i++) {
		const struct place_node_model *node = &turn->model->nodes[i];

		if (!test(turn, node))
			continue;
		place_set_add(&turn->advice.nodes, node->id);
		n++;
	}
	return n;
}

/* ---- what is asked ------------------------------------------------------------------------ */

/*
 * More vCPUs than there are CPUs count as that many: such a guest gets every node, and is not
 * told that there is no room, for its memory may well have it.
 */
static struct place_need need_of(const struct place_model *model, const struct place_policy *policy,
				 const struct place_request *request)
{
	struct place_need need = {
		.pool_bytes = request->memory_bytes,
		.millicpu = (uint64_t)request->vcpus_centi * 10,
		.from_pools = policy->hugepages == PLACE_HUGEPAGES_ALWAYS,
		.prefer_both = policy->hugepages == PLACE_HUGEPAGES_EITHER,
	};
	uint64_t centicpu = 0;

	if (request->memory_bytes)
		need.memory_bytes = place_add(request->memory_bytes, policy->guest_overhead_bytes);
	for (size_t i = 0; i < model->n_nodes; i++)
		if (model->nodes[i].flags & PLACE_NODE_ELIGIBLE)
			centicpu += (uint64_t)model->nodes[i].n_cpus * 100;
	need.centicpu = place_least(request->vcpus_centi, centicpu);
	return need;
}

/* ---- the steps: each returns whether it found an answer ----------------------------------- */

static bool try_one_node(struct turn *turn)
{
	struct place_score best = { 0 };
	bool is_found = false;

	for (size_t i = 0; i < turn->model->n_nodes; i++) {
		const struct place_node_model *node = &turn->model->nodes[i];
		struct place_score score;

		if (!is_eligible(turn, node) || !holds_memory(turn, node) ||
		    !holds_cpus(turn, node))
			continue;
		score = place_score_node(node, &turn->need);
		if (is_found && place_score_compare(&score, &best) > 0)
			continue;
		best = score;
		is_found = true;
	}
	if (!is_found)
		return false;
	place_set_add(&turn->advice.nodes, best.id);
	turn->advice.verdict = PLACE_VERDICT_ONE_NODE;
	return true;
}

/* Candidates for a search, with their distance to the nodes that are in the answer already. */
static size_t gather(struct turn *turn, node_test test, uint64_t *ret_room)
{
	const struct place_model *model = turn->model;
	bool is_first = place_set_is_empty(&turn->advice.nodes);
	size_t n = 0;

	*ret_room = 0;
	for (size_t i = 0; i < model->n_nodes; i++) {
		struct place_candidate *candidate = &turn->scratch->candidates[n];
		const struct place_node_model *node = &model->nodes[i];

		if (!test(turn, node))
			continue;
		*candidate = (struct place_candidate){ .index = i };
		candidate->room = place_least(room_of(turn, node), PLACE_SEARCH_ROOM_MAX);
		candidate->centicpu = (uint64_t)node->n_cpus * 100;
		for (size_t j = 0; !is_first && j < model->n_nodes; j++)
			if (place_set_has(&turn->advice.nodes, model->nodes[j].id))
				candidate->base += place_score_distance(model, i, j);
		*ret_room += candidate->room;
		n++;
	}
	return n;
}

static void add_best(struct turn *turn, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct place_candidate *candidate = &turn->scratch->candidates[i];

		if (candidate->is_best)
			place_set_add(&turn->advice.nodes, turn->model->nodes[candidate->index].id);
	}
}

static bool try_several(struct turn *turn)
{
	uint64_t room;
	size_t n = gather(turn, is_eligible, &room);

	if (room < asked(turn))
		return false;
	place_search_set(turn->model, turn->scratch->candidates, n, asked(turn),
			 turn->need.centicpu);
	add_best(turn, n);
	turn->advice.verdict = PLACE_VERDICT_SEVERAL;
	return true;
}

/* All eligible nodes, and the fewest, nearest memory-only ones that hold the rest. */
static bool try_overflow(struct turn *turn)
{
	uint64_t room, more;
	size_t n;

	(void)gather(turn, is_eligible, &room);
	(void)gather(turn, is_overflow, &more);
	if (room + more < asked(turn) || !more)
		return false;
	add_nodes(turn, is_eligible);
	n = gather(turn, is_overflow, &more);
	place_search_set(turn->model, turn->scratch->candidates, n, asked(turn) - room, 0);
	add_best(turn, n);
	turn->advice.verdict = PLACE_VERDICT_OVERFLOW;
	return true;
}

/*
 * Plain memory first. Where it is not known whether a guest uses hugepages, the pools count
 * only for what no set of nodes holds in plain memory: a plain guest that was sent to a pool
 * would be killed there, a guest on hugepages that was spread is merely slower.
 */
static bool try_all(struct turn *turn)
{
	if (try_one_node(turn) || try_several(turn))
		return true;
	if (turn->need.prefer_both) {
		turn->need.from_pools = true;
		if (try_one_node(turn) || try_several(turn))
			return true;
		turn->need.from_pools = false;
	}
	return try_overflow(turn);
}

static bool is_eligible_with_room(const struct turn *turn, const struct place_node_model *node)
{
	return is_eligible(turn, node) && room_of(turn, node);
}

static bool is_overflow_with_room(const struct turn *turn, const struct place_node_model *node)
{
	return is_overflow(turn, node) && room_of(turn, node);
}

static void take_most_room(struct turn *turn)
{
	/* Memory-only nodes alone would leave the guest without a CPU. */
	if (!add_nodes(turn, is_eligible_with_room))
		add_nodes(turn, is_eligible);
	add_nodes(turn, is_overflow_with_room);
	turn->advice.verdict = PLACE_VERDICT_NO_ROOM;
}

/* ---- where no node is eligible ------------------------------------------------------------ */

static bool may_have_memory(const struct turn *turn, const struct place_node_model *node)
{
	(void)turn;
	return node->flags & PLACE_NODE_HAS_MEMORY || !(node->flags & PLACE_NODE_MEMORY_KNOWN);
}

static bool is_allowed(const struct turn *turn, const struct place_node_model *node)
{
	(void)turn;
	return node->flags & PLACE_NODE_ALLOWED;
}

static bool is_allowed_with_memory(const struct turn *turn, const struct place_node_model *node)
{
	return is_allowed(turn, node) && may_have_memory(turn, node);
}

static bool is_allowed_with_cpus(const struct turn *turn, const struct place_node_model *node)
{
	return is_allowed(turn, node) && node->flags & PLACE_NODE_HAS_CPUS;
}

static bool is_allowed_with_both(const struct turn *turn, const struct place_node_model *node)
{
	return is_allowed_with_memory(turn, node) && is_allowed_with_cpus(turn, node);
}

static bool is_any(const struct turn *turn, const struct place_node_model *node)
{
	(void)turn;
	(void)node;
	return true;
}

/*
 * libvirt ends the start of a guest on an empty answer, and on one without CPUs or without
 * memory: so a node without memory is named here where it has the only CPUs.
 */
static void guess(struct turn *turn)
{
	turn->advice.verdict = PLACE_VERDICT_BLIND;
	if (add_nodes(turn, is_allowed_with_both))
		return;
	if (add_nodes(turn, is_allowed_with_memory)) {
		add_nodes(turn, is_allowed_with_cpus);
		return;
	}
	if (add_nodes(turn, is_allowed) || add_nodes(turn, may_have_memory))
		return;
	add_nodes(turn, is_any);
}

/* ---- why ---------------------------------------------------------------------------------- */

static enum place_reason reason_chosen(const struct turn *turn)
{
	return turn->advice.verdict == PLACE_VERDICT_NO_ROOM ? PLACE_REASON_CHOSEN_NO_ROOM :
							       PLACE_REASON_CHOSEN;
}

static enum place_reason reason_left_out(const struct turn *turn,
					 const struct place_node_model *node)
{
	/* The kernel allows nobody a node without memory: that is not his cpuset. */
	if (!may_have_memory(turn, node))
		return PLACE_REASON_NO_MEMORY;
	if (!(node->flags & PLACE_NODE_ALLOWED))
		return PLACE_REASON_NOT_ALLOWED;
	if (!(node->flags & PLACE_NODE_MEMORY_KNOWN))
		return PLACE_REASON_UNREADABLE;
	if (!(node->flags & PLACE_NODE_HAS_CPUS))
		return PLACE_REASON_NO_CPUS;
	if (turn->advice.verdict == PLACE_VERDICT_SEVERAL)
		return PLACE_REASON_WORSE_SET;
	if (!holds_memory(turn, node))
		return PLACE_REASON_TOO_LITTLE_MEMORY;
	return holds_cpus(turn, node) ? PLACE_REASON_WORSE_BALANCE : PLACE_REASON_TOO_FEW_CPUS;
}

static void explain(struct turn *turn)
{
	struct place_advice *advice = &turn->advice;

	advice->n_nodes = turn->model->n_nodes;
	advice->reasons = turn->scratch->reasons;
	for (size_t i = 0; i < advice->n_nodes; i++) {
		const struct place_node_model *node = &turn->model->nodes[i];

		if (!place_set_has(&advice->nodes, node->id)) {
			advice->reasons[i] = reason_left_out(turn, node);
			continue;
		}
		advice->reasons[i] = reason_chosen(turn);
		advice->usable_bytes = place_add(advice->usable_bytes, room_of(turn, node));
	}
}

int place_advise(const struct place_model *model, const struct place_policy *policy,
		 const struct place_request *request, struct place_advise_scratch *scratch,
		 struct place_advice *ret_advice)
{
	struct turn turn = { .model = model,
			     .scratch = scratch,
			     .need = need_of(model, policy, request) };
	bool is_any_eligible = false;

	if (!model->n_nodes || model->n_nodes > PLACE_SET_MAX || scratch->n_nodes < model->n_nodes)
		return -EINVAL;
	for (size_t i = 0; i < model->n_nodes; i++)
		is_any_eligible |= is_eligible(&turn, &model->nodes[i]);
	if (!is_any_eligible)
		guess(&turn);
	else if (!try_all(&turn))
		take_most_room(&turn);
	explain(&turn);
	*ret_advice = turn.advice;
	return 0;
}
