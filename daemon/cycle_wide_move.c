/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of wide guests: which cells lie wrong, and one mover after the other. vCPUs have gone
 * before, so that what the guest touches meanwhile lies right already.
 */
#include "cycle_wide.h"

#include <errno.h>

#include "arith.h"

/* So often a move is tried that cannot begin now. */
#define MOVE_TRIES 3
/* So much of a cell's memory on its node is enough. */
#define RIGHT_PERMILLE 950

/* On its node, of the pool that its pages are from, or plain memory. */
static uint64_t free_for(const struct cycle *cycle, const struct wide_cell *cell)
{
	const size_t j = place_topology_index(&cycle->host->topology, cell->to_node);
	const struct place_node_sample *node = &cycle->sample.nodes[j];

	if (j >= cycle->sample.n_nodes)
		return 0;
	return cell->range.pool_bytes ? place_model_pool_opening(node, cell->range.pool_bytes) :
					node->free_bytes;
}

void cycle_mark_due_cells(const struct cycle *cycle, struct wide_guest *guest, size_t i)
{
	uint64_t present = 0, wrong = 0;

	guest->n_refused = 0;
	for (size_t k = 0; k < guest->n_cells; k++) {
		struct wide_cell *cell = &guest->cells[k];

		if (cell->to_node == PLACE_CELL_NOWHERE)
			continue;
		present = place_add(present, cell->present_bytes);
		wrong = place_add(wrong, cell->present_bytes - cell->right_bytes);
		cell->is_due = place_scale(cell->right_bytes, 1000, cell->present_bytes | 1) <
				       RIGHT_PERMILLE &&
			       cell->present_bytes &&
			       (!cell->range.pool_bytes || free_for(cycle, cell));
	}
	if (!present ||
	    !place_plan_pays(&cycle->move, wrong, (unsigned)place_scale(wrong, 1000, present),
			     cycle->watch.activities[i].busy_millicpu))
		for (size_t k = 0; k < guest->n_cells; k++)
			guest->cells[k].is_due = false;
}

/* The one with most room before it: who moves makes room for the next. */
struct wide_cell *cycle_find_due_cell(const struct cycle *cycle, struct wide_guest *guest)
{
	struct wide_cell *best = NULL;

	for (size_t k = 0; k < guest->n_cells; k++) {
		struct wide_cell *cell = &guest->cells[k];

		if (cell->is_due && (!best || free_for(cycle, cell) > free_for(cycle, best)))
			best = cell;
	}
	return best;
}

/* A child that has just ended counts as hung until it is reaped: that is over in a moment. */
static bool is_worth_trying_again(struct wide_guest *guest, int r)
{
	return (r == -EBUSY || r == -EAGAIN) && ++guest->n_refused < MOVE_TRIES;
}

void cycle_move_next_cell(struct cycle *cycle, struct wide_guest *guest, size_t i)
{
	struct wide_cell *cell = cycle_find_due_cell(cycle, guest);
	struct place_step step = { .pid = guest->pid, .start_ns = guest->start_ns };
	int r;

	if (!cell || !cycle->move.is_enabled || cycle->is_dry_run || !cycle->host->root.is_live)
		return;
	if (moves_n_running(&cycle->moves) >= cycle->move.steps_max) {
		cycle->wide.is_crowded_out |= place_plan_is_of_system(cycle->watch.traits[i]);
		return;
	}
	if (moves_may_start(&cycle->moves) < 0)
		return;
	step.to_node = cell->to_node;
	step.bytes = cell->present_bytes - cell->right_bytes;
	step.remote_permille = (unsigned)place_scale(step.bytes, 1000, cell->present_bytes | 1);
	r = moves_start(&cycle->moves, &step, i, &cell->range);
	cell->is_due = is_worth_trying_again(guest, r);
	if (r < 0)
		return;
	guest->n_refused = 0;
	if (!cycle_find_due_cell(cycle, guest)) {
		guest->next_ns = 0;
		guest->is_checking = true;
	}
}
