/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "script_move.h"

struct script *script;
struct move move;

static struct stuck *stuck;

int move_set_up(void **state)
{
	(void)state;
	script = script_new();
	stuck = move_new_stuck();
	move = (struct move){ 0 };
	return 0;
}

int move_tear_down(void **state)
{
	(void)state;
	move.work = pages_work_free(move.work);
	stuck = stuck_free(stuck);
	script_free(script);
	return 0;
}

void move_start_over(void)
{
	(void)move_tear_down(NULL);
	(void)move_set_up(NULL);
}

static int may_go_on(void *data)
{
	const uint64_t begin_ns = move.begin_ns, now_ns = script->now_ns;
	uint64_t moved, due;

	(void)data;
	if (move.bytes_s) {
		moved = script_bytes_on(script, (int)move.task.to_node);
		due = (now_ns - begin_ns) / 1000 * move.bytes_s / 1000000;
		if (moved > due && moved - due > move.ahead_bytes)
			move.ahead_bytes = moved - due;
	}
	return move.stop_after >= 0 && move.stop_after-- == 0 ? -ECANCELED : 0;
}

void move_begin_within(unsigned to_node, uint64_t budget_ns)
{
	pages_work_free(move.work);
	move = (struct move){
		.range = { .start = SCRIPT_START, .end = SCRIPT_START + ALL },
		.stop_after = -1,
	};
	place_set_add(&move.right, to_node);
	pace_init(&move.pace, 0);
	move.task = (struct pages_task){
		.act = &script->act,
		.to_node = to_node,
		.right = &move.right,
		.stuck = stuck,
		.pace = &move.pace,
		.budget_ns = budget_ns,
		.may_go_on = may_go_on,
	};
	assert_int_equal(pages_work_new(&move.task, &move.work), 0);
}

void move_begin(unsigned to_node)
{
	move_begin_within(to_node, 0);
}

int move_run(void)
{
	const size_t n = pages_n_windows(&move.range, 1, WINDOW);
	struct pages_range window;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		pages_window(&move.range, 1, WINDOW, i, &window);
		r = pages_move_window(move.work, &window);
	}
	return r;
}

uint64_t move_count(enum act_outcome outcome)
{
	return move.work->count.outcome_bytes[outcome];
}

uint64_t move_total(void)
{
	uint64_t bytes = move.work->count.right_bytes + move.work->count.no_block_bytes;

	for (unsigned i = 0; i < ACT_OUTCOME_COUNT; i++)
		bytes += move.work->count.outcome_bytes[i];
	return bytes;
}

struct stuck *move_new_stuck(void)
{
	struct stuck *made;

	assert_int_equal(stuck_new(SCRIPT_HUGE, &made), 0);
	return made;
}
