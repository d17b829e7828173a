/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * -numa node,nodeid=0,cpus=0-1,memdev=ram-node0 (libvirt); mem= of old machine types; and
 * -numa cpu,node-id=0,socket-id=1 (qemu-options.hx, hw/core/numa.c, 7.2). vCPUs are numbered
 * threads first, then cores, dies, sockets (hw/i386/x86.c x86_possible_cpu_arch_ids(), 7.2).
 */
#include "observe/qemu_cells.h"

#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "observe/qemu_opts.h"

#define MIB (UINT64_C(1) << 20)
#define IDS_MAX 128 /* MAX_NODES */
/* Each rule is held against each vCPU; libvirt writes none, and others a few. */
#define COMPARED_MAX 65536

/* One value of -numa while its keys arrive. */
struct numa {
	char type[16];
	bool have_id, is_bad;
	unsigned id;
	char memdev[64];
	uint64_t bytes;
	bool have_mem;
	struct place_set vcpus;
	struct place_cell_rule rule;
};

static void take_word(struct numa *numa, const char *value, char *word, size_t size)
{
	const size_t n = strlen(value);

	/* Cut, it could be another one's. */
	if (n >= size)
		numa->is_bad = true;
	else
		memcpy(word, value, n + 1);
}

static void take_number(struct numa *numa, const char *value, unsigned *number)
{
	if (place_text_unsigned(value, number) < 0)
		numa->is_bad = true;
}

static void take_index(struct numa *numa, const char *value, int *index)
{
	unsigned number = 0;

	take_number(numa, value, &number);
	if (number >= PLACE_SET_MAX)
		numa->is_bad = true;
	else
		*index = (int)number;
}

/* "0", "0-3": a range each, as often as needed. */
static void take_vcpus(struct numa *numa, const char *value)
{
	struct place_set set;

	if (place_set_parse_list(value, &set) < 0)
		numa->is_bad = true;
	else
		place_set_or(&numa->vcpus, &set);
}

static void visit(const char *key, const char *value, void *data)
{
	struct numa *numa = data;

	if (!strcmp(key, "type")) {
		/* Others speak of distances. */
		if (strlen(value) < sizeof(numa->type))
			memcpy(numa->type, value, strlen(value) + 1);
	} else if (!strcmp(key, "nodeid") || !strcmp(key, "node-id")) {
		take_number(numa, value, &numa->id);
		numa->have_id = true;
	} else if (!strcmp(key, "cpus")) {
		take_vcpus(numa, value);
	} else if (!strcmp(key, "memdev")) {
		take_word(numa, value, numa->memdev, sizeof(numa->memdev));
	} else if (!strcmp(key, "mem")) {
		numa->have_mem = true;
		if (place_qemu_size_parse(value, MIB, &numa->bytes) < 0)
			numa->is_bad = true;
	} else if (!strcmp(key, "socket-id")) {
		take_index(numa, value, &numa->rule.socket);
	} else if (!strcmp(key, "die-id")) {
		take_index(numa, value, &numa->rule.die);
	} else if (!strcmp(key, "core-id")) {
		take_index(numa, value, &numa->rule.core);
	} else if (!strcmp(key, "thread-id")) {
		take_index(numa, value, &numa->rule.thread);
	} else if (!strcmp(key, "cluster-id") || !strcmp(key, "module-id")) {
		numa->is_bad = true; /* not counted in what -smp says here */
	}
}

static void add_cell(struct place_cells_parse *parse, const struct numa *numa)
{
	struct place_cells *cells = &parse->cells;
	const unsigned id = numa->have_id ? numa->id : (unsigned)cells->n;
	size_t at = cells->n;

	for (size_t i = 0; i < cells->n; i++)
		if (cells->list[i].id == id)
			parse->is_bad = true;
	if (cells->n == PLACE_CELLS_MAX || id >= IDS_MAX)
		parse->is_bad = true;
	if (parse->is_bad)
		return;
	for (; at && cells->list[at - 1].id > id; at--) {
		cells->list[at] = cells->list[at - 1];
		memcpy(parse->memdevs[at], parse->memdevs[at - 1], sizeof(parse->memdevs[at]));
	}
	cells->n++;
	cells->list[at] =
		(struct place_cell){ .id = id, .bytes = numa->bytes, .vcpus = numa->vcpus };
	memcpy(parse->memdevs[at], numa->memdev, sizeof(parse->memdevs[at]));
	parse->have_memdev |= numa->memdev[0] != '\0';
	parse->have_mem |= numa->have_mem;
}

static void add_rule(struct place_cells_parse *parse, const struct numa *numa)
{
	if (parse->n_rules == PLACE_CELL_RULES_MAX || !numa->have_id) {
		parse->is_bad = true;
		return;
	}
	parse->rules[parse->n_rules] = numa->rule;
	parse->rules[parse->n_rules++].cell = numa->id;
}

void place_cells_add(struct place_cells_parse *parse, const char *value)
{
	struct numa numa = { .rule = { .socket = -1, .die = -1, .core = -1, .thread = -1 } };

	if (place_qemu_opts_each(value, "type", visit, &numa) < 0)
		parse->is_bad = true;
	if (!strcmp(numa.type, "node")) {
		parse->is_bad |= numa.is_bad;
		add_cell(parse, &numa);
	} else if (!strcmp(numa.type, "cpu")) {
		parse->is_bad |= numa.is_bad;
		add_rule(parse, &numa);
	}
}

/* ---- when all is read ---------------------------------------------------------------------- */

static bool is_index(int wanted, unsigned index)
{
	return wanted < 0 || (unsigned)wanted == index;
}

static struct place_cell *find_cell(struct place_cells *cells, unsigned id)
{
	for (size_t i = 0; i < cells->n; i++)
		if (cells->list[i].id == id)
			return &cells->list[i];
	return NULL;
}

static bool apply_rule(struct place_cells *cells, const struct place_cell_rule *rule,
		       const struct place_cells_smp *smp)
{
	const unsigned dies = smp->dies ? smp->dies : 1;
	struct place_cell *cell = find_cell(cells, rule->cell);

	if (!cell)
		return false;
	for (unsigned i = 0; i < smp->max_cpus; i++) {
		const unsigned core = i / smp->threads, die = core / smp->cores,
			       socket = die / dies;

		if (is_index(rule->thread, i % smp->threads) &&
		    is_index(rule->core, core % smp->cores) && is_index(rule->die, die % dies) &&
		    is_index(rule->socket, socket))
			place_set_add(&cell->vcpus, i);
	}
	return true;
}

static bool apply_rules(struct place_cells_parse *parse, const struct place_cells_smp *smp)
{
	if (!parse->n_rules)
		return true;
	if (!smp->cores || !smp->threads || !smp->max_cpus || smp->max_cpus > PLACE_SET_MAX ||
	    parse->n_rules * smp->max_cpus > COMPARED_MAX)
		return false;
	for (size_t i = 0; i < parse->n_rules; i++)
		if (!apply_rule(&parse->cells, &parse->rules[i], smp))
			return false;
	return true;
}

/* Each backend is one cell's, and each cell has one. */
static bool find_memory(struct place_cells_parse *parse, place_cells_backend backend, void *data)
{
	struct place_cells *cells = &parse->cells;

	cells->is_one_block = parse->have_mem;
	if (parse->have_mem)
		return !parse->have_memdev;
	for (size_t i = 0; i < cells->n; i++) {
		struct place_cell *cell = &cells->list[i];
		const int order =
			parse->memdevs[i][0] ? backend(data, parse->memdevs[i], &cell->bytes) : -1;

		if (order < 0 || !cell->bytes)
			return false;
		cell->order = (unsigned)order;
		for (size_t j = 0; j < i; j++)
			if (cells->list[j].order == cell->order)
				return false;
	}
	return true;
}

/* Some vCPU in one of them at least, and none in two. */
static bool are_vcpus_clear(const struct place_cells *cells)
{
	for (size_t i = 0; i < cells->n; i++)
		for (size_t j = 0; j < i; j++)
			if (place_set_intersects(&cells->list[i].vcpus, &cells->list[j].vcpus))
				return false;
	for (size_t i = 0; i < cells->n; i++)
		if (!place_set_is_empty(&cells->list[i].vcpus))
			return true;
	return false;
}

void place_cells_finish(struct place_cells_parse *parse, const struct place_cells_smp *smp,
			place_cells_backend backend, void *data, struct place_cells *ret_cells)
{
	*ret_cells = (struct place_cells){ 0 };
	if (!parse->is_bad && find_memory(parse, backend, data) && apply_rules(parse, smp) &&
	    are_vcpus_clear(&parse->cells))
		*ret_cells = parse->cells;
}
