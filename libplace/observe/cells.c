/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line says which cells, maps where, task/ who runs them, samples what is there. */
#include "observe/cells.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "observe/facts.h"
#include "observe/qemu_args.h"

/* So many pages of each cell are asked for at least. */
#define SAMPLES_LEAST 256
/* No more threads of a process are looked at. */
#define THREADS_MAX 8192

/* ---- which range is whose ------------------------------------------------------------------ */

static uint64_t size_of(const struct place_range *range)
{
	return range->end - range->start;
}

/* QEMU rounds a backend up to its pages. */
static uint64_t round_up(uint64_t bytes, uint64_t page_bytes)
{
	return bytes <= UINT64_MAX - page_bytes ? (bytes + page_bytes - 1) & ~(page_bytes - 1) :
						  bytes;
}

/* Whether a line of maps begins at that address. */
static bool is_boundary(const char *maps, uint64_t start)
{
	char text[24];
	const size_t size = (size_t)snprintf(text, sizeof(text), "%" PRIx64 "-", start);

	for (const char *at = maps; (at = strstr(at, text)); at += size)
		if (at == maps || at[-1] == '\n')
			return true;
	return false;
}

/*
 * Whether a range is a block of so many bytes, or ends with one: the stack of a thread may lie
 * right below it, but nothing above, where its guard page is.
 */
static bool take_block(const char *maps, const struct place_range *range, uint64_t bytes,
		       struct place_range *block)
{
	const uint64_t size = round_up(bytes, range->page_bytes);

	*block = *range;
	if (size > size_of(range))
		return false;
	block->start = range->end - size;
	return block->start == range->start || is_boundary(maps, block->start);
}

/* Whether a line of maps is of the program's loader: it was mapped before all memory of guests. */
static bool is_loader(const char *line, size_t size)
{
	const char *slash = memrchr(line, '/', size);
	const size_t left = slash ? size - (size_t)(slash - line) : 0;

	return left > 4 && (!memcmp(slash, "/ld-", 4) || !memcmp(slash, "/ld.", 4));
}

/* Where it lies, or 0. */
static uint64_t find_loader(const char *maps)
{
	for (const char *line = maps; *line;) {
		const size_t size = strcspn(line, "\n");

		if (is_loader(line, size))
			return strtoull(line, NULL, 16);
		line += size;
		line += *line == '\n';
	}
	return 0;
}

/* Blocks of so many bytes, ascending. Returns: how many. */
static size_t find_alike(const char *maps, const struct place_ranges *found, uint64_t bytes,
			 struct place_range alike[PLACE_RANGES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; bytes && i < found->n; i++)
		n += take_block(maps, &found->list[i], bytes, &alike[n]);
	return n;
}

/* How many cells of that size were made before this one, and how many there are. */
static void count_alike(const struct place_cells *cells, size_t at, size_t *ret_before,
			size_t *ret_all)
{
	*ret_before = *ret_all = 0;
	for (size_t i = 0; i < cells->n; i++) {
		if (cells->list[i].bytes != cells->list[at].bytes)
			continue;
		(*ret_all)++;
		*ret_before += cells->list[i].order < cells->list[at].order;
	}
}

static int find_one(const char *maps, const struct place_ranges *found,
		    const struct place_cells *cells, size_t at, uint64_t loader,
		    struct place_range *range)
{
	struct place_range alike[PLACE_RANGES_MAX];
	const size_t n = find_alike(maps, found, cells->list[at].bytes, alike);
	size_t n_before, n_all;

	count_alike(cells, at, &n_before, &n_all);
	if (n != n_all)
		return n ? -ENOTUNIQ : -ENODATA;
	if (n == 1)
		n_before = 0;
	else if (loader >= alike[n - 1].end)
		n_before = n - 1 - n_before;
	else if (!loader || loader > alike[0].start)
		return -ENOTUNIQ;
	*range = alike[n_before];
	return 0;
}

/* mem=: cells follow each other in one range. */
static int cut_up(const char *maps, const struct place_ranges *found,
		  const struct place_cells *cells, struct place_range *ranges)
{
	struct place_range alike[PLACE_RANGES_MAX];
	uint64_t all = 0, start;

	for (size_t i = 0; i < cells->n; i++)
		all = place_add(all, cells->list[i].bytes);
	if (find_alike(maps, found, all, alike) != 1)
		return -ENOTUNIQ;
	start = alike[0].start;
	for (size_t i = 0; i < cells->n; i++) {
		ranges[i] = alike[0];
		ranges[i].start = start;
		ranges[i].end = start += cells->list[i].bytes;
		if (!cells->list[i].bytes || cells->list[i].bytes & (ranges[i].page_bytes - 1))
			return -ENOTUNIQ;
	}
	return 0;
}

/* A kernel's maps do not overlap; a recording may say anything. */
static bool are_apart(const struct place_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (ranges[i].start < ranges[j].end && ranges[j].start < ranges[i].end)
				return false;
	return true;
}

int place_cells_find(const char *maps, const struct place_mounts *mounts,
		     const struct place_guest *guest, const struct place_cells *cells,
		     struct place_range ranges[PLACE_CELLS_MAX])
{
	_cleanup_free_ struct place_ranges *found = malloc(sizeof(*found));
	int r = 0;

	if (!found)
		return -ENOMEM;
	if (!cells->n)
		return -ENODATA;
	place_ranges_parse(maps, mounts, guest, true, found);
	if (cells->is_one_block)
		return cut_up(maps, found, cells, ranges);
	for (size_t i = 0; r == 0 && i < cells->n; i++)
		r = find_one(maps, found, cells, i, find_loader(maps), &ranges[i]);
	return r == 0 && !are_apart(ranges, cells->n) ? -ENOTUNIQ : r;
}

/* ---- who runs them ------------------------------------------------------------------------- */

struct walk {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_cells *cells;
	struct place_cells_look *look;
	char *list; /* room for a set in text */
	int pid;
	struct place_set seen; /* indices of vCPUs */
	size_t n_threads, n_vcpus;
};

int place_cells_vcpu(const char *comm)
{
	uint64_t index;

	if (strncmp(comm, "CPU ", 4) != 0)
		return -1;
	comm += 4;
	if (place_text_digits(&comm, &index) < 0 || *comm != '/' || index >= PLACE_SET_MAX)
		return -1;
	return (int)index;
}

static struct place_cell_look *find_cell(const struct walk *walk, unsigned vcpu)
{
	for (size_t i = 0; i < walk->cells->n; i++)
		if (place_set_has(&walk->cells->list[i].vcpus, vcpu))
			return &walk->look->list[i];
	return NULL;
}

static int visit_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	struct place_cell_look *cell;
	struct place_set cpus;
	int vcpu;

	if (++walk->n_threads > THREADS_MAX)
		return -E2BIG;
	if (place_root_readf(walk->root, walk->text, "proc/%d/task/%u/comm", walk->pid, tid) < 0)
		return 0; /* it has ended */
	vcpu = place_cells_vcpu(walk->text->data);
	cell = vcpu < 0 ? NULL : find_cell(walk, (unsigned)vcpu);
	walk->n_vcpus += vcpu >= 0;
	if (!cell ||
	    place_root_readf(walk->root, walk->text, "proc/%d/task/%u/status", walk->pid, tid) < 0)
		return 0;
	if (place_text_find_word(walk->text->data, "Cpus_allowed_list:", walk->list,
				 PLACE_SET_TEXT_MAX) < 0 ||
	    place_set_parse_list(walk->list, &cpus) < 0)
		return -EINVAL;
	place_set_and(&cpus, &walk->topology->cpus_online);
	/* Two threads of one name: not QEMU's doing. */
	if (place_set_has(&walk->seen, (unsigned)vcpu))
		return -ENOTUNIQ;
	place_set_add(&walk->seen, (unsigned)vcpu);
	place_set_or(&cell->cpus, &cpus);
	cell->n_threads++;
	return 0;
}

static int look_at_threads(struct walk *walk)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);
	char path[32];
	int r;

	if (!list)
		return -ENOMEM;
	walk->list = list;
	snprintf(path, sizeof(path), "proc/%d/task", walk->pid);
	r = place_root_each_id(walk->root, path, "", visit_thread, walk);
	if (r == -ENOENT)
		return -ESRCH;
	return r < 0 ? r : walk->n_vcpus ? 0 : -ENOENT;
}

/* ---- where they lie ------------------------------------------------------------------------ */

static int sample_cell(const struct place_topology *topology, int pid, size_t n_cells,
		       const struct place_residency_how *how, uint64_t *bytes,
		       struct place_cell_look *cell)
{
	const struct place_ranges ranges = {
		.n = 1,
		.list = { cell->range },
		.bytes = size_of(&cell->range),
		.is_complete = true,
	};
	struct place_residency_how some = *how;
	struct place_residency residency;
	int r;

	some.n_samples = place_most(how->n_samples / n_cells, SAMPLES_LEAST);
	r = place_residency_sample(&ranges, topology, pid, &some, bytes, &residency);
	if (r == 0)
		cell->present_bytes = residency.present_bytes;
	return r;
}

static int read_cells(const struct place_root *root, struct place_text *text, int pid,
		      struct place_cells *cells)
{
	_cleanup_free_ struct place_qemu_args *args = malloc(sizeof(*args));
	int r;

	if (!args)
		return -ENOMEM;
	r = place_root_readf(root, text, "proc/%d/cmdline", pid);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	place_qemu_args_parse(text->data, text->size, args);
	*cells = args->cells;
	return cells->n ? 0 : -ENODATA;
}

static int read_ranges(const struct place_root *root, struct place_text *text,
		       const struct place_mounts *mounts, const struct place_guest *guest,
		       const struct place_cells *cells, struct place_cells_look *look)
{
	struct place_range ranges[PLACE_CELLS_MAX];
	int r = place_root_readf(root, text, "proc/%d/maps", guest->pid);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = place_cells_find(text->data, mounts, guest, cells, ranges);
	if (r < 0)
		return r;
	look->n = cells->n;
	for (size_t i = 0; i < cells->n; i++) {
		look->list[i].id = cells->list[i].id;
		look->list[i].bytes = cells->list[i].bytes;
		look->list[i].range = ranges[i];
		look->list[i].vcpus = cells->list[i].vcpus;
	}
	return 0;
}

int place_cells_look(const struct place_root *root, struct place_text *text,
		     const struct place_topology *topology, const struct place_mounts *mounts,
		     const struct place_guest *guest, const struct place_residency_how *how,
		     uint64_t *bytes, struct place_cells_look *ret_look)
{
	_cleanup_free_ struct place_cells *cells = malloc(sizeof(*cells));
	struct walk walk = {
		.root = root,
		.text = text,
		.topology = topology,
		.cells = cells,
		.look = ret_look,
		.pid = guest->pid,
	};
	int r;

	*ret_look = (struct place_cells_look){ 0 };
	if (!cells)
		return -ENOMEM;
	r = place_facts_check_start(root, text, guest->pid, guest->start_ns);
	if (r == 0)
		r = read_cells(root, text, guest->pid, cells);
	if (r == 0)
		r = read_ranges(root, text, mounts, guest, cells, ret_look);
	if (r == 0)
		r = look_at_threads(&walk);
	for (size_t i = 0; r == 0 && i < cells->n; i++)
		r = sample_cell(topology, guest->pid, cells->n, how, bytes + i * topology->n_nodes,
				&ret_look->list[i]);
	return r == 0 ? place_facts_check_start(root, text, guest->pid, guest->start_ns) : r;
}
