/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our own protocol: what is written is read back; whatever else a stranger sends is refused. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask/wire.h"
#include "host/cleanup.h"

/* Of exactly that size, so that a sanitizer sees a step beyond it. */
static int parse_request(const char *text, size_t size, struct place_wire_request *request)
{
	char *exact = malloc(size ? size : 1);
	int r;

	assert_non_null(exact);
	memcpy(exact, text, size);
	r = place_wire_parse_request(exact, size, request);
	free(exact);
	return r;
}

static int parse_reply(const char *text, struct place_wire_reply *reply)
{
	return place_wire_parse_reply(text, strlen(text), reply);
}

static void test_requests_are_read(void **state)
{
	static const char hello[] = "placed 1 hello\n";
	static const char advice[] = "placed 1 advice vcpus_centi=250 memory_bytes=8589934592";
	static const char order[] = "placed 1 order arg2=-3 letter=u arg1=85\n";
	static const char command[] =
		"placed 1 command verb=explain argument=\"guest \\x22seven\\x22\\x0a\"\n";
	struct place_wire_request request;

	(void)state;
	assert_int_equal(parse_request(hello, strlen(hello), &request), 0);
	assert_int_equal(request.kind, PLACE_WIRE_HELLO);
	assert_int_equal(parse_request(advice, strlen(advice), &request), 0);
	assert_int_equal(request.kind, PLACE_WIRE_ADVICE);
	assert_int_equal(request.advice.vcpus_centi, 250);
	assert_int_equal(request.advice.memory_bytes, UINT64_C(8) << 30);
	assert_int_equal(parse_request(order, strlen(order), &request), 0);
	assert_int_equal(request.kind, PLACE_WIRE_ORDER);
	assert_int_equal(request.letter, 'u');
	assert_int_equal(request.arg1, 85);
	assert_int_equal(request.arg2, -3);
	assert_int_equal(parse_request(command, strlen(command), &request), 0);
	assert_int_equal(request.kind, PLACE_WIRE_COMMAND);
	assert_string_equal(request.verb, "explain");
	assert_string_equal(request.argument, "guest \"seven\"\n");
}

static void test_requests_are_refused(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "", -EINVAL },
		{ "\n", -EINVAL },
		{ "placed", -EINVAL },
		{ "placed 1", -EPROTONOSUPPORT },
		{ "placed 1 ", -EINVAL },
		{ "placed 2 hello", -EPROTONOSUPPORT },
		{ "placed 10 hello", -EPROTONOSUPPORT },
		{ "placed  1 hello", -EPROTONOSUPPORT },
		{ "Placed 1 hello", -EINVAL },
		{ "placed 1 hello ", -EINVAL },
		{ "placed 1 hello a=1", -EINVAL },
		{ "placed 1 hello\n\n", -EINVAL },
		{ "placed 1 hello\r\n", -EINVAL },
		{ "placed 1 helloo", -EINVAL },
		{ "placed 1 advice", -EINVAL },
		{ "placed 1 advice vcpus_centi=1", -EINVAL },
		{ "placed 1 advice vcpus_centi=1 memory_bytes=1 memory_bytes=1", -EINVAL },
		{ "placed 1 advice vcpus_centi=1 memory_bytes=1 nodes=0", -EINVAL },
		{ "placed 1 advice vcpus_centi=1  memory_bytes=1", -EINVAL },
		{ "placed 1 advice vcpus_centi= memory_bytes=1", -EINVAL },
		{ "placed 1 advice vcpus_centi=-1 memory_bytes=1", -EINVAL },
		{ "placed 1 advice vcpus_centi=1x memory_bytes=1", -EINVAL },
		{ "placed 1 advice vcpus_centi=0x1 memory_bytes=1", -EINVAL },
		{ "placed 1 advice vcpus_centi=2147483648 memory_bytes=1", -ERANGE },
		{ "placed 1 advice vcpus_centi=1 memory_bytes=2251799813685248", -ERANGE },
		{ "placed 1 advice vcpus_centi=1 memory_bytes=99999999999999999999", -ERANGE },
		{ "placed 1 order letter=u arg1=1", -EINVAL },
		{ "placed 1 order letter=uu arg1=1 arg2=0", -EINVAL },
		{ "placed 1 order letter=\"\" arg1=1 arg2=0", -EINVAL },
		{ "placed 1 order letter=1 arg1=1 arg2=0", -EINVAL },
		{ "placed 1 order letter=u arg1=- arg2=0", -EINVAL },
		{ "placed 1 order letter=u arg1=--1 arg2=0", -EINVAL },
		{ "placed 1 order letter=u arg1=9223372036854775808 arg2=0", -ERANGE },
		{ "placed 1 command verb=status", -EINVAL },
		{ "placed 1 command verb=\"\" argument=\"\"", -EINVAL },
		{ "placed 1 command verb=Status argument=\"\"", -EINVAL },
		{ "placed 1 command verb=a-b argument=\"\"", -EINVAL },
		{ "placed 1 command verb=status argument=", -EINVAL },
		{ "placed 1 command verb=status argument=\"", -EINVAL },
		{ "placed 1 command verb=status argument=\"a\"b", -EINVAL },
		{ "placed 1 command verb=status argument=\"\\x00\"", -EINVAL },
		{ "placed 1 command verb=status argument=\"\\xAA\"", -EINVAL },
		{ "placed 1 command verb=status argument=\"\\x0\"", -EINVAL },
		{ "placed 1 command verb=status argument=\"\\n\"", -EINVAL },
		{ "placed 1 command verb=status argument=\"\\x4", -EINVAL },
		{ "placed 1 command verb=status argument=\"\ta\"", -EINVAL },
		{ "placed 1 command verb=status argument=\"\x80\"", -EINVAL },
		{ "placed 1 command verb=abcdefghijklmnopqrstuvwxyzabcdefghij argument=a",
		  -ENOBUFS },
		{ "placed 1 abcdefghijklmnopqrstuvwxyzabcdefghij", -ENOBUFS },
		{ "ok", -EINVAL },
	};
	struct place_wire_request request = { .verb = "untouched" };

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const int r = parse_request(cases[i].text, strlen(cases[i].text), &request);

		if (r != cases[i].r)
			fail_msg("%s: %d, not %d", cases[i].text, r, cases[i].r);
	}
	assert_int_equal(parse_request("placed 1 hello\0", 15, &request), -EINVAL);
	assert_string_equal(request.verb, "untouched");
}

static void test_long_requests(void **state)
{
	char text[PLACE_WIRE_MAX + 2];
	struct place_wire_request request;
	int head;

	(void)state;
	/* An argument that is one byte too long, and one that just fits. */
	head = sprintf(text, "placed 1 command verb=a argument=");
	memset(text + head, 'x', PLACE_WIRE_TEXT_MAX);
	assert_int_equal(parse_request(text, (size_t)head + PLACE_WIRE_TEXT_MAX, &request),
			 -ENOBUFS);
	assert_int_equal(parse_request(text, (size_t)head + PLACE_WIRE_TEXT_MAX - 1, &request), 0);
	assert_int_equal(strlen(request.argument), PLACE_WIRE_TEXT_MAX - 1);
	memset(text + head, '0', sizeof(text) - (size_t)head);
	assert_int_equal(parse_request(text, PLACE_WIRE_MAX, &request), -ENOBUFS);
	assert_int_equal(parse_request(text, PLACE_WIRE_MAX + 1, &request), -ENOBUFS);
	memset(text, '\n', sizeof(text));
	assert_int_equal(parse_request(text, PLACE_WIRE_MAX, &request), -EINVAL);
}

static void expect_same_request(const struct place_wire_request *request)
{
	struct place_wire_request again;
	char packet[PLACE_WIRE_MAX];
	int size;

	size = place_wire_format_request(request, packet, sizeof(packet));
	assert_true(size > 0 && (size_t)size == strlen(packet));
	assert_int_equal(packet[size - 1], '\n');
	assert_int_equal(place_wire_parse_request(packet, (size_t)size, &again), 0);
	assert_memory_equal(request, &again, sizeof(again));
	/* Each shorter buffer is too short, and nothing is written behind it. */
	for (size_t room = 1; room <= (size_t)size; room++) {
		packet[room] = '#';
		assert_int_equal(place_wire_format_request(request, packet, room), -ENOBUFS);
		assert_int_equal(packet[room], '#');
	}
}

static void test_requests_come_back(void **state)
{
	struct place_wire_request requests[] = {
		{ .kind = PLACE_WIRE_HELLO },
		{ .kind = PLACE_WIRE_ADVICE },
		{ .kind = PLACE_WIRE_ADVICE,
		  .advice = { .vcpus_centi = INT_MAX, .memory_bytes = (uint64_t)INT_MAX << 20 } },
		{ .kind = PLACE_WIRE_ORDER, .letter = 'C', .arg1 = INT64_MAX, .arg2 = -INT64_MAX },
		{ .kind = PLACE_WIRE_COMMAND, .verb = "status", .argument = "" },
		{ .kind = PLACE_WIRE_COMMAND,
		  .verb = "explain",
		  .argument = "a b=\"c\\x41\" \n\t" },
		{ .kind = PLACE_WIRE_COMMAND, .verb = "x" },
	};
	char *longest = requests[ELEMENTSOF(requests) - 1].argument;

	(void)state;
	memset(longest, 0xff, PLACE_WIRE_TEXT_MAX - 1);
	for (size_t i = 0; i < ELEMENTSOF(requests); i++)
		expect_same_request(&requests[i]);
}

static void test_replies_are_read(void **state)
{
	struct place_wire_reply reply;

	(void)state;
	assert_int_equal(parse_reply("ok\n", &reply), 0);
	assert_int_equal(reply.outcome, PLACE_WIRE_OK);
	assert_false(reply.has_nodes);
	assert_int_equal(parse_reply("ok nodes=0-1,8 verdict=one_node booked=yes\n", &reply), 0);
	assert_true(reply.has_nodes && reply.is_booked);
	assert_int_equal(place_set_count(&reply.nodes), 3);
	assert_string_equal(reply.verdict, "one_node");
	assert_string_equal(reply.note, "");
	assert_int_equal(
		parse_reply("ok nodes=0 later=\"what we do not know\" booked=no note=\"a b\"",
			    &reply),
		0);
	assert_false(reply.is_booked);
	assert_string_equal(reply.note, "a b");
	assert_int_equal(parse_reply("ok pid=812", &reply), 0);
	assert_int_equal(reply.pid, 812);
	assert_int_equal(parse_reply("error code=EPERM text=\"only root\"\n", &reply), 0);
	assert_int_equal(reply.outcome, PLACE_WIRE_ERROR);
	assert_int_equal(reply.error, EPERM);
	assert_string_equal(reply.text, "only root");
	assert_int_equal(parse_reply("error code=ENEW", &reply), 0);
	assert_int_equal(reply.error, EIO);
	assert_int_equal(parse_reply("line a=1\nb=\"\\\n", &reply), 0);
	assert_int_equal(reply.outcome, PLACE_WIRE_LINE);
	assert_int_equal(reply.line_size, 9);
	assert_memory_equal(reply.line, "a=1\nb=\"\\\n", 9);
	assert_int_equal(parse_reply("line ", &reply), 0);
	assert_int_equal(reply.line_size, 0);
}

static void test_replies_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"\n",
		"o",
		"okay",
		"ok ",
		"ok nodes",
		"ok nodes=",
		"ok nodes=\"\"",
		"ok nodes=3-1",
		"ok nodes=99999",
		"ok nodes=0-1,",
		"ok nodes=0\nline",
		"ok nodes=0 booked=perhaps",
		"ok pid=-1",
		"ok pid=2147483648",
		"error",
		"error text=\"why\"",
		"errors code=EPERM",
		"line",
		"lines a",
	};
	struct place_wire_reply reply = { .pid = 4711 };

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (parse_reply(cases[i], &reply) >= 0)
			fail_msg("taken: %s", cases[i]);
	assert_int_equal(reply.pid, 4711);
}

static void test_replies_come_back(void **state)
{
	struct place_wire_reply reply = { .has_nodes = true, .is_booked = true }, again;
	char packet[PLACE_WIRE_MAX];
	int size;

	(void)state;
	/* The most nodes that a kernel knows, none beside another. */
	for (unsigned node = 0; node < 1024; node += 2)
		place_set_add(&reply.nodes, node);
	strcpy(reply.verdict, "several");
	memset(reply.note, '"', sizeof(reply.note) - 1);
	size = place_wire_format_reply(&reply, packet, sizeof(packet));
	assert_true(size > 0);
	assert_int_equal(place_wire_parse_reply(packet, (size_t)size, &again), 0);
	assert_true(place_set_equal(&reply.nodes, &again.nodes));
	assert_true(again.is_booked);
	/* Cut, and not in the middle of an escaped byte. */
	assert_true(strlen(again.note) > 100);
	assert_int_equal(strspn(again.note, "\""), strlen(again.note));

	reply = (struct place_wire_reply){ .outcome = PLACE_WIRE_ERROR, .error = -EOPNOTSUPP };
	strcpy(reply.text, "no such letter: \"\xff\"");
	size = place_wire_format_reply(&reply, packet, sizeof(packet));
	assert_int_equal(place_wire_parse_reply(packet, (size_t)size, &again), 0);
	assert_int_equal(again.error, EOPNOTSUPP);
	assert_string_equal(again.text, reply.text);
	assert_string_equal(place_wire_error_word(ENOTTY), "EIO");
}

/* A command's text in packets: nothing lost, nothing added, whole lines where they fit. */
static void test_cutting(void **state)
{
	char text[3 * PLACE_WIRE_MAX], joined[sizeof(text)], packet[PLACE_WIRE_MAX + 1];
	size_t at = 0, n_joined = 0;
	unsigned n_packets = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 100 == 99 && i < PLACE_WIRE_MAX ? '\n' : 'x';
	while (at < sizeof(text)) {
		struct place_wire_reply reply = { .outcome = PLACE_WIRE_LINE }, again;
		int size;

		reply.line = text + at;
		reply.line_size = place_wire_cut(text + at, sizeof(text) - at);
		assert_true(reply.line_size > 0);
		if (++n_packets == 1)
			assert_int_equal(reply.line[reply.line_size - 1], '\n');
		at += reply.line_size;
		size = place_wire_format_reply(&reply, packet, sizeof(packet));
		assert_true(size > 0 && size <= PLACE_WIRE_MAX);
		assert_int_equal(place_wire_parse_reply(packet, (size_t)size, &again), 0);
		memcpy(joined + n_joined, again.line, again.line_size);
		n_joined += again.line_size;
	}
	assert_int_equal(n_joined, sizeof(text));
	assert_memory_equal(joined, text, sizeof(text));
	assert_int_equal(n_packets, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_read),
		cmocka_unit_test(test_requests_are_refused),
		cmocka_unit_test(test_long_requests),
		cmocka_unit_test(test_requests_come_back),
		cmocka_unit_test(test_replies_are_read),
		cmocka_unit_test(test_replies_are_refused),
		cmocka_unit_test(test_replies_come_back),
		cmocka_unit_test(test_cutting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
