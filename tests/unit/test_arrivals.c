/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that begin: that a program of the given names is executed is told, also after it was
 * replaced or when it was installed later; what else happens beside it is not.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "arrivals.h"

static char folder[] = "/tmp/arrivals-XXXXXX";
static char pattern[PATH_MAX];
static const char *const programs[] = { pattern, NULL };

struct told {
	sd_event *event;
	struct arrivals arrivals;
	unsigned n;
};

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* A program of its own, not a link: links are followed to a file that others execute, too. */
static void install(const char *name)
{
	char fresh[PATH_MAX];
	FILE *file;

	snprintf(fresh, sizeof(fresh), "%s", path_of("fresh"));
	file = fopen(fresh, "we");
	assert_non_null(file);
	assert_true(fputs("#!/bin/true\n", file) >= 0);
	assert_int_equal(fchmod(fileno(file), 0755), 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(fresh, path_of(name)), 0);
}

static void execute(const char *name)
{
	int status;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl(path_of(name), name, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Whether somebody was told since the last time: it has happened by now, or it never does. */
static bool is_told(struct told *told)
{
	const unsigned before = told->n;

	while (sd_event_run(told->event, 0) > 0)
		;
	return told->n > before;
}

static void on_arrival(void *data)
{
	((struct told *)data)->n++;
}

static int begin(void **state)
{
	static struct told told;

	if (!mkdtemp(folder))
		return -1;
	snprintf(pattern, sizeof(pattern), "%s/qemu-*", folder);
	install("qemu-system-one");
	told = (struct told){ 0 };
	if (sd_event_new(&told.event) < 0 ||
	    arrivals_begin(told.event, programs, on_arrival, &told, &told.arrivals) < 0)
		return -1;
	*state = &told;
	return told.arrivals.fd >= 0 ? 0 : -1;
}

static int end(void **state)
{
	struct told *told = *state;
	static const char *const names[] = { "qemu-system-one", "qemu-system-two", "other" };

	arrivals_done(&told->arrivals);
	arrivals_done(&told->arrivals);
	sd_event_unref(told->event);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	(void)rmdir(folder);
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	return 0;
}

static void test_execution_is_told(void **state)
{
	struct told *told = *state;

	assert_false(is_told(told));
	execute("qemu-system-one");
	assert_true(is_told(told));
	assert_false(is_told(told));
	execute("qemu-system-one");
	assert_true(is_told(told));
}

static void test_others_are_not(void **state)
{
	struct told *told = *state;

	install("other");
	execute("other");
	assert_false(is_told(told));
}

static void test_replaced(void **state)
{
	struct told *told = *state;

	/* As a guest that runs: the file stays, without a name. */
	const int fd = open(path_of("qemu-system-one"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	install("qemu-system-one");
	(void)is_told(told);
	execute("qemu-system-one");
	assert_true(is_told(told));
	(void)close(fd);
}

static void test_installed_later(void **state)
{
	struct told *told = *state;

	install("qemu-system-two");
	execute("qemu-system-two");
	assert_false(is_told(told));
	arrivals_renew(&told->arrivals);
	execute("qemu-system-two");
	assert_true(is_told(told));
}

static void test_nobody_is_told(void **state)
{
	struct arrivals none = { .fd = -1 };

	(void)state;
	arrivals_renew(&none);
	arrivals_done(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_execution_is_told, begin, end),
		cmocka_unit_test_setup_teardown(test_others_are_not, begin, end),
		cmocka_unit_test_setup_teardown(test_replaced, begin, end),
		cmocka_unit_test_setup_teardown(test_installed_later, begin, end),
		cmocka_unit_test(test_nobody_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
