/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving against a scripted kernel: what is asked for, what is sent, and what is not even tried. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "script_move.h"

/*
 * Slots whose test pages (0, 171, 342 and 511) all lie wrong are sent without asking for the
 * others: empty places count as such, and what lies right already as moved.
 */
static void test_unasked(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		move_start_over();
		script->can_scan = can_scan;
		script_put(script, 1024 + 200, 1024 + 300, -1);
		script_put(script, 2048 + 200, 2048 + 300, 1);
		/* Its last test page lies right: this slot is asked for. */
		script_put(script, 4096 + 500, 4096 + 512, 1);
		move_begin(1);
		assert_int_equal(move_run(), 0);
		assert_int_equal(script_bytes_on(script, 0), 0);
		assert_int_equal(move_count(ACT_ABSENT), 100 * SCRIPT_BASE);
		assert_int_equal(move.work->count.right_bytes, 12 * SCRIPT_BASE);
		assert_int_equal(move_count(ACT_MOVED), ALL - 112 * SCRIPT_BASE);
		assert_int_equal(move_total(), ALL);
		/* The second window's slots are supposed to be plain as well. */
		assert_int_equal(script->n_asked, 64 * 4 + (can_scan ? 0 : 31 * 4) + 512);
		assert_int_equal(script->n_calls, can_scan ? 3 : 5);
	}
}

/* Huge pages after plain ones: sent page by page, they go as a whole, and are seen from then on. */
static void test_supposed_to_be_plain(void **state)
{
	(void)state;
	script_huge(script, 16384, SCRIPT_PAGES);
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(script->n_split, 0);
	assert_int_equal(move_total(), ALL);
	/* The second address of each. */
	assert_int_equal(move_count(ACT_BUSY), 32 * SCRIPT_BASE);
	assert_int_equal(pages_retry_busy(move.work), 0);
	assert_int_equal(move_count(ACT_BUSY), 0);
	assert_int_equal(move_total(), ALL);

	script_put(script, 0, SCRIPT_PAGES, 0);
	move.range.start += WINDOW;
	script->n_addresses = 0;
	assert_int_equal(move_run(), 0);
	assert_int_equal(script->n_addresses, 32);
}

/* Where there might be no block for one they are found out first. */
static void test_not_supposed_without_blocks(void **state)
{
	(void)state;
	script->huge_blocks = 63;
	script_huge(script, 16384, SCRIPT_PAGES);
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(script->n_split, 0);
	assert_int_equal(move_count(ACT_MOVED), ALL);
}

/* What may lie elsewhere as well is asked for: it would be taken away. */
static void test_asked_if_several_are_right(void **state)
{
	(void)state;
	script_put(script, 1024 + 200, 1024 + 300, 2);
	move_begin(1);
	place_set_add(&move.right, 2);
	assert_int_equal(move_run(), 0);
	assert_int_equal(script_bytes_on(script, 2), 100 * SCRIPT_BASE);
	assert_int_equal(move.work->count.right_bytes, 100 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
}

/* A slot with pages that would not move is asked for, and they are not sent again. */
static void test_asked_if_stuck(void **state)
{
	(void)state;
	for (unsigned i = 200; i < 210; i++)
		script->pages[1024 + i].is_pinned = true;
	for (int attempt = 0; attempt < 2; attempt++) {
		for (unsigned i = 0; i < SCRIPT_PAGES; i++)
			script->pages[i].node = 0;
		script->n_addresses = 0;
		move_begin(1);
		assert_int_equal(move_run(), 0);
		assert_int_equal(move_count(ACT_PINNED), 10 * SCRIPT_BASE);
		assert_int_equal(move_count(ACT_MOVED), ALL - 10 * SCRIPT_BASE);
		assert_int_equal(move_total(), ALL);
	}
	assert_int_equal(script->n_addresses, SCRIPT_PAGES - 10);
}

/* A pinned page before an empty place ends a call: all the rest goes with the next one. */
static void test_unasked_pinned_and_empty(void **state)
{
	(void)state;
	script->can_scan = true;
	for (unsigned slot = 0; slot < SCRIPT_PAGES; slot += 512) {
		script->pages[slot + 100].is_pinned = true;
		script_put(script, slot + 200, slot + 300, -1);
	}
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_PINNED), 64 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_ABSENT), 64 * 100 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_MOVED), 64 * 411 * SCRIPT_BASE);
	assert_int_equal(move_total(), ALL);
	/* In each window also one of 64, since the first is small, and a piece for the pinned. */
	assert_in_range(script->n_calls, 1, 2 * 8);
}

/* What lies right needs no room: where that is short it must not be sent, and so reckoned. */
static void test_asked_if_tight(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < SCRIPT_PAGES; slot += 512)
		script_put(script, slot + 172, slot + 342, 1);
	script->free_bytes[1] = 16 * MIB + 64 * 342 * SCRIPT_BASE;
	move_begin(1);
	move.task.reserve_bytes = 16 * MIB;
	assert_int_equal(move_run(), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(move_total(), ALL);
	/* In the first window the room was enough for all, and nothing was asked. */
	assert_int_equal(move.work->count.right_bytes, 32 * 170 * SCRIPT_BASE);
}

/* A move that is told to end counts what it did not come to by what it is. */
static void test_unasked_and_stopped(void **state)
{
	(void)state;
	script->can_scan = true;
	for (unsigned slot = 0; slot < SCRIPT_PAGES; slot += 512) {
		script_put(script, slot + 172, slot + 342, 1);
		script_put(script, slot + 400, slot + 500, -1);
	}
	move_begin_within(1, 1);
	move.stop_after = 1;
	assert_int_equal(move_run(), -ECANCELED);
	/* One call of 64 pages, and the rest of the window. */
	assert_int_equal(move_count(ACT_MOVED), 64 * SCRIPT_BASE);
	assert_int_equal(move.work->count.right_bytes, 32 * 170 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_ABSENT), 32 * 100 * SCRIPT_BASE);
	assert_int_equal(move_count(ACT_BUSY), (32 * 242 - 64) * SCRIPT_BASE);
	assert_int_equal(move_total(), PAGES_WINDOW * SCRIPT_BASE);
}

/* With and without a kernel that tells what is huge: one address each, none split. */
static void test_huge(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		move_start_over();
		script->can_scan = can_scan;
		script_huge(script, 512, 16384 + 1024);
		move_begin(1);
		assert_int_equal(move_run(), 0);
		assert_int_equal(move_count(ACT_MOVED), ALL);
		assert_int_equal(move_total(), ALL);
		assert_int_equal(script_bytes_on(script, 1), ALL);
		assert_int_equal(script->n_split, 0);
		/* 33 huge pages, and the 31 slots of plain ones. */
		assert_int_equal(script->n_addresses, 33 + 31 * 512);
	}
}

/* A target whose free memory is in small pieces takes small pages, and no huge one is split. */
static void test_no_blocks(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		move_start_over();
		script->can_scan = can_scan;
		script->huge_blocks = 3;
		script_huge(script, 0, 10 * 512);
		/* Without a scan all of node 0 is suspect; what lies on node 2 has no huge page. */
		script_put(script, 16384, SCRIPT_PAGES, 2);
		move_begin(1);
		assert_int_equal(move_run(), 0);
		assert_int_equal(move_total(), ALL);
		assert_int_equal(script->n_split, 0);
		assert_true(move.work->count.no_block_bytes >= 7 * SCRIPT_HUGE);
		if (can_scan)
			assert_int_equal(move.work->count.no_block_bytes, 7 * SCRIPT_HUGE);
		assert_int_equal(script_bytes_on(script, 2), 0);
	}
}

/* The count is exact, and the second attempt does not pay for the pinned ones again. */
static void test_half_pinned(void **state)
{
	uint64_t begin_ns, movable_ns;

	(void)state;
	for (unsigned i = 1; i < SCRIPT_PAGES; i += 2)
		script->pages[i].is_pinned = true;
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_PINNED), ALL / 2);
	assert_int_equal(move_count(ACT_MOVED), ALL / 2);
	assert_int_equal(move_total(), ALL);

	/* The movable half comes back by itself. */
	for (unsigned i = 0; i < SCRIPT_PAGES; i += 2)
		script->pages[i].node = 0;
	movable_ns = SCRIPT_PAGES / 2 * script->page_ns;
	begin_ns = script->now_ns;
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_PINNED), ALL / 2);
	assert_int_equal(move_count(ACT_MOVED), ALL / 2);
	assert_true(script->now_ns - begin_ns <= movable_ns * 3 / 2);

	/* Ten minutes later they are tried again. */
	script->now_ns += STUCK_FOR_NS;
	for (unsigned i = 0; i < SCRIPT_PAGES; i++)
		script->pages[i] = (struct script_page){ .node = 0, .head = i };
	move_begin(1);
	assert_int_equal(move_run(), 0);
	assert_int_equal(move_count(ACT_MOVED), ALL);
}

static void test_pinned_huge(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		move_start_over();
		script->can_scan = can_scan;
		script_huge(script, 0, SCRIPT_PAGES);
		for (unsigned i = 0; i < SCRIPT_PAGES / 2; i++)
			script->pages[i].is_pinned = true;
		for (int attempt = 0; attempt < 2; attempt++) {
			script->n_addresses = 0;
			script_put(script, 0, SCRIPT_PAGES, 0);
			move_begin(1);
			assert_int_equal(move_run(), 0);
			assert_int_equal(move_count(ACT_PINNED), ALL / 2);
			assert_int_equal(move_count(ACT_MOVED), ALL / 2);
			assert_int_equal(move_total(), ALL);
			if (attempt == 1)
				assert_int_equal(script->n_addresses, 32);
		}
		assert_int_equal(script->n_split, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		move_test(test_unasked),
		move_test(test_supposed_to_be_plain),
		move_test(test_not_supposed_without_blocks),
		move_test(test_asked_if_several_are_right),
		move_test(test_asked_if_stuck),
		move_test(test_unasked_pinned_and_empty),
		move_test(test_asked_if_tight),
		move_test(test_unasked_and_stopped),
		move_test(test_huge),
		move_test(test_no_blocks),
		move_test(test_half_pinned),
		move_test(test_pinned_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
