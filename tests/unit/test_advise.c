/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer, step by step, on models made by hand: one node, several, memory-only ones, no
 * room, nothing known; with the reasons; and on hosts too large to look at every set.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "decide/advise.h"

#define GIB (UINT64_C(1) << 30)
#define NODES_MAX 1100
#define FIT                                                                                        \
	(PLACE_NODE_HAS_CPUS | PLACE_NODE_HAS_MEMORY | PLACE_NODE_ALLOWED |                        \
	 PLACE_NODE_MEMORY_KNOWN | PLACE_NODE_ELIGIBLE)

static struct place_node_model nodes[NODES_MAX];
static uint8_t distance[NODES_MAX * NODES_MAX];
static struct place_candidate candidates[NODES_MAX];
static enum place_reason reasons[NODES_MAX];
static struct place_model model;
static struct place_policy policy;

/* n nodes of 8 CPUs, 64 GiB, 60 of them usable, all 20 apart. */
static void make(size_t n)
{
	memset(nodes, 0, sizeof(nodes));
	policy = (struct place_policy){ .hugepages = PLACE_HUGEPAGES_NEVER };
	model = (struct place_model){ .n_nodes = n, .nodes = nodes, .distance = distance };
	for (size_t i = 0; i < n; i++) {
		nodes[i] = (struct place_node_model){ .id = (unsigned)i,
						      .flags = FIT,
						      .n_cpus = 8,
						      .capacity_millicpu = 8000,
						      .total_bytes = 64 * GIB,
						      .free_bytes = 60 * GIB,
						      .usable_bytes = 60 * GIB };
		for (size_t j = 0; j < n; j++)
			distance[i * n + j] = i == j ? 10 : 20;
	}
}

static void set_distance(size_t from, size_t to, uint8_t value)
{
	distance[from * model.n_nodes + to] = value;
}

static struct place_advice ask(uint32_t vcpus, uint64_t gib)
{
	struct place_advise_scratch scratch = { NODES_MAX, candidates, reasons };
	const struct place_request request = { vcpus * 100, gib * GIB };
	struct place_advice advice;

	assert_int_equal(place_advise(&model, &policy, &request, &scratch, &advice), 0);
	assert_ptr_equal(advice.reasons, reasons);
	assert_int_equal(advice.n_nodes, model.n_nodes);
	return advice;
}

static void expect(uint32_t vcpus, uint64_t gib, const char *list, enum place_verdict verdict)
{
	static char text[PLACE_SET_TEXT_MAX];
	struct place_advice advice = ask(vcpus, gib);

	assert_true(place_set_format(&advice.nodes, text, sizeof(text)) >= 0);
	assert_string_equal(text, list);
	assert_int_equal(advice.verdict, verdict);
}

static void test_one_node(void **state)
{
	(void)state;
	make(3);
	nodes[0].usable_bytes = nodes[2].usable_bytes = 20 * GIB;
	expect(2, 30, "1", PLACE_VERDICT_ONE_NODE);
	assert_int_equal(reasons[0], PLACE_REASON_TOO_LITTLE_MEMORY);
	assert_int_equal(reasons[1], PLACE_REASON_CHOSEN);
	expect(8, 60, "1", PLACE_VERDICT_ONE_NODE);
	make(3);
	nodes[0].n_cpus = 2;
	nodes[1].usable_bytes = 50 * GIB;
	expect(4, 8, "1", PLACE_VERDICT_ONE_NODE);
	assert_int_equal(reasons[0], PLACE_REASON_TOO_FEW_CPUS);
	assert_int_equal(reasons[2], PLACE_REASON_WORSE_BALANCE);
	assert_int_equal(ask(4, 8).usable_bytes, 50 * GIB);
}

static void test_busy_cpus_never_widen(void **state)
{
	(void)state;
	make(2);
	nodes[0].committed_millicpu = nodes[1].committed_millicpu = 100000;
	expect(8, 8, "0", PLACE_VERDICT_ONE_NODE);
	nodes[1].usable_bytes = GIB;
	nodes[1].committed_millicpu = 0;
	expect(8, 8, "0", PLACE_VERDICT_ONE_NODE);
}

static void test_more_vcpus_than_a_node(void **state)
{
	(void)state;
	make(3);
	set_distance(1, 2, 12);
	set_distance(2, 1, 12);
	expect(9, 8, "1-2", PLACE_VERDICT_SEVERAL);
	assert_int_equal(reasons[0], PLACE_REASON_WORSE_SET);
	expect(17, 8, "0-2", PLACE_VERDICT_SEVERAL);
	/* More than the host has: all it has, and no talk of missing memory. */
	expect(1000, 8, "0-2", PLACE_VERDICT_SEVERAL);
	make(1);
	expect(1000, 8, "0", PLACE_VERDICT_ONE_NODE);
}

static void test_overhead_counts(void **state)
{
	(void)state;
	make(2);
	policy.guest_overhead_bytes = GIB;
	expect(2, 59, "0", PLACE_VERDICT_ONE_NODE);
	expect(2, 60, "0-1", PLACE_VERDICT_SEVERAL);
	nodes[0].usable_bytes = nodes[1].usable_bytes = 0;
	expect(2, 0, "0", PLACE_VERDICT_ONE_NODE);
}

static void test_fewest_then_nearest_then_roomiest(void **state)
{
	(void)state;
	make(4);
	nodes[3].usable_bytes = 61 * GIB;
	expect(2, 100, "0,3", PLACE_VERDICT_SEVERAL);
	/* Both ways count: 1 to 2 is near, 2 to 1 is far. */
	set_distance(1, 2, 11);
	set_distance(2, 1, 255);
	expect(2, 100, "0,3", PLACE_VERDICT_SEVERAL);
	set_distance(2, 1, 28);
	expect(2, 100, "1-2", PLACE_VERDICT_SEVERAL);
	/* Three near ones lose to two far ones. */
	nodes[1].usable_bytes = nodes[2].usable_bytes = 40 * GIB;
	expect(2, 110, "0,3", PLACE_VERDICT_SEVERAL);
}

static void test_lowest_ids_of_equals(void **state)
{
	(void)state;
	make(6);
	for (unsigned i = 0; i < 6; i++)
		nodes[i].id = 8 * i;
	expect(2, 150, "0,8,16", PLACE_VERDICT_SEVERAL);
	expect(2, 8, "0", PLACE_VERDICT_ONE_NODE);
	expect(0, 0, "0", PLACE_VERDICT_ONE_NODE);
}

static void test_no_room(void **state)
{
	(void)state;
	make(3);
	nodes[1].usable_bytes = 0;
	expect(2, 500, "0,2", PLACE_VERDICT_NO_ROOM);
	assert_int_equal(reasons[0], PLACE_REASON_CHOSEN_NO_ROOM);
	assert_int_equal(reasons[1], PLACE_REASON_TOO_LITTLE_MEMORY);
	nodes[0].usable_bytes = nodes[2].usable_bytes = 0;
	expect(2, 500, "0-2", PLACE_VERDICT_NO_ROOM);
}

static void make_memory_only(size_t i)
{
	nodes[i].flags = PLACE_NODE_HAS_MEMORY | PLACE_NODE_ALLOWED | PLACE_NODE_MEMORY_KNOWN |
			 PLACE_NODE_OVERFLOW;
	nodes[i].n_cpus = 0;
	nodes[i].capacity_millicpu = 0;
}

static void test_memory_only(void **state)
{
	(void)state;
	make(4);
	make_memory_only(2);
	make_memory_only(3);
	nodes[2].usable_bytes = nodes[3].usable_bytes = 200 * GIB;
	set_distance(0, 3, 14);
	set_distance(3, 0, 14);
	expect(2, 100, "0-1", PLACE_VERDICT_SEVERAL);
	assert_int_equal(reasons[2], PLACE_REASON_NO_CPUS);
	expect(2, 300, "0-1,3", PLACE_VERDICT_OVERFLOW);
	expect(2, 500, "0-3", PLACE_VERDICT_OVERFLOW);
	expect(2, 1000, "0-3", PLACE_VERDICT_NO_ROOM);
	nodes[2].flags &= ~(unsigned)PLACE_NODE_OVERFLOW;
	nodes[3].flags &= ~(unsigned)PLACE_NODE_OVERFLOW;
	expect(2, 300, "0-1", PLACE_VERDICT_NO_ROOM);
}

static void test_hugepages(void **state)
{
	(void)state;
	make(3);
	nodes[2].pool_bytes = 16 * GIB;
	expect(2, 8, "0", PLACE_VERDICT_ONE_NODE);
	policy.hugepages = PLACE_HUGEPAGES_EITHER;
	expect(2, 8, "2", PLACE_VERDICT_ONE_NODE);
	expect(2, 17, "0", PLACE_VERDICT_ONE_NODE);
	policy.hugepages = PLACE_HUGEPAGES_ALWAYS;
	nodes[2].usable_bytes = 0;
	policy.guest_overhead_bytes = GIB;
	expect(2, 16, "2", PLACE_VERDICT_ONE_NODE);
	expect(2, 17, "2", PLACE_VERDICT_NO_ROOM);
	nodes[0].pool_bytes = 4 * GIB;
	expect(2, 20, "0,2", PLACE_VERDICT_SEVERAL);
}

static void test_pools_eat_the_host(void **state)
{
	(void)state;
	make(2);
	policy.hugepages = PLACE_HUGEPAGES_EITHER;
	nodes[0].usable_bytes = nodes[1].usable_bytes = 2 * GIB;
	nodes[1].pool_bytes = 40 * GIB;
	expect(2, 2, "1", PLACE_VERDICT_ONE_NODE);
	/* Plain memory that holds it together goes first: it is safe for either kind of guest. */
	expect(2, 4, "0-1", PLACE_VERDICT_SEVERAL);
	expect(2, 30, "1", PLACE_VERDICT_ONE_NODE);
	assert_int_equal(ask(2, 30).usable_bytes, 40 * GIB);
	nodes[0].pool_bytes = 40 * GIB;
	expect(2, 60, "0-1", PLACE_VERDICT_SEVERAL);
	expect(2, 100, "0-1", PLACE_VERDICT_NO_ROOM);
}

static void test_never_empty(void **state)
{
	const unsigned all = PLACE_NODE_HAS_CPUS | PLACE_NODE_HAS_MEMORY | PLACE_NODE_ALLOWED |
			     PLACE_NODE_MEMORY_KNOWN;

	(void)state;
	make(3);
	/* Memory that could not be read. */
	nodes[0].flags = PLACE_NODE_HAS_CPUS | PLACE_NODE_ALLOWED;
	nodes[1].flags = all & ~(unsigned)PLACE_NODE_HAS_MEMORY;
	nodes[2].flags = all & ~(unsigned)PLACE_NODE_ALLOWED;
	expect(2, 8, "0", PLACE_VERDICT_BLIND);
	assert_int_equal(reasons[1], PLACE_REASON_NO_MEMORY);
	assert_int_equal(reasons[2], PLACE_REASON_NOT_ALLOWED);
	/* Memory here, CPUs there: both, or libvirt has no CPU to start on. */
	nodes[0].flags = all & ~(unsigned)PLACE_NODE_HAS_CPUS;
	expect(2, 8, "0-1", PLACE_VERDICT_BLIND);
	/* Nothing with memory is allowed. */
	nodes[0].flags = PLACE_NODE_MEMORY_KNOWN | PLACE_NODE_HAS_CPUS;
	expect(2, 8, "1", PLACE_VERDICT_BLIND);
	/* Nothing is allowed at all. */
	nodes[1].flags &= ~(unsigned)PLACE_NODE_ALLOWED;
	expect(2, 8, "2", PLACE_VERDICT_BLIND);
	for (unsigned i = 0; i < 3; i++)
		nodes[i].flags = PLACE_NODE_MEMORY_KNOWN;
	expect(2, 8, "0-2", PLACE_VERDICT_BLIND);
}

static void test_unreadable_is_left_out(void **state)
{
	(void)state;
	make(2);
	nodes[0].flags = PLACE_NODE_HAS_CPUS | PLACE_NODE_HAS_MEMORY | PLACE_NODE_ALLOWED;
	expect(2, 8, "1", PLACE_VERDICT_ONE_NODE);
	assert_int_equal(reasons[0], PLACE_REASON_UNREADABLE);
}

static void test_nonsense(void **state)
{
	struct place_advise_scratch scratch = { 1, candidates, reasons };
	const struct place_request huge = { UINT32_MAX, UINT64_MAX };
	const struct place_request large = { UINT32_MAX, UINT64_C(1) << 40 };
	struct place_advice advice = { .n_nodes = 77 };

	(void)state;
	make(2);
	assert_int_equal(place_advise(&model, &policy, &huge, &scratch, &advice), -EINVAL);
	scratch.n_nodes = NODES_MAX;
	model.n_nodes = 0;
	assert_int_equal(place_advise(&model, &policy, &huge, &scratch, &advice), -EINVAL);
	assert_int_equal(advice.n_nodes, 77);
	model.n_nodes = 2;
	policy.guest_overhead_bytes = UINT64_MAX;
	assert_int_equal(place_advise(&model, &policy, &huge, &scratch, &advice), 0);
	assert_int_equal(advice.verdict, PLACE_VERDICT_NO_ROOM);
	nodes[0].usable_bytes = nodes[1].usable_bytes = UINT64_MAX;
	nodes[0].committed_millicpu = UINT64_MAX;
	policy.guest_overhead_bytes = 0;
	assert_int_equal(place_advise(&model, &policy, &large, &scratch, &advice), 0);
	assert_int_equal(advice.verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(advice.usable_bytes, UINT64_MAX);
}

/* Sockets of eight nodes: sets too many to look at, and the answer is one socket. */
static void test_clusters(void **state)
{
	(void)state;
	make(32);
	for (size_t i = 0; i < 32; i++)
		for (size_t j = 0; j < 32; j++)
			if (i != j)
				set_distance(i, j, i / 8 == j / 8 ? 12 : 32);
	nodes[3].usable_bytes = 10 * GIB;
	nodes[20].usable_bytes = 10 * GIB;
	expect(2, 480, "8-15", PLACE_VERDICT_SEVERAL);
	expect(2, 420, "0-2,4-7", PLACE_VERDICT_SEVERAL);
	expect(2, 200, "0-2,4", PLACE_VERDICT_SEVERAL);
}

/* Every node of the best set has a neighbour that is nearer to it, and far from the others. */
static void test_lures(void **state)
{
	(void)state;
	make(32);
	for (size_t i = 0; i < 32; i++)
		for (size_t j = 0; j < 32; j++)
			if (i != j)
				set_distance(i, j,
					     i % 4 == 1 && j % 4 == 1 ? 12 :
					     i / 2 == j / 2	      ? 11 :
									60);
	expect(2, 480, "1,5,9,13,17,21,25,29", PLACE_VERDICT_SEVERAL);
}

/* Few CPUs where the memory is, and the other way round: growing must find a set at all. */
static void test_growing_holds(void **state)
{
	struct place_advice advice;
	uint64_t room = 0;
	unsigned n_cpus = 0;

	(void)state;
	make(40);
	for (size_t i = 0; i < 40; i++) {
		nodes[i].n_cpus = i < 20 ? 1 : 15;
		nodes[i].usable_bytes = (i < 20 ? 60 : 4) * GIB;
	}
	advice = ask(150, 600);
	assert_int_equal(advice.verdict, PLACE_VERDICT_SEVERAL);
	for (size_t i = 0; i < 40; i++) {
		if (!place_set_has(&advice.nodes, nodes[i].id))
			continue;
		room += nodes[i].usable_bytes;
		n_cpus += nodes[i].n_cpus;
	}
	assert_true(room >= 600 * GIB && n_cpus >= 150);
	assert_true(place_set_count(&advice.nodes) <= 20);
}

static void test_1100_nodes(void **state)
{
	static const uint64_t sizes[] = { 8, 100, 1000, 30000, 65999, 70000 };
	clock_t begun = clock();

	(void)state;
	make(NODES_MAX);
	for (size_t i = 0; i < NODES_MAX; i++) {
		nodes[i].usable_bytes = (50 + i % 21) * GIB;
		for (size_t j = 0; j < i; j++) {
			set_distance(i, j, (uint8_t)(11 + (i * 7 + j * 13) % 245));
			set_distance(j, i, (uint8_t)(11 + (i * 5 + j * 3) % 245));
		}
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct place_advice advice = ask(4, sizes[i]);
		unsigned n = place_set_count(&advice.nodes);

		assert_true(n >= (sizes[i] + 69) / 70 || n == NODES_MAX);
		assert_true(n <= sizes[i] / 60 + 20);
	}
	/* Instrumented builds are slow: some 0.1 s without, ten times that with sanitizers. */
	assert_true((double)(clock() - begun) / CLOCKS_PER_SEC < 10.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_node),
		cmocka_unit_test(test_busy_cpus_never_widen),
		cmocka_unit_test(test_more_vcpus_than_a_node),
		cmocka_unit_test(test_overhead_counts),
		cmocka_unit_test(test_fewest_then_nearest_then_roomiest),
		cmocka_unit_test(test_lowest_ids_of_equals),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_memory_only),
		cmocka_unit_test(test_hugepages),
		cmocka_unit_test(test_pools_eat_the_host),
		cmocka_unit_test(test_never_empty),
		cmocka_unit_test(test_unreadable_is_left_out),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_clusters),
		cmocka_unit_test(test_lures),
		cmocka_unit_test(test_growing_holds),
		cmocka_unit_test(test_1100_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
