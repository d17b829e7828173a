/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's log as the daemon writes it: texts byte by byte (numad 20150602 as scripts grep it),
 * a time as ctime(3) has it, names that would make lines of their own, logrotate both ways.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "tell/numad_log.h"

static char folder[] = "/tmp/test_numad_lines.XXXXXX";
static char path[64], other[64];
static char content[65536];

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_numad_lines.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/numad.log", folder);
	snprintf(other, sizeof(other), "%s/numad.log.1", folder);
	alarm(30);
	return 0;
}

static int end(void **state)
{
	(void)state;
	numad_lines_close();
	unlink(path);
	unlink(other);
	rmdir(folder);
	alarm(0);
	return 0;
}

static const char *file_content(const char *name)
{
	FILE *file = fopen(name, "r");
	size_t n = 0;

	if (file) {
		n = fread(content, 1, sizeof(content) - 1, file);
		fclose(file);
	}
	content[n] = '\0';
	return content;
}

/* The lines without their times, which are checked. */
static const char *messages(void)
{
	static char text[sizeof(content)];
	char *line = content, *rest;
	struct tm tm;

	text[0] = '\0';
	for (file_content(path); *line; line = rest) {
		const char *behind;

		rest = strchr(line, '\n');
		assert_non_null(rest);
		*rest++ = '\0';
		behind = strptime(line, "%a %b %e %H:%M:%S %Y", &tm);
		assert_non_null(behind);
		assert_int_equal(behind - line, strlen("Mon Jan  5 10:00:00 2026"));
		assert_memory_equal(behind, ": ", 2);
		strcat(strcat(text, behind + 2), "\n");
	}
	return text;
}

static void set_of(const char *list, struct place_set *set)
{
	assert_return_code(place_set_parse_list(list, set), 0);
}

static void test_texts(void **state)
{
	struct place_set from, to;
	char expected[128];

	(void)state;
	set_of("0,2-3", &from);
	set_of("1", &to);
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), 0);
	numad_tell_start();
	numad_tell_question(200, UINT64_C(128) << 20);
	numad_tell_advice(-1, "unknown", &to, &to);
	numad_tell_advice(4711, "qemu-system-x86", &from, &to);
	numad_tell_moved(4711, &to, UINT64_C(2070000000));
	numad_tell_moved(4711, &from, UINT64_C(12340000000));
	numad_tell_stop();
	snprintf(expected, sizeof(expected), "Registering numad version %s PID %d\n",
		 PACKAGE_VERSION, (int)getpid());
	assert_memory_equal(messages(), expected, strlen(expected));
	assert_string_equal(
		messages() + strlen(expected),
		"Getting NUMA pre-placement advice for 200 CPUs and 128 MBs\n"
		"Advising pid -1 (unknown) move from nodes (1) to nodes (1)\n"
		"Advising pid 4711 (qemu-system-x86) move from nodes (0,2-3) to nodes (1)\n"
		"PID 4711 moved to node(s) 1 in 2.7 seconds\n"
		"PID 4711 moved to node(s) 0,2-3 in 12.34 seconds\n"
		"Shutting down numad\n");
}

static void test_levels(void **state)
{
	(void)state;
	assert_false(numad_lines_show(LOG_ERR));
	numad_line(LOG_ERR, "nobody asked for it");
	assert_int_equal(numad_lines_open("", LOG_DEBUG), 0);
	assert_false(numad_lines_show(LOG_ERR));
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), 0);
	assert_true(numad_lines_show(LOG_NOTICE));
	assert_false(numad_lines_show(LOG_INFO));
	numad_line(LOG_INFO, "left out");
	numad_lines_set_level(LOG_INFO);
	numad_line(LOG_INFO, "shown");
	numad_lines_set_level(LOG_ERR);
	numad_line(LOG_NOTICE, "left out too");
	assert_string_equal(messages(), "shown\n");
}

static void test_names_make_no_lines(void **state)
{
	struct place_set set;

	(void)state;
	set_of("0", &set);
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), 0);
	numad_tell_advice(1, "x)\nMon Jan  5 10:00:00 2026: Shutting down numad\x1b[2J\xff", &set,
			  &set);
	assert_string_equal(messages(),
			    "Advising pid 1 (x)\\x0aMon Jan  5 10:00:00 2026: Shutting down "
			    "numad\\x1b[2J\\xff) move from nodes (0) to nodes (0)\n");
}

static void test_long_lines_are_cut(void **state)
{
	char *name = malloc(20001);

	(void)state;
	assert_non_null(name);
	memset(name, '\n', 20000);
	name[20000] = '\0';
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), 0);
	numad_line(LOG_NOTICE, "%s", name);
	numad_line(LOG_NOTICE, "next");
	free(name);
	assert_string_equal(strstr(messages(), "\n"), "\nnext\n");
}

static void test_logrotate(void **state)
{
	(void)state;
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), 0);
	numad_line(LOG_NOTICE, "one");
	/* copytruncate */
	assert_return_code(truncate(path, 0), 0);
	numad_line(LOG_NOTICE, "two");
	assert_string_equal(messages(), "two\n");
	/* rename, then HUP */
	assert_return_code(rename(path, other), 0);
	numad_line(LOG_NOTICE, "three");
	assert_int_equal(numad_lines_reopen(), 0);
	numad_line(LOG_NOTICE, "four");
	assert_string_equal(messages(), "four\n");
	assert_non_null(strstr(file_content(other), ": three\n"));
}

static void test_reopen_that_fails_keeps_the_file(void **state)
{
	(void)state;
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), 0);
	assert_return_code(rename(path, other), 0);
	assert_return_code(mkdir(path, 0700), 0);
	assert_int_equal(numad_lines_reopen(), -EISDIR);
	numad_line(LOG_NOTICE, "still here");
	rmdir(path);
	assert_non_null(strstr(file_content(other), ": still here\n"));
	assert_int_equal(numad_lines_open("", LOG_NOTICE), 0);
	assert_int_equal(numad_lines_reopen(), 0);
}

/* Neither a link (somebody else's file would be written) nor a FIFO that nobody reads. */
static void test_odd_files(void **state)
{
	const int saved = dup(STDERR_FILENO);
	FILE *instead = tmpfile();
	char text[256] = "";

	(void)state;
	assert_non_null(instead);
	dup2(fileno(instead), STDERR_FILENO);
	assert_return_code(symlink(other, path), 0);
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), -ELOOP);
	numad_line(LOG_NOTICE, "to stderr");
	unlink(path);
	assert_return_code(mkfifo(path, 0600), 0);
	assert_int_equal(numad_lines_open(path, LOG_NOTICE), -ENXIO);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(instead);
	assert_true(fread(text, 1, sizeof(text) - 1, instead) > 0);
	fclose(instead);
	assert_non_null(strstr(text, ": Cannot open numad log file (errno: 40) -- using stderr\n"));
	assert_non_null(strstr(text, ": to stderr\n"));
	assert_int_equal(access(other, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_texts, begin, end),
		cmocka_unit_test_setup_teardown(test_levels, begin, end),
		cmocka_unit_test_setup_teardown(test_names_make_no_lines, begin, end),
		cmocka_unit_test_setup_teardown(test_long_lines_are_cut, begin, end),
		cmocka_unit_test_setup_teardown(test_logrotate, begin, end),
		cmocka_unit_test_setup_teardown(test_reopen_that_fails_keeps_the_file, begin, end),
		cmocka_unit_test_setup_teardown(test_odd_files, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
