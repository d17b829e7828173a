/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cores from the masks of sibling CPUs, and the text in which they are kept:
 *
 *   placed cores 1
 *   boot 6e5f... cpus 0-15
 *   node 0 4
 *   node 1 4
 */
#include "observe/cores.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

#define HEADING "placed cores 1\n"

static int format_key(const struct place_topology *topology, char *key, size_t size)
{
	_cleanup_free_ char *cpus = malloc(PLACE_SET_TEXT_MAX);
	int n;

	if (!cpus)
		return -ENOMEM;
	n = place_set_format(&topology->cpus_online, cpus, PLACE_SET_TEXT_MAX);
	if (n < 0)
		return n;
	n = snprintf(key, size, HEADING "boot %s cpus %s\n", topology->boot_id, cpus);
	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}

int place_cores_format(const struct place_topology *topology, struct place_text *text)
{
	const size_t key_size = PLACE_SET_TEXT_MAX + 128;
	_cleanup_free_ char *key = malloc(key_size);
	FILE *file;
	int r;

	if (!key)
		return -ENOMEM;
	r = format_key(topology, key, key_size);
	if (r < 0)
		return r;
	place_text_done(text);
	file = open_memstream(&text->data, &text->size);
	if (!file)
		return -ENOMEM;
	fputs(key, file);
	for (size_t i = 0; i < topology->n_nodes; i++)
		fprintf(file, "node %u %u\n", topology->nodes[i].id, topology->nodes[i].n_cores);
	return place_text_close(text, file);
}

/* One line "node ID CORES" for the next node of the topology. */
static int parse_node(const char **at, const struct place_node *node, unsigned *ret_cores)
{
	uint64_t id, cores;

	if (strncmp(*at, "node ", 5) != 0)
		return -EINVAL;
	*at += 5;
	if (place_text_digits(at, &id) < 0 || *(*at)++ != ' ')
		return -EINVAL;
	if (id != node->id)
		return -ESTALE;
	if (place_text_digits(at, &cores) < 0 || *(*at)++ != '\n' || cores > node->n_cpus)
		return -EINVAL;
	*ret_cores = (unsigned)cores;
	return 0;
}

static int parse_kept(const char *text, const char *key, struct place_topology *topology)
{
	const size_t key_size = strlen(key);
	_cleanup_free_ unsigned *cores = calloc(topology->n_nodes, sizeof(*cores));
	const char *at = text + key_size;

	if (!cores)
		return -ENOMEM;
	if (strncmp(text, HEADING, strlen(HEADING)) != 0)
		return -EINVAL;
	if (strncmp(text, key, key_size) != 0)
		return -ESTALE;
	for (size_t i = 0; i < topology->n_nodes; i++) {
		const int r = parse_node(&at, &topology->nodes[i], &cores[i]);

		if (r < 0)
			return r;
	}
	if (*at != '\0')
		return -ESTALE;
	for (size_t i = 0; i < topology->n_nodes; i++)
		topology->nodes[i].n_cores = cores[i];
	topology->have_cores = true;
	return 0;
}

int place_cores_read_kept(const struct place_root *root, struct place_text *text,
			  struct place_topology *topology)
{
	const size_t key_size = PLACE_SET_TEXT_MAX + 128;
	_cleanup_free_ char *key = malloc(key_size);
	int r;

	if (!key)
		return -ENOMEM;
	r = place_root_read(root, text, PLACE_CORES_PATH);
	if (r < 0)
		return r;
	if (topology->boot_id[0] == '\0')
		return -ESTALE;
	r = format_key(topology, key, key_size);
	return r < 0 ? r : parse_kept(text->data, key, topology);
}

/* Virtual machines and old kernels may show no cores at all. */
static void take_cores(struct place_node *node, unsigned n_cores)
{
	if (n_cores && n_cores <= node->n_cpus)
		node->n_cores = n_cores;
}

/* The CPUs of its core: core_cpus since 5.3, thread_siblings before (drivers/base/topology.c). */
static int read_siblings(const struct place_root *root, struct place_text *text, unsigned cpu,
			 struct place_set *siblings)
{
	static const char *const names[] = { "core_cpus", "thread_siblings" };

	for (size_t i = 0; i < ELEMENTSOF(names); i++)
		if (place_root_readf(root, text, "sys/devices/system/cpu/cpu%u/topology/%s", cpu,
				     names[i]) == 0 &&
		    place_set_parse_mask(text->data, siblings) == 0)
			return 0;
	return -ENODATA;
}

bool place_cores_are_single(const struct place_root *root, struct place_text *text)
{
	return place_root_read(root, text, "sys/devices/system/cpu/smt/active") == 0 &&
	       !strcmp(text->data, "0\n");
}

int place_cores_load(const struct place_root *root, struct place_text *text,
		     struct place_topology *topology)
{
	struct place_set firsts = { 0 }, siblings;

	/* The first CPU of a core that is online stands for it. */
	for (int cpu = place_set_next(&topology->cpus_online, 0); cpu >= 0;
	     cpu = place_set_next(&topology->cpus_online, (unsigned)cpu + 1)) {
		if (read_siblings(root, text, (unsigned)cpu, &siblings) < 0)
			return -ENODATA;
		place_set_and(&siblings, &topology->cpus_online);
		if (place_set_next(&siblings, 0) == cpu)
			place_set_add(&firsts, (unsigned)cpu);
	}
	if (place_set_is_empty(&firsts))
		return -ENODATA;
	for (size_t i = 0; i < topology->n_nodes; i++)
		take_cores(&topology->nodes[i],
			   place_set_count_common(&topology->nodes[i].cpus, &firsts));
	topology->have_cores = true;
	return 0;
}
