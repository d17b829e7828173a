/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes, CPUs and distances from /sys/devices/system/{node,cpu}, three small files per node.
 * Formats: drivers/base/node.c, drivers/base/cpu.c (6.18). Older kernels lack some files, and
 * each has a second source; nothing here takes a count for an id.
 */
#include "observe/topology.h"

#include <errno.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

#define NODE_DIR "sys/devices/system/node"
#define CPU_DIR "sys/devices/system/cpu"

/* An id that no kernel has is left out. */
static int add_id(unsigned id, void *data)
{
	place_set_add(data, id);
	return 0;
}

static int read_list(const struct place_root *root, struct place_text *text, const char *path,
		     struct place_set *ret_set)
{
	int r = place_root_read(root, text, path);

	return r < 0 ? r : place_set_parse_list(text->data, ret_set);
}

/*
 * The online nodes. Kernels before 2.6.31 have no `online` file, and a recording may have lost
 * or damaged it: the directories tell then.
 */
static void read_node_ids(const struct place_root *root, struct place_text *text,
			  struct place_set *ids)
{
	if (read_list(root, text, NODE_DIR "/online", ids) == 0 && !place_set_is_empty(ids))
		return;
	place_set_clear(ids);
	(void)place_root_each_id(root, NODE_DIR, "node", add_id, ids);
}

/* Memory-less nodes are in nobody's cpuset (kernel/cgroup/cpuset.c, 6.1). */
static void read_memory_ids(const struct place_root *root, struct place_text *text,
			    const struct place_set *node_ids, struct place_set *ids)
{
	if (read_list(root, text, NODE_DIR "/has_memory", ids) == 0) {
		place_set_and(ids, node_ids);
		if (!place_set_is_empty(ids))
			return;
	}
	*ids = *node_ids;
}

struct online_walk {
	const struct place_root *root;
	struct place_text *text;
	struct place_set *cpus;
};

/* cpu0 has no `online` file on most machines, since it cannot go. */
static int add_cpu_unless_offline(unsigned id, void *data)
{
	struct online_walk *walk = data;
	uint64_t is_online = 1;

	if (place_root_readf(walk->root, walk->text, CPU_DIR "/cpu%u/online", id) == 0)
		(void)place_text_u64(walk->text->data, &is_online);
	return is_online ? add_id(id, walk->cpus) : 0;
}

static void read_cpus_online(const struct place_root *root, struct place_text *text,
			     struct place_set *cpus)
{
	struct online_walk walk = { .root = root, .text = text, .cpus = cpus };

	if (read_list(root, text, CPU_DIR "/online", cpus) == 0 && !place_set_is_empty(cpus))
		return;
	place_set_clear(cpus);
	(void)place_root_each_id(root, CPU_DIR, "cpu", add_cpu_unless_offline, &walk);
}

/* cpulist since 2.6.26; cpumap before; and cpuN links in any. */
static void read_node_cpus(const struct place_root *root, struct place_text *text, unsigned id,
			   struct place_set *cpus)
{
	char path[64];

	if (place_root_readf(root, text, NODE_DIR "/node%u/cpulist", id) == 0 &&
	    place_set_parse_list(text->data, cpus) == 0)
		return;
	if (place_root_readf(root, text, NODE_DIR "/node%u/cpumap", id) == 0 &&
	    place_set_parse_mask(text->data, cpus) == 0)
		return;
	place_set_clear(cpus);
	snprintf(path, sizeof(path), NODE_DIR "/node%u", id);
	(void)place_root_each_id(root, path, "cpu", add_id, cpus);
}

/* A row names the online nodes in ascending order, one number each: anything else is no row. */
static int parse_distance_row(const char *row, size_t n_nodes, uint8_t *distance)
{
	for (size_t i = 0; i < n_nodes; i++) {
		uint64_t value;

		while (*row == ' ')
			row++;
		if (place_text_digits(&row, &value) < 0 || value > UINT8_MAX)
			return -EINVAL;
		distance[i] = (uint8_t)value;
	}
	return row[strspn(row, " \n")] == '\0' ? 0 : -EINVAL;
}

static void assume_distances(struct place_topology *topology)
{
	const size_t n = topology->n_nodes;

	memset(topology->distance, PLACE_DISTANCE_REMOTE, n * n);
	for (size_t i = 0; i < n; i++)
		topology->distance[i * n + i] = PLACE_DISTANCE_LOCAL;
}

static void read_distances(const struct place_root *root, struct place_text *text,
			   struct place_topology *topology)
{
	const size_t n = topology->n_nodes;

	for (size_t i = 0; i < n; i++) {
		if (place_root_readf(root, text, NODE_DIR "/node%u/distance",
				     topology->nodes[i].id) < 0 ||
		    parse_distance_row(text->data, n, topology->distance + i * n) < 0) {
			assume_distances(topology);
			return;
		}
	}
	topology->have_distance = true;
}

static int alloc_nodes(struct place_topology *topology)
{
	size_t n = place_set_count(&topology->node_ids);
	size_t i = 0;

	topology->nodes = calloc(n, sizeof(*topology->nodes));
	topology->distance = calloc(n, n);
	if (!topology->nodes || !topology->distance)
		return -ENOMEM;
	topology->n_nodes = n;
	for (int id = place_set_next(&topology->node_ids, 0); id >= 0;
	     id = place_set_next(&topology->node_ids, (unsigned)id + 1))
		topology->nodes[i++].id = (unsigned)id;
	return 0;
}

static void read_nodes(const struct place_root *root, struct place_text *text,
		       struct place_topology *topology)
{
	for (size_t i = 0; i < topology->n_nodes; i++) {
		struct place_node *node = &topology->nodes[i];

		if (topology->is_flat)
			node->cpus = topology->cpus_online;
		else
			read_node_cpus(root, text, node->id, &node->cpus);
		/* Nodes of POWER list CPUs that are switched off. */
		if (!place_set_is_empty(&topology->cpus_online))
			place_set_and(&node->cpus, &topology->cpus_online);
		node->n_cpus = place_set_count(&node->cpus);
		node->n_cores = node->n_cpus;
	}
}

int place_topology_read(const struct place_root *root, struct place_text *text,
			struct place_topology *ret_topology)
{
	struct place_topology topology = { 0 };
	int r;

	read_node_ids(root, text, &topology.node_ids);
	if (place_set_is_empty(&topology.node_ids)) {
		topology.is_flat = true;
		place_set_add(&topology.node_ids, 0);
	}
	read_memory_ids(root, text, &topology.node_ids, &topology.memory_ids);
	read_cpus_online(root, text, &topology.cpus_online);
	if (read_list(root, text, CPU_DIR "/isolated", &topology.cpus_isolated) < 0)
		place_set_clear(&topology.cpus_isolated);
	if (place_root_read(root, text, "proc/sys/kernel/random/boot_id") == 0)
		snprintf(topology.boot_id, sizeof(topology.boot_id), "%.*s",
			 (int)strcspn(text->data, "\n"), text->data);
	r = alloc_nodes(&topology);
	if (r < 0) {
		place_topology_done(&topology);
		return r;
	}
	read_nodes(root, text, &topology);
	read_distances(root, text, &topology);
	*ret_topology = topology;
	return 0;
}

void place_topology_done(struct place_topology *topology)
{
	free(topology->nodes);
	free(topology->distance);
	*topology = (struct place_topology){ 0 };
}
