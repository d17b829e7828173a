/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events: the line and the fields, what hostile names become, and that nothing waits: a log that
 * does not read, a stopped terminal, a log that is not there. Should something wait after all,
 * the alarm ends the test.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tell/event.h"

#define NOWHERE "/nonexistent/log"

static char folder[] = "/tmp/test_event.XXXXXX";
static char path[64];
static int reader = -1;

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_event.XXXXXX");
	snprintf(path, sizeof(path), "%s/log", mkdtemp(folder));
	alarm(30);
	return 0;
}

static void stop_log(void)
{
	if (reader >= 0)
		close(reader);
	reader = -1;
	unlink(path);
}

static int end(void **state)
{
	(void)state;
	event_close();
	stop_log();
	rmdir(folder);
	alarm(0);
	return 0;
}

static void start_log(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	reader = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_return_code(bind(reader, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_return_code(listen(reader, 5), 0);
}

/* The next message, or "" where there is none. */
static const char *next_message(void)
{
	static char message[16384];
	const ssize_t n = recv(reader, message, sizeof(message) - 1, MSG_DONTWAIT);

	message[n > 0 ? n : 0] = '\0';
	return message;
}

#define FORMAT(line, kind, ...)                                                                    \
	event_format(kind, (const struct event_field[]){ __VA_ARGS__ },                            \
		     sizeof((const struct event_field[]){ __VA_ARGS__ }) /                         \
			     sizeof(struct event_field),                                           \
		     line, sizeof(line))

static void test_line(void **state)
{
	char line[256], tiny[16];

	(void)state;
	FORMAT(line, EVENT_MOVE_END, KV("guest", "web1"), KV_U64("from", 0), KV_U64("to", 1),
	       KV_U64("bytes", UINT64_MAX), KV("reason", NULL), KV("why", "two words"));
	assert_string_equal(line, "move_end guest=web1 from=0 to=1 bytes=18446744073709551615 "
				  "why=\"two words\"");
	FORMAT(line, EVENT_STOP, KV("a", ""), KV("b", "k=v"));
	assert_string_equal(line, "stop a=\"\" b=\"k=v\"");
	FORMAT(tiny, EVENT_STOP, KV("guest", "too-long-for-it"), KV_U64("n", 7));
	assert_string_equal(tiny, "stop n=7");
	FORMAT(line, EVENT_COUNT, KV_U64("n", 7));
	assert_string_equal(line, "unknown n=7");
}

static void test_hostile_names(void **state)
{
	static const char *const names[][2] = {
		{ "a\" to=9 \"", "guest_seen guest=\"a\\x22 to=9 \\x22\"" },
		{ "a\nMESSAGE=forged", "guest_seen guest=\"a\\x0aMESSAGE=forged\"" },
		{ "a\\", "guest_seen guest=a\\x5c" },
		{ "\xff\xfe\x1b[2J", "guest_seen guest=\\xff\\xfe\\x1b[2J" },
		{ "b\xc3\xbcro", "guest_seen guest=b\\xc3\\xbcro" },
		{ "%s%n", "guest_seen guest=%s%n" },
	};
	char line[256];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FORMAT(line, EVENT_GUEST_SEEN, KV("guest", names[i][0]));
		assert_string_equal(line, names[i][1]);
	}
}

static void test_kinds_are_distinct(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_COUNT; i++) {
		assert_string_not_equal(event_kind_word((enum event_kind)i), "");
		for (int j = 0; j < i; j++)
			assert_string_not_equal(event_kind_word((enum event_kind)i),
						event_kind_word((enum event_kind)j));
	}
}

static void test_journal_fields(void **state)
{
	const char *message;

	(void)state;
	start_log(SOCK_DGRAM);
	event_open_at(false, path, NOWHERE);
	event(LOG_NOTICE, EVENT_MOVE_BEGIN, KV("guest", "a\nb"), KV_U64("to_node", 1),
	      KV("note", NULL));
	message = next_message();
	assert_string_equal(message, "MESSAGE=move_begin guest=a\\x0ab to_node=1\n"
				     "MESSAGE_ID=f41486d797774f489e591dc81cd6c2c3\n"
				     "PRIORITY=5\n"
				     "SYSLOG_FACILITY=3\n"
				     "SYSLOG_IDENTIFIER=placed\n"
				     "PLACED_EVENT=move_begin\n"
				     "PLACED_GUEST=a\\x0ab\n"
				     "PLACED_TO_NODE=1\n");
}

static void test_syslog_line(void **state)
{
	const char *message;
	char expected[64];

	(void)state;
	start_log(SOCK_DGRAM);
	event_open_at(false, NOWHERE, path);
	event(LOG_WARNING, EVENT_FINDING, KV("what", "ksm_across_nodes"));
	message = next_message();
	assert_memory_equal(message, "<28>", 4);
	snprintf(expected, sizeof(expected), " placed[%d]: finding what=ksm_across_nodes",
		 (int)getpid());
	assert_string_equal(message + 4 + strlen("Mon 12 12:00:00"), expected);
}

static void test_syslog_by_stream(void **state)
{
	char message[256] = "";
	int client;

	(void)state;
	start_log(SOCK_STREAM);
	event_open_at(false, NOWHERE, path);
	event(LOG_INFO, EVENT_READY);
	client = accept(reader, NULL, NULL);
	assert_true(client >= 0);
	assert_true(recv(client, message, sizeof(message) - 1, MSG_DONTWAIT) > 0);
	close(client);
	assert_non_null(strstr(message, "]: ready"));
}

/* Nobody reads: the log fills up, and what it does not take is counted and said later. */
static void test_full_log_does_not_hold_up(void **state)
{
	const uint64_t before = event_lost_count();
	char expected[64];
	unsigned n = 0;
	uint64_t n_lost;

	(void)state;
	start_log(SOCK_DGRAM);
	event_open_at(false, NOWHERE, path);
	while (event_lost_count() < before + 3 && n++ < 100000)
		event(LOG_INFO, EVENT_MOVE_END, KV_U64("n", n));
	n_lost = event_lost_count() - before;
	assert_int_equal(n_lost, 3);
	while (*next_message())
		;
	event(LOG_INFO, EVENT_MOVE_END, KV("guest", "web1"));
	assert_non_null(strstr(next_message(), "move_end guest=web1"));
	snprintf(expected, sizeof(expected), "trouble what=lines_missing lost=%" PRIu64 " ",
		 n_lost);
	assert_non_null(strstr(next_message(), expected));
	event(LOG_INFO, EVENT_MOVE_END, KV("guest", "web2"));
	assert_non_null(strstr(next_message(), "move_end guest=web2"));
	assert_string_equal(next_message(), "");
}

static void test_log_that_comes_and_goes(void **state)
{
	const uint64_t before = event_lost_count();

	(void)state;
	event_open_at(false, NOWHERE, path);
	event(LOG_INFO, EVENT_START);
	assert_int_equal(event_lost_count(), before + 1);
	for (int i = 0; i < 3; i++) {
		start_log(SOCK_DGRAM);
		event(LOG_INFO, EVENT_READY);
		assert_non_null(strstr(next_message(), "ready"));
		stop_log();
	}
}

static void test_provoked_kinds_are_limited(void **state)
{
	const uint64_t before = event_held_count();
	unsigned n_refused = 0, n_moves = 0;
	const char *message;

	(void)state;
	start_log(SOCK_DGRAM);
	event_open_at(false, NOWHERE, path);
	for (unsigned i = 0; i < 2000; i++) {
		event(LOG_NOTICE, EVENT_REFUSED, KV_U64("n", i));
		for (message = next_message(); *message; message = next_message())
			n_refused += !!strstr(message, ": refused ");
	}
	/* More than one window may have passed, on a host that is busy. */
	assert_in_range(n_refused, 1, 1000);
	assert_int_equal(event_held_count() - before, 2000 - n_refused);
	for (unsigned i = 0; i < 500; i++) {
		event(LOG_NOTICE, EVENT_MOVE_END, KV_U64("n", i));
		for (message = next_message(); *message; message = next_message())
			n_moves += !!strstr(message, ": move_end ");
	}
	assert_int_equal(n_moves, 500);
}

/* A terminal that nobody reads, played by a pipe. */
static void test_stderr_does_not_hold_up(void **state)
{
	const int saved = dup(STDERR_FILENO);
	char text[65536];
	int ends[2];
	ssize_t n;

	(void)state;
	assert_return_code(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	event_open_at(true, NOWHERE, NOWHERE);
	for (unsigned i = 0; i < 5000; i++)
		event(LOG_INFO, EVENT_MOVE_END, KV_U64("n", i));
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	assert_true(n > 0);
	text[n] = '\0';
	assert_memory_equal(text, "placed: move_end n=0\nplaced: move_end n=1\n", 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_kinds_are_distinct),
		cmocka_unit_test_setup_teardown(test_journal_fields, begin, end),
		cmocka_unit_test_setup_teardown(test_syslog_line, begin, end),
		cmocka_unit_test_setup_teardown(test_syslog_by_stream, begin, end),
		cmocka_unit_test_setup_teardown(test_full_log_does_not_hold_up, begin, end),
		cmocka_unit_test_setup_teardown(test_log_that_comes_and_goes, begin, end),
		cmocka_unit_test_setup_teardown(test_provoked_kinds_are_limited, begin, end),
		cmocka_unit_test_setup_teardown(test_stderr_does_not_hold_up, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
