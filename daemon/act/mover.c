/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/mover.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "act/mover_child.h"
#include "child.h"

#define PRIORITY_MOVER (SD_EVENT_PRIORITY_NORMAL + 5)

struct mover {
	pid_t pid;
	int pid_fd;
	int fd; /* of socket_source */
	sd_event_source *socket_source, *timer;
	mover_tell on_progress, on_done;
	void *data;
	bool moves_mems;
	bool is_held; /* its guest migrates */
	struct mover_report last;
};

const char *mover_end_word(enum mover_end end)
{
	static const char *const words[MOVER_END_COUNT] = {
		[MOVER_RUNNING] = "running", [MOVER_DONE] = "done",
		[MOVER_STOPPED] = "stopped", [MOVER_GONE] = "gone",
		[MOVER_FULL] = "full",	     [MOVER_PRESSURE] = "pressure",
		[MOVER_SLOW] = "slow",	     [MOVER_DENIED] = "denied",
		[MOVER_DIED] = "died",	     [MOVER_MIGRATING] = "migrating",
		[MOVER_SPARSE] = "sparse",
	};

	return end < MOVER_END_COUNT ? words[end] : "unknown";
}

/* ---- the child ----------------------------------------------------------------------------- */

/*
 * Nothing of the daemon's may outlive it in a child that hangs in the kernel: not its lock on the
 * pid file, not its sockets.
 */
static _Noreturn void run_child(const struct mover_order *order, int fd, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "placed-mover");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	child_close_between(STDERR_FILENO, fd);
	child_close_between(fd, INT_MAX);
	mover_child(order, fd);
	_exit(EXIT_SUCCESS);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static struct mover *mover_free(struct mover *mover)
{
	if (!mover)
		return NULL;
	sd_event_source_disable_unref(mover->socket_source);
	sd_event_source_disable_unref(mover->timer);
	if (mover->pid_fd >= 0)
		close(mover->pid_fd);
	free(mover);
	return NULL;
}

static void finish(struct mover *mover, enum mover_end end)
{
	mover->last.end = end;
	if (end == MOVER_DIED) {
		child_kill(mover->pid_fd, mover->pid);
		mover->last.is_killed = true;
		/* It may have died before it could say so. */
		if (mover->moves_mems)
			mover->last.mems = RELOCATE_WIDE;
	}
	mover->on_done(mover->data, &mover->last);
	mover_free(mover);
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct mover *mover = userdata;
	struct mover_report report;
	ssize_t n;

	(void)source, (void)revents;
	n = recv(fd, &report, sizeof(report), MSG_DONTWAIT);
	/*
	 * A child that ended with a command unread resets the connection, which is told before what
	 * it had sent: that, or its end, is read the next time.
	 */
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
		return 0;
	if (n != (ssize_t)sizeof(report) || report.end >= MOVER_END_COUNT) {
		finish(mover, MOVER_DIED);
		return 0;
	}
	mover->last = report;
	if (report.end == MOVER_RUNNING)
		mover->on_progress(mover->data, &mover->last);
	else
		finish(mover, report.end);
	return 0;
}

static int on_grace(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct mover *mover = userdata;

	(void)source, (void)usec;
	child_kill(mover->pid_fd, mover->pid);
	mover->last.is_killed = true;
	if (mover->moves_mems)
		mover->last.mems = RELOCATE_WIDE;
	finish(mover, mover->is_held ? MOVER_MIGRATING : MOVER_STOPPED);
	return 0;
}

/*
 * Moving pages is nothing that an answer should wait behind; but strangers who ask without end come
 * behind it (serve/socket.c), or a move would not end for as long as they do.
 */
static int watch_child(sd_event *event, struct mover *mover)
{
	int r;

	r = sd_event_add_io(event, &mover->socket_source, mover->fd, EPOLLIN, on_socket, mover);
	if (r < 0) {
		close(mover->fd);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(mover->socket_source, true);
	return sd_event_source_set_priority(mover->socket_source, PRIORITY_MOVER);
}

/* Forks, with a connection between the two. Returns: 0 or -errno. */
static int fork_child(struct mover *mover, const struct mover_order *order)
{
	const pid_t parent = getpid();
	int fds[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	mover->pid = fork();
	if (mover->pid == 0)
		run_child(order, fds[1], parent);
	if (mover->pid < 0)
		r = -errno;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	mover->fd = fds[0];
	mover->pid_fd = child_open(mover->pid);
	return 0;
}

int mover_start(sd_event *event, const struct mover_order *order, mover_tell on_progress,
		mover_tell on_done, void *data, struct mover **ret_mover)
{
	struct mover *mover = calloc(1, sizeof(*mover));
	int r;

	if (!mover)
		return -ENOMEM;
	*mover = (struct mover){
		.pid_fd = -1,
		.on_progress = on_progress,
		.on_done = on_done,
		.data = data,
		.moves_mems = order->moves_mems,
	};
	r = fork_child(mover, order);
	if (r == 0)
		r = watch_child(event, mover);
	if (r < 0) {
		if (mover->pid > 0)
			child_kill(mover->pid_fd, mover->pid);
		mover_free(mover);
		return r;
	}
	*ret_mover = mover;
	return 0;
}

static void tell(struct mover *mover, const struct mover_command *command)
{
	(void)send(mover->fd, command, sizeof(*command), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void mover_pause(struct mover *mover)
{
	tell(mover, &(struct mover_command){ .word = MOVER_PAUSE });
}

void mover_resume(struct mover *mover)
{
	tell(mover, &(struct mover_command){ .word = MOVER_RESUME });
}

void mover_set_bandwidth(struct mover *mover, uint64_t bandwidth_mib_s)
{
	tell(mover, &(struct mover_command){ .word = MOVER_BANDWIDTH,
					     .bandwidth_mib_s = bandwidth_mib_s });
}

void mover_set_reserve(struct mover *mover, uint64_t reserve_bytes, uint64_t from_reserve_bytes)
{
	tell(mover, &(struct mover_command){ .word = MOVER_RESERVE,
					     .reserve_bytes = reserve_bytes,
					     .from_reserve_bytes = from_reserve_bytes });
}

static void stop(struct mover *mover, enum mover_word word)
{
	if (mover->timer)
		return;
	mover->is_held = word == MOVER_HOLD;
	tell(mover, &(struct mover_command){ .word = word });
	if (sd_event_add_time_relative(sd_event_source_get_event(mover->socket_source),
				       &mover->timer, CLOCK_MONOTONIC,
				       MOVER_GRACE_MS * UINT64_C(1000), 1000, on_grace, mover) < 0)
		child_kill(mover->pid_fd, mover->pid);
}

void mover_stop(struct mover *mover)
{
	stop(mover, MOVER_STOP);
}

void mover_hold(struct mover *mover)
{
	stop(mover, MOVER_HOLD);
}

struct mover *mover_cancel(struct mover *mover)
{
	if (mover)
		child_kill(mover->pid_fd, mover->pid);
	return mover_free(mover);
}

pid_t mover_pid(const struct mover *mover)
{
	return mover->pid;
}
