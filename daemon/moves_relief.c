/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves that make room for somebody: their pace, and their end when nobody needs it any more. */
#include "moves.h"

#include "arith.h"
#include "moves_parts.h"

static uint64_t left_bytes(const struct move *move)
{
	return place_subtract(move->planned_bytes, move->report.count.outcome_bytes[ACT_MOVED]);
}

size_t moves_n_relieving(const struct moves *moves)
{
	size_t n = 0;

	for (size_t i = 0; i < MOVES_MAX; i++)
		n += moves->list[i].mover && moves->list[i].cause != PLACE_CAUSE_LOCALITY;
	return n;
}

size_t moves_under_way(const struct moves *moves, struct place_step *steps, size_t most)
{
	const struct place_topology *topology = &moves->host->topology;
	size_t n = 0;

	for (size_t i = 0; i < MOVES_MAX && n < most; i++) {
		const struct move *move = &moves->list[i];

		if (!move->mover)
			continue;
		steps[n] = (struct place_step){
			.pid = move->pid,
			.start_ns = move->start_ns,
			.to_node = move->to_node,
			.bytes = left_bytes(move),
			.changes_nodes = move->changes_nodes,
			.cause = move->cause,
		};
		for (size_t k = 0; k < topology->n_nodes; k++)
			if (topology->nodes[k].id != move->to_node &&
			    !place_set_has(&move->from, topology->nodes[k].id))
				place_set_add(&steps[n].keep, topology->nodes[k].id);
		n++;
	}
	return n;
}

void moves_hurry(struct moves *moves, bool is_urgent)
{
	bool has_changed = false;

	moves->is_hurried = is_urgent;
	for (size_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &moves->list[i];

		if (!move->mover || move->cause != PLACE_CAUSE_ARRIVAL ||
		    move->is_urgent == is_urgent)
			continue;
		move->is_urgent = is_urgent;
		has_changed = true;
	}
	if (has_changed)
		moves_share_bandwidth(moves);
}

/* Groups end on the node that has more of the memory: stopped half way it might come back. */
static bool is_worth_ending(const struct move *move)
{
	if (move->changes_nodes)
		return false;
	return move->most_bytes || left_bytes(move) > move->planned_bytes / 2;
}

void moves_relieved(struct moves *moves)
{
	moves_hurry(moves, false);
	for (size_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &moves->list[i];

		if (!move->mover || move->cause != PLACE_CAUSE_ARRIVAL || move->reason ||
		    !is_worth_ending(move))
			continue;
		move->is_relieved = true;
		move->reason = "relieved";
		mover_stop(move->mover);
		/* What has gone is the smaller part: its CPUs stay with the other. */
		if (!move->most_bytes)
			moves_release(moves, move->pid, move->start_ns);
	}
}
