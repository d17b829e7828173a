/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One QEMU option in both spellings: what is seen of it, in order, and where a malformed or
 * oversized one stops. The text is whatever a process chose to write on its command line.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/qemu_opts.h"

static void note_pair(const char *key, const char *value, void *data)
{
	char *seen = data;
	const size_t at = strlen(seen);

	snprintf(seen + at, 4096 - at, "%s=%s|", key, value);
}

static void expect_each(const char *text, const char *implied, int r, const char *pairs)
{
	char seen[4096] = "";
	const int got = place_qemu_opts_each(text, implied, note_pair, seen);

	if (got != r || strcmp(seen, pairs) != 0)
		fail_msg("%s: %d %s instead of %d %s", text, got, seen, r, pairs);
}

static void test_plain(void **state)
{
	static const struct {
		const char *text, *implied, *pairs;
	} cases[] = {
		{ "", "size", "" },
		{ "512", "size", "size=512|" },
		{ "size=4G,slots=2,maxmem=8G", "size", "size=4G|slots=2|maxmem=8G|" },
		{ "guest=a,,b,debug-threads=on", "guest", "guest=a,b|debug-threads=on|" },
		{ "a,,b", "guest", "guest=a,b|" },
		{ "pc-dimm,id=d0,memdev=m0", "driver", "driver=pc-dimm|id=d0|memdev=m0|" },
		{ "pc-dimm,hotplugged", "driver", "driver=pc-dimm|hotplugged=on|" },
		{ "x", NULL, "x=on|" },
		{ "path=a=b=c", NULL, "path=a=b=c|" },
		{ "a=,b=", NULL, "a=|b=|" },
		{ "a=1,", NULL, "a=1|" },
		{ ",a=1", "id", "id=|a=1|" },
		{ "a=,,,b=1", NULL, "a=,|b=1|" },
		{ "=x", NULL, "=x|" },
		{ "a=1,,", NULL, "a=1,|" },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		expect_each(cases[i].text, cases[i].implied, 0, cases[i].pairs);
}

static void test_json(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *pairs;
	} cases[] = {
		{ "{}", 0, "" },
		{ " { } ", 0, "" },
		{ "{\"qom-type\":\"memory-backend-ram\",\"size\":1073741824}", 0,
		  "qom-type=memory-backend-ram|size=1073741824|" },
		{ "{\"host-nodes\":[0,1],\"policy\":\"bind\"}", 0,
		  "host-nodes=0|host-nodes=1|policy=bind|" },
		{ "{\"a\":[],\"b\":true,\"c\":null,\"d\":-1.5e3}", 0, "b=true|c=null|d=-1.5e3|" },
		{ "{ \"a\" :\t1 ,\n\"b\" : [ 1 , 2 ] }", 0, "a=1|b=1|b=2|" },
		{ "{\"a\":{\"b\":{\"c\":[1,{\"d\":2}]}},\"e\":5}", 0, "e=5|" },
		{ "{\"a\":[{\"b\":1},[2],3]}", 0, "a=3|" },
		{ "{\"a\":\"x\\\"y\\\\z\\/\\n\"}", 0, "a=x\"y\\z/\n|" },
		{ "{\"a\":\"\\u00e9!\"}", 0, "a=?!|" },
		{ "{\"a\":\"},{\"}", 0, "a=},{|" },
		{ "{\"a\":1}trailing", 0, "a=1|" },
		{ "{", -EINVAL, "" },
		{ "{\"a\"", -EINVAL, "" },
		{ "{\"a\":", -EINVAL, "" },
		{ "{\"a\":1", -EINVAL, "a=1|" },
		{ "{\"a\":1,", -EINVAL, "a=1|" },
		{ "{\"a\":1,}", -EINVAL, "a=1|" },
		{ "{\"a\":[1", -EINVAL, "a=1|" },
		{ "{\"a\":[1,", -EINVAL, "a=1|" },
		{ "{\"a\":[1,,2]}", -EINVAL, "a=1|" },
		{ "{\"a\":\"open", -EINVAL, "" },
		{ "{\"a\":\"open\\", -EINVAL, "" },
		{ "{\"a\":\"\\u", -EINVAL, "" },
		{ "{\"a\":\"\\u12", -EINVAL, "" },
		{ "{a:1}", -EINVAL, "" },
		{ "{\"a\":{]}", -EINVAL, "" },
		{ "{\"a\":{\"b\":1]}", -EINVAL, "" },
		{ "{\"a\":{", -EINVAL, "" },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		expect_each(cases[i].text, "ignored", cases[i].r, cases[i].pairs);
}

static char *repeat(const char *head, char c, size_t n, const char *tail)
{
	char *text = malloc(strlen(head) + n + strlen(tail) + 1);

	assert_non_null(text);
	strcpy(text, head);
	memset(text + strlen(head), c, n);
	strcpy(text + strlen(head) + n, tail);
	return text;
}

/* Longer than the longest token: it is emptied, what stands behind it is still seen. */
static void test_long_tokens(void **state)
{
	static const struct {
		const char *head, *tail, *pairs;
	} cases[] = {
		{ "a=", ",b=2", "a=|b=2|" },
		{ "", "=1,b=2", "=1|b=2|" },
		{ "{\"a\":\"", "\",\"b\":2}", "a=|b=2|" },
		{ "{\"", "\":1,\"b\":2}", "=1|b=2|" },
		{ "{\"a\":1", ",\"b\":2}", "a=|b=2|" },
		{ "{\"a\":{\"x\":\"", "\"},\"b\":2}", "b=2|" },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		char *text = repeat(cases[i].head, '1', 100000, cases[i].tail);
		char seen[4096] = "";

		assert_int_equal(place_qemu_opts_each(text, NULL, note_pair, seen), 0);
		assert_string_equal(seen, cases[i].pairs);
		free(text);
	}
	for (size_t n = PLACE_OPT_MAX - 2; n <= PLACE_OPT_MAX + 1; n++) {
		char *text = repeat("a=", 'v', n, ""), seen[4096] = "";

		assert_int_equal(place_qemu_opts_each(text, NULL, note_pair, seen), 0);
		assert_int_equal(strlen(seen), n < PLACE_OPT_MAX ? n + 3 : 3);
		free(text);
	}
}

static void test_deep_nesting(void **state)
{
	char *text = repeat("{\"a\":", '[', 100000, "");
	char seen[4096] = "";

	(void)state;
	assert_int_equal(place_qemu_opts_each(text, NULL, note_pair, seen), -EINVAL);
	assert_string_equal(seen, "");
	free(text);
	text = repeat("{\"a\":", '{', 100000, "");
	assert_int_equal(place_qemu_opts_each(text, NULL, note_pair, seen), -EINVAL);
	free(text);
	expect_each("{\"a\":{\"b\":[[[[[[[[[[[[[[1]]]]]]]]]]]]]]},\"c\":3}", NULL, 0, "c=3|");
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t unit;
		int r;
		uint64_t bytes;
	} cases[] = {
		{ "512", UINT64_C(1) << 20, 0, UINT64_C(512) << 20 },
		{ "512", 1, 0, 512 },
		{ "4G", 1, 0, UINT64_C(4) << 30 },
		{ "4g", 1, 0, UINT64_C(4) << 30 },
		{ "1b", UINT64_C(1) << 20, 0, 1 },
		{ "1k", 1, 0, 1024 },
		{ "3M", 1, 0, 3 << 20 },
		{ "2T", 1, 0, UINT64_C(2) << 40 },
		{ "1p", 1, 0, UINT64_C(1) << 50 },
		{ "15E", 1, 0, UINT64_C(15) << 60 },
		{ "1.5G", 1, 0, UINT64_C(3) << 29 },
		{ "0.5k", 1, 0, 512 },
		{ "1.9999999999999k", 1, 0, 2047 },
		{ "0", 1, 0, 0 },
		{ "16E", 1, -ERANGE, 0 },
		{ "18446744073709551615", 1, 0, UINT64_MAX },
		{ "18446744073709551615k", 1, -ERANGE, 0 },
		{ "18446744073709551616", 1, -ERANGE, 0 },
		{ "15.9999999E", 1, 0, UINT64_C(18446742920787000000) },
		{ "", 1, -EINVAL, 0 },
		{ "G", 1, -EINVAL, 0 },
		{ "-1G", 1, -EINVAL, 0 },
		{ " 1G", 1, -EINVAL, 0 },
		{ "1GB", 1, -EINVAL, 0 },
		{ "1 G", 1, -EINVAL, 0 },
		{ "1x", 1, -EINVAL, 0 },
		{ "1@", 1, -EINVAL, 0 },
		{ "0x40", 1, -EINVAL, 0 },
		{ ".5G", 1, -EINVAL, 0 },
		{ "1.2.3", 1, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint64_t bytes = 4711;
		const int r = place_qemu_size_parse(cases[i].text, cases[i].unit, &bytes);

		if (r != cases[i].r)
			fail_msg("\"%s\": %d instead of %d", cases[i].text, r, cases[i].r);
		if (strncmp(cases[i].text, "15.9", 4) == 0) /* six places of the fraction count */
			assert_in_range(bytes, UINT64_C(18446740000000000000), UINT64_MAX - 1);
		else
			assert_int_equal(bytes, r == 0 ? cases[i].bytes : 4711);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	    cmocka_unit_test(test_json),
		cmocka_unit_test(test_long_tokens), cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
