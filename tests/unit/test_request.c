/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's number grammar: what it takes, what it refuses, what it passes over behind the number,
 * and the borders where it would wrap around.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ask/request.h"
#include "host/cleanup.h"

#define MIB (UINT64_C(1) << 20)

static void test_requests(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint32_t vcpus_centi;
		uint64_t mib;
	} cases[] = {
		{ "4:8192", 0, 400, 8192 },
		{ "2", 0, 200, 0 },
		{ "0", 0, 0, 0 },
		{ "0:0", 0, 0, 0 },
		{ "2.5:1024", 0, 250, 1024 },
		{ "2.05:1", 0, 205, 1 },
		{ "2.555:1", 0, 255, 1 },
		{ "2.:1", 0, 200, 1 },
		{ "2.99999999999999999999", 0, 299, 0 },
		{ " 2: 5", 0, 200, 5 },
		{ "+2:+5", 0, 200, 5 },
		{ "010:010", 0, 1000, 10 },
		{ "2:100xyz", 0, 200, 100 },
		{ "2xyz", 0, 200, 0 },
		{ "2 :5", 0, 200, 0 },
		{ "0x10:5", 0, 0, 0 },
		{ "21474836:1", 0, 2147483600, 1 },
		{ "21474836.47:1", 0, 2147483647, 1 },
		{ "1:2147483647", 0, 100, 2147483647 },
		{ "", -EINVAL, 0, 0 },
		{ "abc", -EINVAL, 0, 0 },
		{ ":5", -EINVAL, 0, 0 },
		{ ".5", -EINVAL, 0, 0 },
		{ "-3", -EINVAL, 0, 0 },
		{ "-0.5", 0, 50, 0 }, /* minus nought is not below nought, to strtol() too */
		{ "2:", -EINVAL, 0, 0 },
		{ "2:x", -EINVAL, 0, 0 },
		{ "2:-1", -EINVAL, 0, 0 },
		{ "2:.5", -EINVAL, 0, 0 },
		{ "-99999999999999999999", -EINVAL, 0, 0 },
		{ "21474836.48:1", -ERANGE, 0, 0 },
		{ "21474837:1", -ERANGE, 0, 0 },
		{ "30000000:1", -ERANGE, 0, 0 },
		{ "2147483648", -ERANGE, 0, 0 },
		{ "1:2147483648", -ERANGE, 0, 0 },
		{ "1:9999999999", -ERANGE, 0, 0 },
		{ "99999999999999999999:1", -ERANGE, 0, 0 },
		{ "1:99999999999999999999", -ERANGE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_request request = { .vcpus_centi = 47, .memory_bytes = 11 };
		const int r = place_request_parse(cases[i].text, &request);

		if (r != cases[i].r)
			fail_msg("\"%s\": %d instead of %d", cases[i].text, r, cases[i].r);
		assert_int_equal(request.vcpus_centi, r == 0 ? cases[i].vcpus_centi : 47);
		assert_int_equal(request.memory_bytes, r == 0 ? cases[i].mib * MIB : 11);
	}
}

static void test_numbers(void **state)
{
	struct place_numbers numbers = { .first = 47 };

	(void)state;
	assert_int_equal(place_numbers_parse("5:15", &numbers), 0);
	assert_int_equal(numbers.first, 5);
	assert_true(numbers.have_second);
	assert_int_equal(numbers.second, 15);
	assert_int_equal(place_numbers_parse("7.25", &numbers), 0);
	assert_int_equal(numbers.first, 7);
	assert_int_equal(numbers.hundredths, 25);
	assert_false(numbers.have_second);
	assert_int_equal(place_numbers_parse("2147483647:2147483647", &numbers), 0);
	assert_int_equal(numbers.first, INT_MAX);
	assert_int_equal(numbers.second, INT_MAX);
	numbers.first = 47;
	assert_int_equal(place_numbers_parse("5:x", &numbers), -EINVAL);
	assert_int_equal(numbers.first, 47);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
