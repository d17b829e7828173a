/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kept CPU times of guests: a round trip, the identity of a guest (its pid may be another's
 * today), other boots, and damaged text, of which nothing may be used.
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
#include "observe/load.h"
#include "tree.h"

#define BOOT "5cdfe7b1-ed1f-4b13-a5c2-6ec8cf7bb1dc"
#define HEAD "placed load 1 boot " BOOT " taken_ns 123456789\n"

static int read_kept(const char *kept, struct place_loads *loads)
{
	tree_put(kept, PLACE_LOAD_PATH);
	return place_loads_read(&tree_root, &tree_text, BOOT, loads);
}

static void test_reading(void **state)
{
	static const struct {
		const char *kept;
		int r;
		size_t n;
	} cases[] = {
		{ HEAD, 0, 0 },
		{ HEAD "1 2 3\n", 0, 1 },
		{ HEAD "0 0 0\n7 8 9\n2147483647 18446744073709551615 18446744073709551615\n", 0,
		  3 },
		{ "placed load 1 boot 00000000-ed1f-4b13-a5c2-6ec8cf7bb1dc taken_ns 1\n1 2 3\n",
		  -ESTALE, 0 },
		{ "placed load 1 boot  taken_ns 1\n", -ESTALE, 0 },
		{ "placed load 1 ", -ESTALE, 0 },
		{ "", -EINVAL, 0 },
		{ "placed load 2 boot " BOOT " taken_ns 1\n", -EINVAL, 0 },
		{ "placed load 1 boot " BOOT " taken_ns \n", -EINVAL, 0 },
		{ "placed load 1 boot " BOOT " taken_ns 1", -EINVAL, 0 },
		{ "placed load 1 boot " BOOT " taken_ns 18446744073709551616\n", -EINVAL, 0 },
		{ HEAD "1 2 3", -EINVAL, 0 },
		{ HEAD "1 2\n", -EINVAL, 0 },
		{ HEAD "1 2 3 4\n", -EINVAL, 0 },
		{ HEAD "1  2 3\n", -EINVAL, 0 },
		{ HEAD "-1 2 3\n", -EINVAL, 0 },
		{ HEAD "2147483648 2 3\n", -EINVAL, 0 },
		{ HEAD "1 2 18446744073709551616\n", -EINVAL, 0 },
		{ HEAD "\n", -EINVAL, 0 },
		{ HEAD "1 2 3\n\n", -EINVAL, 0 },
		/* The search relies on ascending pids. */
		{ HEAD "2 2 3\n1 2 3\n", -EINVAL, 0 },
		{ HEAD "1 2 3\n1 5 6\n", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_loads loads = { .taken_ns = 4711 };
		const int r = read_kept(cases[i].kept, &loads);

		if (r != cases[i].r || loads.n != cases[i].n)
			fail_msg("%s: %d, %zu lines", cases[i].kept, r, loads.n);
		assert_int_equal(loads.taken_ns, r == 0 ? 123456789 : 4711);
		if (r == 0)
			place_loads_done(&loads);
	}
}

static void test_missing(void **state)
{
	struct place_loads loads = { .taken_ns = 4711 };

	(void)state;
	assert_int_equal(place_loads_read(&tree_root, &tree_text, BOOT, &loads), -ENOENT);
	assert_int_equal(loads.taken_ns, 4711);
}

static void test_find(void **state)
{
	struct place_loads loads;

	(void)state;
	assert_int_equal(read_kept(HEAD "3 30 300\n5 50 500\n9 90 900\n", &loads), 0);
	assert_int_equal(place_loads_find(&loads, 3, 30)->cpu_time_ns, 300);
	assert_int_equal(place_loads_find(&loads, 5, 50)->cpu_time_ns, 500);
	assert_int_equal(place_loads_find(&loads, 9, 90)->cpu_time_ns, 900);
	assert_null(place_loads_find(&loads, 4, 30));
	assert_null(place_loads_find(&loads, 10, 90));
	assert_null(place_loads_find(&loads, -1, 0));
	assert_null(place_loads_find(&loads, 5, 51)); /* the pid is another process now */
	place_loads_done(&loads);
	assert_null(place_loads_find(&loads, 5, 50));
	assert_null(place_loads_find(NULL, 5, 50));
}

static void test_round_trip(void **state)
{
	struct place_guest guests[3] = {
		{ .pid = 3, .known = PLACE_GUEST_START, .start_ns = 30, .cpu_time_ns = 300 },
		{ .pid = 5, .start_ns = 50, .cpu_time_ns = 500 }, /* its stat was not readable */
		{ .pid = 9,
		  .known = PLACE_GUEST_START,
		  .start_ns = UINT64_MAX,
		  .cpu_time_ns = UINT64_MAX },
	};
	const struct place_sample sample = { .taken_ns = 123456789,
					     .n_guests = 3,
					     .guests = guests };
	_cleanup_text_ struct place_text kept = { 0 };
	struct place_loads loads;

	(void)state;
	assert_int_equal(place_loads_format(&sample, BOOT, &kept), 0);
	assert_int_equal(kept.size, strlen(kept.data));
	assert_int_equal(read_kept(kept.data, &loads), 0);
	assert_int_equal(loads.n, 2);
	assert_int_equal(loads.list[0].pid, 3);
	assert_true(loads.list[1].cpu_time_ns == UINT64_MAX);
	place_loads_done(&loads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, tree_begin, tree_end);
}
