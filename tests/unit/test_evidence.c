/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Evidence of remote access: the kernel's counts as text and from a recorded host, and which
 * source speaks when several could.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/reason.h"
#include "host/cleanup.h"
#include "observe/evidence.h"
#include "observe/hint_faults.h"
#include "tree.h"

#define FAULTS(node, private, shared)                                                              \
	"numa_faults node=" node " task_private=" private " task_shared=" shared                   \
							  " group_private=7 group_shared=7\n"

static void test_counts(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t local, all;
	} cases[] = {
		{ "current_node=1, numa_group_id=0\n" FAULTS("0", "10", "2") FAULTS("1", "30", "0"),
		  0, 30, 42 },
		{ "current_node=8, numa_group_id=0\n" FAULTS("0", "1", "0") FAULTS("8", "0", "9"),
		  0, 9, 10 },
		{ "current_node=3, numa_group_id=0\n" FAULTS("0", "1", "0"), 0, 0, 1 },
		{ "current_node=0, numa_group_id=0\n", 0, 0, 0 },
		{ "", -ENODATA, 0, 0 },
		{ "prio : 120\n", -ENODATA, 0, 0 },
		{ "current_node=, \n" FAULTS("0", "1", "0"), -ENODATA, 0, 0 },
		/* A command name of 15 characters, the most there is. */
		{ "\ncurrent_node=0 (12, #threads: 1)\nprio : 120\n", -ENODATA, 0, 0 },
		{ "\ncurrent_node=0 (12, #threads: 1)\ncurrent_node=1, numa_group_id=0\n" FAULTS(
			  "1", "5", "0"),
		  0, 5, 5 },
		{ "current_node=0, \nnuma_faults node=0 task_private=x task_shared=0\n", -EINVAL, 0,
		  0 },
		{ "current_node=0, \nnuma_faults node=0 task_private=1\n", -EINVAL, 0, 0 },
		{ "current_node=0, \n" FAULTS("0", "18446744073709551615", "1"), -EINVAL, 0, 0 },
		{ "current_node=0, \n" FAULTS("0", "18446744073709551615", "0")
			  FAULTS("1", "1", "0"),
		  -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_hint_counts counts = { 0 };
		const int r = place_hint_counts_parse(cases[i].text, &counts);

		if (r != cases[i].r || counts.local != cases[i].local || counts.all != cases[i].all)
			fail_msg("%s: %d %ju/%ju", cases[i].text, r, (uintmax_t)counts.local,
				 (uintmax_t)counts.all);
	}
}

/* A source that counts since the guest began says nothing by itself. */
static void test_permille(void **state)
{
	const struct place_evidence_source now_only = { .is_cumulative = false };
	const struct place_evidence_source cumulative = { .is_cumulative = true };
	const struct place_reading before = { 10, 100, 0 }, now = { 40, 200, 0 };
	unsigned permille = 0;

	(void)state;
	assert_true(place_evidence_permille(&now_only, NULL, &now, &permille));
	assert_int_equal(permille, 200);
	assert_false(place_evidence_permille(&cumulative, NULL, &now, &permille));
	assert_true(place_evidence_permille(&cumulative, &before, &now, &permille));
	assert_int_equal(permille, 300);
	/* Nothing happened, and a counter that was set back. */
	assert_false(place_evidence_permille(&cumulative, &now, &now, &permille));
	assert_false(place_evidence_permille(&cumulative, &now, &before, &permille));
	assert_int_equal(permille, 300);
}

#define SCHED(comm, faults) comm " (71, #threads: 3)\ncurrent_node=0, numa_group_id=0\n" faults

static void test_who_speaks(void **state)
{
	static struct place_node nodes[] = { { .id = 0 }, { .id = 1 } };
	const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
	const struct place_guest guest = { .pid = 70 };
	uint64_t bytes[] = { 0, 1 << 20 };
	uint32_t run_permille[] = { 1000, 0 };
	struct place_activity activity = { .bytes = bytes, .run_permille = run_permille };
	const struct place_evidence_ask asked = { &tree_root, &tree_text, &topology, &guest,
						  &activity };

	(void)state;
	/* Nobody knows. */
	activity.known = PLACE_ACTIVITY_REMOTE;
	assert_int_equal(place_evidence_find(&asked, &activity), -ENODATA);
	assert_int_equal(activity.known, 0);
	assert_int_equal(activity.evidence, PLACE_EVIDENCE_NONE);
	/* Only where it lies is known. */
	activity.known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN;
	assert_int_equal(place_evidence_find(&asked, &activity), 0);
	assert_int_equal(activity.evidence, PLACE_EVIDENCE_RESIDENCY);
	assert_int_equal(activity.remote_permille, 1000);
	/* The kernel counts, and nothing yet; then it has counted for two vCPUs and an iothread. */
	tree_put("1\n", "proc/sys/kernel/numa_balancing");
	tree_put(SCHED("CPU 0/KVM", FAULTS("0", "0", "0")), "proc/70/task/71/sched");
	assert_int_equal(place_evidence_find(&asked, &activity), 0);
	assert_int_equal(activity.evidence, PLACE_EVIDENCE_RESIDENCY);
	tree_put(SCHED("CPU 0/KVM", FAULTS("0", "600", "100") FAULTS("1", "0", "50")),
		 "proc/70/task/71/sched");
	tree_put(SCHED("CPU 1/KVM", FAULTS("0", "100", "0") FAULTS("1", "150", "0")),
		 "proc/70/task/72/sched");
	tree_put(SCHED("IO iothread1", FAULTS("1", "100000", "0")), "proc/70/task/73/sched");
	tree_put("", "proc/70/task/74/sched");
	assert_int_equal(place_evidence_find(&asked, &activity), 0);
	assert_int_equal(activity.evidence, PLACE_EVIDENCE_HINT_FAULTS);
	assert_int_equal(activity.remote_permille, 200);
	assert_in_range(activity.sure_permille, 700, 800);
	/* Tiering only, or off: its counts are of long ago. */
	tree_put("2\n", "proc/sys/kernel/numa_balancing");
	assert_int_equal(place_evidence_find(&asked, &activity), 0);
	assert_int_equal(activity.evidence, PLACE_EVIDENCE_RESIDENCY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_permille),
		cmocka_unit_test_setup_teardown(test_who_speaks, tree_begin, tree_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
