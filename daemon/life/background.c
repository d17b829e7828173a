/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One fork, one pipe. */
#include "life/background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "host/cleanup.h"

/* A start takes milliseconds; a host that needs longer than this is not getting anywhere. */
#define READY_LIMIT_MS 30000

static void reset_signals(void)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	const struct sigaction ignored = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &by_default, NULL);
	(void)sigaction(SIGPIPE, &ignored, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void background_clean(void)
{
	const int n_passed = sd_listen_fds(false);
	unsigned first = SD_LISTEN_FDS_START;

	if (n_passed > 0)
		first += (unsigned)n_passed;
	(void)close_range(first, ~0U, 0);
	reset_signals();
	umask(022);
}

static _Noreturn void fail_parent(const char *program, const char *what)
{
	fprintf(stderr, "%s: the daemon %s\n", program, what);
	exit(EXIT_FAILURE);
}

/* Without a word it ended, and has said on stderr why. */
static _Noreturn void pass_on_status(const char *program, pid_t child)
{
	char what[64];
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			fail_parent(program, "did not get ready");
	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	snprintf(what, sizeof(what), "was ended by signal %d", WTERMSIG(status));
	fail_parent(program, what);
}

static _Noreturn void wait_for_child(const char *program, pid_t child, int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };
	char word;
	ssize_t n;
	int r;

	do
		r = poll(&event, 1, READY_LIMIT_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0) {
		(void)kill(child, SIGKILL);
		fail_parent(program, "did not get ready in time");
	}
	do
		n = read(fd, &word, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		exit(EXIT_SUCCESS);
	pass_on_status(program, child);
}

int background_begin(const char *program, bool in_foreground, struct background *ret_background)
{
	int fds[2];
	pid_t child;

	if (in_foreground) {
		*ret_background = (struct background){ .ready_fd = -1, .keeps_stderr = true };
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	/* What is in a buffer now would be printed twice. */
	(void)fflush(NULL);
	child = fork();
	if (child < 0) {
		const int r = -errno;

		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (child > 0) {
		close(fds[1]);
		wait_for_child(program, child, fds[0]);
	}
	close(fds[0]);
	*ret_background = (struct background){ .ready_fd = fds[1] };
	return setsid() < 0 ? -errno : 0;
}

static int leave_stdio(bool keeps_stderr)
{
	const int last = keeps_stderr ? STDOUT_FILENO : STDERR_FILENO;
	_cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)fflush(NULL);
	for (int std = STDIN_FILENO; std <= last; std++)
		if (dup2(fd, std) < 0)
			return -errno;
	return 0;
}

int background_ready(struct background *background)
{
	int r;

	r = leave_stdio(background->keeps_stderr);
	if (r == 0 && chdir("/") < 0)
		r = -errno;
	if (r < 0 || background->ready_fd < 0)
		return r;
	if (write(background->ready_fd, "1", 1) != 1)
		r = -errno;
	close(background->ready_fd);
	background->ready_fd = -1;
	return r;
}
