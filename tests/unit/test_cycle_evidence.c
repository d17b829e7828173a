/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom the sources that count are asked of: some guests at a time, all in turn, and what they said
 * stands for the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cycle_parts.h"
#include "tree.h"

#define GUESTS 20
#define AT_ONCE 8
#define FIRST_PID 100
#define S_NS UINT64_C(1000000000)

static struct place_node nodes[2] = { { .id = 0 }, { .id = 1 } };
static struct place_host host;
static struct settings settings;
static struct cycle cycle;
static struct place_guest guests[GUESTS];
static struct place_activity activities[GUESTS];
static enum place_class classes[GUESTS];
static unsigned traits[GUESTS];
static struct cycle_memory memories[GUESTS];
/* All of its memory is elsewhere; and the kernel has seen nine accesses of ten at home. */
static uint64_t bytes[2] = { 0, 1 << 30 };
static uint32_t run_permille[2] = { 1000, 0 };

static void put_counts(unsigned pid)
{
	char text[512];

	snprintf(
		text, sizeof(text),
		"CPU 0/KVM (%u, #threads: 1)\ncurrent_node=0, numa_group_id=0\n"
		"numa_faults node=0 task_private=900 task_shared=0 group_private=0 group_shared=0\n"
		"numa_faults node=1 task_private=100 task_shared=0 group_private=0 "
		"group_shared=0\n",
		pid);
	tree_put(text, "proc/%u/task/%u/sched", pid, pid);
}

static int set_up(void **state)
{
	(void)state;
	tree_make();
	tree_put("1\n", "proc/sys/kernel/numa_balancing");
	host = (struct place_host){ .topology = { .n_nodes = 2, .nodes = nodes } };
	settings_default(&settings);
	memset(memories, 0, sizeof(memories));
	for (unsigned i = 0; i < GUESTS; i++) {
		guests[i] = (struct place_guest){ .pid = FIRST_PID + (int)i };
		activities[i] = (struct place_activity){
			.known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN,
			.bytes = bytes,
			.run_permille = run_permille,
			.busy_millicpu = 1000,
		};
		classes[i] = PLACE_CLASS_FREE;
		memories[i].pid = guests[i].pid;
		put_counts(FIRST_PID + i);
	}
	cycle = (struct cycle){ .host = &host, .settings = &settings, .memories = memories };
	cycle.watch = (struct place_watch){ .n = GUESTS,
					    .guests = guests,
					    .activities = activities,
					    .traits = traits,
					    .classes = classes };
	return place_root_open(tree_path, &host.root);
}

static int tear_down(void **state)
{
	(void)state;
	settings_done(&settings);
	place_text_done(&host.text);
	place_root_close(&host.root);
	tree_remove();
	return 0;
}

/* Returns: of how many the kernel has counted, the first `first` of them among those. */
static unsigned decide_at(uint64_t s, unsigned first)
{
	unsigned n = 0;

	cycle.refreshed_ns = s * S_NS;
	cycle_find_all_evidence(&cycle);
	for (unsigned i = 0; i < GUESTS; i++) {
		const bool is_counted = activities[i].evidence == PLACE_EVIDENCE_HINT_FAULTS;

		assert_int_equal(activities[i].remote_permille, is_counted ? 100 : 1000);
		assert_true(is_counted || i >= first);
		n += is_counted;
	}
	return n;
}

static void test_all_have_their_turn(void **state)
{
	(void)state;
	assert_int_equal(decide_at(1000, AT_ONCE), AT_ONCE);
	/* Those that were asked before are not asked again, and what they said stands. */
	assert_int_equal(decide_at(1005, 2 * AT_ONCE), 2 * AT_ONCE);
	assert_int_equal(decide_at(1010, GUESTS), GUESTS);
	assert_int_equal(memories[3].counted_ns, 1010 * S_NS);
	assert_int_equal(memories[4].counted_ns, 1000 * S_NS);
	assert_int_equal(memories[AT_ONCE].counted_ns, 1005 * S_NS);
}

static void test_no_word_stands_for_ever(void **state)
{
	(void)state;
	assert_int_equal(decide_at(1000, AT_ONCE), AT_ONCE);
	/* The kernel counts no more. */
	tree_put("0\n", "proc/sys/kernel/numa_balancing");
	assert_int_equal(decide_at(1001, 0), AT_ONCE);
	assert_int_equal(decide_at(1000 + 60 + 4 * GUESTS, 0), 0);
}

static void test_who_is_local_is_not_asked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GUESTS; i++)
		activities[i].busy_millicpu = 0;
	assert_int_equal(decide_at(1000, 0), 0);
	assert_int_equal(cycle.n_counted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_have_their_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_word_stands_for_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_is_local_is_not_asked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
