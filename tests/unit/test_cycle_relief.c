/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What turns do for who makes room, before a recorded host: answers rest on no room that a move
 * under way will take, and who grows fast is told from who does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control.h"
#include "cycle_parts.h"
#include "settings.h"

#define MIB (UINT64_C(1) << 20)
#define WAIT_US 20000
#define WAITS_MAX 3000
#define GUESTS 3

static struct place_host host;
static struct settings settings;
static struct control_lists lists;
static struct cycle cycle;
static sd_event *event_loop;
static struct place_set answered;

static int setup(void **state)
{
	const char *source = getenv("srcdir");
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/hosts/recorded/4n-guests", source ? source : ".");
	settings_default(&settings);
	assert_int_equal(place_host_init(path, &host), 0);
	assert_int_equal(place_host_read_topology(&host, false), 0);
	control_init(&lists, &host.root, true);
	assert_true(sd_event_new(&event_loop) >= 0);
	assert_int_equal(cycle_init(event_loop, &host, &settings, &lists, true, &cycle), 0);
	for (unsigned i = 0; i < WAITS_MAX && cycle.n_memories < GUESTS; i++)
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	assert_int_equal(cycle.n_memories, GUESTS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cycle_done(&cycle);
	control_done(&lists);
	place_host_done(&host);
	settings_done(&settings);
	sd_event_unref(event_loop);
	return 0;
}

static void on_answer(struct serve_ask *ask, const struct serve_answer *answer)
{
	(void)ask;
	answered = *answer->nodes;
}

static unsigned ask(uint64_t mib)
{
	struct serve_ask question = {
		.request = { .vcpus_centi = 100, .memory_bytes = mib * MIB },
		.answer = on_answer,
	};

	advice_park(&cycle.advice, &question);
	cycle_answer_waiting(&cycle);
	assert_int_equal(place_set_count(&answered), 1);
	return (unsigned)place_set_next(&answered, 0);
}

static void test_answers_rest_on_no_room_that_moves_take(void **state)
{
	struct move *move = &cycle.moves.list[0];
	uint64_t free_bytes[4];
	unsigned before;

	(void)state;
	before = ask(100);
	assert_true(before < 4);
	for (size_t i = 0; i < 4; i++)
		free_bytes[i] = cycle.sample.nodes[i].free_bytes;
	/* Nearly all of it will be gone. */
	*move = (struct move){ .moves = &cycle.moves,
			       .mover = (struct mover *)(void *)&cycle,
			       .to_node = before,
			       .planned_bytes = free_bytes[before] - 50 * MIB };
	assert_int_not_equal(ask(100), before);
	/* And the picture is what it was. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(cycle.sample.nodes[i].free_bytes, free_bytes[i]);
	/* More than there is, too. */
	move->planned_bytes = UINT64_MAX;
	assert_int_not_equal(ask(100), before);
	assert_int_equal(cycle.sample.nodes[before].free_bytes, free_bytes[before]);
	move->mover = NULL;
	assert_int_equal(ask(100), before);
}

/* Pages of a pool go into a pool: they take none of what is plain, and the pool's are not there. */
static void test_answers_rest_on_no_pool_that_moves_take(void **state)
{
	struct place_node_sample *node = &cycle.sample.nodes[1];
	struct move *move = &cycle.moves.list[0];
	const uint64_t free_bytes = node->free_bytes;

	(void)state;
	node->n_pools = 1;
	node->pools[0] = (struct place_pool){ .page_bytes = 2 * MIB, .free_pages = 100 };
	*move = (struct move){ .moves = &cycle.moves,
			       .mover = (struct mover *)(void *)&cycle,
			       .to_node = cycle.host->topology.nodes[1].id,
			       .page_bytes = 2 * MIB,
			       .planned_bytes = 60 * MIB };
	cycle_hide_coming(&cycle);
	assert_int_equal(node->pools[0].free_pages, 70);
	assert_int_equal(node->free_bytes, free_bytes);
	cycle_show_coming(&cycle);
	assert_int_equal(node->pools[0].free_pages, 100);
	move->mover = NULL;
	node->n_pools = 0;
}

/* The watch has another row: nothing goes by what was decided of those before. */
static void test_an_early_look_is_in_the_picture(void **state)
{
	(void)state;
	cycle.is_decided = true;
	cycle.sample.n_guests = 0;
	cycle_on_early_look(&cycle);
	assert_int_equal(cycle.sample.n_guests, cycle.watch.n);
	assert_false(cycle.is_decided);
}

/* A second later guest 0 has so much more. */
static bool is_growing_by(uint64_t mib)
{
	cycle.refreshed_ns += NS_PER_S;
	cycle.watch.guests[0].resident_bytes += mib * MIB;
	cycle_find_growing(&cycle);
	return cycle.refreshed_ns < cycle.memories[0].fast.until_ns;
}

/* Arrivals in a row find the same neighbours. */
static void test_who_went_may_go_again(void **state)
{
	const int pid = cycle.memories[0].pid;
	const uint64_t start_ns = cycle.memories[0].start_ns;

	(void)state;
	cycle_on_move_end(pid, start_ns, MOVER_SLOW, &cycle);
	assert_true(cycle.memories[0].stuck_until_ns > cycle.refreshed_ns);
	cycle_on_move_end(pid, start_ns, MOVER_DONE, &cycle);
	assert_int_equal(cycle.memories[0].stuck_until_ns, 0);
	assert_true(cycle.memories[0].held_until_ns > cycle.refreshed_ns);
}

static uint64_t hold_off_s(enum mover_end end)
{
	const uint64_t now = cycle_now_ns(&cycle);

	cycle_on_move_end(cycle.memories[0].pid, cycle.memories[0].start_ns, end, &cycle);
	return (cycle.memories[0].held_until_ns - now + NS_PER_S / 2) / NS_PER_S;
}

static void test_each_end_has_its_own_hold_off(void **state)
{
	const unsigned holdoff_s = settings.holdoff_s;

	(void)state;
	settings.holdoff_s = 5;
	assert_int_equal(hold_off_s(MOVER_DONE), 5);
	assert_int_equal(hold_off_s(MOVER_FULL), 30);
	assert_int_equal(hold_off_s(MOVER_DENIED), 5);
	assert_int_equal(hold_off_s(MOVER_DENIED), 10);
	assert_int_equal(hold_off_s(MOVER_DENIED), 20);
	assert_int_equal(hold_off_s(MOVER_SLOW), 5);
	assert_int_equal(hold_off_s(MOVER_SPARSE), 600);
	assert_int_equal(hold_off_s(MOVER_DENIED), 5);
	for (unsigned i = 0; i < 40; i++)
		(void)hold_off_s(MOVER_DENIED);
	assert_int_equal(hold_off_s(MOVER_DENIED), 600);
	settings.holdoff_s = 3600;
	assert_int_equal(hold_off_s(MOVER_FULL), 3600);
	assert_int_equal(hold_off_s(MOVER_DENIED), 3600);
	settings.holdoff_s = holdoff_s;
}

/* What was in vain is remembered of the guest, from turn to turn. */
static void test_who_was_in_vain_is_remembered(void **state)
{
	struct place_guest *guest = &cycle.watch.guests[0];

	(void)state;
	guest->known |= PLACE_GUEST_MEMS | PLACE_GUEST_MEMORY;
	guest->memory_bytes = UINT64_C(1) << 50;
	guest->bind = PLACE_BIND_STRICT;
	guest->mems = (struct place_set){ 0 };
	place_set_add(&guest->mems, 0);
	cycle.memories[1].vain = (struct place_relief_vain){ 7, 8 };
	cycle_decide_and_tell(&cycle);
	assert_int_equal(cycle.memories[0].vain.own_ns, cycle.refreshed_ns);
	assert_int_equal(cycle.memories[1].vain.nodes_ns, 7);
	assert_int_equal(cycle.memories[1].vain.own_ns, 8);
}

static void test_who_grows_fast(void **state)
{
	(void)state;
	settings.bandwidth_mib_s = 1024;
	/* What it had when it was first seen says nothing. */
	cycle.memories[0].fast.looked_ns = 0;
	assert_false(is_growing_by(100000));
	assert_false(is_growing_by(255));
	assert_true(is_growing_by(256));
	/* For a while. */
	for (unsigned i = 0; i < 4; i++)
		assert_true(is_growing_by(0));
	assert_false(is_growing_by(0));
	/* Who gives memory back does not grow. */
	cycle.watch.guests[0].resident_bytes -= 5000 * MIB;
	assert_false(is_growing_by(0));
	/* By the limit of moves, but not by any crumb. */
	settings.bandwidth_mib_s = 8;
	assert_false(is_growing_by(15));
	assert_true(is_growing_by(16));
	/* Too soon after the last look nothing is measured. */
	for (unsigned i = 0; i < 6; i++)
		(void)is_growing_by(0);
	cycle.refreshed_ns += NS_PER_MS;
	cycle.watch.guests[0].resident_bytes += MIB;
	cycle_find_growing(&cycle);
	assert_true(cycle.refreshed_ns >= cycle.memories[0].fast.until_ns);
}

/* A second later it has so much more: whether it grows at all. */
static bool is_growing_at_all(uint64_t mib)
{
	(void)is_growing_by(mib);
	return cycle.is_growing[0];
}

/* What is too slow to be in a hurry about is growth all the same, for half a minute. */
static void test_who_grows_slowly(void **state)
{
	(void)state;
	settings.bandwidth_mib_s = 1024;
	cycle.memories[0].slow.looked_ns = cycle.memories[0].fast.looked_ns = 0;
	for (unsigned i = 0; i < 12; i++)
		assert_false(is_growing_at_all(1));
	for (unsigned i = 0; i < 8; i++)
		(void)is_growing_at_all(2);
	assert_true(is_growing_at_all(0));
	for (unsigned i = 0; i < 25; i++)
		assert_true(is_growing_at_all(0));
	for (unsigned i = 0; i < 10; i++)
		(void)is_growing_at_all(0);
	assert_false(is_growing_at_all(0));
	assert_true(is_growing_at_all(256));
	/* Of whom it is not known what he has it is not known. */
	cycle.watch.guests[0].known &= ~(unsigned)PLACE_GUEST_RESIDENT;
	assert_false(is_growing_at_all(0));
}

static bool is_turn_near(void)
{
	uint64_t now_us, next_us;

	assert_true(sd_event_now(event_loop, CLOCK_MONOTONIC, &now_us) >= 0);
	assert_true(sd_event_source_get_time(cycle.timer, &next_us) >= 0);
	return next_us <= now_us + 2000000;
}

/* What does not fit may be made to. */
static void test_an_answer_that_does_not_fit_brings_a_turn(void **state)
{
	(void)state;
	cycle_turn_in(&cycle, 3600000000);
	cycle_answer_waiting(&cycle);
	assert_false(is_turn_near());
	cycle.advice.has_unfit = true;
	cycle_answer_waiting(&cycle);
	assert_true(is_turn_near());
	assert_false(cycle.advice.has_unfit);
}

/* One that is too large for its node is no reason to read the status of all. */
static void test_a_hopeless_guest_costs_no_reading_of_others(void **state)
{
	(void)state;
	cycle_decide_and_tell(&cycle);
	for (size_t i = 0; i < GUESTS; i++)
		assert_false(cycle.watch.with_swap[i]);
	assert_int_equal(cycle.watch.guests[0].bind, PLACE_BIND_STRICT);
	cycle.watch.guests[0].memory_bytes = cycle.watch.guests[0].balloon_bytes = UINT64_C(1)
										   << 40;
	cycle_decide_and_tell(&cycle);
	assert_true(risks_count(&cycle.risks, PLACE_RISK_SWAP) +
			    risks_count(&cycle.risks, PLACE_RISK_KILL) ==
		    1);
	for (size_t i = 0; i < GUESTS; i++)
		assert_int_equal(cycle.watch.with_swap[i], i == 0);
}

/* For whom room is made is not in the watch then, which is not that he needs it no more. */
static void test_nobody_is_relieved_by_a_watch_that_begins_anew(void **state)
{
	(void)state;
	cycle.moves.is_hurried = true;
	moves_watch_anew(&cycle.moves);
	cycle_turn(&cycle);
	assert_true(cycle.moves.is_hurried);
	cycle.moves.anew_ns = 0;
	cycle_turn(&cycle);
	assert_false(cycle.moves.is_hurried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_rest_on_no_room_that_moves_take, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_each_end_has_its_own_hold_off, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_answers_rest_on_no_pool_that_moves_take, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_an_early_look_is_in_the_picture, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_who_went_may_go_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_was_in_vain_is_remembered, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_who_grows_fast, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_grows_slowly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_answer_that_does_not_fit_brings_a_turn,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_hopeless_guest_costs_no_reading_of_others,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_is_relieved_by_a_watch_that_begins_anew,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
