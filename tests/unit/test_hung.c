/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is left alone after a look that hung, and for how long: short at first, longer while it goes
 * on, never while the child is there, and never more children than places.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hung.h"

#define S UINT64_C(1000000000)
#define PID 4711
/* init is nobody's child. */
#define GONE 1

static struct hung hung;

static int set_up(void **state)
{
	(void)state;
	memset(&hung, 0, sizeof(hung));
	return 0;
}

/* Seconds for which it is left alone from now on. */
static unsigned left_alone_s(uint64_t now_ns)
{
	unsigned s = 0;

	while (hung_is_left_alone(&hung, PID, now_ns + s * S))
		s++;
	return s;
}

/* It hangs at the first look after its time: for how long is it left alone then? */
static unsigned hang_again_s(uint64_t *now_ns)
{
	*now_ns += left_alone_s(*now_ns) * S;
	hung_add(&hung, PID, GONE, *now_ns);
	return left_alone_s(*now_ns);
}

static void test_short_and_then_longer(void **state)
{
	static const unsigned seconds[] = { 3, 6, 12, 24, 48, 60, 60, 60 };
	uint64_t now_ns = 1000 * S;

	(void)state;
	assert_int_equal(left_alone_s(now_ns), 0);
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		assert_int_equal(hang_again_s(&now_ns), seconds[i]);
	/* Somebody else has not hung yet. */
	assert_false(hung_is_left_alone(&hung, PID + 1, now_ns));
	hung_add(&hung, PID + 1, GONE, now_ns);
	assert_true(hung_is_left_alone(&hung, PID + 1, now_ns + 3 * S - 1));
	assert_false(hung_is_left_alone(&hung, PID + 1, now_ns + 3 * S));
}

static void test_forgiven_after_minutes(void **state)
{
	uint64_t now_ns = 1000 * S;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		(void)hang_again_s(&now_ns);
	now_ns += (12 + 299) * S;
	hung_add(&hung, PID, GONE, now_ns);
	assert_int_equal(left_alone_s(now_ns), 24);
	now_ns += (24 + 300) * S;
	hung_add(&hung, PID, GONE, now_ns);
	assert_int_equal(left_alone_s(now_ns), 3);
}

/* Looks in a row that hang for two seconds each, and then none for a while; for ten hours. */
static void behave(unsigned n_in_a_row, unsigned quiet_s)
{
	const uint64_t begin_ns = 1000 * S, for_ns = 36000 * S;
	uint64_t now_ns = begin_ns;
	unsigned n = 0;

	memset(&hung, 0, sizeof(hung));
	while (now_ns < begin_ns + for_ns) {
		for (unsigned i = 0; i < n_in_a_row; i++, n++) {
			now_ns += (left_alone_s(now_ns) + 2) * S;
			hung_add(&hung, PID, GONE, now_ns);
		}
		now_ns += (left_alone_s(now_ns) + quiet_s) * S;
	}
	assert_true(n * 60 * S <= now_ns - begin_ns);
}

/* Whatever he does, it is one in a minute in the long run. */
static void test_nobody_gains_by_good_behaviour(void **state)
{
	static const unsigned quiet_s[] = { 0, 10, 60, 120, 299, 300, 600 };

	(void)state;
	for (unsigned n = 1; n < 12; n++)
		for (size_t i = 0; i < sizeof(quiet_s) / sizeof(quiet_s[0]); i++)
			behave(n, quiet_s[i]);
}

static void test_looked_at_when_a_short_time_is_over(void **state)
{
	const uint64_t now_ns = 1000 * S, end_ns = now_ns + 3 * S;

	(void)state;
	assert_int_equal(hung_next_ns(&hung, now_ns), UINT64_MAX);
	hung_add(&hung, PID, GONE, now_ns);
	assert_int_equal(hung_next_ns(&hung, now_ns), end_ns);
	assert_false(hung_is_due(&hung, PID, now_ns, end_ns - 1));
	assert_true(hung_is_due(&hung, PID, now_ns, end_ns));
	assert_true(hung_is_due(&hung, PID, end_ns - 1, end_ns + 100 * S));
	/* Once. */
	assert_false(hung_is_due(&hung, PID, end_ns, end_ns + 100 * S));
	assert_int_equal(hung_next_ns(&hung, end_ns), UINT64_MAX);
	assert_false(hung_is_due(&hung, PID + 1, 0, end_ns));
	/* The first of several. */
	hung_add(&hung, PID + 1, GONE, now_ns + S);
	hung_add(&hung, PID + 2, GONE, now_ns + 2 * S);
	assert_int_equal(hung_next_ns(&hung, end_ns), now_ns + 4 * S);
}

/* Who hangs for ever brings about no turn and no look of his own. */
static void test_a_long_time_is_no_reason_for_a_look(void **state)
{
	uint64_t now_ns = 1000 * S;

	(void)state;
	while (hang_again_s(&now_ns) < 60)
		assert_true(hung_next_ns(&hung, now_ns) < UINT64_MAX);
	assert_int_equal(hung_next_ns(&hung, now_ns), UINT64_MAX);
	assert_false(hung_is_due(&hung, PID, now_ns, now_ns + 1000 * S));
}

static pid_t start_child(void)
{
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		for (;;)
			pause();
	return child;
}

static void end_child(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_not_while_its_child_is_there(void **state)
{
	const uint64_t now_ns = 1000 * S, later_ns = now_ns + 1000 * S;
	const pid_t child = start_child();

	(void)state;
	hung_add(&hung, PID, child, now_ns);
	assert_true(hung_is_left_alone(&hung, PID, later_ns));
	assert_false(hung_is_due(&hung, PID, now_ns, later_ns));
	end_child(child);
	assert_false(hung_is_left_alone(&hung, PID, later_ns));
	assert_true(hung_is_due(&hung, PID, now_ns, later_ns));
}

static void test_no_more_children_than_places(void **state)
{
	const pid_t child = start_child();

	(void)state;
	for (int i = 0; i < HUNG_MAX; i++) {
		assert_true(hung_has_room(&hung));
		hung_add(&hung, PID + i, child, S);
	}
	assert_false(hung_has_room(&hung));
	/* Nobody's place is given away. */
	hung_add(&hung, PID - 1, child, 1000 * S);
	assert_false(hung_is_left_alone(&hung, PID - 1, 1000 * S));
	assert_true(hung_is_left_alone(&hung, PID, 1000 * S));
	end_child(child);
	/* Then the oldest one is. */
	assert_true(hung_has_room(&hung));
	hung.places[7].until_ns = S;
	hung_add(&hung, PID - 1, GONE, 1000 * S);
	assert_int_equal(hung.places[7].pid, PID - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_short_and_then_longer, set_up),
		cmocka_unit_test_setup(test_forgiven_after_minutes, set_up),
		cmocka_unit_test_setup(test_nobody_gains_by_good_behaviour, set_up),
		cmocka_unit_test_setup(test_looked_at_when_a_short_time_is_over, set_up),
		cmocka_unit_test_setup(test_a_long_time_is_no_reason_for_a_look, set_up),
		cmocka_unit_test_setup(test_not_while_its_child_is_there, set_up),
		cmocka_unit_test_setup(test_no_more_children_than_places, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
