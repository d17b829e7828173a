/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving against a scripted kernel: what arrives, and what is counted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "act/batch.h"
#include "script_move.h"

static void test_windows(void **state)
{
	const struct pages_range ranges[] = {
		{ .start = 63 * MIB, .end = 129 * MIB },
		{ .start = 256 * MIB, .end = 256 * MIB },
		{ .start = 1024 * MIB, .end = 3072 * MIB, .pool_bytes = 1024 * MIB },
		{ .start = 4096 * MIB, .end = 4097 * MIB, .is_shared = true },
	};
	const struct {
		uint64_t start, end;
	} expected[] = { { 63, 64 },	 { 64, 128 },	 { 128, 129 },
			 { 1024, 2048 }, { 2048, 3072 }, { 4096, 4097 } };
	struct pages_range window;

	(void)state;
	assert_int_equal(pages_n_windows(ranges, 4, WINDOW), 6);
	for (size_t i = 0; i < 6; i++) {
		pages_window(ranges, 4, WINDOW, i, &window);
		assert_int_equal(window.start, expected[i].start * MIB);
		assert_int_equal(window.end, expected[i].end * MIB);
	}
	assert_true(window.is_shared);
}

/* Several workers have enough windows each to end at about the same time. */
static void test_window_bytes(void **state)
{
	const struct act act = { .base_bytes = SCRIPT_BASE, .huge_bytes = SCRIPT_HUGE };

	(void)state;
	assert_int_equal(pages_window_bytes(&act, 256 * MIB, 1), 64 * MIB);
	assert_int_equal(pages_window_bytes(&act, 256 * MIB, 2), 16 * MIB);
	assert_int_equal(pages_window_bytes(&act, 1024 * MIB, 2), 64 * MIB);
	assert_int_equal(pages_window_bytes(&act, 1024 * MIB, 8), 16 * MIB);
	assert_int_equal(pages_window_bytes(&act, 1 * MIB, 8), 8 * MIB);
}

static void test_only_what_lies_wrong(void **state)
{
	(void)state;
	script_put(script, 0, 1000, 1);
	script_put(script, 5000, 6000, 2);
	script_put(script, 7000, 7100, -1);
	move_begin(1);
	place_set_add(&move.right, 2);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move.work->count.right_bytes, 2000 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_ABSENT), 100 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_MOVED), (SCRIPT_PAGES - 2100) * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
	assert_int_equal(script_bytes_on(script, 0), 0);
	assert_int_equal(script_bytes_on(script, 2), 1000 * SCRIPT_BASE);
	assert_true(script->n_addresses <= SCRIPT_PAGES - 2100);
}

static void test_shared(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4000; i++)
		script->pages[i].is_shared = true;
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_DENIED), 4000 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_MOVED), ALL - 4000 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);

	/* A memory backend that a vhost-user process maps too. */
	move_begin(2);
	move.range.is_shared = true;
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_MOVED), ALL);
}

static void test_busy(void **state)
{
	(void)state;
	for (unsigned i = 100; i < 200; i++)
		script->pages[i].busy = i < 150 ? 1 : 2;
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_BUSY), 100 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pages_retry_busy(move.work), 0);
	assert_int_equal(move_count(ACT_BUSY), 0);
	assert_int_equal(move.work->n_retries, 0);
	assert_int_equal(move_total(), ALL);
	assert_int_equal(script_bytes_on(script, 1), ALL);
}

/* The kernel's balancing hides pages from the query: they are busy, not absent. */
static void test_hidden(void **state)
{
	(void)state;
	script->act.may_hide = true;
	script_put(script, 5000, 6000, -1);
	for (unsigned i = 1030; i < 1130; i++) /* none of them a test page */
		script->pages[i].hidden = i < 1080 ? 1 : 100;
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_ABSENT), 1000 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_BUSY), 100 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
	assert_int_equal(pages_retry_busy(move.work), 0);
	assert_int_equal(move_count(ACT_BUSY), 50 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_MOVED), ALL - 1050 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
}

/* The zero page is mapped, and nothing to wait for; of shared memory there is none. */
static void test_zero_pages_are_not_hidden(void **state)
{
	(void)state;
	script->act.may_hide = true;
	script_put(script, 5000, 6000, -1);
	for (unsigned i = 5000; i < 6000; i++)
		script->pages[i].is_zero = true;
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_ABSENT), 1000 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_BUSY), 0);
	assert_int_equal(move.work->n_retries, 0);
	assert_int_equal(move_total(), ALL);
}

/* Where no test page is, one look shows that the slot is empty: or that it is not. */
static void test_sparse(void **state)
{
	(void)state;
	for (unsigned can_scan = 0; can_scan < 2; can_scan++) {
		move_start_over();
		script->can_scan = can_scan;
		script_put(script, 0, SCRIPT_PAGES, -1);
		script_put(script, 512 + 100, 512 + 110, 0);
		move_begin(1);
		assert_int_equal(move_run(), 0);
		assert_int_equal(move_count(ACT_MOVED), 10 * SCRIPT_BASE);
		assert_int_equal(move_count(ACT_ABSENT), ALL - 10 * SCRIPT_BASE);
		assert_int_equal(script_bytes_on(script, 1), 10 * SCRIPT_BASE);
		/* Four of each slot, and the slot of those ten. */
		assert_int_equal(script->n_asked, 4 * SCRIPT_PAGES / 512 + 512);
		assert_true(move.work->look_ns > 0);
	}
}

/* Without pagemap each page is asked for. */
static void test_sparse_unreadable(void **state)
{
	(void)state;
	script->is_unreadable = true;
	script_put(script, 0, SCRIPT_PAGES, -1);
	script_put(script, 512 + 100, 512 + 110, 0);
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_MOVED), 10 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
	assert_true(script->n_asked >= SCRIPT_PAGES);
}

static void test_target_fills_up(void **state)
{
	(void)state;
	script->free_bytes[1] = script->least_free_bytes[1] = 48 * MIB;
	move_begin(1);
	move.task.reserve_bytes = 16 * MIB;
	assert_int_equal(move_run(), -ENOSPC);
	assert_true(script->least_free_bytes[1] >= 16 * MIB);
	assert_true(move_count(ACT_MOVED) >= 29 * MIB);
	assert_int_equal(move_count(ACT_MOVED), script_bytes_on(script, 1));
	assert_true(move_count(ACT_FULL) > 0);
}

/* What must stay free is not known, and another worker has some under way. */
static void test_all_is_reserved(void **state)
{
	(void)state;
	move_begin(1);
	move.task.reserve_bytes = UINT64_MAX;
	move.task.in_flight_bytes = 2 * MIB;
	assert_false(batch_has_room(move.work, MIB));
	assert_int_equal(move_run(), -ENOSPC);
	assert_int_equal(script_bytes_on(script, 1), 0);
}

static void test_pool(void **state)
{
	(void)state;
	script->pool_bytes = SCRIPT_HUGE;
	script->pool_pages[1] = 20;
	script->free_bytes[1] = 0; /* plain memory has nothing to do with it */
	script_huge(script, 0, SCRIPT_PAGES);
	move_begin(1);
	move.range.pool_bytes = SCRIPT_HUGE;
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_MOVED), 20 * SCRIPT_HUGE);
	assert_int_equal(move.work->count.no_block_bytes, ALL - 20 * SCRIPT_HUGE);
	assert_int_equal(script->n_addresses, 20);
}

static void test_stuck(void **state)
{
	struct stuck *stuck = move_new_stuck();

	(void)state;
	assert_false(stuck_has(stuck, SCRIPT_START, 1));
	stuck_add(stuck, SCRIPT_START, 1);
	stuck_add(stuck, SCRIPT_START + 511 * SCRIPT_BASE, 1);
	assert_true(stuck_has(stuck, SCRIPT_START, 2));
	assert_true(stuck_has(stuck, SCRIPT_START + 511 * SCRIPT_BASE, 2));
	assert_false(stuck_has(stuck, SCRIPT_START + SCRIPT_BASE, 2));
	assert_false(stuck_has(stuck, SCRIPT_START + 512 * SCRIPT_BASE, 2));
	assert_false(stuck_has(stuck, SCRIPT_START, STUCK_FOR_NS + 1));
	/* What is forgotten is forgotten as a whole. */
	stuck_add(stuck, SCRIPT_START + SCRIPT_BASE, STUCK_FOR_NS + 2);
	assert_false(stuck_has(stuck, SCRIPT_START, STUCK_FOR_NS + 3));
	/* More than it holds: no crash, and most are still there. */
	for (unsigned i = 0; i < 20000; i++)
		stuck_add(stuck, (i * UINT64_C(7919) % 65536) * SCRIPT_HUGE, 5);
	assert_true(stuck_has(stuck, 0, 6));
	assert_null(stuck_free(stuck));
}

static void test_outcomes(void **state)
{
	(void)state;
	assert_int_equal(act_outcome_of_page(3), ACT_MOVED);
	assert_int_equal(act_outcome_of_page(-EFAULT), ACT_ABSENT);
	assert_int_equal(act_outcome_of_page(-ENOENT), ACT_ABSENT);
	assert_int_equal(act_outcome_of_page(-EBUSY), ACT_BUSY);
	assert_int_equal(act_outcome_of_page(-EACCES), ACT_DENIED);
	assert_int_equal(act_outcome_of_page(-ENOMEM), ACT_FULL);
	assert_int_equal(act_outcome_of_call(-ESRCH), ACT_GONE);
	assert_int_equal(act_outcome_of_call(-EINVAL), ACT_GONE);
	assert_int_equal(act_outcome_of_call(-EACCES), ACT_DENIED);
	assert_int_equal(act_outcome_of_call(-ENODEV), ACT_DENIED);
	assert_int_equal(act_outcome_of_call(-ENOSPC), ACT_FULL);
	for (unsigned i = 0; i < ACT_OUTCOME_COUNT; i++)
		assert_string_not_equal(act_outcome_word((enum act_outcome)i), "unknown");
	assert_true(act_outcome_back_off_ns(ACT_BUSY) < act_outcome_back_off_ns(ACT_FULL));
	assert_true(act_outcome_back_off_ns(ACT_FULL) < act_outcome_back_off_ns(ACT_PINNED));
	assert_int_equal(act_outcome_back_off_ns(ACT_GONE), UINT64_MAX);
}

static void test_null_changes_nothing(void **state)
{
	struct act *null;

	(void)state;
	script->can_scan = true;
	script_put(script, 200, 300, -1);
	assert_int_equal(act_null_new(&script->act, &null), 0);
	move_begin(1);
	move.task.act = null;
	assert_int_equal(move_run(), 0);
	/* What is not there would not have moved. */
	assert_int_equal(move_count(ACT_MOVED), ALL - 100 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_ABSENT), 100 * SCRIPT_BASE);
	assert_int_equal(script_bytes_on(script, 0), ALL - 100 * SCRIPT_BASE);
	assert_int_equal(script->n_calls, 0);
	act_free(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_window_bytes),
		move_test(test_only_what_lies_wrong),
		move_test(test_shared),
		move_test(test_busy),
		move_test(test_hidden),
		move_test(test_zero_pages_are_not_hidden),
		move_test(test_sparse),
		move_test(test_sparse_unreadable),
		move_test(test_target_fills_up),
		move_test(test_all_is_reserved),
		move_test(test_pool),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_outcomes),
		move_test(test_null_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
