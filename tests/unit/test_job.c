/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what a child writes comes back whole; one that hangs, dies or lies is over all the same,
 * and done() is called exactly once, or never after a cancel. No time is measured: deadlines
 * are so short that they must pass, or so long that they must not.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"
#include "job.h"

#define SHORT_MS 50
#define LONG_MS 60000
#define MANY 300000

struct outcome {
	sd_event *event;
	int n_done;
	int r;
	size_t size;
	char text[64];
	bool is_all_x;
};

static void on_done(void *data, int r, const void *bytes, size_t size)
{
	struct outcome *outcome = data;

	outcome->n_done++;
	outcome->r = r;
	outcome->size = size;
	snprintf(outcome->text, sizeof(outcome->text), "%.*s", (int)(size < 63 ? size : 63),
		 size ? (const char *)bytes : "");
	outcome->is_all_x = true;
	for (size_t i = 0; i < size; i++)
		outcome->is_all_x = outcome->is_all_x && ((const char *)bytes)[i] == 'x';
	sd_event_exit(outcome->event, 0);
}

static struct outcome run_with(job_work work, int kept_fd, uint64_t deadline_ms)
{
	struct outcome outcome = { 0 };
	struct job *job;

	assert_true(sd_event_new(&outcome.event) >= 0);
	assert_int_equal(
		job_start(outcome.event, work, on_done, &outcome, kept_fd, deadline_ms, &job), 0);
	assert_true(sd_event_loop(outcome.event) >= 0);
	assert_int_equal(outcome.n_done, 1);
	sd_event_unref(outcome.event);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return outcome;
}

static struct outcome run(job_work work, uint64_t deadline_ms)
{
	return run_with(work, -1, deadline_ms);
}

static int say(void *data, FILE *out)
{
	(void)data;
	return fputs("said", out) < 0 ? -EIO : 0;
}

static int say_much(void *data, FILE *out)
{
	(void)data;
	for (unsigned i = 0; i < MANY; i++)
		if (fputc('x', out) == EOF)
			return -EIO;
	return 0;
}

static int refuse(void *data, FILE *out)
{
	(void)data;
	fputs("some", out);
	return -ENODATA;
}

static int hang(void *data, FILE *out)
{
	(void)data;
	fputs("before", out);
	fflush(out);
	while (pause() < 0)
		;
	return 0;
}

static int die(void *data, FILE *out)
{
	(void)data;
	fputs("before", out);
	fflush(out);
	raise(SIGKILL);
	return 0;
}

static void test_result_comes_back(void **state)
{
	struct outcome outcome;

	(void)state;
	outcome = run(say, LONG_MS);
	assert_int_equal(outcome.r, 0);
	assert_string_equal(outcome.text, "said");
	outcome = run(say_much, LONG_MS);
	assert_int_equal(outcome.r, 0);
	assert_int_equal(outcome.size, MANY);
	assert_true(outcome.is_all_x);
}

static void test_failure_is_passed_on(void **state)
{
	const struct outcome outcome = run(refuse, LONG_MS);

	(void)state;
	assert_int_equal(outcome.r, -ENODATA);
	assert_string_equal(outcome.text, "some");
}

static void test_deadline_ends_it(void **state)
{
	const struct outcome outcome = run(hang, SHORT_MS);

	(void)state;
	assert_int_equal(outcome.r, -ETIMEDOUT);
	/* run() has reaped it: it was killed. */
}

static void test_death_is_seen(void **state)
{
	const struct outcome outcome = run(die, LONG_MS);

	(void)state;
	assert_int_equal(outcome.r, -EIO);
	assert_string_equal(outcome.text, "before");
}

/* A child that hangs must not keep a client's connection, or the socket, open. */
static int fds[4];

static int say_which_are_open(void *data, FILE *out)
{
	(void)data;
	for (unsigned i = 0; i < 4; i++)
		fputc(fcntl(fds[i], F_GETFD) < 0 ? '-' : '+', out);
	return fcntl(STDERR_FILENO, F_GETFD) < 0 ? -EBADF : 0;
}

static void test_descriptors_stay_here(void **state)
{
	struct outcome outcome;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fds[i] = open("/", O_PATH | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	outcome = run_with(say_which_are_open, fds[1], LONG_MS);
	assert_int_equal(outcome.r, 0);
	assert_string_equal(outcome.text, "-+--");
	/* The pipe's end gets a number below that of the one that is kept. */
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	outcome = run_with(say_which_are_open, fds[3], LONG_MS);
	assert_int_equal(outcome.r, 0);
	assert_int_equal(outcome.text[3], '+');
	outcome = run(say_which_are_open, LONG_MS);
	assert_int_equal(outcome.text[3], '-');
	close(fds[3]);
}

static void test_reaped_is_not_there(void **state)
{
	const pid_t pid = fork();

	(void)state;
	if (pid == 0)
		for (;;)
			pause();
	assert_true(child_is_there(pid));
	child_kill(-1, pid);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(child_is_there(pid));
	assert_false(child_is_there(1));
}

static void test_cancel_calls_nobody(void **state)
{
	struct outcome outcome = { 0 };
	struct job *job;

	(void)state;
	assert_true(sd_event_new(&outcome.event) >= 0);
	assert_int_equal(job_start(outcome.event, hang, on_done, &outcome, -1, LONG_MS, &job), 0);
	assert_null(job_cancel(job));
	assert_true(waitpid(-1, NULL, 0) > 0);
	assert_int_equal(sd_event_run(outcome.event, 0), 0);
	assert_int_equal(outcome.n_done, 0);
	sd_event_unref(outcome.event);
	assert_null(job_cancel(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result_comes_back),
		cmocka_unit_test(test_failure_is_passed_on),
		cmocka_unit_test(test_deadline_ends_it),
		cmocka_unit_test(test_death_is_seen),
		cmocka_unit_test(test_descriptors_stay_here),
		cmocka_unit_test(test_reaped_is_not_there),
		cmocka_unit_test(test_cancel_calls_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
