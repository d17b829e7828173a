/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of ids: list and mask format, and the set operations at word borders.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/nodeset.h"

static struct place_set parse(const char *text)
{
	struct place_set set;

	assert_int_equal(place_set_parse_list(text, &set), 0);
	return set;
}

static void expect_list(const struct place_set *set, const char *text)
{
	static char buffer[PLACE_SET_TEXT_MAX];

	assert_int_equal(place_set_format(set, buffer, sizeof(buffer)), strlen(text));
	assert_string_equal(buffer, text);
}

static void test_round_trip(void **state)
{
	static const char *const lists[] = { "",      "0",     "0-1",  "0-3,8",	 "0,8,252-255",
					     "63-64", "62,64", "8191", "0-8191", "1023,8190-8191" };

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct place_set set = parse(lists[i]);

		expect_list(&set, lists[i]);
	}
}

static void test_list_is_normalised(void **state)
{
	struct place_set set = parse(" 3,1-2,2,0\n");

	(void)state;
	expect_list(&set, "0-3");
	set = parse(" \n");
	assert_true(place_set_is_empty(&set));
}

static void test_list_refused(void **state)
{
	static const char *const bad[] = { "a",	      "1,",  ",1", "1,,2", "5-3", "-1", "1-",
					   "0-7:2/4", "1 2", "+1", "0x1",  "^1",  "1;2" };
	static const char *const large[] = { "8192", "0-8192", "99999999999999999999" };
	struct place_set set = parse("7");

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(place_set_parse_list(bad[i], &set), -EINVAL);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		assert_int_equal(place_set_parse_list(large[i], &set), -ERANGE);
	expect_list(&set, "7");
}

static void test_mask(void **state)
{
	static char wide[4096] = "1";
	struct place_set set;

	(void)state;
	assert_int_equal(place_set_parse_mask("ff,00000003\n", &set), 0);
	expect_list(&set, "0-1,32-39");
	assert_int_equal(place_set_parse_mask("0", &set), 0);
	assert_true(place_set_is_empty(&set));
	assert_int_equal(place_set_parse_mask("", &set), -EINVAL);
	assert_int_equal(place_set_parse_mask("xyz", &set), -EINVAL);
	assert_int_equal(place_set_parse_mask("1 1", &set), -EINVAL);
	/* 8192 bits are 2048 digits: one more set bit is one too many. */
	memset(wide + 1, '0', 2048);
	assert_int_equal(place_set_parse_mask(wide, &set), -ERANGE);
	assert_int_equal(place_set_parse_mask(wide + 1, &set), 0);
}

static void test_format_needs_room(void **state)
{
	struct place_set set = parse("0-1,100");
	char text[8] = "???????";

	(void)state;
	assert_int_equal(place_set_format(&set, text, 7), -ENOBUFS);
	assert_string_equal(text, "");
	assert_int_equal(place_set_format(&set, text, 0), -ENOBUFS);
	assert_int_equal(place_set_format(&set, text, 8), 7);
	assert_string_equal(text, "0-1,100");
}

static void test_widest_text_fits(void **state)
{
	static char text[PLACE_SET_TEXT_MAX];
	struct place_set set = { 0 };

	(void)state;
	for (unsigned id = 1; id < PLACE_SET_MAX; id += 2)
		place_set_add(&set, id);
	assert_true(place_set_format(&set, text, sizeof(text)) > 0);
	assert_int_equal(place_set_count(&set), PLACE_SET_MAX / 2);
}

static void test_operations(void **state)
{
	struct place_set a = parse("0-3,64"), b = parse("2-5,8191"), c;

	(void)state;
	assert_true(place_set_intersects(&a, &b));
	assert_int_equal(place_set_count_common(&a, &b), 2);
	c = a;
	place_set_and(&c, &b);
	expect_list(&c, "2-3");
	assert_true(place_set_is_subset(&c, &a));
	assert_false(place_set_is_subset(&a, &c));
	c = a;
	place_set_or(&c, &b);
	expect_list(&c, "0-5,64,8191");
	place_set_subtract(&c, &b);
	expect_list(&c, "0-1,64");
	assert_false(place_set_intersects(&c, &b));
	assert_false(place_set_equal(&c, &a));
	place_set_add(&c, 2);
	place_set_add(&c, 3);
	assert_true(place_set_equal(&c, &a));
}

static void test_ids_out_of_range(void **state)
{
	struct place_set set = { 0 };

	(void)state;
	place_set_add(&set, PLACE_SET_MAX);
	place_set_add(&set, UINT32_MAX);
	assert_true(place_set_is_empty(&set));
	assert_false(place_set_has(&set, PLACE_SET_MAX));
	place_set_add(&set, PLACE_SET_MAX - 1);
	place_set_remove(&set, PLACE_SET_MAX);
	assert_true(place_set_has(&set, PLACE_SET_MAX - 1));
	place_set_remove(&set, PLACE_SET_MAX - 1);
	assert_true(place_set_is_empty(&set));
}

static void test_next(void **state)
{
	struct place_set set = parse("5,63-64,8191");

	(void)state;
	assert_int_equal(place_set_next(&set, 0), 5);
	assert_int_equal(place_set_next(&set, 5), 5);
	assert_int_equal(place_set_next(&set, 6), 63);
	assert_int_equal(place_set_next(&set, 64), 64);
	assert_int_equal(place_set_next(&set, 65), 8191);
	assert_int_equal(place_set_next(&set, PLACE_SET_MAX), -1);
	place_set_clear(&set);
	assert_int_equal(place_set_next(&set, 0), -1);
}

static void test_nodes_alone(void **state)
{
	const struct place_set set = parse("0,63-64,1023,1024,8191");
	struct place_nodes nodes;
	struct place_set back = parse("7");

	(void)state;
	memset(&nodes, 0x5a, sizeof(nodes));
	place_nodes_from_set(&set, &nodes);
	assert_true(place_nodes_has(&nodes, 63));
	assert_false(place_nodes_has(&nodes, 62));
	assert_true(place_nodes_has(&nodes, 1023));
	assert_false(place_nodes_has(&nodes, 1024));
	assert_false(place_nodes_has(&nodes, UINT32_MAX));
	place_nodes_to_set(&nodes, &back);
	expect_list(&back, "0,63-64,1023");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_list_is_normalised),
		cmocka_unit_test(test_list_refused),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_format_needs_room),
		cmocka_unit_test(test_widest_text_fits),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_ids_out_of_range),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_nodes_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
