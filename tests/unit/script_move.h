/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move against the scripted kernel, for the tests of moving pages. */
#pragma once

#include "act/pages.h"
#include "act_script.h"

#define MIB (UINT64_C(1) << 20)
#define WINDOW (PAGES_WINDOW * SCRIPT_BASE)
#define ALL (SCRIPT_PAGES * SCRIPT_BASE)

struct move {
	struct pages_task task;
	struct place_set right;
	struct pace pace;
	struct pages_work *work;
	struct pages_range range;
	int stop_after;		    /* questions whether to go on; -1: never */
	uint64_t begin_ns, bytes_s; /* what is moved then is held against that bandwidth */
	uint64_t ahead_bytes;	    /* at most so far ahead of it */
};

/* Those of the test that runs. */
extern struct script *script;
extern struct move move;

/* A test with a script of its own, new before it and gone after it. */
#define move_test(test) cmocka_unit_test_setup_teardown(test, move_set_up, move_tear_down)

int move_set_up(void **state);
int move_tear_down(void **state);

/* In the middle of a test: another script, and nothing is known to be stuck. */
void move_start_over(void);

/* Everything but the reserve and the bandwidth, in place of the move before; budget_ns 0: none. */
void move_begin(unsigned to_node);
void move_begin_within(unsigned to_node, uint64_t budget_ns);

/* All windows, one after another. Returns: 0 or the first error. */
int move_run(void);

uint64_t move_count(enum act_outcome outcome);

/* Each byte is in exactly one place. */
uint64_t move_total(void);

struct stuck *move_new_stuck(void);
