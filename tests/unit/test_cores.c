/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cores: the kept text, which is only good for the same boot, the same CPUs and the same nodes;
 * and the counting from a host's own files.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/cores.h"
#include "tree.h"

#define BOOT "5cdfe7b1-ed1f-4b13-a5c2-6ec8cf7bb1dc"
#define HEAD "placed cores 1\nboot " BOOT " cpus 0-7,16-19\n"

static struct place_node nodes[2];
static struct place_topology topology;

static void set_list(struct place_set *set, const char *list)
{
	assert_int_equal(place_set_parse_list(list, set), 0);
}

static int make_topology(void **state)
{
	(void)state;
	memset(nodes, 0, sizeof(nodes));
	nodes[0].n_cpus = nodes[0].n_cores = 8;
	nodes[1].id = 8;
	nodes[1].n_cpus = nodes[1].n_cores = 4;
	set_list(&nodes[0].cpus, "0-7");
	set_list(&nodes[1].cpus, "16-19");
	topology = (struct place_topology){ .n_nodes = 2, .nodes = nodes };
	set_list(&topology.cpus_online, "0-7,16-19");
	set_list(&topology.node_ids, "0,8");
	strcpy(topology.boot_id, BOOT);
	return 0;
}

static int read_kept(const char *kept)
{
	tree_put(kept, PLACE_CORES_PATH);
	return place_cores_read_kept(&tree_root, &tree_text, &topology);
}

static void test_kept(void **state)
{
	(void)state;
	assert_int_equal(read_kept(HEAD "node 0 4\nnode 8 2\n"), 0);
	assert_true(topology.have_cores);
	assert_int_equal(nodes[0].n_cores, 4);
	assert_int_equal(nodes[1].n_cores, 2);
}

static void test_not_used(void **state)
{
	static const struct {
		const char *kept;
		int r;
	} cases[] = {
		{ "", -EINVAL },
		{ "placed cores 2\n", -EINVAL },
		{ "placed cores 1\n", -ESTALE },
		{ "placed cores 1\nboot 00000000 cpus 0-7,16-19\nnode 0 4\nnode 8 2\n", -ESTALE },
		{ "placed cores 1\nboot " BOOT " cpus 0-7\nnode 0 4\nnode 8 2\n", -ESTALE },
		{ HEAD, -EINVAL },
		{ HEAD "node 0 4\n", -EINVAL },
		{ HEAD "node 0 4\nnode 8 2", -EINVAL },
		{ HEAD "node 0 4\nnode 1 2\n", -ESTALE },
		{ HEAD "node 8 2\nnode 0 4\n", -ESTALE },
		{ HEAD "node 0 4\nnode 8 5\n", -EINVAL }, /* more cores than CPUs */
		{ HEAD "node 0 4\nnode 8 -2\n", -EINVAL },
		{ HEAD "node 0 4\nnode 8 18446744073709551616\n", -EINVAL },
		{ HEAD "node 0 4\nnode  8 2\n", -EINVAL },
		{ HEAD "node 0 4\nnode 8 2\nnode 9 1\n", -ESTALE },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		if (read_kept(cases[i].kept) != cases[i].r)
			fail_msg("%s", cases[i].kept);
		/* All or nothing. */
		assert_false(topology.have_cores);
		assert_int_equal(nodes[0].n_cores, 8);
		assert_int_equal(nodes[1].n_cores, 4);
	}
	tree_drop(PLACE_CORES_PATH);
	assert_int_equal(place_cores_read_kept(&tree_root, &tree_text, &topology), -ENOENT);
	/* A host that does not say which boot it is trusts no kept text. */
	topology.boot_id[0] = '\0';
	assert_int_equal(read_kept("placed cores 1\nboot  cpus 0-7,16-19\nnode 0 4\nnode 8 2\n"),
			 -ESTALE);
}

static void test_round_trip(void **state)
{
	struct place_text kept = { 0 };

	(void)state;
	nodes[0].n_cores = 4;
	nodes[1].n_cores = 1;
	assert_int_equal(place_cores_format(&topology, &kept), 0);
	assert_string_equal(kept.data, HEAD "node 0 4\nnode 8 1\n");
	assert_int_equal(kept.size, strlen(kept.data));
	nodes[0].n_cores = nodes[1].n_cores = 3;
	assert_int_equal(read_kept(kept.data), 0);
	assert_int_equal(nodes[0].n_cores, 4);
	assert_int_equal(nodes[1].n_cores, 1);
	place_text_done(&kept);
}

static void test_recorded(void **state)
{
	(void)state;
	assert_int_equal(place_cores_load(&tree_root, &tree_text, &topology), -ENODATA);
	assert_false(topology.have_cores);
	assert_int_equal(nodes[0].n_cores, 8);
	/* Pairs on node 0; on node 8 each with a sibling that is switched off. */
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		char mask[16];

		snprintf(mask, sizeof(mask), "%08x\n", 3U << (cpu / 2 * 2));
		tree_put(mask, "sys/devices/system/cpu/cpu%u/topology/thread_siblings", cpu);
	}
	for (unsigned cpu = 16; cpu < 20; cpu++) {
		char mask[16];

		snprintf(mask, sizeof(mask), "%08x\n", 0x101U << cpu);
		tree_put(mask, "sys/devices/system/cpu/cpu%u/topology/thread_siblings", cpu);
	}
	assert_int_equal(place_cores_load(&tree_root, &tree_text, &topology), 0);
	assert_true(topology.have_cores);
	assert_int_equal(nodes[0].n_cores, 4);
	assert_int_equal(nodes[1].n_cores, 4);
}

#define TEST(name) cmocka_unit_test_setup(name, make_topology)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept),
		TEST(test_not_used),
		TEST(test_round_trip),
		TEST(test_recorded),
	};

	return cmocka_run_group_tests(tests, tree_begin, tree_end);
}
