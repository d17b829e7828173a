/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools of hugetlb pages: how much room there is in them, and that a move leaves their sizes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "act/act_linux.h"
#include "act/pools.h"
#include "act_script.h"
#include "decide/model.h"
#include "host/cleanup.h"
#include "observe/nodestat.h"
#include "tree.h"

#define PAGE SCRIPT_HUGE
#define MANY UINT64_MAX

static struct script *script;
static struct pools *pools;

static int begin(void **state)
{
	const struct pages_range ranges[] = {
		{ .start = 0, .end = PAGE },
		{ .start = PAGE, .end = 2 * PAGE, .pool_bytes = PAGE },
		{ .start = 2 * PAGE, .end = 3 * PAGE, .pool_bytes = PAGE },
	};

	(void)state;
	script = script_new();
	script->pool_bytes = PAGE;
	for (unsigned node = 0; node < SCRIPT_NODES; node++)
		script->pool_size[node] = 100;
	assert_int_equal(pools_look(&script->act, ranges, 1, &pools), 0);
	assert_null(pools);
	assert_int_equal(pools_look(&script->act, ranges, ELEMENTSOF(ranges), &pools), 0);
	assert_non_null(pools);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pools = pools_free(pools);
	script_free(script);
	return 0;
}

static void put(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	script->pool_size[0] = a;
	script->pool_size[1] = b;
	script->pool_size[2] = c;
	script->pool_size[3] = d;
	script->n_pools_set = 0;
}

static void expect(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	assert_int_equal(script->pool_size[0], a);
	assert_int_equal(script->pool_size[1], b);
	assert_int_equal(script->pool_size[2], c);
	assert_int_equal(script->pool_size[3], d);
}

/* From one node, and from several. */
static void test_restored(void **state)
{
	(void)state;
	put(90, 110, 100, 100);
	pools_restore(&script->act, 1, MANY, pools);
	expect(100, 100, 100, 100);
	assert_int_equal(script->n_pools_set, 2);
	put(99, 100, 95, 106);
	pools_restore(&script->act, 3, 6 * PAGE, pools);
	expect(100, 100, 100, 100);
	put(100, 100, 100, 100);
	pools_restore(&script->act, 1, MANY, pools);
	assert_int_equal(script->n_pools_set, 0);
}

/* Any of these is somebody's who set them, or another move's that gave back what it had taken. */
static void test_others_set_them(void **state)
{
	static const uint64_t sizes[][SCRIPT_NODES] = {
		{ 90, 111, 100, 100 }, { 90, 109, 100, 100 }, { 90, 110, 101, 100 },
		{ 88, 111, 100, 101 }, { 110, 90, 100, 100 }, { 100, 110, 100, 100 },
		{ 100, 90, 100, 100 }, { 90, 100, 110, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		put(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
		pools_restore(&script->act, 1, MANY, pools);
		assert_int_equal(script->n_pools_set, 0);
	}
	/* More than went there. */
	put(90, 110, 100, 100);
	pools_restore(&script->act, 1, 10 * PAGE - 1, pools);
	assert_int_equal(script->n_pools_set, 0);
}

/* What a node cannot have back stays with the other: no page less for all. */
static void test_no_block_for_all(void **state)
{
	(void)state;
	put(90, 110, 100, 100);
	script->pool_short = 4;
	pools_restore(&script->act, 1, MANY, pools);
	expect(96, 104, 100, 100);
	put(90, 110, 100, 100);
	script->pool_short = 10;
	pools_restore(&script->act, 1, MANY, pools);
	expect(90, 110, 100, 100);
}

/* Kernels before 6.15 add what others have as surplus. */
static void test_surplus_of_others(void **state)
{
	(void)state;
	put(90, 110, 100, 100);
	script->pool_beyond = 7;
	pools_restore(&script->act, 1, MANY, pools);
	expect(100, 100, 100, 100);
}

/* ---- the kernel's files -------------------------------------------------------------------- */

#define POOL "hugepages/hugepages-2048kB"
#define NODE_POOL "sys/devices/system/node/node%u/" POOL

static void put_node(unsigned node, const char *size, const char *surplus, const char *free_pages)
{
	tree_put(size, NODE_POOL "/nr_hugepages", node);
	tree_put(surplus, NODE_POOL "/surplus_hugepages", node);
	tree_put(free_pages, NODE_POOL "/free_hugepages", node);
}

static void make_act(struct act **ret_act)
{
	tree_put("0-1,8\n", "sys/devices/system/node/online");
	put_node(0, "20\n", "5\n", "9\n");
	put_node(8, "40\n", "0\n", "30\n");
	assert_int_equal(act_linux_new(ret_act), 0);
	(*ret_act)->root_path = tree_path;
}

static void test_files(void **state)
{
	struct act_pools sizes;
	struct act *act;

	(void)state;
	make_act(&act);
	assert_int_equal(act->ops->get_pools(act, PAGE, &sizes), 0);
	assert_int_equal(place_set_count(&sizes.nodes), 2);
	assert_int_equal(sizes.pages[0], 15);
	assert_int_equal(sizes.pages[1], 0);
	assert_int_equal(sizes.pages[8], 40);
	assert_int_equal(act->ops->set_pool(act, 8, PAGE, 41), 0);
	assert_string_equal(tree_line(NODE_POOL "/nr_hugepages", 8), "41");
	assert_int_equal(act->ops->set_pool(act, 1, PAGE, 1), -ENOENT);
	tree_drop("sys/devices/system/node/online");
	assert_int_equal(act->ops->get_pools(act, PAGE, &sizes), -ENOENT);
	act_free(act);
}

/* Some of what is free is somebody's who has not touched it yet. */
static void test_reserved(void **state)
{
	struct act *act;

	(void)state;
	make_act(&act);
	assert_int_equal(act_linux_pool_room(act, 8, PAGE), 30);
	tree_put("39\n", "sys/kernel/mm/" POOL "/free_hugepages");
	tree_put("0\n", "sys/kernel/mm/" POOL "/resv_hugepages");
	assert_int_equal(act_linux_pool_room(act, 8, PAGE), 30);
	tree_put("20\n", "sys/kernel/mm/" POOL "/resv_hugepages");
	assert_int_equal(act_linux_pool_room(act, 8, PAGE), 19);
	assert_int_equal(act_linux_pool_room(act, 0, PAGE), 9);
	tree_put("39\n", "sys/kernel/mm/" POOL "/resv_hugepages");
	assert_int_equal(act_linux_pool_room(act, 8, PAGE), 0);
	assert_int_equal(act_linux_pool_room(act, 1, PAGE), 0);
	act_free(act);
}

/* The same for the plan: of each node no more than is open on the host. */
static void test_withheld(void **state)
{
	struct place_node nodes[] = { { .id = 0 }, { .id = 8 } };
	const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
	struct place_pool_sizes sizes = { 0 };
	struct place_node_sample samples[2];

	(void)state;
	put_node(0, "20\n", "5\n", "9\n");
	put_node(8, "40\n", "0\n", "30\n");
	tree_put("Node 0 MemTotal: 8 kB\nNode 0 MemFree: 4 kB\n",
		 "sys/devices/system/node/node0/meminfo");
	tree_put("20\n", "sys/kernel/mm/" POOL "/resv_hugepages");
	assert_int_equal(place_nodestat_read(&tree_root, &tree_text, &topology, &sizes, samples),
			 0);
	assert_int_equal(samples[0].pools[0].withheld_pages, 0);
	assert_int_equal(samples[1].pools[0].free_pages, 30);
	assert_int_equal(samples[1].pools[0].withheld_pages, 11);
	assert_int_equal(place_model_pool_opening(&samples[1], PAGE), 19 * PAGE);
	assert_int_equal(place_model_pool_room(&samples[1], PAGE), 30 * PAGE);
	tree_put("40\n", "sys/kernel/mm/" POOL "/resv_hugepages");
	assert_int_equal(place_nodestat_read(&tree_root, &tree_text, &topology, &sizes, samples),
			 0);
	assert_int_equal(place_model_pool_opening(&samples[0], PAGE), 0);
	assert_int_equal(place_model_pool_opening(&samples[1], PAGE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_restored, begin, end),
		cmocka_unit_test_setup_teardown(test_others_set_them, begin, end),
		cmocka_unit_test_setup_teardown(test_no_block_for_all, begin, end),
		cmocka_unit_test_setup_teardown(test_surplus_of_others, begin, end),
		cmocka_unit_test_setup_teardown(test_files, tree_begin, tree_end),
		cmocka_unit_test_setup_teardown(test_reserved, tree_begin, tree_end),
		cmocka_unit_test_setup_teardown(test_withheld, tree_begin, tree_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
