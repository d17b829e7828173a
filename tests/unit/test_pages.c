/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving against a scripted kernel: what arrives, what is counted, and what is not even tried. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "act/pages.h"
#include "act_script.h"

#define MIB (UINT64_C(1) << 20)
#define ALL (SCRIPT_PAGES * SCRIPT_BASE)

struct move {
	struct script *script;
	struct pages_task task;
	struct place_set right;
	struct pace pace;
	struct pages_work *work;
	struct pages_range range;
	int stop_after;		    /* questions whether to go on; -1: never */
	uint64_t begin_ns, bytes_s; /* what is moved then is held against that bandwidth */
	uint64_t ahead_bytes;	    /* at most so far ahead of it */
};

static int may_go_on(void *data)
{
	struct move *move = data;
	const uint64_t begin_ns = move->begin_ns, now_ns = move->script->now_ns;
	uint64_t moved, due;

	if (move->bytes_s) {
		moved = script_bytes_on(move->script, (int)move->task.to_node);
		due = (now_ns - begin_ns) / 1000 * move->bytes_s / 1000000;
		if (moved > due && moved - due > move->ahead_bytes)
			move->ahead_bytes = moved - due;
	}
	return move->stop_after >= 0 && move->stop_after-- == 0 ? -ECANCELED : 0;
}

static void begin(struct move *move, struct script *script, struct stuck *stuck, unsigned to_node)
{
	*move = (struct move){
		.script = script,
		.range = { .start = SCRIPT_START, .end = SCRIPT_START + ALL },
		.stop_after = -1,
	};
	place_set_add(&move->right, to_node);
	pace_init(&move->pace, 0);
	move->task = (struct pages_task){
		.act = &script->act,
		.to_node = to_node,
		.right = &move->right,
		.stuck = stuck,
		.pace = &move->pace,
		.may_go_on = may_go_on,
		.data = move,
	};
	assert_int_equal(pages_work_new(&move->task, &move->work), 0);
}

static int run(struct move *move)
{
	const size_t n = pages_n_windows(&move->script->act, &move->range, 1);
	struct pages_range window;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		pages_window(&move->script->act, &move->range, 1, i, &window);
		r = pages_move_window(move->work, &window);
	}
	return r;
}

static uint64_t count(const struct move *move, enum act_outcome outcome)
{
	return move->work->count.outcome_bytes[outcome];
}

/* Each byte is in exactly one place. */
static uint64_t total(const struct move *move)
{
	uint64_t bytes = move->work->count.right_bytes + move->work->count.no_block_bytes;

	for (unsigned i = 0; i < ACT_OUTCOME_COUNT; i++)
		bytes += move->work->count.outcome_bytes[i];
	return bytes;
}

static struct stuck *new_stuck(void)
{
	struct stuck *stuck;

	assert_int_equal(stuck_new(SCRIPT_HUGE, &stuck), 0);
	return stuck;
}

static void test_windows(void **state)
{
	const struct act act = { .base_bytes = SCRIPT_BASE, .huge_bytes = SCRIPT_HUGE };
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
	assert_int_equal(pages_n_windows(&act, ranges, 4), 6);
	for (size_t i = 0; i < 6; i++) {
		pages_window(&act, ranges, 4, i, &window);
		assert_int_equal(window.start, expected[i].start * MIB);
		assert_int_equal(window.end, expected[i].end * MIB);
	}
	assert_true(window.is_shared);
}

static void test_only_what_lies_wrong(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script_put(script, 0, 1000, 1);
	script_put(script, 5000, 6000, 2);
	script_put(script, 7000, 7100, -1);
	begin(&move, script, stuck, 1);
	place_set_add(&move.right, 2);
	assert_int_equal(run(&move), 0);
	assert_int_equal(move.work->count.right_bytes, 2000 * SCRIPT_BASE);
	assert_int_equal(count(&move, ACT_ABSENT), 100 * SCRIPT_BASE);
	assert_int_equal(count(&move, ACT_MOVED), (SCRIPT_PAGES - 2100) * SCRIPT_BASE);
	assert_int_equal(total(&move), ALL);
	assert_int_equal(script_bytes_on(script, 0), 0);
	assert_int_equal(script_bytes_on(script, 2), 1000 * SCRIPT_BASE);
	assert_true(script->n_addresses <= SCRIPT_PAGES - 2100);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* With and without a kernel that tells what is huge: one address each, none split. */
static void test_huge(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		struct script *script = script_new();
		struct stuck *stuck = new_stuck();
		struct move move;

		script->can_scan = can_scan;
		script_huge(script, 512, 16384 + 1024);
		begin(&move, script, stuck, 1);
		assert_int_equal(run(&move), 0);
		assert_int_equal(count(&move, ACT_MOVED), ALL);
		assert_int_equal(total(&move), ALL);
		assert_int_equal(script_bytes_on(script, 1), ALL);
		assert_int_equal(script->n_split, 0);
		/* 33 huge pages, and the 31 slots of plain ones. */
		assert_int_equal(script->n_addresses, 33 + 31 * 512);
		pages_work_free(move.work);
		stuck_free(stuck);
		script_free(script);
	}
}

/* A target whose free memory is in small pieces takes small pages, and no huge one is split. */
static void test_no_blocks(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		struct script *script = script_new();
		struct stuck *stuck = new_stuck();
		struct move move;

		script->can_scan = can_scan;
		script->huge_blocks = 3;
		script_huge(script, 0, 10 * 512);
		/* Without a scan all of node 0 is suspect; what lies on node 2 has no huge page. */
		script_put(script, 16384, SCRIPT_PAGES, 2);
		begin(&move, script, stuck, 1);
		assert_int_equal(run(&move), 0);
		assert_int_equal(total(&move), ALL);
		assert_int_equal(script->n_split, 0);
		assert_true(move.work->count.no_block_bytes >= 7 * SCRIPT_HUGE);
		if (can_scan)
			assert_int_equal(move.work->count.no_block_bytes, 7 * SCRIPT_HUGE);
		assert_int_equal(script_bytes_on(script, 2), 0);
		pages_work_free(move.work);
		stuck_free(stuck);
		script_free(script);
	}
}

static void pin_odd(struct script *script)
{
	for (unsigned i = 1; i < SCRIPT_PAGES; i += 2)
		script->pages[i].is_pinned = true;
}

/* The count is exact, and the second attempt does not pay for the pinned ones again. */
static void test_half_pinned(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;
	uint64_t begin_ns, movable_ns;

	(void)state;
	pin_odd(script);
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_PINNED), ALL / 2);
	assert_int_equal(count(&move, ACT_MOVED), ALL / 2);
	assert_int_equal(total(&move), ALL);
	pages_work_free(move.work);

	/* The movable half comes back by itself. */
	for (unsigned i = 0; i < SCRIPT_PAGES; i += 2)
		script->pages[i].node = 0;
	movable_ns = SCRIPT_PAGES / 2 * script->page_ns;
	begin_ns = script->now_ns;
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_PINNED), ALL / 2);
	assert_int_equal(count(&move, ACT_MOVED), ALL / 2);
	assert_true(script->now_ns - begin_ns <= movable_ns * 3 / 2);
	pages_work_free(move.work);

	/* Ten minutes later they are tried again. */
	script->now_ns += STUCK_FOR_NS;
	for (unsigned i = 0; i < SCRIPT_PAGES; i++)
		script->pages[i] = (struct script_page){ .node = 0, .head = i };
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_MOVED), ALL);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

static void test_pinned_huge(void **state)
{
	(void)state;
	for (int can_scan = 0; can_scan < 2; can_scan++) {
		struct script *script = script_new();
		struct stuck *stuck = new_stuck();
		struct move move;

		script->can_scan = can_scan;
		script_huge(script, 0, SCRIPT_PAGES);
		for (unsigned i = 0; i < SCRIPT_PAGES / 2; i++)
			script->pages[i].is_pinned = true;
		for (int attempt = 0; attempt < 2; attempt++) {
			script->n_addresses = 0;
			script_put(script, 0, SCRIPT_PAGES, 0);
			begin(&move, script, stuck, 1);
			assert_int_equal(run(&move), 0);
			assert_int_equal(count(&move, ACT_PINNED), ALL / 2);
			assert_int_equal(count(&move, ACT_MOVED), ALL / 2);
			assert_int_equal(total(&move), ALL);
			if (attempt == 1)
				assert_int_equal(script->n_addresses, 32);
			pages_work_free(move.work);
		}
		assert_int_equal(script->n_split, 0);
		stuck_free(stuck);
		script_free(script);
	}
}

static void test_shared(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	for (unsigned i = 0; i < 4000; i++)
		script->pages[i].is_shared = true;
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_DENIED), 4000 * SCRIPT_BASE);
	assert_int_equal(count(&move, ACT_MOVED), ALL - 4000 * SCRIPT_BASE);
	assert_int_equal(total(&move), ALL);
	pages_work_free(move.work);

	/* A memory backend that a vhost-user process maps too. */
	begin(&move, script, stuck, 2);
	move.range.is_shared = true;
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_MOVED), ALL);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

static void test_busy(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	for (unsigned i = 100; i < 200; i++)
		script->pages[i].busy = i < 150 ? 1 : 2;
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_BUSY), 100 * SCRIPT_BASE);
	assert_int_equal(total(&move), ALL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pages_retry_busy(move.work), 0);
	assert_int_equal(count(&move, ACT_BUSY), 0);
	assert_int_equal(move.work->n_retries, 0);
	assert_int_equal(total(&move), ALL);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* The kernel's balancing hides pages from the query: they are busy, not absent. */
static void test_hidden(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script->act.may_hide = true;
	script_put(script, 5000, 6000, -1);
	for (unsigned i = 1030; i < 1130; i++) /* none of them a test page */
		script->pages[i].hidden = i < 1080 ? 1 : 100;
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_ABSENT), 1000 * SCRIPT_BASE);
	assert_int_equal(count(&move, ACT_BUSY), 100 * SCRIPT_BASE);
	assert_int_equal(total(&move), ALL);
	assert_int_equal(pages_retry_busy(move.work), 0);
	assert_int_equal(count(&move, ACT_BUSY), 50 * SCRIPT_BASE);
	assert_int_equal(count(&move, ACT_MOVED), ALL - 1050 * SCRIPT_BASE);
	assert_int_equal(total(&move), ALL);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

static void test_target_fills_up(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script->free_bytes[1] = script->least_free_bytes[1] = 48 * MIB;
	begin(&move, script, stuck, 1);
	move.task.reserve_bytes = 16 * MIB;
	assert_int_equal(run(&move), -ENOSPC);
	assert_true(script->least_free_bytes[1] >= 16 * MIB);
	assert_true(count(&move, ACT_MOVED) >= 29 * MIB);
	assert_int_equal(count(&move, ACT_MOVED), script_bytes_on(script, 1));
	assert_true(count(&move, ACT_FULL) > 0);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

static void test_pool(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script->pool_bytes = SCRIPT_HUGE;
	script->pool_pages = 20;
	script->free_bytes[1] = 0; /* plain memory has nothing to do with it */
	script_huge(script, 0, SCRIPT_PAGES);
	begin(&move, script, stuck, 1);
	move.range.pool_bytes = SCRIPT_HUGE;
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_MOVED), 20 * SCRIPT_HUGE);
	assert_int_equal(move.work->count.no_block_bytes, ALL - 20 * SCRIPT_HUGE);
	assert_int_equal(script->n_addresses, 20);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

static void test_ends(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script->gone_after = 4;
	begin(&move, script, stuck, 1);
	assert_int_equal(run(&move), -ESRCH);
	assert_int_equal(count(&move, ACT_MOVED), script_bytes_on(script, 1));
	pages_work_free(move.work);

	script->gone_after = 0;
	script->is_gone = false;
	begin(&move, script, stuck, 2);
	move.stop_after = 3;
	assert_int_equal(run(&move), -ECANCELED);
	assert_int_equal(count(&move, ACT_MOVED), script_bytes_on(script, 2));
	pages_work_free(move.work);

	/* A realtime thread holds a CPU: two calls say so, and are the last. */
	script->call_ns = 900000000;
	script->n_calls = 0;
	begin(&move, script, stuck, 3);
	move.task.slow_ns = 500000000;
	assert_int_equal(run(&move), -ETIME);
	assert_int_equal(script->n_calls, 2);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* Before 6.3 calls have thousands of pages, and may take seconds: the next ones tell. */
static void test_slow_and_large(void **state)
{
	(void)state;
	for (int is_busy = 0; is_busy < 2; is_busy++) {
		struct script *script = script_new();
		struct stuck *stuck = new_stuck();
		struct move move;

		script->act.moves_singly = true;
		script->can_scan = true;
		/* All that a realtime thread holds up, or a host where each page takes long. */
		script->call_ns = is_busy ? 20000 : 900000000;
		script->page_ns = is_busy ? 500000 : 1000;
		begin(&move, script, stuck, 1);
		pages_work_free(move.work);
		move.task.budget_ns = 1000000;
		move.task.slow_ns = 500000000;
		assert_int_equal(pages_work_new(&move.task, &move.work), 0);
		assert_int_equal(run(&move), is_busy ? 0 : -ETIME);
		assert_int_equal(script->most_addresses, 4096);
		if (!is_busy)
			assert_int_equal(script->n_calls, 3);
		pages_work_free(move.work);
		stuck_free(stuck);
		script_free(script);
	}
}

/* Where a huge page takes long, calls have few of them, and are no sign of a realtime thread. */
static void test_slow_huge(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script->can_scan = true;
	script->page_ns = 90000000 / 512;
	script_huge(script, 0, SCRIPT_PAGES);
	begin(&move, script, stuck, 1);
	move.task.slow_ns = 500000000;
	assert_int_equal(run(&move), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(script->n_split, 0);
	assert_int_equal(script->most_addresses, 16);
	assert_true(script->n_calls > SCRIPT_PAGES / 512 / 2);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* Calls stay within the budget, and the bandwidth is what was asked for. */
static void test_budget_and_pace(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;
	uint64_t begin_ns;

	(void)state;
	begin(&move, script, stuck, 1);
	pages_work_free(move.work);
	move.task.budget_ns = 1000000;
	pace_init(&move.pace, 64 * MIB);
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
	begin_ns = script->now_ns;
	assert_int_equal(run(&move), 0);
	assert_true(move.work->count.longest_ns <= 1600000);
	/* No more at once than the bucket holds. */
	assert_int_equal(script->most_addresses, 64 * MIB / 50 / SCRIPT_BASE);
	assert_true(script->now_ns - begin_ns >= UINT64_C(1900000000));
	assert_true(script->now_ns - begin_ns <= UINT64_C(2100000000));
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* What may go at once is that of the bandwidth now, not of the one at the start. */
static void test_another_bandwidth(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script->act.moves_singly = true;
	script->can_scan = true;
	begin(&move, script, stuck, 1);
	pages_work_free(move.work);
	move.task.budget_ns = 1000000;
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
	pace_set(&move.pace, 16 * MIB);
	assert_int_equal(run(&move), 0);
	assert_int_equal(script->most_addresses, 16 * MIB / 50 / SCRIPT_BASE);
	pages_work_free(move.work);

	script_put(script, 0, SCRIPT_PAGES, 0);
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
	pace_set(&move.pace, 0);
	assert_int_equal(run(&move), 0);
	assert_int_equal(script->most_addresses, 4096);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* What goes along with a probe is paced, too, before the next one. */
static void test_probes_are_paced(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct move move;

	(void)state;
	script_huge(script, 0, SCRIPT_PAGES);
	begin(&move, script, stuck, 1);
	move.bytes_s = 256 * MIB;
	pace_set(&move.pace, move.bytes_s);
	move.begin_ns = script->now_ns;
	assert_int_equal(run(&move), 0);
	assert_int_equal(script_bytes_on(script, 1), ALL);
	assert_int_equal(script->n_split, 0);
	/* What may go at once, and a call of as much. */
	assert_in_range(move.ahead_bytes, SCRIPT_HUGE, 2 * move.bytes_s / 50 + SCRIPT_HUGE);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

/* A kernel that moves page by page holds nobody up however many there are, and each call costs. */
static void test_singly(void **state)
{
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	uint64_t n_calls;
	struct move move;

	(void)state;
	script->act.moves_singly = true;
	begin(&move, script, stuck, 1);
	pages_work_free(move.work);
	move.task.budget_ns = 1000000;
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
	assert_int_equal(run(&move), 0);
	n_calls = move.work->count.calls;
	pages_work_free(move.work);
	script_free(script);
	script = script_new();
	begin(&move, script, stuck, 1);
	pages_work_free(move.work);
	move.task.budget_ns = 1000000;
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
	assert_int_equal(run(&move), 0);
	assert_in_range(n_calls, 1, move.work->count.calls / 3);
	pages_work_free(move.work);
	stuck_free(stuck);
	script_free(script);
}

static void test_stuck(void **state)
{
	struct stuck *stuck = new_stuck();

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
	struct script *script = script_new();
	struct stuck *stuck = new_stuck();
	struct act *null;
	struct move move;

	(void)state;
	assert_int_equal(act_null_new(&script->act, &null), 0);
	begin(&move, script, stuck, 1);
	move.task.act = null;
	assert_int_equal(run(&move), 0);
	assert_int_equal(count(&move, ACT_MOVED), ALL);
	assert_int_equal(script_bytes_on(script, 0), ALL);
	assert_int_equal(script->n_calls, 0);
	pages_work_free(move.work);
	act_free(null);
	stuck_free(stuck);
	script_free(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_only_what_lies_wrong),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_no_blocks),
		cmocka_unit_test(test_half_pinned),
		cmocka_unit_test(test_pinned_huge),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_target_fills_up),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_slow_and_large),
		cmocka_unit_test(test_slow_huge),
		cmocka_unit_test(test_budget_and_pace),
		cmocka_unit_test(test_another_bandwidth),
		cmocka_unit_test(test_probes_are_paced),
		cmocka_unit_test(test_singly),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_null_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
