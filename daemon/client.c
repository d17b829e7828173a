/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Orders in numad's sequence, one question, and the end of a daemon. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ask/client.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "life/pidfile.h"

/* Somebody at a terminal waits for these; a daemon that lives answers in a few ms. */
#define ORDER_LIMIT_MS 2000
#define STOP_LIMIT_MS 5000
#define STOP_PROGRESS_MS 2000
#define STOP_PAUSE_MS 50

/* ---- orders ------------------------------------------------------------------------------ */

static void print_order(FILE *file, const struct option_order *order)
{
	if (order->letter == 'i' && order->arg2 > 0)
		fprintf(file, "-i %lld:%lld", (long long)order->arg1, (long long)order->arg2);
	else
		fprintf(file, "-%c %lld", order->letter,
			(long long)(order->letter == 'i' ? order->arg2 : order->arg1));
}

static void complain(const struct options *options, const struct option_order *order,
		     const char *why)
{
	fprintf(stderr, "%s: ", options->program);
	print_order(stderr, order);
	fprintf(stderr, ": %s\n", why);
}

static bool is_stop(const struct option_order *order)
{
	return order->letter == 'i' && order->arg2 <= 0;
}

/* Returns: 0 all were sent, refused or not, or -errno: the connection is of no use any more. */
static int send_orders(int fd, const struct options *options, int64_t end_ms, bool *ret_is_refused)
{
	for (size_t i = 0; i < options->n_orders; i++) {
		const struct option_order *order = &options->orders[i];
		const struct place_wire_request request = {
			.kind = PLACE_WIRE_ORDER,
			.letter = order->letter,
			.arg1 = order->arg1,
			.arg2 = order->arg2,
		};
		struct place_wire_reply reply;
		char packet[PLACE_WIRE_MAX];
		int r;

		r = place_client_exchange(fd, &request, end_ms, packet, &reply);
		if (r < 0) {
			complain(options, order,
				 r == -ETIMEDOUT ? "the running daemon does not answer" :
						   strerror(-r));
			*ret_is_refused = true;
			return r;
		}
		if (reply.outcome != PLACE_WIRE_OK) {
			complain(options, order, *reply.text ? reply.text : strerror(reply.error));
			*ret_is_refused = true;
		} else if (is_stop(order)) {
			/* It takes nothing more. */
			return 0;
		}
	}
	return 0;
}

/* ---- the question ------------------------------------------------------------------------ */

static int ask(int fd, const struct place_request *asked, int64_t end_ms,
	       struct place_wire_reply *ret_reply)
{
	const struct place_wire_request request = { .kind = PLACE_WIRE_ADVICE, .advice = *asked };
	struct place_wire_reply reply;
	char packet[PLACE_WIRE_MAX];
	int r;

	r = place_client_exchange(fd, &request, end_ms, packet, &reply);
	if (r < 0)
		return r;
	if (reply.outcome == PLACE_WIRE_ERROR)
		return -reply.error;
	if (!reply.has_nodes)
		return -EBADMSG;
	*ret_reply = reply;
	return 0;
}

/*
 * Among hundreds of processes our own turns come late. That is not the daemon's fault, so its time
 * runs from the moment when it was asked; but not for ever.
 */
static int64_t end_from_here(int64_t end_ms)
{
	const int64_t from_here_ms = place_clock_ms() + CLIENT_ADVICE_LIMIT_MS;
	const int64_t most_ms = end_ms + CLIENT_CROWD_LIMIT_MS - CLIENT_ADVICE_LIMIT_MS;

	return from_here_ms < most_ms ? from_here_ms : most_ms;
}

int client_ask(const struct options *options, struct client_advice *ret_advice)
{
	const int64_t end_ms = place_clock_ms() + CLIENT_ADVICE_LIMIT_MS;
	_cleanup_close_ int fd = -1;
	int r;

	ret_advice->is_refused = false;
	r = place_client_open(PLACE_SOCKET_PATH, end_ms, &fd);
	if (r == 0)
		r = send_orders(fd, options, end_ms, &ret_advice->is_refused);
	if (r == 0)
		r = ask(fd, &options->request, end_from_here(end_ms), &ret_advice->reply);
	return r;
}

/* ---- no question ------------------------------------------------------------------------- */

static int say_hello(int fd, int64_t end_ms, pid_t *ret_pid)
{
	const struct place_wire_request request = { .kind = PLACE_WIRE_HELLO };
	struct place_wire_reply reply;
	char packet[PLACE_WIRE_MAX];
	int r;

	r = place_client_exchange(fd, &request, end_ms, packet, &reply);
	if (r < 0)
		return r;
	if (reply.outcome != PLACE_WIRE_OK || reply.pid <= 0)
		return -EBADMSG;
	*ret_pid = (pid_t)reply.pid;
	return 0;
}

/*
 * What becomes readable when the daemon ends: itself, or our connection, where its pid is another's
 * in our PID namespace. To connect again would wake a daemon that systemd starts on demand.
 */
static int open_end(pid_t pid)
{
	_cleanup_close_ int fd = -1;
	char path[64], comm[16] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);
	if (n < 0 || (strcmp(comm, "placed\n") != 0 && strcmp(comm, "numad\n") != 0))
		return -1;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool has_ended(int end_fd)
{
	struct pollfd event = { .fd = end_fd, .events = POLLIN };

	return poll(&event, 1, STOP_PAUSE_MS) > 0;
}

static int wait_for_end(const struct options *options, int end_fd, pid_t pid)
{
	const int64_t start_ms = place_clock_ms();
	bool has_said = false;

	while (!has_ended(end_fd)) {
		const int64_t waited_ms = place_clock_ms() - start_ms;

		if (waited_ms >= STOP_LIMIT_MS) {
			fprintf(stderr, "%s: PID %d has been told to stop, and is still there\n",
				options->program, pid);
			return EXIT_FAILURE;
		}
		if (waited_ms >= STOP_PROGRESS_MS && !has_said) {
			fprintf(stderr, "%s: waiting for PID %d to end\n", options->program, pid);
			has_said = true;
		}
	}
	return EXIT_SUCCESS;
}

/* numad says nothing, and its status is 0; one who wants a process that stays has to know. */
static int say_running(const struct options *options, pid_t pid)
{
	if (!options->is_called_numad || options_want_own(options))
		fprintf(stderr, "%s: placed is running already, as PID %d\n", options->program,
			pid);
	return options_want_own(options) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Returns: the exit status, or -ECONNRESET or -EPIPE where it ended before it said anything. */
static int steer(int fd, const struct options *options, int64_t end_ms)
{
	const struct option_order *interval = options_order(options, 'i');
	const bool stops = interval && is_stop(interval);
	_cleanup_close_ int end_fd = -1;
	bool is_refused = false;
	pid_t pid;
	int r;

	r = say_hello(fd, end_ms, &pid);
	if (r == -ECONNRESET || r == -EPIPE)
		return r;
	if (r < 0) {
		fprintf(stderr, "%s: a daemon is there, but does not answer: %s\n",
			options->program, strerror(-r));
		return EXIT_FAILURE;
	}
	if (!options->n_orders || options_want_own(options))
		return say_running(options, pid);
	/* Before it is told: its pid is not another's by then. */
	if (stops)
		end_fd = open_end(pid);
	r = send_orders(fd, options, end_ms, &is_refused);
	if (r < 0 || is_refused)
		return EXIT_FAILURE;
	return stops ? wait_for_end(options, end_fd >= 0 ? end_fd : fd, pid) : EXIT_SUCCESS;
}

/* It runs, and nobody can ask it: its socket was removed. */
static bool stop_by_pid_file(const struct options *options, int *ret_status)
{
	const struct option_order *interval = options_order(options, 'i');
	_cleanup_close_ int end_fd = -1;
	pid_t pid;

	if (!interval || !is_stop(interval) || pidfile_find(PLACED_PID_PATH, &pid) < 0)
		return false;
	*ret_status = EXIT_FAILURE;
	end_fd = open_end(pid);
	if (end_fd < 0) /* of another PID namespace, perhaps: then that pid is somebody else's */
		fprintf(stderr, "%s: a daemon runs that cannot be told to stop: %s names PID %d\n",
			options->program, PLACED_PID_PATH, (int)pid);
	else if (syscall(SYS_pidfd_send_signal, end_fd, SIGTERM, NULL, 0) < 0)
		fprintf(stderr, "%s: PID %d runs, and cannot be told to stop: %s\n",
			options->program, (int)pid, strerror(errno));
	else
		*ret_status = wait_for_end(options, end_fd, pid);
	return true;
}

/* systemd holds the socket already, and we are who has to answer there. */
static bool is_activated(void)
{
	const char *pid = getenv("LISTEN_PID");

	return pid && atol(pid) == getpid();
}

bool client_steer(const struct options *options, int *ret_status)
{
	const int64_t end_ms = place_clock_ms() + ORDER_LIMIT_MS;
	_cleanup_close_ int fd = -1;
	int r;

	if (options->root || is_activated())
		return false;
	r = place_client_open(PLACE_SOCKET_PATH, end_ms, &fd);
	if (r == -ETIMEDOUT) {
		fprintf(stderr, "%s: a daemon is there, but does not answer\n", options->program);
		*ret_status = EXIT_FAILURE;
		return true;
	}
	if (r < 0)
		return stop_by_pid_file(options, ret_status);
	r = steer(fd, options, end_ms);
	/* It died just now, or dies: who comes next is the first, unless its pid file says no. */
	if (r == -ECONNRESET || r == -EPIPE)
		return false;
	*ret_status = r;
	return true;
}
