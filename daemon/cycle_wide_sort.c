/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a look at a guest's cells (observe/cells.h) to a node for each, and to the CPUs of its
 * vCPUs. What we gave before is no limit: it is as if we had not been there.
 */
#include "cycle_wide.h"

#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "host/cleanup.h"

struct sorting {
	struct cycle *cycle;
	size_t i; /* in the watch */
	struct wide_guest *guest;
	const struct place_cells_look *look;
	const uint64_t *bytes;
	bool may_sort;
	struct place_set cpus[PLACE_CELLS_MAX]; /* where its threads may run without us */
	struct place_cells_wanted wanted;
	unsigned ids[PLACE_CELLS_NODES_MAX]; /* of wanted.nodes */
};

static const struct place_topology *topology_of(const struct sorting *sorting)
{
	return &sorting->cycle->host->topology;
}

static uint64_t bytes_on(const struct sorting *sorting, size_t cell, size_t node)
{
	return sorting->bytes[cell * topology_of(sorting)->n_nodes + node];
}

/* What we gave is no limit. */
static void find_cpus(struct sorting *sorting)
{
	const struct intents *intents = &sorting->cycle->moves.intents;
	const struct wide_guest *guest = sorting->guest;
	const struct place_set all = { 0 };

	for (size_t k = 0; k < sorting->look->n; k++) {
		const struct place_cell_look *cell = &sorting->look->list[k];
		const struct intent *held = intents_find_vcpus(intents, INTENT_AFFINITY, guest->pid,
							       guest->start_ns, &cell->vcpus);

		if (!held)
			held = intents_find_vcpus(intents, INTENT_AFFINITY, guest->pid,
						  guest->start_ns, &all);
		sorting->cpus[k] = held ? held->before : cell->cpus;
	}
}

static uint64_t pool_bytes_of(const struct sorting *sorting, size_t cell)
{
	const uint64_t page_bytes = sorting->look->list[cell].range.page_bytes;

	return page_bytes > sorting->cycle->moves.act->base_bytes ? page_bytes : 0;
}

/* Whether no cell before it has memory of that kind: plain, or pages of a size. */
static bool is_first_of_kind(const struct sorting *sorting, size_t cell)
{
	for (size_t k = 0; k < cell; k++)
		if (pool_bytes_of(sorting, k) == pool_bytes_of(sorting, cell))
			return false;
	return true;
}

static bool has_several_kinds(const struct sorting *sorting)
{
	for (size_t k = 1; k < sorting->look->n; k++)
		if (is_first_of_kind(sorting, k))
			return true;
	return false;
}

/*
 * What a node has for the cells that have memory of the same kind as this one, with what they have
 * there. In a pool that is full a byte that was rounded away would be a page.
 */
static uint64_t room_for_kind(const struct sorting *sorting, const struct place_node_model *model,
			      size_t cell, size_t node)
{
	const uint64_t pool_bytes = pool_bytes_of(sorting, cell);
	uint64_t room = place_model_room(model, &sorting->cycle->sample.nodes[node], pool_bytes);

	for (size_t k = 0; k < sorting->look->n; k++)
		if (pool_bytes_of(sorting, k) == pool_bytes)
			room = place_add(room, bytes_on(sorting, k, node) + (pool_bytes != 0));
	return room;
}

/* Bit by bit: where its CPUs are, or may be. */
static bool may_go(const struct sorting *sorting, size_t cell, const struct place_node *node)
{
	const struct place_set *cpus = &sorting->cpus[cell];

	if (!sorting->look->list[cell].n_threads)
		return true;
	return sorting->may_sort ? place_set_intersects(cpus, &node->cpus) :
				   place_set_is_subset(cpus, &node->cpus);
}

static void add_node(struct sorting *sorting, const struct place_node_model *model, size_t j)
{
	struct place_cells_wanted *wanted = &sorting->wanted;
	const struct place_node *node = &topology_of(sorting)->nodes[j];
	struct place_cells_node *added = &wanted->nodes[wanted->n_nodes];
	struct place_set cpus = { 0 };

	*added = (struct place_cells_node){ 0 };
	for (size_t k = 0; k < sorting->look->n; k++) {
		struct place_cell_want *cell = &wanted->cells[k];
		const uint64_t room = room_for_kind(sorting, model, k, j);

		place_set_or(&cpus, &sorting->cpus[k]);
		cell->here_bytes[wanted->n_nodes] = bytes_on(sorting, k, j);
		if (is_first_of_kind(sorting, k))
			added->room_bytes = place_add(added->room_bytes, room);
		/* What the node has of one kind is of no use to the other. */
		if (may_go(sorting, k, node) &&
		    (!has_several_kinds(sorting) || room >= cell->bytes))
			cell->allowed |= UINT64_C(1) << wanted->n_nodes;
	}
	added->n_cpus = place_set_count_common(&cpus, &node->cpus);
	sorting->ids[wanted->n_nodes++] = node->id;
}

/* The nodes that it has, with the room that the host without it would have there. */
static int fill_wanted(struct sorting *sorting)
{
	struct cycle *cycle = sorting->cycle;
	const struct place_guest *facts = &cycle->watch.guests[sorting->i];
	struct place_cells_wanted *wanted = &sorting->wanted;
	struct place_model model;
	int r;

	r = cycle_model_without(cycle, sorting->i, &model);
	if (r < 0)
		return r;
	wanted->n_cells = sorting->look->n;
	for (size_t k = 0; k < sorting->look->n; k++) {
		const struct place_cell_look *cell = &sorting->look->list[k];

		wanted->cells[k] = (struct place_cell_want){
			.bytes = cell->bytes,
			.n_vcpus = sorting->may_sort ? cell->n_threads : 0,
		};
	}
	for (size_t j = 0; j < model.n_nodes && wanted->n_nodes < PLACE_CELLS_NODES_MAX; j++)
		if ((model.nodes[j].flags & (PLACE_NODE_ELIGIBLE | PLACE_NODE_OVERFLOW)) &&
		    (!(facts->known & PLACE_GUEST_MEMS) ||
		     place_set_has(&facts->mems, model.nodes[j].id)))
			add_node(sorting, &model.nodes[j], j);
	return 0;
}

/* Several cells, and several nodes for them. */
static bool is_worth_sorting(const struct place_cells_wanted *wanted)
{
	uint64_t nodes = 0;

	for (size_t k = 0; k < wanted->n_cells; k++)
		nodes |= wanted->cells[k].allowed;
	return wanted->n_cells > 1 && nodes & (nodes - 1);
}

static void take_cell(const struct sorting *sorting, size_t k, unsigned node)
{
	const struct place_cell_look *look = &sorting->look->list[k];
	struct wide_cell *cell = &sorting->guest->cells[k];

	*cell = (struct wide_cell){
		.id = look->id,
		.n_vcpus = look->n_threads,
		.present_bytes = look->present_bytes,
		.to_node = node == PLACE_CELL_NOWHERE ? node : sorting->ids[node],
		.range = { .start = look->range.start,
			   .end = look->range.end,
			   .pool_bytes = pool_bytes_of(sorting, k),
			   .is_shared = look->range.is_shared },
	};
	if (node != PLACE_CELL_NOWHERE)
		cell->right_bytes =
			place_least(sorting->wanted.cells[k].here_bytes[node], cell->present_bytes);
}

static int decide(struct sorting *sorting)
{
	unsigned nodes[PLACE_CELLS_WANTED_MAX];
	int r;

	find_cpus(sorting);
	r = fill_wanted(sorting);
	if (r < 0)
		return r;
	sorting->guest->is_wide = is_worth_sorting(&sorting->wanted);
	if (!sorting->guest->is_wide)
		return 0;
	r = place_cells_assign(&sorting->wanted, nodes);
	sorting->guest->n_cells = sorting->look->n;
	for (size_t k = 0; k < sorting->look->n; k++)
		take_cell(sorting, k, r < 0 ? PLACE_CELL_NOWHERE : nodes[k]);
	return r;
}

int cycle_sort_cells(struct cycle *cycle, size_t i, bool may_sort, struct wide_guest *guest,
		     const struct place_cells_look *look, const uint64_t *bytes)
{
	_cleanup_free_ struct sorting *sorting = calloc(1, sizeof(*sorting));

	if (!sorting)
		return -ENOMEM;
	sorting->cycle = cycle;
	sorting->i = i;
	sorting->guest = guest;
	sorting->look = look;
	sorting->bytes = bytes;
	sorting->may_sort = may_sort;
	return decide(sorting);
}

bool cycle_has_other_cells(const struct cycle *cycle, const struct wide_guest *guest,
			   const struct place_cells_look *look)
{
	const struct intents *intents = &cycle->moves.intents;

	for (size_t i = 0; i < intents->n; i++) {
		const struct intent *intent = &intents->list[i];
		bool is_found = false;

		if (intent->kind != INTENT_AFFINITY || intent->pid != guest->pid ||
		    intent->start_ns != guest->start_ns || place_set_is_empty(&intent->vcpus))
			continue;
		for (size_t k = 0; k < look->n && !is_found; k++)
			is_found = place_set_equal(&intent->vcpus, &look->list[k].vcpus);
		if (!is_found)
			return true;
	}
	return false;
}

/* Whoever is in the way was there first: then none of ours stays. */
int cycle_sort_cpus(struct cycle *cycle, size_t i, const struct wide_guest *guest,
		    const struct place_cells_look *look)
{
	const struct place_topology *topology = &cycle->host->topology;
	struct affinity_cell cells[PLACE_CELLS_MAX];
	size_t n = 0;
	int r;

	for (size_t k = 0; k < guest->n_cells; k++) {
		const unsigned id = guest->cells[k].to_node;

		if (id == PLACE_CELL_NOWHERE || !look->list[k].n_threads)
			continue;
		cells[n++] = (struct affinity_cell){
			.vcpus = &look->list[k].vcpus,
			.cpus = &topology->nodes[place_topology_index(topology, id)].cpus,
		};
	}
	r = n ? moves_steer_cells(&cycle->moves, i, cells, n) : 0;
	if (r < 0)
		moves_release(&cycle->moves, guest->pid, guest->start_ns);
	return r;
}
