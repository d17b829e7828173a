/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's messages byte by byte: the layout of both releases, what is refused, and what of a
 * nodeset is left where a reply is too small for it.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "numad_message.h"

#define SELF 4711

static struct place_set set_of(const char *list)
{
	struct place_set set;

	assert_int_equal(place_set_parse_list(list, &set), 0);
	return set;
}

static void test_keys(void **state)
{
	(void)state;
	assert_int_equal((uint32_t)NUMAD_KEY_2015, 0xdeadbeef);
	assert_int_equal((uint32_t)NUMAD_KEY_2025, 0xaddaadda);
}

/* `numad -w 2:100` of process 1234 as msgrcv() hands it to daemon 4711, 33 bytes behind mtype. */
#if __SIZEOF_LONG__ == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static const uint8_t request_bytes[8 + 33] = {
	0x67, 0x12, 0, 0, 0, 0, 0, 0, /* mtype */
	0xd2, 0x04, 0, 0, 0, 0, 0, 0, /* src_pid */
	'w',  0,    0, 0, 0, 0, 0, 0, /* cmd */
	200,  0,    0, 0, 0, 0, 0, 0, /* arg1: hundredths of a CPU */
	100,  0,    0, 0, 0, 0, 0, 0, /* arg2: MiB */
	0,			      /* text */
};
static const uint8_t reply_bytes[8 + 34] = {
	0xd2, 0x04, 0, 0, 0, 0, 0, 0, /* mtype */
	0x67, 0x12, 0, 0, 0, 0, 0, 0, /* src_pid */
	'w',  0,    0, 0, 0, 0, 0, 0, /* cmd */
	0,    0,    0, 0, 0, 0, 0, 0, /* arg1 */
	0,    0,    0, 0, 0, 0, 0, 0, /* arg2 */
	'0',  0,		      /* text */
};

static void test_request_bytes(void **state)
{
	const struct place_request request = { .vcpus_centi = 200, .memory_bytes = 100 << 20 };
	struct numad_message message;
	struct numad_words words;

	(void)state;
	assert_int_equal(numad_message_ask(SELF, 1234, &request, &message), 33);
	assert_memory_equal(&message, request_bytes, sizeof(request_bytes));
	memset(&message, 0xff, sizeof(message));
	memcpy(&message, request_bytes, sizeof(request_bytes));
	assert_int_equal(numad_message_parse(&message, 33, SELF, &words), 0);
	assert_int_equal(words.letter, 'w');
	assert_int_equal(words.from, 1234);
	assert_int_equal(numad_message_request(&words).vcpus_centi, 200);
	assert_int_equal(numad_message_request(&words).memory_bytes, 100 << 20);
}

static void test_reply_bytes(void **state)
{
	const struct place_set nodes = set_of("0"), online = set_of("0-1");
	struct numad_message message;
	struct place_set read;
	size_t size;

	(void)state;
	assert_int_equal(numad_message_reply(1234, SELF, &nodes, &message, &size), 0);
	assert_int_equal(size, 34);
	assert_memory_equal(&message, reply_bytes, sizeof(reply_bytes));
	memset(&message, 0xff, sizeof(message));
	memcpy(&message, reply_bytes, sizeof(reply_bytes));
	assert_int_equal(numad_message_parse_reply(&message, 34, SELF, &online, &read), 0);
	assert_true(place_set_equal(&read, &nodes));
}
#endif

static struct numad_message order(long letter, long arg1, long arg2)
{
	return (struct numad_message){
		.mtype = SELF, .src_pid = 1234, .cmd = letter, .arg1 = arg1, .arg2 = arg2
	};
}

static void test_letters(void **state)
{
	struct numad_message message;
	struct numad_words words;
	unsigned n = 0;

	(void)state;
	for (long letter = -300; letter < 70000; letter++) {
		const bool is_known =
			letter > 0 && letter < 128 && memchr("CHiKlmprStuwx", (int)letter, 13);

		message = order(letter, 15, 5);
		assert_int_equal(numad_message_parse(&message, NUMAD_SIZE_MIN, SELF, &words),
				 is_known ? 0 : -EOPNOTSUPP);
		if (!is_known)
			continue;
		n++;
		assert_int_equal(words.letter, letter);
		assert_int_equal(words.arg1, 15);
		assert_int_equal(words.arg2, 5);
	}
	assert_int_equal(n, 13);
}

static void test_refused(void **state)
{
	static const struct {
		struct numad_message message;
		size_t size;
		int r;
	} cases[] = {
		{ { .src_pid = 1, .cmd = 'u' }, NUMAD_SIZE_MIN, 0 },
		{ { .src_pid = 1, .cmd = 'u' }, NUMAD_SIZE_MAX, 0 },
		{ { .src_pid = 1, .cmd = 'u' }, 0, -EBADMSG },
		{ { .src_pid = 1, .cmd = 'u' }, 8, -EBADMSG },
		{ { .src_pid = 1, .cmd = 'u' }, NUMAD_SIZE_MIN - 1, -EBADMSG },
		{ { .src_pid = 1, .cmd = 'u' }, NUMAD_SIZE_MAX + 1, -E2BIG },
		{ { .src_pid = 1, .cmd = 'u' }, SIZE_MAX, -E2BIG },
		{ { .src_pid = 0, .cmd = 'u' }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = -1, .cmd = 'w' }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = SELF, .cmd = 'w' }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = LONG_MAX, .cmd = 'w' }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = LONG_MIN, .cmd = 'w' }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = 1, .cmd = 'u', .arg1 = LONG_MAX }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = 1, .cmd = 'i', .arg2 = LONG_MIN }, NUMAD_SIZE_MIN, -EBADMSG },
		{ { .src_pid = 1, .cmd = 'w', .arg1 = LONG_MAX }, NUMAD_SIZE_MIN, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct numad_words words = { .letter = '?' };

		assert_int_equal(
			numad_message_parse(&cases[i].message, cases[i].size, SELF, &words),
			cases[i].r);
		assert_int_equal(words.letter == '?', cases[i].r < 0);
	}
}

/* Who asks waits without end: there is an answer for every number. */
static void test_request_limits(void **state)
{
	static const struct {
		int64_t arg1, arg2;
		uint32_t centi;
		uint64_t bytes;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 150, 1, 150, 1 << 20 },
		{ -1, -1, 0, 0 },
		{ INT64_MIN, INT64_MIN, 0, 0 },
		{ INT64_MAX, INT64_MAX, INT_MAX, (uint64_t)INT_MAX << 20 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct numad_words words = { .letter = 'w',
						   .arg1 = cases[i].arg1,
						   .arg2 = cases[i].arg2 };
		const struct place_request request = numad_message_request(&words);

		assert_int_equal(request.vcpus_centi, cases[i].centi);
		assert_true(request.memory_bytes == cases[i].bytes);
	}
}

static struct place_set odd_ids(unsigned from, unsigned n)
{
	struct place_set set = { 0 };

	for (unsigned i = 0; i < n; i++)
		place_set_add(&set, from + 2 * i);
	return set;
}

/* Always a nodeset, inside the whole one, with `n_expected` nodes, at most 95 characters. */
static void expect_reply(struct place_set nodes, int r, unsigned n_expected)
{
	struct numad_message message;
	struct place_set sent;
	size_t size = 0;

	assert_int_equal(numad_message_reply(1234, SELF, &nodes, &message, &size), r);
	assert_true(size >= NUMAD_SIZE_MIN + 1 && size <= NUMAD_SIZE_MAX);
	assert_int_equal(size, NUMAD_SIZE_MIN + strlen(message.text));
	assert_int_equal(numad_message_parse_reply(&message, size, SELF, &nodes, &sent), 0);
	assert_int_equal(place_set_count(&sent), n_expected);
}

static void test_shortening(void **state)
{
	struct place_set nodes;

	(void)state;
	/* 0,2,..,8 take 2 characters each, 10,.. take 3 and the last one no comma. */
	expect_reply(odd_ids(0, 33), 0, 33);
	expect_reply(odd_ids(0, 34), 1, 33);
	expect_reply(odd_ids(0, 512), 1, 33);
	expect_reply(odd_ids(1000, 512), 1, 19);
	/* A long run at the end is worth more than single nodes before it. */
	nodes = odd_ids(100, 100);
	for (unsigned id = 1000; id < 1024; id++)
		place_set_add(&nodes, id);
	expect_reply(nodes, 1, 24 + 21);
	/* A short id takes the place of a long one. */
	nodes = odd_ids(1001, 19);
	expect_reply(nodes, 0, 19);
	place_set_add(&nodes, 5);
	expect_reply(nodes, 1, 19);
	memset(&nodes, 0xff, sizeof(nodes));
	expect_reply(nodes, 0, PLACE_SET_MAX);
}

static void test_no_reply_without_nodes(void **state)
{
	const struct place_set none = { 0 };
	struct numad_message message;
	size_t size;

	(void)state;
	assert_int_equal(numad_message_reply(1234, SELF, &none, &message, &size), -EINVAL);
}

static struct numad_message reply(const char *text)
{
	struct numad_message message = { .mtype = 1234, .src_pid = SELF, .cmd = 'w' };

	memcpy(message.text, text, strlen(text) + 1);
	return message;
}

/* What a client is told must be nodes of this host, said by the daemon that was asked. */
static void test_replies_refused(void **state)
{
	static const char *const texts[] = { "", "1023", "0-1023", "0-", "0,9", "x", "-1", "0 1" };
	const struct place_set online = set_of("0-3,8");
	struct numad_message message = reply("0-1,8");
	struct place_set nodes;
	const size_t size = NUMAD_SIZE_MIN + 5;

	(void)state;
	assert_int_equal(numad_message_parse_reply(&message, size, SELF, &online, &nodes), 0);
	assert_int_equal(place_set_count(&nodes), 3);
	assert_int_equal(numad_message_parse_reply(&message, size, SELF + 1, &online, &nodes),
			 -EBADMSG);
	/* The NUL is missing, everything is missing, or there is too much of it. */
	assert_int_equal(numad_message_parse_reply(&message, size - 1, SELF, &online, &nodes),
			 -EBADMSG);
	assert_int_equal(numad_message_parse_reply(&message, 8, SELF, &online, &nodes), -EBADMSG);
	assert_int_equal(
		numad_message_parse_reply(&message, NUMAD_SIZE_MAX + 1, SELF, &online, &nodes),
		-EBADMSG);
	message.cmd = 'u';
	assert_int_equal(numad_message_parse_reply(&message, size, SELF, &online, &nodes),
			 -EBADMSG);
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		message = reply(texts[i]);
		assert_int_equal(
			numad_message_parse_reply(&message, NUMAD_SIZE_MAX, SELF, &online, &nodes),
			-EBADMSG);
	}
	memset(message.text, '1', sizeof(message.text));
	assert_int_equal(numad_message_parse_reply(&message, NUMAD_SIZE_MAX, SELF, &online, &nodes),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
#if __SIZEOF_LONG__ == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		cmocka_unit_test(test_request_bytes),
		cmocka_unit_test(test_reply_bytes),
#endif
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_request_limits),
		cmocka_unit_test(test_shortening),
		cmocka_unit_test(test_no_reply_without_nodes),
		cmocka_unit_test(test_replies_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
