/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving against a scripted kernel: how much in a call, how fast, and what ends it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "script_move.h"

static void test_ends(void **state)
{
	(void)state;
	script->gone_after = 4;
	move_begin(1);
	assert_int_equal(move_run(), -ESRCH);
	assert_int_equal(move_count(ACT_MOVED), script_bytes_on(script, 1));

	script->gone_after = 0;
	script->is_gone = false;
	move_begin(2);
	move.stop_after = 3;
	assert_int_equal(move_run(), -ECANCELED);
	assert_int_equal(move_count(ACT_MOVED), script_bytes_on(script, 2));

	/* A realtime thread holds a CPU: two calls say so, and are the last. */
	script->call_ns = 900000000;
	script->n_calls = 0;
	move_begin(3);
	move.task.slow_ns = 500000000;
	assert_int_equal(move_run(), -ETIME);
	assert_int_equal(script->n_calls, 2);
}

/* Before 6.3 calls have thousands of pages, and may take seconds: the next ones tell. */
static void test_slow_and_large(void **state)
{
	(void)state;
	for (int is_busy = 0; is_busy < 2; is_busy++) {
		move_start_over();
		script->act.moves_singly = true;
		script->can_scan = true;
		/* All that a realtime thread holds up, or a host where each page takes long. */
		script->call_ns = is_busy ? 20000 : 900000000;
		script->page_ns = is_busy ? 500000 : 1000;
		move_begin_within(1, 1000000);
		move.task.slow_ns = 500000000;
		assert_int_equal(move_run(), is_busy ? 0 : -ETIME);
		assert_int_equal(script->most_addresses, 4096);
		if (!is_busy)
			assert_int_equal(script->n_calls, 3);
	}
}

/* Where a huge page takes long, calls have few of them, and are no sign of a realtime thread. */
static void test_slow_huge(void **state)
{
	(void)state;
	script->can_scan = true;
	script->page_ns = 90000000 / 512;
	script_huge(script, 0, SCRIPT_PAGES);
	move_begin(1);
	move.task.slow_ns = 500000000;
	assert_int_equal(move_run(), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(script->n_split, 0);
	assert_int_equal(script->most_addresses, 16);
	assert_true(script->n_calls > SCRIPT_PAGES / 512 / 2);
}

/* Pages of 1 GiB take as long as 512 of 2 MiB; here they have 64 MiB, so that there are two. */
static void test_slow_gigantic(void **state)
{
	(void)state;
	for (unsigned is_held = 0; is_held < 2; is_held++) {
		move_start_over();
		script->pool_bytes = WINDOW;
		script->pool_pages[1] = 2;
		script->page_ns = 800000000 / PAGES_WINDOW;
		script->call_ns = is_held ? 900000000 : 20000;
		for (unsigned i = 0; i < SCRIPT_PAGES; i++)
			script->pages[i].head = i / PAGES_WINDOW * PAGES_WINDOW;
		move_begin(1);
		move.range.pool_bytes = WINDOW;
		move.task.slow_ns = 500000000;
		assert_int_equal(move_run(), is_held ? -ETIME : 0);
		assert_int_equal(script->n_calls, 2);
	}
}

/* Calls stay within the budget, and the bandwidth is what was asked for. */
static void test_budget_and_pace(void **state)
{
	uint64_t begin_ns;

	(void)state;
	move_begin_within(1, 1000000);
	pace_init(&move.pace, 64 * MIB);
	begin_ns = script->now_ns;
	assert_int_equal(move_run(), 0);
	assert_true(move.work->count.longest_ns <= 1600000);
	/* No more at once than the bucket holds. */
	assert_int_equal(script->most_addresses, 64 * MIB / 50 / SCRIPT_BASE);
	assert_true(script->now_ns - begin_ns >= UINT64_C(1900000000));
	assert_true(script->now_ns - begin_ns <= UINT64_C(2100000000));
}

/* What may go at once is that of the bandwidth now, not of the one at the start. */
static void test_another_bandwidth(void **state)
{
	(void)state;
	script->act.moves_singly = true;
	script->can_scan = true;
	move_begin_within(1, 1000000);
	pace_set(&move.pace, 16 * MIB);
	assert_int_equal(move_run(), 0);
	assert_int_equal(script->most_addresses, 16 * MIB / 50 / SCRIPT_BASE);
	pages_work_free(move.work);

	script_put(script, 0, SCRIPT_PAGES, 0);
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
	pace_set(&move.pace, 0);
	assert_int_equal(move_run(), 0);
	assert_int_equal(script->most_addresses, 4096);
}

/* What goes along with a probe is paced, too, before the next one. */
static void test_probes_are_paced(void **state)
{
	(void)state;
	script_huge(script, 0, SCRIPT_PAGES);
	move_begin(1);
	move.bytes_s = 256 * MIB;
	pace_set(&move.pace, move.bytes_s);
	move.begin_ns = script->now_ns;
	assert_int_equal(move_run(), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(script->n_split, 0);
	/* What may go at once, and a call of as much. */
	assert_in_range(move.ahead_bytes, SCRIPT_HUGE, 2 * move.bytes_s / 50 + SCRIPT_HUGE);
}

/* A kernel that moves page by page holds nobody up however many there are, and each call costs. */
static void test_singly(void **state)
{
	uint64_t n_calls;

	(void)state;
	script->act.moves_singly = true;
	move_begin_within(1, 1000000);
	assert_int_equal(move_run(), 0);
	n_calls = move.work->count.calls;
	move_start_over();
	move_begin_within(1, 1000000);
	assert_int_equal(move_run(), 0);
	assert_in_range(n_calls, 1, move.work->count.calls / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		move_test(test_ends),
		move_test(test_slow_and_large),
		move_test(test_slow_huge),
		move_test(test_slow_gigantic),
		move_test(test_budget_and_pace),
		move_test(test_another_bandwidth),
		move_test(test_probes_are_paced),
		move_test(test_singly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
