/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of the form "KEY N0=1 N1=2" and "KEY=3 N0=1 N1=2". No allocation, no file is read here. */
#include "observe/numa_stat.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "arith.h"
#include "host/text.h"

struct sum {
	const struct place_topology *topology;
	uint64_t unit_bytes;
	uint64_t *bytes;
	uint64_t total_bytes;
};

/* Behind the key of the line that begins with it, or NULL. The key holds what ends it. */
static const char *find_line(const char *text, const char *key)
{
	const size_t size = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, size))
			return line + size;
	}
	return NULL;
}

static void add_saturated(uint64_t *at, uint64_t more)
{
	if (__builtin_add_overflow(*at, more, at))
		*at = UINT64_MAX;
}

/* Nodes come in ascending order, so that the one looked for is nearly always at `hint`. */
static void add_node(struct sum *sum, uint64_t id, uint64_t number, size_t *hint)
{
	const struct place_topology *topology = sum->topology;
	const uint64_t more = place_multiply(number, sum->unit_bytes);

	add_saturated(&sum->total_bytes, more);
	for (size_t tries = 0; tries < topology->n_nodes; tries++) {
		const size_t i = (*hint + tries) % topology->n_nodes;

		if (topology->nodes[i].id != id)
			continue;
		add_saturated(&sum->bytes[i], more);
		*hint = i + 1;
		return;
	}
}

/* " N0=1 N1=2\n", with or without the blank. A line without its end was cut: it says nothing. */
static int add_nodes(struct sum *sum, const char *at)
{
	uint64_t id, number;
	size_t hint = 0;
	int r;

	for (;;) {
		at += *at == ' ';
		if (*at == '\n')
			return 0;
		if (*at++ != 'N')
			return -EINVAL;
		r = place_text_digits(&at, &id);
		if (r < 0 || *at++ != '=')
			return r < 0 ? r : -EINVAL;
		r = place_text_digits(&at, &number);
		if (r < 0 || (*at != ' ' && *at != '\n'))
			return r < 0 ? r : -EINVAL;
		add_node(sum, id, number, &hint);
	}
}

/* The same behind "KEY=3": the number over all nodes is not used, since unknown ones are in it. */
static int add_behind_total(struct sum *sum, const char *at)
{
	uint64_t number;
	const int r = place_text_digits(&at, &number);

	if (r < 0)
		return r;
	return *at == ' ' || *at == '\n' ? add_nodes(sum, at) : -EINVAL;
}

static int parse_v2(const char *text, const char *anon, struct sum *sum)
{
	const char *shmem = find_line(text, "shmem ");
	int r;

	r = add_nodes(sum, anon);
	return r == 0 && shmem ? add_nodes(sum, shmem) : r;
}

static int parse_v1(const char *text, struct sum *sum)
{
	const char *anon = find_line(text, "hierarchical_anon=");
	const char *locked = find_line(text, "hierarchical_unevictable=");
	int r;

	if (!anon) {
		anon = find_line(text, "anon=");
		locked = find_line(text, "unevictable=");
	}
	if (!anon)
		return -ENODATA;
	r = add_behind_total(sum, anon);
	return r == 0 && locked ? add_behind_total(sum, locked) : r;
}

int place_numa_stat_parse(const char *text, const struct place_topology *topology,
			  uint64_t page_bytes, uint64_t *bytes, uint64_t *ret_total_bytes)
{
	struct sum sum = { .topology = topology, .unit_bytes = 1, .bytes = bytes };
	const char *anon = find_line(text, "anon ");
	int r;

	if (anon) {
		r = parse_v2(text, anon, &sum);
	} else {
		sum.unit_bytes = page_bytes;
		r = parse_v1(text, &sum);
	}
	if (r == 0)
		*ret_total_bytes = sum.total_bytes;
	return r;
}

int place_numa_stat_parse_hugetlb(const char *text, const struct place_topology *topology,
				  uint64_t *bytes, uint64_t *ret_total_bytes)
{
	struct sum sum = { .topology = topology, .unit_bytes = 1, .bytes = bytes };
	const char *total = find_line(text, "hierarchical_total=");
	int r;

	if (!total)
		total = find_line(text, "total=");
	if (!total)
		return -ENODATA;
	r = add_behind_total(&sum, total);
	if (r == 0)
		*ret_total_bytes = sum.total_bytes;
	return r;
}
