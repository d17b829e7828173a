/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Realtime threads that own a CPU, in a made-up /proc. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "act/realtime.h"
#include "tree.h"

static struct place_root root;

static void put_thread(int pid, int tid, const char *name, unsigned flags, unsigned ticks,
		       unsigned policy)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "%d (%s) R 1 1 1 0 -1 %u 0 0 0 0 %u %u 0 0 -2 0 1 0 4711 0 0 18446744073709551615 "
		 "0 0 0 0 0 0 0 0 0 0 0 0 17 0 50 %u 0 0 0\n",
		 tid, name, flags, ticks / 2, ticks - ticks / 2, policy);
	tree_put(text, "proc/%d/task/%d/stat", pid, tid);
}

static void compare(unsigned ticks_then, unsigned ticks_now, struct realtime_finding *finding)
{
	struct realtime_threads before = { 0 }, after = { 0 };
	struct place_text text = { 0 };

	put_thread(10, 11, "vrrp (x) 1", 0x400040, ticks_then, 1);
	assert_int_equal(realtime_list(&root, &text, &before), 0);
	put_thread(10, 11, "vrrp (x) 1", 0x400040, ticks_now, 1);
	assert_int_equal(realtime_list(&root, &text, &after), 0);
	realtime_compare(&root, &text, &before, &after, 30, finding);
	realtime_threads_done(&before);
	realtime_threads_done(&after);
	place_text_done(&text);
}

static int set_up(void **state)
{
	(void)state;
	tree_make();
	tree_put("950000\n", "proc/sys/kernel/sched_rt_runtime_us");
	put_thread(10, 10, "init", 0x400100, 1000, 0);
	put_thread(20, 20, "migration/0", 0x4208040, 1000, 1);
	return place_root_open(tree_path, &root);
}

static int tear_down(void **state)
{
	(void)state;
	place_root_close(&root);
	tree_remove();
	return 0;
}

static void test_list(void **state)
{
	struct realtime_threads threads = { 0 };
	struct place_text text = { 0 };

	(void)state;
	assert_int_equal(realtime_list(&root, &text, &threads), 0);
	assert_int_equal(threads.n, 0);
	realtime_threads_done(&threads);
	put_thread(10, 12, "audio", 0x40, 7, 2);
	assert_int_equal(realtime_list(&root, &text, &threads), 0);
	assert_int_equal(threads.n, 1);
	assert_int_equal(threads.list[0].tid, 12);
	assert_int_equal(threads.list[0].cpu_ticks, 7);
	assert_string_equal(threads.list[0].name, "audio");
	realtime_threads_done(&threads);
	place_text_done(&text);
}

static void test_busy(void **state)
{
	struct realtime_finding finding;
	char text[256];

	(void)state;
	compare(100, 115, &finding);
	assert_int_equal(finding.risk, REALTIME_SAFE);
	compare(100, 129, &finding);
	assert_int_equal(finding.risk, REALTIME_BUSY);
	assert_int_equal(finding.thread.tid, 11);
	assert_int_equal(finding.thread.pid, 10);
	realtime_say(&finding, text, sizeof(text));
	assert_non_null(strstr(text, "thread 11 (vrrp (x) 1) of process 10"));
}

/* However many others there are that do nothing. */
static void test_busy_among_many(void **state)
{
	struct realtime_threads threads = { 0 };
	struct realtime_finding finding;
	struct place_text text = { 0 };

	(void)state;
	for (int tid = 1000; tid < 1200; tid++)
		put_thread(5, tid, "idle", 0x40, 7, 1);
	assert_int_equal(realtime_list(&root, &text, &threads), 0);
	assert_true(threads.n >= 200);
	realtime_threads_done(&threads);
	place_text_done(&text);
	compare(100, 129, &finding);
	assert_int_equal(finding.risk, REALTIME_BUSY);
	assert_int_equal(finding.thread.tid, 11);
	for (int tid = 1000; tid < 1200; tid++)
		put_thread(5, tid, "idle", 0x40, 7, 0);
}

static void test_unlimited(void **state)
{
	static const struct {
		const char *runtime, *period;
		enum realtime_risk risk;
	} cases[] = {
		{ "-1\n", "1000000\n", REALTIME_UNLIMITED },
		{ "1000000\n", "1000000\n", REALTIME_UNLIMITED },
		{ "999999\n", "1000000\n", REALTIME_SAFE },
		{ "950000\n", "950000\n", REALTIME_UNLIMITED },
		{ "0\n", "1000000\n", REALTIME_SAFE },
	};
	struct realtime_finding finding;
	char text[200]; /* as moves.h has it */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tree_put(cases[i].runtime, "proc/sys/kernel/sched_rt_runtime_us");
		tree_put(cases[i].period, "proc/sys/kernel/sched_rt_period_us");
		compare(100, 100, &finding);
		assert_int_equal(finding.risk, cases[i].risk);
	}
	realtime_say(&(struct realtime_finding){ .risk = REALTIME_UNLIMITED }, text, sizeof(text));
	assert_non_null(strstr(text, "until it is 0 or more and below sched_rt_period_us"));
}

/* Damaged files are no threads. */
static void test_damaged(void **state)
{
	static const char *const texts[] = { "", "11", "11 (a", "11 (a) R 1 1", ") 1 2 3\n" };
	struct realtime_threads threads = { 0 };
	struct place_text text = { 0 };

	(void)state;
	put_thread(10, 12, "audio", 0x40, 7, 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		tree_put(texts[i], "proc/%d/task/%d/stat", 10, 11);
		assert_int_equal(realtime_list(&root, &text, &threads), 0);
		assert_int_equal(threads.n, 0);
		realtime_threads_done(&threads);
	}
	place_text_done(&text);
}

static void test_live(void **state)
{
	struct realtime_finding finding;
	struct place_text text = { 0 };
	struct place_root live;

	(void)state;
	assert_int_equal(place_root_open(NULL, &live), 0);
	realtime_check(&live, &text, &finding);
	assert_int_not_equal(finding.risk, REALTIME_UNKNOWN);
	place_text_done(&text);
	place_root_close(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_busy_among_many),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_live),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
