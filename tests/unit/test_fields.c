/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of the daemon, taken apart: what is one, what is none, what names look like afterwards. */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fields.h"

static char line[4096];
static struct fields fields;

static int parse(const char *text)
{
	snprintf(line, sizeof(line), "%s", text);
	return fields_parse(line, &fields);
}

static void test_lines(void **state)
{
	uint64_t number = 7;

	(void)state;
	assert_int_equal(
		parse("guest pid=12 name=\"a b\" empty=\"\" bytes=0:1,8:2 pid=13 none= x=1"), 0);
	assert_string_equal(fields.word, "guest");
	assert_int_equal(fields.n, 7);
	assert_string_equal(fields_get(&fields, "pid"), "12");
	assert_string_equal(fields_get(&fields, "name"), "a b");
	assert_string_equal(fields_get(&fields, "empty"), "");
	assert_string_equal(fields_get(&fields, "bytes"), "0:1,8:2");
	assert_string_equal(fields_get(&fields, "none"), "");
	assert_null(fields_get(&fields, "b"));
	assert_null(fields_get(&fields, "nam"));
	assert_true(fields_number(&fields, "pid", &number));
	assert_int_equal(number, 12);
	assert_false(fields_number(&fields, "bytes", &number));
	assert_false(fields_number(&fields, "none", &number));
	assert_int_equal(number, 12);
	assert_int_equal(parse("stop"), 0);
	assert_int_equal(fields.n, 0);
}

static void test_no_lines(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"Guest",
		"guest  a=1",
		"guest a",
		"guest =1",
		"guest a=\"",
		"guest a=\"\\",
		"guest a=\"\\x2",
		"guest a=\"b\"c",
		"guest a=b\"c\"",
		"guest A=1",
		"a=1",
		"guest a=1\tb=2 c",
		"guest\ta=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const int r = parse(texts[i]);

		if (r != -EINVAL)
			fail_msg("\"%s\": %d", texts[i], r);
	}
}

static void test_escapes(void **state)
{
	(void)state;
	assert_int_equal(parse("guest a=\"\\x22 b=\\x221\\x22\\x0a\\xff\\x5cx00\" c=1"), 0);
	assert_int_equal(fields.n, 2);
	assert_string_equal(fields_get(&fields, "a"), "\" b=\"1\"\n\xff\\x00");
	/* What is no escape of ours stays: no NUL, no capitals. */
	assert_int_equal(parse("guest a=\"\\x00\\xFF\\n\\\\\""), 0);
	assert_string_equal(fields_get(&fields, "a"), "\\x00\\xFF\\n\\\\");
}

static void test_many_fields(void **state)
{
	size_t at = (size_t)snprintf(line, sizeof(line), "guest");

	(void)state;
	for (unsigned i = 0; i < 2 * FIELDS_MAX; i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, " k%u=%u", i, i);
	assert_int_equal(fields_parse(line, &fields), 0);
	assert_int_equal(fields.n, FIELDS_MAX);
	assert_string_equal(fields_get(&fields, "k0"), "0");
	assert_null(fields_get(&fields, "k48"));
}

static void test_shown(void **state)
{
	static const char *const cases[][2] = {
		{ "web1", "web1" },
		{ "", "" },
		{ "two words \"\\", "two words \"\\" },
		{ "b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x98\x80",
		  "b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "a\nb", "a\\x0ab" },
		{ "\x1b[2J", "\\x1b[2J" },
		{ "\x7f", "\\x7f" },
		{ "\xff", "\\xff" },
		{ "\xc3", "\\xc3" },
		{ "\xc0\x8a", "\\xc0\\x8a" },			/* a newline in two bytes */
		{ "\xe0\x80\x8a", "\\xe0\\x80\\x8a" },		/* and in three */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* half a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* past the last character */
		{ "\xc2\x9b", "\\xc2\\x9b" },			/* a control sequence of one byte */
		{ "\xe2\x80\xae"
		  "evil",
		  "\\xe2\\x80\\xaeevil" }, /* turns the writing */
	};
	char text[128], tiny[8];

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fields_shown(cases[i][0], text, sizeof(text));
		assert_string_equal(text, cases[i][1]);
	}
	fields_shown("12345678", tiny, sizeof(tiny));
	assert_string_equal(tiny, "1234567");
	fields_shown("123456\xc3\xbc", tiny, sizeof(tiny));
	assert_string_equal(tiny, "123456");
	/* A terminal of another kind, or none. */
	assert_non_null(setlocale(LC_CTYPE, "C"));
	fields_shown("b\xc3\xbcro", text, sizeof(text));
	assert_string_equal(text, "b\\xc3\\xbcro");
	fields_shown("plain", text, sizeof(text));
	assert_string_equal(text, "plain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	cmocka_unit_test(test_no_lines),
		cmocka_unit_test(test_escapes), cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
