/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is asked for a look: everybody once, and whoever hung at the last one not for a while. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "looks.h"

#define MINUTE_NS UINT64_C(60000000000)

static struct place_host host;
static struct looks looks;

static int set_up(void **state)
{
	(void)state;
	looks = (struct looks){ .host = &host };
	return 0;
}

static void test_asked_once(void **state)
{
	(void)state;
	assert_int_equal(looks_want(&looks, 10), 0);
	assert_int_equal(looks_want(&looks, 10), 0);
	assert_int_equal(looks.n_asked, 1);
}

static void test_full(void **state)
{
	(void)state;
	for (int pid = 1; pid <= LOOKS_PER_JOB; pid++)
		assert_int_equal(looks_want(&looks, pid), 0);
	assert_int_equal(looks_want(&looks, LOOKS_PER_JOB + 1), -EAGAIN);
}

static void test_left_alone(void **state)
{
	const uint64_t now_ns = place_host_now_ns(&host);

	(void)state;
	looks.stuck[0] = (struct looks_stuck){ .pid = 10, .until_ns = now_ns + MINUTE_NS };
	looks.stuck[1] = (struct looks_stuck){ .pid = 11, .until_ns = now_ns - 1 };
	assert_int_equal(looks_want(&looks, 10), 0);
	assert_int_equal(looks.n_asked, 0);
	assert_int_equal(looks_want(&looks, 11), 0);
	assert_int_equal(looks.n_asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_asked_once, set_up),
		cmocka_unit_test_setup(test_full, set_up),
		cmocka_unit_test_setup(test_left_alone, set_up),
	};

	if (place_host_init(NULL, &host) < 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
