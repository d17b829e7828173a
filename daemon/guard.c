/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child that works, a parent that waits so long and no longer. */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/clock.h"
#include "host/text.h"

/*
 * Whoever reads the caller's output waits for its last holder, and a child in a system call
 * that no signal ends may hold it for long.
 */
static void leave_output(void)
{
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int out = STDOUT_FILENO; out <= STDERR_FILENO; out++)
		if (fd < 0 || dup2(fd, out) < 0)
			close(out);
	if (fd > STDERR_FILENO)
		close(fd);
}

static _Noreturn void run_child(int (*work)(void *data, FILE *out), void *data, int fd,
				pid_t parent)
{
	FILE *out = fdopen(fd, "w");
	pid_t now;
	int r;

	/* The parent may have gone before; 0 is one in another PID namespace. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	now = getppid();
	if (now != parent && now != 0)
		_exit(EXIT_FAILURE);
	leave_output();
	if (!out)
		_exit(EXIT_FAILURE);
	r = work(data, out);
	fprintf(out, "%c%d\n", '\0', -r);
	_exit(fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Until the child closes its end. */
static int collect(int fd, int64_t end_ms, struct place_text *text)
{
	char bytes[4096];

	for (;;) {
		struct pollfd event = { .fd = fd, .events = POLLIN };
		const int64_t left_ms = end_ms - place_clock_ms();
		ssize_t n;
		int r;

		if (left_ms <= 0)
			return -ETIMEDOUT;
		r = poll(&event, 1, (int)left_ms);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		n = read(fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = place_text_append(text, bytes, (size_t)n);
		if (r < 0)
			return r;
	}
}

/*
 * Behind what work wrote stand a NUL and what it returned; without them it died. Its exit status
 * would say the same, but a process takes its time to end, and nobody has to wait for that.
 */
static int take_end(struct place_text *text)
{
	const char *end = memchr(text->data, '\0', text->size);
	uint64_t outcome;

	if (!end || place_text_u64(end + 1, &outcome) < 0 || outcome > INT_MAX)
		return -EIO;
	text->size = (size_t)(end - text->data);
	return -(int)outcome;
}

int guard_run(int (*work)(void *data, FILE *out), void *data, unsigned deadline_ms,
	      struct place_text *ret_text)
{
	const int64_t end_ms = place_clock_ms() + deadline_ms;
	_cleanup_close_ int read_fd = -1;
	_cleanup_text_ struct place_text text = { 0 };
	const pid_t parent = getpid();
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	read_fd = fds[0];
	pid = fork();
	if (pid == 0)
		run_child(work, data, fds[1], parent);
	r = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (r < 0)
		return r;
	r = place_text_append(&text, "", 0);
	if (r == 0)
		r = collect(read_fd, end_ms, &text);
	if (r == 0)
		r = take_end(&text);
	if (r < 0) {
		kill(pid, SIGKILL);
		return r;
	}
	(void)waitpid(pid, NULL, WNOHANG);
	*ret_text = text;
	text = (struct place_text){ 0 };
	return 0;
}

static void leave(int signal_number)
{
	(void)signal_number;
	_exit(EXIT_SUCCESS);
}

void guard_limit_rest(unsigned limit_ms)
{
	const struct itimerval timer = {
		.it_value = { .tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000 },
	};
	const struct sigaction action = { .sa_handler = leave };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}
