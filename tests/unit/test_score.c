/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of two nodes is better: fit, balance, CPUs, pools, ids, each alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decide/score.h"

#define GIB (UINT64_C(1) << 30)

static struct place_node_model make_node(unsigned id, uint64_t usable_gib, uint64_t committed)
{
	return (struct place_node_model){ .id = id,
					  .n_cpus = 16,
					  .capacity_millicpu = 16000,
					  .committed_millicpu = committed,
					  .total_bytes = 64 * GIB,
					  .free_bytes = usable_gib * GIB,
					  .usable_bytes = usable_gib * GIB };
}

static struct place_need make_need(uint64_t vcpus, uint64_t gib)
{
	return (struct place_need){ .memory_bytes = gib * GIB,
				    .pool_bytes = gib * GIB,
				    .millicpu = vcpus * 1000,
				    .centicpu = vcpus * 100 };
}

/* Both ways round, so that a comparison that is not one shows. */
static void expect_better(struct place_node_model a, struct place_node_model b,
			  struct place_need need)
{
	struct place_score x = place_score_node(&a, &need), y = place_score_node(&b, &need);

	assert_true(place_score_compare(&x, &y) < 0);
	assert_true(place_score_compare(&y, &x) > 0);
	assert_int_equal(place_score_compare(&x, &x), 0);
}

static void test_tight_fit(void **state)
{
	(void)state;
	/* Left in proportion on both: the tighter one. */
	expect_better(make_node(1, 24, 12000), make_node(0, 64, 0), make_need(2, 8));
}

static void test_balance(void **state)
{
	(void)state;
	/* As much memory is left on both, but half of it could not be used for want of CPUs. */
	expect_better(make_node(1, 40, 6000), make_node(0, 40, 14000), make_need(2, 8));
}

static void test_short_of_cpu(void **state)
{
	(void)state;
	expect_better(make_node(1, 60, 0), make_node(0, 10, 18000), make_need(2, 8));
	/* However well it would fit otherwise. */
	expect_better(make_node(1, 64, 12000), make_node(0, 8, 16400), make_need(2, 8));
	/* An eighth too few does not matter yet: the fit decides. */
	expect_better(make_node(1, 9, 16000), make_node(0, 64, 16000), make_need(2, 8));
	/* Where all are short, the one that is least. */
	expect_better(make_node(1, 60, 20000), make_node(0, 60, 60000), make_need(2, 8));
}

static void test_without_size(void **state)
{
	(void)state;
	expect_better(make_node(1, 60, 4000), make_node(0, 10, 4000), make_need(0, 0));
	expect_better(make_node(1, 60, 4000), make_node(0, 60, 12000), make_need(4, 0));
}

static void test_drift_does_not_matter(void **state)
{
	struct place_node_model a = make_node(0, 40, 0), b = make_node(1, 40, 0);

	(void)state;
	b.usable_bytes -= GIB / 100;
	expect_better(a, b, make_need(2, 8));
}

static void test_pool_only_among_equals(void **state)
{
	struct place_node_model with = make_node(1, 40, 0), without = make_node(0, 40, 0);
	struct place_need need = make_need(2, 8);

	(void)state;
	with.pool_bytes = 8 * GIB;
	expect_better(without, with, need);
	need.prefer_both = true;
	expect_better(with, without, need);
	/* A better fit is worth more. */
	without.usable_bytes = 10 * GIB;
	without.committed_millicpu = 14000;
	expect_better(without, with, need);
}

static void test_room_of_pools(void **state)
{
	struct place_node_model node = make_node(0, 40, 0);
	struct place_need need = make_need(2, 8);

	(void)state;
	node.pool_bytes = 3 * GIB;
	assert_int_equal(place_score_room(&node, &need), 40 * GIB);
	need.from_pools = true;
	assert_int_equal(place_score_room(&node, &need), 3 * GIB);
}

static void test_nonsense_stays_finite(void **state)
{
	struct place_node_model node = make_node(0, 40, UINT64_MAX), empty = { .id = 1 };
	struct place_need need = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, false, false };

	(void)state;
	node.usable_bytes = UINT64_MAX;
	assert_true(place_score_node(&node, &need).cost < 16 * PLACE_SCORE_ONE);
	assert_true(place_score_node(&empty, &need).cost < 16 * PLACE_SCORE_ONE);
}

static void test_distance_both_ways(void **state)
{
	const uint8_t distance[] = { 10, 21, 255, 10 };
	struct place_model model = { .n_nodes = 2, .distance = distance };

	(void)state;
	assert_int_equal(place_score_distance(&model, 0, 1), 276);
	assert_int_equal(place_score_distance(&model, 1, 0), 276);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tight_fit),
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_short_of_cpu),
		cmocka_unit_test(test_without_size),
		cmocka_unit_test(test_drift_does_not_matter),
		cmocka_unit_test(test_pool_only_among_equals),
		cmocka_unit_test(test_room_of_pools),
		cmocka_unit_test(test_nonsense_stays_finite),
		cmocka_unit_test(test_distance_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
