/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line as a struct: which letter sets what, what is refused, and what is said then.
 * To the byte, and beside the real numad, it is compared in tests/system.
 */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "options.h"

#define ARGUMENTS_MAX 80

/* What the last parse() printed. */
static char said_out[4096], said_err[4096];

static void read_back(FILE *file, char *text, size_t size)
{
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

/* Splits at blanks; argv[0] is the first word. */
static struct options parse(const char *line)
{
	FILE *out = tmpfile(), *err = tmpfile();
	const int out_fd = dup(STDOUT_FILENO), err_fd = dup(STDERR_FILENO);
	static char copy[1000];
	char *argv[ARGUMENTS_MAX + 1] = { 0 }, *rest = copy;
	struct options options;
	int argc = 0;

	assert_non_null(out);
	assert_non_null(err);
	snprintf(copy, sizeof(copy), "%s", line);
	while (rest && argc < ARGUMENTS_MAX)
		argv[argc++] = strsep(&rest, " ");
	fflush(stdout);
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	optind = 0; /* glibc: start anew */
	memset(&options, 0x5a, sizeof(options));
	options_parse(argc, argv, &options);
	fflush(stdout);
	dup2(out_fd, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	close(out_fd);
	close(err_fd);
	read_back(out, said_out, sizeof(said_out));
	read_back(err, said_err, sizeof(said_err));
	return options;
}

static void test_commands(void **state)
{
	static const struct {
		const char *line;
		enum command command;
		int exit_status;
	} cases[] = {
		{ "numad", COMMAND_DAEMON, 0 },
		{ "numad -i 15", COMMAND_DAEMON, 0 },
		{ "numad -i 0", COMMAND_NOTHING, 0 },
		{ "numad -i 0:0", COMMAND_NOTHING, 0 },
		{ "numad -i 5:0", COMMAND_NOTHING, 0 },
		{ "numad -w 2:100", COMMAND_ADVICE, 0 },
		{ "numad -i 0 -w 2:100", COMMAND_ADVICE, 0 },
		{ "numad -w 2:100 -i 0", COMMAND_ADVICE, 0 },
		{ "numad -w2:100", COMMAND_ADVICE, 0 },
		{ "numad -vdw 2:100", COMMAND_ADVICE, 0 },
		{ "numad -w 2:100 --", COMMAND_ADVICE, 0 },
		{ "numad -w x", COMMAND_EXIT, 1 },
		{ "numad -w", COMMAND_EXIT, 1 },
		{ "numad -w 2:100 x", COMMAND_EXIT, 1 },
		{ "numad x -w 2:100", COMMAND_EXIT, 1 },
		{ "numad -Z", COMMAND_EXIT, 1 },
		{ "numad -h", COMMAND_EXIT, 1 },
		{ "numad --bogus", COMMAND_EXIT, 1 },
		{ "numad --root", COMMAND_EXIT, 1 },
		{ "numad --help", COMMAND_EXIT, 0 },
		{ "numad -V", COMMAND_EXIT, 0 },
		{ "numad --version", COMMAND_EXIT, 0 },
		{ "numad -V -w x", COMMAND_EXIT, 0 },
		{ "numad -w x -V", COMMAND_EXIT, 1 },
		{ "numad -H 9", COMMAND_EXIT, 1 },
		{ "numad -H 1000001", COMMAND_EXIT, 1 },
		{ "numad -H -1", COMMAND_EXIT, 1 },
		{ "numad -H 10 -w 1", COMMAND_ADVICE, 0 },
		{ "numad -H 1000000 -w 1", COMMAND_ADVICE, 0 },
		{ "numad -H 0 -w 1", COMMAND_ADVICE, 0 },
		{ "numad -H x -w 1", COMMAND_ADVICE, 0 },
		{ "numad -i 5:3", COMMAND_EXIT, 1 },
		{ "numad -i 3", COMMAND_EXIT, 1 }, /* the least is 5 already */
		{ "numad -i 5:5", COMMAND_DAEMON, 0 },
		{ "numad -i x", COMMAND_EXIT, 1 },
		{ "numad -C 0 -D /x -K 1 -m 70 -p 1 -r 2 -S 0 -u 90 -x 3", COMMAND_DAEMON, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct options options = parse(cases[i].line);

		if (options.command != cases[i].command ||
		    (options.command == COMMAND_EXIT &&
		     options.exit_status != cases[i].exit_status))
			fail_msg("%s: command %d, status %d", cases[i].line, (int)options.command,
				 options.exit_status);
		/* Who is refused is told why; who is not, nothing. */
		assert_int_equal(said_err[0] != '\0',
				 options.command == COMMAND_EXIT && options.exit_status != 0);
		assert_int_equal(said_out[0] != '\0',
				 options.command == COMMAND_EXIT && options.exit_status == 0);
	}
}

static void test_messages(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{ "numad -w 2:", "Can't parse arg value(s): 2:\n" },
		{ "numad -w 30000000:1", "Can't parse arg value(s): 30000000:1\n" },
		{ "numad -i -3", "Can't parse arg value(s): -3\n" },
		{ "numad -i 9:3", "Max interval (3) must be greater than min interval (9)\n" },
		{ "numad -H 5", "THP scan_sleep_ms must be > 9 and < 1000001\n" },
		{ "numad -w 2 a b", "Unexpected arg = a\n" },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		parse(cases[i].line);
		assert_string_equal(said_err, cases[i].said);
	}
	parse("/x/numad -V");
	assert_int_equal(strncmp(said_out, "/x/numad version: ", 18), 0);
	assert_non_null(strstr(said_out, ": compiled "));
	parse("/x/numad -h");
	assert_int_equal(strncmp(said_err, "Usage: /x/numad <options> ...\n", 30), 0);
}

static void test_defaults(void **state)
{
	const struct options options = parse("placed");

	(void)state;
	assert_string_equal(options.program, "placed");
	assert_false(options.is_called_numad);
	assert_null(options.root);
	assert_int_equal(options.log_level, 5);
	assert_true(options.count_reclaimable);
	assert_int_equal(options.smt_percent, 20);
	assert_false(options.have_reserved_cpus);
	assert_int_equal(options.interval_min_s, 5);
	assert_int_equal(options.interval_max_s, 15);
}

static void test_values(void **state)
{
	struct options options;

	(void)state;
	options = parse("/usr/bin/numad -w 2.5:100 -C 0 -t 60 -l 7 --root /tmp -i 7:70");
	assert_true(options.is_called_numad);
	assert_int_equal(options.request.vcpus_centi, 250);
	assert_int_equal(options.request.memory_bytes, UINT64_C(100) << 20);
	assert_false(options.count_reclaimable);
	assert_int_equal(options.smt_percent, 60);
	assert_int_equal(options.log_level, 7);
	assert_string_equal(options.root, "/tmp");
	assert_int_equal(options.interval_min_s, 7);
	assert_int_equal(options.interval_max_s, 70);
	assert_int_equal(parse("p -v").log_level, 6);
	assert_int_equal(parse("p -d").log_level, 7);
	assert_int_equal(parse("p -l x").log_level, 0);
	assert_int_equal(parse("p -l 99999999999999999999").log_level, 5);
	assert_int_equal(parse("p -t 101").smt_percent, 20);
	assert_int_equal(parse("p -t -1").smt_percent, 20);
	assert_int_equal(parse("p -t 0").smt_percent, 0);
	assert_int_equal(parse("p -t 100").smt_percent, 100);
	assert_true(parse("p -C 2").count_reclaimable);
	assert_false(parse("p -C x").count_reclaimable);
	assert_string_equal(parse("p --root=/x").root, "/x");
	options = parse("p -w 2:1 -w 3:7");
	assert_int_equal(options.request.vcpus_centi, 300);
	assert_false(parse("numad2").is_called_numad);
	assert_false(parse("/numad/placed").is_called_numad);
	assert_true(parse("./numad").is_called_numad);
}

static void test_reserved_cpus(void **state)
{
	static const struct {
		const char *list, *cpus;
	} cases[] = {
		{ "0", "0" },
		{ "0-3,8", "0-3,8" },
		{ "1;2/3", "1-3" },
		{ "x", "" },
		{ "3-1", "" },
		{ "3-", "3" },
		{ "-3", "3" },
		{ "1-2-4", "1-2,4" },
		{ "8190-9999", "8190-8191" },
		{ "99999999999999999999", "" },
		{ "0-99999999999999999999", "0-8191" },
	};
	static char list[PLACE_SET_TEXT_MAX];
	char line[100];

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct options options;

		snprintf(line, sizeof(line), "p -R %s", cases[i].list);
		options = parse(line);
		assert_true(options.have_reserved_cpus);
		assert_true(place_set_format(&options.reserved_cpus, list, sizeof(list)) >= 0);
		if (strcmp(list, cases[i].cpus) != 0)
			fail_msg("%s: %s", cases[i].list, list);
	}
}

/* In numad's order whatever the line's is; p, r and x each with a PID of their own. */
static void test_orders(void **state)
{
	const struct options options =
		parse("numad -x 8 -p 7 -p 9 -r 5 -u 90 -t 30 -S 1 -m 60 -m 70 "
		      "-v -K 1 -i 20 -H 50 -C 0");
	static const struct option_order expected[] = {
		{ 'C', 0, 0 },	{ 'H', 50, 0 }, { 'i', 5, 20 }, { 'K', 1, 0 }, { 'l', 6, 0 },
		{ 'm', 70, 0 }, { 'p', 7, 0 },	{ 'p', 9, 0 },	{ 'r', 5, 0 }, { 'S', 1, 0 },
		{ 't', 30, 0 }, { 'u', 90, 0 }, { 'x', 8, 0 },
	};

	(void)state;
	assert_int_equal(options.n_orders, ELEMENTSOF(expected));
	for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
		assert_int_equal(options.orders[i].letter, expected[i].letter);
		assert_int_equal(options.orders[i].arg1, expected[i].arg1);
		assert_int_equal(options.orders[i].arg2, expected[i].arg2);
	}
	assert_int_equal(options_order(&options, 'p')->arg1, 7);
	assert_null(options_order(&options, 'w'));
}

/* What numad ignores is no order; a PID is checked by who acts on it. */
static void test_orders_left_out(void **state)
{
	struct options options = parse("numad -m 49 -m 101 -u 9 -u 131 -t 101 -t -1 -D /x -R 1");
	char line[1000] = "numad";

	(void)state;
	assert_int_equal(options.n_orders, 0);
	assert_int_equal(parse("numad").n_orders, 0);
	options = parse("numad -m 50 -u 130 -p x -l 99 -i 0");
	assert_int_equal(options.n_orders, 5);
	assert_int_equal(options_order(&options, 'i')->arg2, 0);
	assert_int_equal(options_order(&options, 'l')->arg1, 99);
	assert_int_equal(options_order(&options, 'p')->arg1, 0);
	for (size_t i = 0; i <= OPTION_ORDERS_MAX; i++)
		strcat(line, " -p1");
	assert_int_equal(parse(line).command, COMMAND_EXIT);
	line[strlen(line) - 4] = '\0';
	assert_int_equal(parse(line).n_orders, OPTION_ORDERS_MAX);
}

static void test_long_options(void **state)
{
	struct options options = parse("placed --foreground --dry-run --config /a");

	(void)state;
	assert_int_equal(options.command, COMMAND_DAEMON);
	assert_true(options.is_foreground && options.is_dry_run);
	assert_string_equal(options.config, "/a");
	options = parse("placed");
	assert_false(options.is_foreground || options.is_dry_run);
	assert_null(options.config);
	options = parse("placed --check-config");
	assert_int_equal(options.command, COMMAND_CHECK_CONFIG);
	assert_null(options.config);
	assert_string_equal(parse("placed --check-config=/a").config, "/a");
	assert_string_equal(parse("placed --check-config /a").config, "/a");
	assert_string_equal(parse("placed --config /a --check-config").config, "/a");
	assert_int_equal(parse("placed --check-config /a /b").command, COMMAND_EXIT);
	assert_int_equal(parse("placed --print-config -u 90").command, COMMAND_PRINT_CONFIG);
	assert_int_equal(parse("placed --print-config -i 0").command, COMMAND_PRINT_CONFIG);
}

/* execve() with an empty argv is legal on older kernels. */
static void test_no_arguments(void **state)
{
	char *argv[] = { NULL };
	struct options options;

	(void)state;
	optind = 0;
	options_parse(0, argv, &options);
	assert_string_equal(options.program, "placed");
	assert_int_equal(options.command, COMMAND_DAEMON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),      cmocka_unit_test(test_messages),
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_values),
		cmocka_unit_test(test_reserved_cpus), cmocka_unit_test(test_no_arguments),
		cmocka_unit_test(test_orders),	      cmocka_unit_test(test_orders_left_out),
		cmocka_unit_test(test_long_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
