/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For whom room is made, beside what is under way, in the background, and what comes afterwards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relief_case.h"

/* ---- who is short himself ----------------------------------------------------------------- */

static void test_who_is_short_may_go_himself(void **state)
{
	(void)state;
	add_free(900);
	host.may_change_nodes[0] = true;
	host.classes[0] = PLACE_CLASS_AUTO;
	host.guests[0].resident_bytes = host.bytes[0][0] = 200 * MIB;
	fill_node(0, 100);
	assert_only(0, 2, 200);
	assert_true(relief.steps[0].changes_nodes);
	/* Not while it begins. */
	host.traits[0] |= PLACE_TRAIT_STARTING;
	assert_only(1, 2, 900);
}

/* ---- for whom ----------------------------------------------------------------------------- */

static void test_a_promise_is_made_room_for(void **state)
{
	size_t i;

	(void)state;
	host.guests[0].memory_bytes = 0;
	i = add_free(500);
	host.promises[0] =
		(struct place_promise){ .id = 7, .memory_bytes = 1000 * MIB, .nodes = set_of("0") };
	host.pressure.n_promises = 1;
	fill_node(0, 1000);
	assert_int_equal(find(), 0);
	fill_node(0, 600);
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].pid, host.guests[i].pid);
	assert_int_equal(relief.steps[0].for_pid, 0);
	assert_int_equal(relief.steps[0].for_bytes, 1000 * MIB);
	assert_true(relief.is_urgent);
	/* Taken up: its guest counts instead. */
	host.promises[0].pid = 4711;
	assert_int_equal(find(), 0);
}

static void test_who_may_be_killed_is_helped_first(void **state)
{
	size_t i;

	(void)state;
	i = add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "2", 0, 1);
	host.guests[i].memory_bytes = 2000 * MIB;
	add_free(500);
	add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", 900, 1);
	fill_node(0, 600);
	fill_node(1, 1500);
	/* Of root's libvirt first, and then who lacks most. */
	assert_int_equal(find(), 2);
	assert_int_equal(relief.steps[0].for_pid, host.guests[0].pid);
	assert_int_equal(relief.steps[1].for_pid, host.guests[i].pid);
	host.traits[i] = host.traits[0];
	assert_int_equal(find(), 2);
	assert_int_equal(relief.steps[0].for_pid, host.guests[i].pid);
}

/* ---- who cannot be helped ----------------------------------------------------------------- */

static struct place_relief_vain vain[HOST_GUESTS_MAX];

static int remember(void **state)
{
	memset(vain, 0, sizeof(vain));
	relief_scratch.vain = vain;
	return begin(state);
}

static int forget(void **state)
{
	(void)state;
	relief_scratch.vain = NULL;
	return 0;
}

/* Nine on node 0, which nobody can leave, lack more than this one of node 2 with a neighbour. */
static size_t add_helpless(void)
{
	size_t i;

	for (unsigned n = 0; n < 8; n++) {
		i = add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "0", 0, 0);
		host.guests[i].memory_bytes = 1000 * MIB;
	}
	i = add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "2", 0, 1);
	host.guests[i].memory_bytes = 1000 * MIB;
	add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", 500, 1);
	fill_node(0, 100);
	fill_node(1, 900);
	return i;
}

static unsigned count_untried(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(vain[i].nodes_ns, host.plan.now_ns);
		n += vain[i].own_ns == 0;
	}
	return n;
}

static void test_the_helpless_are_not_in_the_way(void **state)
{
	size_t i;

	(void)state;
	i = add_helpless();
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].for_pid, host.guests[i].pid);
	assert_int_equal(vain[i].nodes_ns, 0);
	/* Of those who are short on one node another is tried each time. */
	assert_int_equal(count_untried(), 1);
	host.plan.now_ns++;
	assert_int_equal(find(), 1);
	assert_int_equal(count_untried(), 0);
	/* For whom it was in vain, too, his time comes. */
	for (size_t k = 0; k < 9; k++)
		vain[k].nodes_ns = host.plan.now_ns;
	vain[i].nodes_ns = host.plan.now_ns - 1;
	assert_int_equal(find(), 1);
	relief_scratch.vain = NULL;
	assert_int_equal(find(), 0);
}

static void test_nor_in_the_way_of_promises(void **state)
{
	size_t i;

	(void)state;
	i = add_helpless();
	host.guests[i].memory_bytes = 0;
	host.promises[0] =
		(struct place_promise){ .memory_bytes = 1000 * MIB, .nodes = set_of("2") };
	host.pressure.n_promises = 1;
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].for_bytes, 1000 * MIB);
	/* The last one first. */
	add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", 300, 2);
	fill_node(2, 400);
	host.promises[1] =
		(struct place_promise){ .memory_bytes = 500 * MIB, .nodes = set_of("4") };
	host.pressure.n_promises = 2;
	assert_int_equal(find(), 2);
	assert_int_equal(relief.steps[0].for_bytes, 500 * MIB);
	assert_int_equal(relief.steps[1].for_bytes, 1000 * MIB);
}

/* Nor are many promises in the way of who waits again. */
static void test_helpless_promises(void **state)
{
	size_t i;

	(void)state;
	i = add_helpless();
	for (size_t k = 0; k < 9; k++)
		host.guests[k].memory_bytes = 0;
	for (size_t k = 0; k < HOST_PROMISES_MAX; k++)
		host.promises[k] =
			(struct place_promise){ .memory_bytes = 1000 * MIB, .nodes = set_of("0") };
	host.pressure.n_promises = HOST_PROMISES_MAX;
	vain[i].nodes_ns = 1;
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].for_pid, host.guests[i].pid);
}

/* Whatever its policy asks for, a cpuset keeps it on some nodes: all of those are relieved. */
static void test_who_is_confined_by_a_cpuset(void **state)
{
	const struct place_set allowed = set_of("0,2");
	size_t i;

	(void)state;
	host.guests[0].bind = PLACE_BIND_PREFERRED;
	host.guests[0].known |= PLACE_GUEST_ALLOWED;
	place_nodes_from_set(&allowed, &host.guests[0].allowed);
	i = add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", 500, 1);
	fill_node(0, 300);
	fill_node(1, 300);
	find_pressures();
	assert_int_equal(host.pressures[0].risk, PLACE_RISK_SWAP);
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].pid, host.guests[i].pid);
	assert_in_range(relief.steps[0].to_node, 4, 6);
}

/* ---- what is under way -------------------------------------------------------------------- */

static void test_what_is_under_way_counts(void **state)
{
	size_t i;

	(void)state;
	i = add_free(500);
	add_free(450);
	fill_node(0, 600);
	host.is_moving[i] = true;
	host.under_way[0] =
		(struct place_step){ .pid = host.guests[i].pid, .to_node = 2, .bytes = 500 * MIB };
	host.input.n_under_way = 1;
	/* It is on its way, and leaves room. */
	assert_int_equal(find(), 0);
	assert_false(relief.is_urgent);
	/* But no plain memory where it is of a pool. */
	host.guests[i].resident_pool_bytes = 500 * MIB;
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].pid, host.guests[2].pid);
	host.guests[i].resident_pool_bytes = 0;
	/* Of what has gone already there is less to come. */
	host.under_way[0].bytes = 350 * MIB;
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].pid, host.guests[2].pid);
	/* And where it goes it takes room. */
	host.under_way[0].bytes = 100 * MIB;
	fill_node(1, 450 + 99);
	fill_node(2, 0);
	fill_node(3, 0);
	assert_int_equal(find(), 0);
	fill_node(1, 450 + 100);
	assert_int_equal(find(), 1);
}

/* ---- in the background -------------------------------------------------------------------- */

/* Guest 0 asks for node 0 and may have others. */
static size_t begin_growth(void)
{
	size_t i;

	host.guests[0].bind = PLACE_BIND_PREFERRED;
	host.is_growing[0] = true;
	i = add_free(500);
	fill_node(0, 600);
	find_pressures();
	assert_int_equal(host.pressures[0].risk, PLACE_RISK_LOCALITY);
	return i;
}

static void test_growth_is_relieved_in_the_background(void **state)
{
	size_t i;

	(void)state;
	i = begin_growth();
	assert_int_equal(find(), 1);
	assert_int_equal(relief.steps[0].pid, host.guests[i].pid);
	assert_int_equal(relief.steps[0].cause, PLACE_CAUSE_GROWTH);
	assert_int_equal(relief.steps[0].for_pid, host.guests[0].pid);
	assert_false(relief.is_urgent);
	/* Only while it grows, */
	host.is_growing[0] = false;
	assert_int_equal(find(), 0);
	host.is_growing[0] = true;
	/* only where it pays, */
	host.activities[0].busy_millicpu = 1;
	assert_int_equal(find(), 0);
	host.activities[0].busy_millicpu = 1000;
	/* only while nothing else is done, */
	host.input.n_under_way = 1;
	host.under_way[0] = (struct place_step){ .pid = 1, .to_node = 6 };
	assert_int_equal(find(), 0);
	host.input.n_under_way = 0;
	/* and not at the cost of somebody else's locality. */
	host.may_steer[i] = false;
	assert_int_equal(find(), 0);
	host.activities[i].busy_millicpu = 0;
	assert_int_equal(find(), 1);
}

/* Nor is anybody brought into danger of it, and who grows does not go himself. */
static void test_growth_costs_nobody(void **state)
{
	size_t i;

	(void)state;
	i = begin_growth();
	add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", 100, 1);
	host.guests[2].memory_bytes = 700 * MIB;
	fill_node(1, 1000);
	fill_node(2, 499);
	fill_node(3, 0);
	assert_int_equal(find(), 0);
	fill_node(1, 1400);
	assert_int_equal(find(), 1);
	host.held_until_ns[i] = UINT64_MAX;
	host.guests[0].bind = PLACE_BIND_NONE;
	host.guests[0].mems = set_of("0,2,4,6");
	host.guests[0].resident_bytes = host.bytes[0][0] = 100 * MIB;
	host.classes[0] = PLACE_CLASS_FREE;
	host.activities[0].busy_millicpu = 1000000;
	host.may_steer[0] = true;
	fill_node(0, 600);
	find_pressures();
	assert_int_equal(host.pressures[0].risk, PLACE_RISK_LOCALITY);
	assert_int_equal(find(), 0);
}

static void test_growth_waits_for_who_is_in_danger(void **state)
{
	size_t i;

	(void)state;
	(void)begin_growth();
	i = add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "2", 0, 1);
	host.guests[i].memory_bytes = 2000 * MIB;
	fill_node(1, 1500);
	/* It cannot be helped, and that is no reason to help others. */
	assert_int_equal(find(), 0);
	assert_true(relief.is_urgent);
}

/* ---- afterwards --------------------------------------------------------------------------- */

/* Its vCPUs stayed, and its memory is not brought back into the room that it made. */
static void test_the_plan_does_not_bring_it_back(void **state)
{
	struct place_plan made = { 0 };
	size_t i;

	(void)state;
	i = add(PLACE_CLASS_STATIC, PLACE_BIND_NONE, "0,2,4,6", 500, 0);
	fill_node(0, 600);
	assert_only(i, 2, 500);
	do_steps(relief.steps, relief.n_steps);
	host.activities[i].remote_permille = 1000;
	assert_int_equal(find(), 0);
	assert_return_code(relief_host_plan(&host, &made), 0);
	assert_int_equal(made.n_steps, 0);
	/* Where guest 0 has gone there is room, and then it is brought back. */
	host.guests[0].memory_bytes = 0;
	assert_return_code(relief_host_plan(&host, &made), 0);
	assert_int_equal(made.n_steps, 1);
}

static void test_nonsense_is_refused(void **state)
{
	(void)state;
	add_free(500);
	fill_node(0, 600);
	find_pressures();
	host.sample.n_nodes = 2;
	assert_int_equal(place_relief_find(&host.input, &relief_scratch, &relief), -EINVAL);
	assert_int_equal(relief.n_steps, 0);
	host.sample.n_nodes = N_NODES;
	/* Steps of guests and nodes that are not there. */
	host.under_way[0] = (struct place_step){ .pid = 1, .to_node = 2, .bytes = UINT64_MAX };
	host.under_way[1] = (struct place_step){ .pid = 101, .to_node = 77, .bytes = UINT64_MAX };
	host.input.n_under_way = 2;
	assert_int_equal(find(), 1);
	for (size_t i = 0; i < N_NODES; i++)
		host.raw[i].free_bytes = host.raw[i].reclaimable_bytes = UINT64_MAX;
	host.bytes[1][0] = host.bytes[1][1] = UINT64_MAX;
	host.guests[0].memory_bytes = UINT64_MAX;
	(void)find();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_who_is_short_may_go_himself, begin),
		cmocka_unit_test_setup(test_a_promise_is_made_room_for, begin),
		cmocka_unit_test_setup(test_who_may_be_killed_is_helped_first, begin),
		cmocka_unit_test_setup_teardown(test_the_helpless_are_not_in_the_way, remember,
						forget),
		cmocka_unit_test_setup_teardown(test_nor_in_the_way_of_promises, remember, forget),
		cmocka_unit_test_setup_teardown(test_helpless_promises, remember, forget),
		cmocka_unit_test_setup(test_who_is_confined_by_a_cpuset, begin),
		cmocka_unit_test_setup(test_what_is_under_way_counts, begin),
		cmocka_unit_test_setup(test_growth_is_relieved_in_the_background, begin),
		cmocka_unit_test_setup(test_growth_costs_nobody, begin),
		cmocka_unit_test_setup(test_growth_waits_for_who_is_in_danger, begin),
		cmocka_unit_test_setup(test_the_plan_does_not_bring_it_back, begin),
		cmocka_unit_test_setup(test_nonsense_is_refused, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
