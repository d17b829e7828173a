/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guarded work: what it returns and writes comes back whole; what hangs, dies or lies does not
 * hold anybody up, and nothing of it is left behind. Deadlines here are either so short that
 * they must pass or so long that they must not: no time is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard.h"
#include "host/cleanup.h"

#define SHORT_MS 50
#define LONG_MS 60000

/* Seen by the child and by us. */
struct shared {
	pid_t child;
	bool holds_output;
};

static struct shared *shared;

static int map_shared(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED;
}

static int write_line(void *data, FILE *out)
{
	return fprintf(out, "%s\n", (const char *)data) < 0 ? -EIO : 0;
}

static int write_nothing(void *data, FILE *out)
{
	(void)data, (void)out;
	return 0;
}

static int write_megabyte(void *data, FILE *out)
{
	(void)data;
	for (unsigned i = 0; i < 1 << 20; i++)
		if (fputc('a' + (int)(i % 23), out) == EOF)
			return -EIO;
	return 0;
}

static void expect_text(int (*work)(void *data, FILE *out), void *data, size_t size)
{
	struct place_text text = { 0 };

	assert_int_equal(guard_run(work, data, LONG_MS, &text), 0);
	assert_int_equal(text.size, size);
	assert_non_null(text.data);
	assert_int_equal(text.data[size], '\0');
	if (work == write_megabyte)
		for (unsigned i = 0; i < size; i++)
			assert_int_equal(text.data[i], 'a' + (int)(i % 23));
	place_text_done(&text);
}

static void test_text_comes_back(void **state)
{
	char line[] = "nodes 0-1";

	(void)state;
	expect_text(write_line, line, 10);
	expect_text(write_nothing, NULL, 0);
	expect_text(write_megabyte, NULL, 1 << 20);
}

static int return_errno(void *data, FILE *out)
{
	fputs("half an answer", out);
	return -*(int *)data;
}

static int die_by_signal(void *data, FILE *out)
{
	fputs("half an answer", out);
	fflush(out);
	signal(*(int *)data, SIG_DFL);
	raise(*(int *)data);
	return 0;
}

static _Noreturn int leave_early(void *data, FILE *out)
{
	(void)out;
	_exit(*(int *)data);
}

static int close_output(void *data, FILE *out)
{
	(void)data;
	fputs("lost", out);
	close(fileno(out));
	return 0;
}

static void test_failures(void **state)
{
	static const struct {
		int (*work)(void *data, FILE *out);
		int data, r;
	} cases[] = {
		{ return_errno, ENOENT, -ENOENT },
		{ return_errno, ENOMEM, -ENOMEM },
		{ return_errno, EOWNERDEAD, -EOWNERDEAD },
		{ die_by_signal, SIGKILL, -EIO },
		{ die_by_signal, SIGSEGV, -EIO },
		{ die_by_signal, SIGABRT, -EIO },
		{ leave_early, 5, -EIO },
		{ close_output, 0, -EIO },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_text text = { .size = 4711 };
		int data = cases[i].data;

		assert_int_equal(guard_run(cases[i].work, &data, LONG_MS, &text), cases[i].r);
		assert_int_equal(text.size, 4711);
		assert_null(text.data);
	}
}

static _Noreturn int hang(void *data, FILE *out)
{
	shared->child = getpid();
	if (data) {
		fputs("half an answer", out);
		fflush(out);
	}
	for (;;)
		pause();
}

static int stop(void *data, FILE *out)
{
	(void)data, (void)out;
	shared->child = getpid();
	raise(SIGSTOP);
	return 0;
}

/* The pipe is closed, the process stays. */
static _Noreturn int close_and_hang(void *data, FILE *out)
{
	(void)data;
	shared->child = getpid();
	close(fileno(out));
	for (;;)
		pause();
}

static _Noreturn int write_for_ever(void *data, FILE *out)
{
	(void)data;
	shared->child = getpid();
	for (;;)
		fputc('x', out);
}

static _Noreturn int ignore_signals(void *data, FILE *out)
{
	(void)data, (void)out;
	shared->child = getpid();
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_IGN);
	for (;;)
		pause();
}

static void test_deadlines(void **state)
{
	static const struct {
		int (*work)(void *data, FILE *out);
		bool data;
		int expected;
	} cases[] = {
		{ hang, false, -ETIMEDOUT },	       { hang, true, -ETIMEDOUT },
		{ stop, false, -ETIMEDOUT },	       { close_and_hang, false, -EIO },
		{ write_for_ever, false, -ETIMEDOUT }, { ignore_signals, false, -ETIMEDOUT },
	};

	(void)state;
	while (waitpid(-1, NULL, 0) > 0)
		; /* children of the tests before, which may still have been ending */
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_text text = { .size = 4711 };
		bool data = cases[i].data;
		int status;

		shared->child = 0;
		unsigned deadline_ms = SHORT_MS;

		if (cases[i].work == write_for_ever)
			deadline_ms = SHORT_MS / 5;
		/* Its end is seen, not waited for, however busy the host is. */
		if (cases[i].expected == -EIO)
			deadline_ms = LONG_MS;
		assert_int_equal(guard_run(cases[i].work, data ? &data : NULL, deadline_ms, &text),
				 cases[i].expected);
		assert_int_equal(text.size, 4711);
		/* It is ours to wait for, and dies by the signal. */
		assert_true(waitpid(-1, &status, 0) > 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(waitpid(-1, &status, 0), -1);
	}
}

/* Whoever reads our output must not wait for the child. */
static int look_at_output(void *data, FILE *out)
{
	const struct stat *callers = data;

	(void)out;
	shared->holds_output = false;
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		struct stat status;

		if (fstat(fd, &status) == 0 && status.st_dev == callers->st_dev &&
		    status.st_ino == callers->st_ino)
			shared->holds_output = true;
	}
	return 0;
}

static void test_output_is_not_held(void **state)
{
	const int out_fd = dup(STDOUT_FILENO), err_fd = dup(STDERR_FILENO);
	struct place_text text = { 0 };
	struct stat status;
	int fds[2], r;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fstat(fds[1], &status), 0);
	fflush(stdout);
	shared->holds_output = true;
	dup2(fds[1], STDOUT_FILENO);
	dup2(fds[1], STDERR_FILENO);
	r = guard_run(look_at_output, &status, LONG_MS, &text);
	dup2(out_fd, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	assert_int_equal(r, 0);
	assert_false(shared->holds_output);
	place_text_done(&text);
	close(fds[0]);
	close(fds[1]);
	close(out_fd);
	close(err_fd);
}

/* A caller that ignores SIGCHLD hands that on through execve(). */
static void test_ignored_children(void **state)
{
	char line[] = "nodes 0";

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	expect_text(write_line, line, 8);
	signal(SIGCHLD, SIG_DFL);
}

static void test_no_descriptors_leak(void **state)
{
	char line[] = "x";
	const int before = dup(0);
	int after, one = 1;
	struct place_text text = { 0 };

	(void)state;
	close(before);
	for (unsigned i = 0; i < 50; i++) {
		expect_text(write_line, line, 2);
		assert_int_equal(guard_run(return_errno, &one, LONG_MS, &text), -1);
	}
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

/* The child goes when its parent is killed, whatever it does. */
static void test_parent_dies(void **state)
{
	int status, fds[2];
	pid_t parent;
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0); /* not O_CLOEXEC: the child holds it as long as it lives */
	shared->child = 0;
	parent = fork();
	if (parent == 0) {
		struct place_text text;

		close(fds[0]);
		guard_run(hang, NULL, LONG_MS, &text);
		_exit(0);
	}
	close(fds[1]);
	while (!*(volatile pid_t *)&shared->child)
		usleep(1000);
	kill(parent, SIGTERM);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	alarm(20);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	alarm(0);
	close(fds[0]);
}

static int run_limited(bool is_blocked)
{
	const pid_t pid = fork();
	sigset_t signals;
	int status;

	if (pid == 0) {
		sigfillset(&signals);
		if (is_blocked)
			sigprocmask(SIG_BLOCK, &signals, NULL);
		guard_limit_rest(SHORT_MS);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_limit_rest(void **state)
{
	int status;

	(void)state;
	status = run_limited(false);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* A caller may have blocked every signal: the limit holds all the same. */
	status = run_limited(true);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_comes_back),	 cmocka_unit_test(test_failures),
		cmocka_unit_test(test_deadlines),	 cmocka_unit_test(test_output_is_not_held),
		cmocka_unit_test(test_ignored_children), cmocka_unit_test(test_no_descriptors_leak),
		cmocka_unit_test(test_parent_dies),	 cmocka_unit_test(test_limit_rest),
	};

	return cmocka_run_group_tests(tests, map_shared, NULL);
}
