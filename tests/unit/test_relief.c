/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who makes room, and where he goes. Each rule has its case, and what must never be done has one
 * too; for whom and when is in test_relief_need.c, random hosts in tests/sim/test_relief_hosts.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relief_case.h"

/* ---- whether ------------------------------------------------------------------------------ */

static void test_nobody_is_short(void **state)
{
	(void)state;
	add_free(500);
	fill_node(0, 1001);
	find_pressures();
	assert_false(place_relief_is_wanted(&host.input));
	/* Nothing is touched for it. */
	assert_return_code(place_relief_find(&host.input, NULL, &relief), 0);
	assert_int_equal(relief.n_steps, 0);
	assert_false(relief.is_urgent);
	fill_node(0, 900);
	find_pressures();
	assert_true(place_relief_is_wanted(&host.input) && place_relief_is_urgent(&host.input));
}

static void test_moving_is_switched_off(void **state)
{
	(void)state;
	add_free(500);
	fill_node(0, 900);
	assert_int_equal(find(), 1);
	host.move.is_enabled = false;
	assert_int_equal(find(), 0);
}

/* Huge pages are not made by moving plain ones. */
static void test_pools_are_not_relieved(void **state)
{
	(void)state;
	add_free(500);
	fill_node(0, 900);
	host.guests[0].hugepage_bytes = 2 * MIB;
	for (size_t i = 0; i < N_NODES; i++)
		host.raw[i].known |= PLACE_NODE_POOLS;
	host.stall.n_surplus = 1;
	host.stall.surplus[0] = (struct place_surplus){ .page_bytes = 2 * MIB };
	find_pressures();
	assert_int_equal(host.pressures[0].risk, PLACE_RISK_KILL);
	assert_false(place_relief_is_wanted(&host.input) || place_relief_is_urgent(&host.input));
	assert_int_equal(find(), 0);
}

/* ---- who ---------------------------------------------------------------------------------- */

static void test_one_that_covers_goes(void **state)
{
	size_t small, fits;

	(void)state;
	small = add_free(200);
	fits = add_free(500);
	add_free(800);
	fill_node(0, 600);
	assert_only(fits, 2, 500);
	assert_false(relief.steps[0].keeps_cpus);
	assert_int_equal(relief.steps[0].most_bytes, 0);
	/* With less that is short the small one covers it. */
	fill_node(0, 900);
	assert_only(small, 2, 200);
}

/* What is lacking includes a distance, so that the risk is called over. */
static void test_some_distance_is_left(void **state)
{
	size_t exact, more;

	(void)state;
	exact = add_free(400);
	more = add_free(400 + MARGIN_MIB + 1);
	fill_node(0, 600);
	assert_only(more, 2, 400 + MARGIN_MIB + 1);
	host.held_until_ns[more] = UINT64_MAX;
	assert_only(exact, 2, 400);
}

static void test_many_go_where_one_is_not_enough(void **state)
{
	(void)state;
	add_free(300);
	add_free(400);
	add_free(310);
	fill_node(0, 200);
	assert_int_equal(find(), 3);
	/* The one that makes most room first; and of two that cover the rest the smaller one. */
	assert_int_equal(relief.steps[0].pid, host.guests[2].pid);
	assert_int_equal(relief.steps[1].pid, host.guests[3].pid);
	assert_int_equal(relief.steps[2].pid, host.guests[1].pid);
	fill_node(0, 320);
	assert_int_equal(find(), 2);
	assert_int_equal(relief.steps[1].pid, host.guests[3].pid);
}

static void test_who_loses_no_locality_goes_first(void **state)
{
	const size_t fixed = 1;

	(void)state;
	/* Its CPUs stay, and it is busy. */
	assert_int_equal(add(PLACE_CLASS_STATIC, PLACE_BIND_NONE, "0,2,4,6", 500, 0), fixed);
	fill_node(0, 600);
	assert_only(fixed, 2, 500);
	assert_true(relief.steps[0].keeps_cpus);
	/* A larger one that takes its CPUs along. */
	assert_int_equal(add_free(700), 2);
	fill_node(0, 600);
	assert_only(2, 2, 700);
	assert_false(relief.steps[0].keeps_cpus);
	/* What is idle feels nothing. */
	host.activities[fixed].busy_millicpu = 199;
	assert_only(fixed, 2, 500);
	host.activities[fixed].busy_millicpu = 1000;
	/* And whose vCPUs run there already is even helped. */
	host.run_permille[fixed][0] = 0;
	host.run_permille[fixed][2] = 1000;
	assert_only(fixed, 4, 500);
}

/* Where the CPUs are spoken for, those of a guest that goes stay. */
static void test_cpus_go_where_there_are_some(void **state)
{
	const size_t busy = 1;
	size_t i;

	(void)state;
	assert_int_equal(add_free(500), busy);
	for (unsigned node = 1; node < N_NODES; node++) {
		i = add(PLACE_CLASS_STATIC, PLACE_BIND_NONE, "0,2,4,6", 100, node);
		host.guests[i].known |= PLACE_GUEST_CPUS | PLACE_GUEST_LOAD;
		host.guests[i].n_vcpus = 9;
		host.guests[i].load_millicpu = 9000;
		host.guests[i].cpus = host.nodes[node].cpus;
	}
	fill_node(0, 600);
	assert_only(busy, 2, 500);
	assert_true(relief.steps[0].keeps_cpus);
	host.guests[i].n_vcpus = 1;
	assert_only(busy, 6, 500);
	assert_false(relief.steps[0].keeps_cpus);
}

static void test_who_never_goes(void **state)
{
	const enum place_class never[] = {
		PLACE_CLASS_INTERLEAVED,  PLACE_CLASS_MIGRATING,  PLACE_CLASS_DEVICE,
		PLACE_CLASS_CONFIDENTIAL, PLACE_CLASS_UNREADABLE, PLACE_CLASS_EXCLUDED,
	};
	size_t i;

	(void)state;
	i = add_free(500);
	fill_node(0, 600);
	assert_only(i, 2, 500);
	for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++) {
		host.classes[i] = never[k];
		assert_int_equal(find(), 0);
		assert_true(relief.is_urgent);
	}
	host.classes[i] = PLACE_CLASS_FREE;
	host.traits[i] = PLACE_TRAIT_STARTING;
	assert_int_equal(find(), 0);
	host.traits[i] = PLACE_TRAIT_MIGRATING;
	assert_int_equal(find(), 0);
	host.traits[i] = 0;
	host.is_moving[i] = true;
	assert_int_equal(find(), 0);
	host.is_moving[i] = false;
	host.is_wide[i] = true;
	assert_int_equal(find(), 0);
	host.is_wide[i] = false;
	host.held_until_ns[i] = host.plan.now_ns + 1;
	assert_int_equal(find(), 0);
	host.held_until_ns[i] = host.plan.now_ns;
	assert_only(i, 2, 500);
	host.guests[i].hugepage_bytes = 2 * MIB;
	assert_int_equal(find(), 0);
	host.guests[i].hugepage_bytes = 0;
	host.guests[i].known &= ~(unsigned)PLACE_GUEST_RESIDENT;
	assert_int_equal(find(), 0);
	host.guests[i].known |= PLACE_GUEST_RESIDENT;
	host.activities[i].known &= ~(unsigned)PLACE_ACTIVITY_BYTES;
	assert_int_equal(find(), 0);
	host.activities[i].known |= PLACE_ACTIVITY_BYTES;
	/* A policy is what counts, whatever the class is called. */
	host.guests[i].bind = PLACE_BIND_INTERLEAVE;
	assert_int_equal(find(), 0);
	host.guests[i].bind = PLACE_BIND_STRICT;
	assert_only(i, 2, 500);
	host.guests[i].is_split = true;
	assert_int_equal(find(), 0);
}

static void test_pinned_go_to_their_cpus_or_nowhere(void **state)
{
	size_t i;

	(void)state;
	i = add(PLACE_CLASS_PINNED, PLACE_BIND_NONE, "0,2,4,6", 500, 0);
	fill_node(0, 600);
	assert_int_equal(find(), 0);
	host.activities[i].busy_millicpu = 0;
	assert_int_equal(find(), 0);
	host.run_permille[i][0] = 0;
	host.run_permille[i][3] = 1000;
	assert_only(i, 6, 500);
	/* And last of all. */
	assert_int_equal(add(PLACE_CLASS_STATIC, PLACE_BIND_NONE, "0,2,4,6", 800, 0), 2);
	fill_node(0, 600);
	assert_only(2, 2, 800);
}

/* Anybody can ask for more than there is. */
static void test_the_system_makes_room_for_its_own(void **state)
{
	size_t i;

	(void)state;
	i = add_free(500);
	host.traits[i] = PLACE_TRAIT_LIBVIRT;
	fill_node(0, 600);
	assert_only(i, 2, 500);
	host.traits[0] = 0;
	assert_int_equal(find(), 0);
	host.traits[0] = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_SESSION;
	assert_int_equal(find(), 0);
	/* It takes it. */
	host.is_growing[0] = true;
	assert_only(i, 2, 500);
	host.is_growing[0] = false;
	host.traits[i] = 0;
	assert_only(i, 2, 500);
}

/* What makes hardly any room is not worth a move. */
static void test_crumbs_stay(void **state)
{
	(void)state;
	add_free(20);
	fill_node(0, 600);
	assert_int_equal(find(), 0);
}

/* ---- a part ------------------------------------------------------------------------------- */

static void test_a_part_goes_where_that_is_enough(void **state)
{
	size_t i;

	(void)state;
	i = add_free(2000);
	host.bytes[i][3] = 300 * MIB;
	fill_node(0, 600);
	/* Busy, and it would be too much to be called local: all of it goes, to where most is. */
	assert_only(i, 6, 2000);
	assert_false(relief.steps[0].keeps_cpus);
	host.activities[i].busy_millicpu = 0;
	assert_only(i, 2, 400 + MARGIN_MIB);
	assert_int_equal(relief.steps[0].most_bytes, relief.steps[0].bytes);
	assert_true(relief.steps[0].keeps_cpus);
	/* Of node 0 alone. */
	assert_true(place_set_has(&relief.steps[0].keep, 6));
	assert_true(place_set_has(&relief.steps[0].keep, 4));
	assert_false(place_set_has(&relief.steps[0].keep, 0));
	/* A busy one is local enough without so little. */
	host.activities[i].busy_millicpu = 1000;
	fill_node(0, 900);
	assert_only(i, 2, 100 + MARGIN_MIB);
	assert_true(relief.steps[0].most_bytes);
}

/* Who changes nodes does so as a whole. */
static void test_no_part_of_who_changes_nodes(void **state)
{
	size_t i;

	(void)state;
	i = add_auto(2000, 2000, 0);
	host.activities[i].busy_millicpu = 0;
	fill_node(0, 600);
	assert_only(i, 2, 2000);
	assert_int_equal(relief.steps[0].most_bytes, 0);
	assert_true(relief.steps[0].changes_nodes);
	assert_int_equal(relief.steps[0].from_node, 0);
}

/* ---- where -------------------------------------------------------------------------------- */

static void test_only_where_it_is_allowed(void **state)
{
	size_t i;

	(void)state;
	i = add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "0,6", 500, 0);
	fill_node(0, 600);
	assert_only(i, 6, 500);
	assert_false(relief.steps[0].changes_nodes);
	fill_node(3, 400);
	assert_int_equal(find(), 0);
	host.guests[i].mems = set_of("0");
	assert_int_equal(find(), 0);
	/* What it has not taken yet goes with it. */
	fill_node(3, 500);
	host.may_change_nodes[i] = true;
	host.guests[i].memory_bytes = 3000 * MIB;
	assert_only(i, 2, 500);
	fill_node(1, 2999);
	assert_only(i, 4, 500);
	fill_node(2, 2999);
	assert_int_equal(find(), 0);
}

/* A node without CPUs is for nobody who comes from one that has some. */
static void test_not_to_memory_only_nodes(void **state)
{
	(void)state;
	add_free(500);
	fill_node(0, 600);
	fill_node(1, 100);
	fill_node(2, 100);
	assert_int_equal(find(), 1);
	host.nodes[3].cpus = (struct place_set){ 0 };
	host.nodes[3].n_cpus = host.nodes[3].n_cores = 0;
	assert_int_equal(find(), 0);
}

static void test_never_below_the_reserve(void **state)
{
	size_t i;

	(void)state;
	i = add_free(500);
	fill_node(0, 600);
	for (size_t k = 1; k < N_NODES; k++)
		fill_node(k, 499);
	assert_int_equal(find(), 0);
	fill_node(2, 500);
	assert_only(i, 4, 500);
	/* Of the page cache nothing is taken: who moves sees what is free alone. */
	fill_node(2, 499);
	host.raw[2].reclaimable_bytes = 1000 * MIB;
	assert_int_equal(find(), 0);
	/* What was promised there is not there. */
	host.raw[2].reclaimable_bytes = 0;
	fill_node(2, 1000);
	assert_only(i, 4, 500);
	host.promises[0] =
		(struct place_promise){ .id = 1, .memory_bytes = 501 * MIB, .nodes = set_of("4") };
	host.pressure.n_promises = 1;
	assert_int_equal(find(), 0);
}

static void test_nobody_becomes_short_there(void **state)
{
	size_t i;

	(void)state;
	i = add_free(500);
	fill_node(0, 600);
	for (size_t k = 2; k < N_NODES; k++)
		fill_node(k, 100);
	/* A strict guest of node 2 that may still take 1000 MiB. */
	add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "2", 0, 1);
	host.guests[2].memory_bytes = 1000 * MIB;
	fill_node(1, 1499);
	assert_int_equal(find(), 0);
	fill_node(1, 1500);
	assert_only(i, 2, 500);
}

/* Better one whose locality is at risk than one that is swapped; better nobody. */
static void test_locality_is_the_lesser_harm(void **state)
{
	size_t i;

	(void)state;
	i = add_free(500);
	fill_node(0, 600);
	/* Without a policy, on node 2: what it still takes might come from node 4, too. */
	add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", 100, 1);
	host.guests[2].memory_bytes = 700 * MIB;
	fill_node(1, 1000);
	fill_node(2, 499);
	fill_node(3, 0);
	assert_only(i, 2, 500);
	do_steps(relief.steps, relief.n_steps);
	find_pressures();
	assert_int_equal(host.pressures[0].risk, PLACE_RISK_NONE);
	assert_int_equal(host.pressures[2].risk, PLACE_RISK_LOCALITY);
	host.bytes[i][0] = 500 * MIB;
	host.bytes[i][1] = 0;
	fill_node(0, 600);
	fill_node(1, 1000);
	fill_node(2, 1000);
	assert_only(i, 4, 500);
}

/* Who went for one a moment ago may go for the next, but not who would not move. */
static void test_a_hold_off_is_no_reason_to_let_die(void **state)
{
	uint64_t stuck_until_ns[HOST_GUESTS_MAX] = { 0 };
	size_t i;

	(void)state;
	i = add_free(500);
	fill_node(0, 600);
	host.held_until_ns[i] = host.plan.now_ns + 1;
	assert_int_equal(find(), 0);
	host.input.stuck_until_ns = stuck_until_ns;
	assert_only(i, 2, 500);
	stuck_until_ns[i] = host.plan.now_ns + 1;
	assert_int_equal(find(), 0);
	stuck_until_ns[i] = host.plan.now_ns;
	assert_only(i, 2, 500);
	/* Anybody could start one after another and have it moved to and fro. */
	host.traits[0] = 0;
	host.is_growing[0] = true;
	assert_int_equal(find(), 0);
	host.held_until_ns[i] = host.plan.now_ns;
	assert_only(i, 2, 500);
}

/* Four idle ones could go to three nodes each, always at the cost of somebody's locality. */
static void test_vain_tries_are_not_all_that_is_tried(void **state)
{
	(void)state;
	for (unsigned node = 1; node < N_NODES; node++) {
		const size_t i = add(PLACE_CLASS_EXCLUDED, PLACE_BIND_NONE, "0,2,4,6", 100, node);

		host.guests[i].memory_bytes = 700 * MIB;
		fill_node(node, 920);
	}
	for (unsigned n = 0; n < 4; n++) {
		const size_t i = add(PLACE_CLASS_STATIC, PLACE_BIND_NONE, "0,2,4,6", 260, 0);

		host.activities[i].busy_millicpu = 0;
	}
	fill_node(0, 500);
	host.move.remote_permille = 100;
	assert_true(find() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nobody_is_short, begin),
		cmocka_unit_test_setup(test_moving_is_switched_off, begin),
		cmocka_unit_test_setup(test_pools_are_not_relieved, begin),
		cmocka_unit_test_setup(test_one_that_covers_goes, begin),
		cmocka_unit_test_setup(test_some_distance_is_left, begin),
		cmocka_unit_test_setup(test_many_go_where_one_is_not_enough, begin),
		cmocka_unit_test_setup(test_who_loses_no_locality_goes_first, begin),
		cmocka_unit_test_setup(test_cpus_go_where_there_are_some, begin),
		cmocka_unit_test_setup(test_who_never_goes, begin),
		cmocka_unit_test_setup(test_pinned_go_to_their_cpus_or_nowhere, begin),
		cmocka_unit_test_setup(test_the_system_makes_room_for_its_own, begin),
		cmocka_unit_test_setup(test_crumbs_stay, begin),
		cmocka_unit_test_setup(test_a_part_goes_where_that_is_enough, begin),
		cmocka_unit_test_setup(test_no_part_of_who_changes_nodes, begin),
		cmocka_unit_test_setup(test_only_where_it_is_allowed, begin),
		cmocka_unit_test_setup(test_not_to_memory_only_nodes, begin),
		cmocka_unit_test_setup(test_never_below_the_reserve, begin),
		cmocka_unit_test_setup(test_nobody_becomes_short_there, begin),
		cmocka_unit_test_setup(test_locality_is_the_lesser_harm, begin),
		cmocka_unit_test_setup(test_a_hold_off_is_no_reason_to_let_die, begin),
		cmocka_unit_test_setup(test_vain_tries_are_not_all_that_is_tried, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
