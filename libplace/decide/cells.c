/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depth first, the largest cell first, its best node first: the first answer is mostly the last. */
#include "decide/cells.h"

#include <errno.h>
#include <limits.h>

#include "arith.h"

/* Sixteen cells whose memory lies all over sixteen nodes would take for ever. */
#define STEPS_MAX 20000

struct search {
	const struct place_cells_wanted *wanted;
	bool is_alone; /* a node for each */
	bool has_cpus; /* no node gets more vCPUs than it has CPUs */
	size_t n;
	unsigned order[PLACE_CELLS_WANTED_MAX];		/* cells, the largest first */
	uint64_t best_left[PLACE_CELLS_WANTED_MAX + 1]; /* what cells from there on may gain */
	uint64_t room_bytes[PLACE_CELLS_NODES_MAX];
	unsigned n_cpus[PLACE_CELLS_NODES_MAX];
	unsigned n_cells[PLACE_CELLS_NODES_MAX];
	unsigned at[PLACE_CELLS_WANTED_MAX], best[PLACE_CELLS_WANTED_MAX];
	uint64_t best_bytes;
	bool has_best;
	unsigned n_steps;
};

static bool is_allowed(const struct place_cell_want *cell, size_t node)
{
	return cell->allowed >> node & 1;
}

static bool fits(const struct search *search, const struct place_cell_want *cell, size_t node)
{
	return is_allowed(cell, node) && search->room_bytes[node] >= cell->bytes &&
	       (!search->is_alone || !search->n_cells[node]) &&
	       (!search->has_cpus || search->n_cpus[node] >= cell->n_vcpus);
}

/* The next node to try: most of its memory, fewest cells, least index; n_nodes: no more. */
static size_t pick(const struct search *search, const struct place_cell_want *cell, uint64_t tried)
{
	const size_t n = search->wanted->n_nodes;
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		if (tried >> i & 1 || !fits(search, cell, i))
			continue;
		if (best == n || cell->here_bytes[i] > cell->here_bytes[best] ||
		    (cell->here_bytes[i] == cell->here_bytes[best] &&
		     search->n_cells[i] < search->n_cells[best]))
			best = i;
	}
	return best;
}

static void take(struct search *search, const struct place_cell_want *cell, size_t node)
{
	search->room_bytes[node] -= cell->bytes;
	search->n_cpus[node] -= search->has_cpus ? cell->n_vcpus : 0;
	search->n_cells[node]++;
}

static void give_back(struct search *search, const struct place_cell_want *cell, size_t node)
{
	search->room_bytes[node] += cell->bytes;
	search->n_cpus[node] += search->has_cpus ? cell->n_vcpus : 0;
	search->n_cells[node]--;
}

/* As deep as there are cells. */
static void try_from(struct search *search, size_t depth, uint64_t bytes)
{
	const struct place_cell_want *cell;
	uint64_t tried = 0;
	size_t node;

	if (search->has_best && place_add(bytes, search->best_left[depth]) <= search->best_bytes)
		return;
	if (depth == search->n) {
		search->has_best = true;
		search->best_bytes = bytes;
		for (size_t i = 0; i < search->n; i++)
			search->best[i] = search->at[i];
		return;
	}
	cell = &search->wanted->cells[search->order[depth]];
	while (search->n_steps < STEPS_MAX &&
	       (node = pick(search, cell, tried)) < search->wanted->n_nodes) {
		search->n_steps++;
		tried |= UINT64_C(1) << node;
		search->at[depth] = (unsigned)node;
		take(search, cell, node);
		try_from(search, depth + 1, place_add(bytes, cell->here_bytes[node]));
		give_back(search, cell, node);
	}
}

/* Those that may go somewhere, the largest first, and what each may gain at most. */
static void sort_cells(struct search *search)
{
	const struct place_cells_wanted *wanted = search->wanted;

	for (size_t i = 0; i < wanted->n_cells; i++) {
		size_t at = search->n;

		if (!wanted->cells[i].allowed)
			continue;
		for (; at && wanted->cells[search->order[at - 1]].bytes < wanted->cells[i].bytes;
		     at--)
			search->order[at] = search->order[at - 1];
		search->order[at] = (unsigned)i;
		search->n++;
	}
	for (size_t i = search->n; i-- > 0;) {
		const struct place_cell_want *cell = &wanted->cells[search->order[i]];
		uint64_t most = 0;

		for (size_t j = 0; j < wanted->n_nodes; j++)
			if (is_allowed(cell, j))
				most = place_most(most, cell->here_bytes[j]);
		search->best_left[i] = place_add(search->best_left[i + 1], most);
	}
}

/* What the others keep is no room. */
static void count_room(struct search *search)
{
	const struct place_cells_wanted *wanted = search->wanted;

	for (size_t j = 0; j < wanted->n_nodes; j++) {
		search->room_bytes[j] = wanted->nodes[j].room_bytes;
		search->n_cpus[j] = wanted->nodes[j].n_cpus;
		for (size_t i = 0; i < wanted->n_cells; i++)
			if (!wanted->cells[i].allowed)
				search->room_bytes[j] = place_subtract(
					search->room_bytes[j], wanted->cells[i].here_bytes[j]);
	}
}

int place_cells_assign(const struct place_cells_wanted *wanted,
		       unsigned node_of[PLACE_CELLS_WANTED_MAX])
{
	static const struct {
		bool is_alone, has_cpus;
	} ways[] = { { true, true }, { false, true }, { true, false }, { false, false } };

	if (wanted->n_cells > PLACE_CELLS_WANTED_MAX || wanted->n_nodes > PLACE_CELLS_NODES_MAX)
		return -EINVAL;
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		struct search search = {
			.wanted = wanted,
			.is_alone = ways[way].is_alone,
			.has_cpus = ways[way].has_cpus,
		};

		sort_cells(&search);
		count_room(&search);
		try_from(&search, 0, 0);
		if (!search.has_best)
			continue;
		for (size_t i = 0; i < wanted->n_cells; i++)
			node_of[i] = PLACE_CELL_NOWHERE;
		for (size_t i = 0; i < search.n; i++)
			node_of[search.order[i]] = search.best[i];
		return 0;
	}
	return -ENOSPC;
}

bool place_cells_fits_one(const struct place_model *model, const struct place_request *request)
{
	for (size_t i = 0; i < model->n_nodes; i++) {
		const struct place_node_model *node = &model->nodes[i];

		if ((node->flags & PLACE_NODE_ELIGIBLE) &&
		    node->usable_bytes >= request->memory_bytes &&
		    (uint64_t)node->n_cpus * 1000 >= (uint64_t)request->vcpus_centi * 10)
			return true;
	}
	return false;
}
