/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict readers of kernel text: borders of the number range, signs and blanks that strtoul()
 * would let pass, keys that are only part of another key, and names that anybody may choose.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/text.h"

static void test_digits(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t number;
		size_t taken;
	} cases[] = {
		{ "0", 0, 0, 1 },
		{ "007x", 0, 7, 3 },
		{ "12 kB", 0, 12, 2 },
		{ "18446744073709551615,", 0, UINT64_MAX, 20 },
		{ "18446744073709551616", -ERANGE, 0, 0 },
		{ "18446744073709551620", -ERANGE, 0, 0 },
		{ "99999999999999999999999999", -ERANGE, 0, 0 },
		{ "", -EINVAL, 0, 0 },
		{ "-1", -EINVAL, 0, 0 },
		{ "+1", -EINVAL, 0, 0 },
		{ " 1", -EINVAL, 0, 0 },
		{ "x", -EINVAL, 0, 0 },
		{ "\xd9\xa1", -EINVAL, 0, 0 }, /* a digit, in Arabic */
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const char *at = cases[i].text;
		uint64_t number = 4711;

		assert_int_equal(place_text_digits(&at, &number), cases[i].r);
		assert_int_equal(number, cases[i].r == 0 ? cases[i].number : 4711);
		assert_ptr_equal(at, cases[i].text + cases[i].taken);
	}
}

static void test_whole_numbers(void **state)
{
	static const struct {
		const char *text;
		int r_u64, r_unsigned;
		uint64_t number;
	} cases[] = {
		{ "0", 0, 0, 0 },
		{ "42\n", 0, 0, 42 },
		{ "4294967295", 0, 0, UINT_MAX },
		{ "4294967296\n", 0, -ERANGE, UINT64_C(4294967296) },
		{ "18446744073709551615", 0, -ERANGE, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, -ERANGE, 0 },
		{ "", -EINVAL, -EINVAL, 0 },
		{ "\n", -EINVAL, -EINVAL, 0 },
		{ "42\n\n", -EINVAL, -EINVAL, 0 },
		{ "42 ", -EINVAL, -EINVAL, 0 },
		{ " 42", -EINVAL, -EINVAL, 0 },
		{ "-42", -EINVAL, -EINVAL, 0 },
		{ "0x10", -EINVAL, -EINVAL, 0 },
		{ "1e3", -EINVAL, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint64_t number = 4711;
		unsigned small = 4711;

		assert_int_equal(place_text_u64(cases[i].text, &number), cases[i].r_u64);
		assert_int_equal(number, cases[i].r_u64 == 0 ? cases[i].number : 4711);
		assert_int_equal(place_text_unsigned(cases[i].text, &small), cases[i].r_unsigned);
		assert_int_equal(small, cases[i].r_unsigned == 0 ? cases[i].number : 4711);
	}
}

static const char meminfo[] = "Node 0 MemTotal:       16384 kB\n"
			      "Node 0 MemFree:         8192 kB\n"
			      "Node 0 Active(file):    1024 kB\n"
			      "Inactive(file):\t 512 kB\n"
			      "  Slab:  7\n"
			      "Node x Broken:  9\n"
			      "Huge:  99999999999999999999 kB\n"
			      "Empty:\n"
			      "Last: 3";

static void test_find_number(void **state)
{
	static const struct {
		const char *key;
		int r;
		uint64_t number;
	} cases[] = {
		{ "MemTotal:", 0, 16384 },
		{ "MemFree:", 0, 8192 },
		{ "Active(file):", 0, 1024 }, /* not the Inactive one */
		{ "Inactive(file):", 0, 512 },
		{ "Slab:", 0, 7 },
		{ "Last:", 0, 3 },
		{ "file):", -ENOENT, 0 },
		{ "Broken:", -ENOENT, 0 },
		{ "Node x Broken:", 0, 9 },
		{ "SReclaimable:", -ENOENT, 0 },
		{ "Huge:", -ERANGE, 0 },
		{ "Empty:", -EINVAL, 0 },
	};
	uint64_t number;

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		number = 4711;
		assert_int_equal(place_text_find_u64(meminfo, cases[i].key, &number), cases[i].r);
		assert_int_equal(number, cases[i].r == 0 ? cases[i].number : 4711);
	}
	assert_int_equal(place_text_find_u64("", "MemFree:", &number), -ENOENT);
	assert_int_equal(place_text_find_u64("MemFre", "MemFree:", &number), -ENOENT);
	assert_int_equal(place_text_find_u64("Node", "MemFree:", &number), -ENOENT);
	assert_int_equal(place_text_find_u64("Node 1", "MemFree:", &number), -ENOENT);
}

static void test_find_word(void **state)
{
	static const char text[] = "Name:\tqemu \t\nMems_allowed_list:\t0-3,8\nMems:  a b\nEnd:";
	char word[6];

	(void)state;
	assert_int_equal(place_text_find_word(text, "Mems_allowed_list:", word, sizeof(word)), 0);
	assert_string_equal(word, "0-3,8");
	assert_int_equal(place_text_find_word(text, "Name:", word, sizeof(word)), 0);
	assert_string_equal(word, "qemu");
	assert_int_equal(place_text_find_word(text, "Mems:", word, sizeof(word)), 0);
	assert_string_equal(word, "a b");
	assert_int_equal(place_text_find_word(text, "End:", word, sizeof(word)), 0);
	assert_string_equal(word, "");
	assert_int_equal(place_text_find_word(text, "Mems_allowed_list:", word, 5), -ENOBUFS);
	assert_int_equal(place_text_find_word(text, "Cpus:", word, sizeof(word)), -ENOENT);
}

static void test_multiply(void **state)
{
	(void)state;
	assert_int_equal(place_multiply(0, UINT64_MAX), 0);
	assert_int_equal(place_multiply(1024, 3), 3072);
	assert_true(place_multiply(UINT64_MAX, 1) == UINT64_MAX);
	assert_true(place_multiply(UINT64_MAX / 2, 3) == UINT64_MAX);
	assert_true(place_multiply(UINT64_C(1) << 32, UINT64_C(1) << 32) == UINT64_MAX);
}

static void test_escape(void **state)
{
	static const struct {
		const char *raw;
		size_t size;
		const char *text;
	} cases[] = {
		{ "web1", 16, "web1" },
		{ "", 4, "" },
		{ "a b", 16, "a b" },
		{ "a\nb", 16, "a\\x0ab" },
		{ "\x1b[2J", 16, "\\x1b[2J" },
		{ "\"\\", 16, "\\x22\\x5c" },
		{ "\xc3\xa9\x7f", 16, "\\xc3\\xa9\\x7f" },
		{ "abcd", 5, "abcd" },
		{ "abcde", 5, "abcd" },
		{ "ab\n", 6, "ab" }, /* an escape is whole or not there */
		{ "ab\n", 7, "ab\\x0a" },
		{ "abc", 1, "" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		memset(text, '!', sizeof(text));
		place_text_escape(cases[i].raw, text, cases[i].size);
		assert_string_equal(text, cases[i].text);
		for (size_t j = cases[i].size; j < sizeof(text); j++)
			assert_int_equal(text[j], '!');
	}
	text[0] = '!';
	place_text_escape("abc", text, 0);
	assert_int_equal(text[0], '!');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digits),	    cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_find_number), cmocka_unit_test(test_find_word),
		cmocka_unit_test(test_multiply),    cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
