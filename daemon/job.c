/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One child, one pipe, one timer. */
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "host/root.h"

struct job {
	pid_t pid;
	int pid_fd;
	sd_event_source *pipe_source;
	sd_event_source *timer;
	job_done done;
	void *data;
	struct place_text text;
	uint64_t heard_ns; /* when it began, or wrote last */
};

/* What a child writes last: a mark and what work returned. Without it, it died. */
struct job_end {
	char mark[8];
	int32_t outcome;
};

static const char end_mark[8] = "job end";

#define READ_LEAST 4096U

/*
 * A child that hangs in the kernel outlives us for long, and what it holds lives on with it: a
 * client would wait for the end of its connection, and the next daemon find that somebody answers
 * at its socket.
 */
static void close_others(int kept, int fd)
{
	const int first = kept < fd ? kept : fd, second = kept < fd ? fd : kept;

	child_close_between(STDERR_FILENO, first);
	child_close_between(first > STDERR_FILENO ? first : STDERR_FILENO, second);
	child_close_between(second, INT_MAX);
}

static _Noreturn void run_child(job_work work, void *data, int kept, int fd, pid_t parent)
{
	struct job_end end = { .outcome = 0 };
	FILE *out = fdopen(fd, "w");
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The loop blocks the signals it reads; a child of it is ended by them. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!out || getppid() != parent)
		_exit(EXIT_FAILURE);
	close_others(kept, fd);
	memcpy(end.mark, end_mark, sizeof(end.mark));
	end.outcome = work(data, out);
	(void)fwrite(&end, sizeof(end), 1, out);
	_exit(fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct job *job_free(struct job *job)
{
	if (!job)
		return NULL;
	sd_event_source_disable_unref(job->pipe_source);
	sd_event_source_disable_unref(job->timer);
	place_text_done(&job->text);
	if (job->pid_fd >= 0)
		close(job->pid_fd);
	free(job);
	return NULL;
}

/* A child that is stuck in the kernel for good is reaped by the loop's SIGCHLD, if ever. */
static void job_finish(struct job *job, int r)
{
	const size_t size = job->text.size;

	if (r < 0)
		child_kill(job->pid_fd, job->pid);
	job->done(job->data, r, job->text.data, size);
	job_free(job);
}

static int take_end(struct job *job)
{
	struct place_text *text = &job->text;
	struct job_end end;

	if (text->size < sizeof(end))
		return -EIO;
	memcpy(&end, text->data + text->size - sizeof(end), sizeof(end));
	if (memcmp(end.mark, end_mark, sizeof(end_mark)) != 0 || end.outcome > 0)
		return -EIO;
	text->size -= sizeof(end);
	return end.outcome;
}

/* Results are a few KiB per guest. */
static int reserve(struct place_text *text)
{
	if (text->room - text->size >= READ_LEAST)
		return 0;
	return place_text_reserve(text, text->room ? text->room * 2 : READ_LEAST * 16);
}

static int on_pipe(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct job *job = userdata;
	struct place_text *text = &job->text;
	ssize_t n;
	int r;

	(void)source, (void)revents;
	r = reserve(text);
	if (r < 0) {
		job_finish(job, r);
		return 0;
	}
	n = read(fd, text->data + text->size, text->room - text->size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0) {
		job->heard_ns = now_ns();
		text->size += (size_t)n;
		return 0;
	}
	job_finish(job, n < 0 ? -errno : take_end(job));
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	job_finish(userdata, -ETIMEDOUT);
	return 0;
}

static int watch_child(sd_event *event, struct job *job, int fd, uint64_t deadline_ms)
{
	int r;

	r = sd_event_add_io(event, &job->pipe_source, fd, EPOLLIN, on_pipe, job);
	if (r < 0) {
		close(fd);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(job->pipe_source, true);
	return sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC, deadline_ms * 1000,
					  1000, on_deadline, job);
}

/* Forks, with a pipe from it; *ret_fd is our end. Returns: 0 or -errno. */
static int fork_child(struct job *job, job_work work, void *data, int kept_fd, int *ret_fd)
{
	const pid_t parent = getpid();
	int fds[2], r = 0;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* The child's end waits, the loop's does not. */
	(void)fcntl(fds[1], F_SETFL, 0);
	job->pid = fork();
	if (job->pid == 0) {
		close(fds[0]);
		run_child(work, data, kept_fd, fds[1], parent);
	}
	if (job->pid < 0)
		r = -errno;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	job->pid_fd = child_open(job->pid);
	*ret_fd = fds[0];
	return 0;
}

int job_start(sd_event *event, job_work work, job_done done, void *data, int kept_fd,
	      uint64_t deadline_ms, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));
	int fd, r;

	if (!job)
		return -ENOMEM;
	*job = (struct job){ .pid_fd = -1, .heard_ns = now_ns(), .done = done, .data = data };
	r = fork_child(job, work, data, kept_fd, &fd);
	if (r == 0)
		r = watch_child(event, job, fd, deadline_ms);
	if (r < 0) {
		if (job->pid > 0)
			child_kill(job->pid_fd, job->pid);
		job_free(job);
		return r;
	}
	*ret_job = job;
	return 0;
}

struct job *job_cancel(struct job *job)
{
	if (job)
		child_kill(job->pid_fd, job->pid);
	return job_free(job);
}

uint64_t job_silent_ms(const struct job *job)
{
	return (now_ns() - job->heard_ns) / 1000000;
}

const void *job_peek(const struct job *job, size_t *ret_size)
{
	*ret_size = job->text.size;
	return job->text.data;
}

pid_t job_pid(const struct job *job)
{
	return job->pid;
}
