/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* connect, send, receive: each under the same deadline. */
#include "ask/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/clock.h"

/* A nonblocking connect() gives up where the queue is full; one with a time limit gets its turn. */
static int connect_within(int fd, const struct sockaddr_un *address, int64_t end_ms)
{
	for (;;) {
		const int64_t left_ms = end_ms - place_clock_ms();
		const struct timeval limit = { .tv_sec = left_ms / 1000,
					       .tv_usec = left_ms % 1000 * 1000 };

		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return 0;
		if (errno == EAGAIN)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* Of who called listen(). An answer steers where memory goes, so not everybody may give one. */
static int check_peer(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	return peer.uid == 0 || peer.uid == geteuid() ? 0 : -EPERM;
}

int place_client_open(const char *path, int64_t end_ms, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect_within(fd, &address, end_ms);
	if (r == 0)
		r = check_peer(fd);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Returns: 0 when it may be ready, or -errno. */
static int wait_for(int fd, short events, int64_t end_ms)
{
	struct pollfd event = { .fd = fd, .events = events };
	const int64_t left_ms = end_ms - place_clock_ms();

	if (left_ms <= 0)
		return -ETIMEDOUT;
	if (poll(&event, 1, left_ms > 60000 ? 60000 : (int)left_ms) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int send_packet(int fd, const char *packet, size_t size, int64_t end_ms)
{
	for (;;) {
		int r;

		if (send(fd, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(fd, POLLOUT, end_ms);
		if (r < 0)
			return r;
	}
}

/* Returns: 0, -EAGAIN nothing is there, -ECONNRESET the other end is gone, ... */
static int take_packet(int fd, char packet[PLACE_WIRE_MAX], struct place_wire_reply *ret_reply)
{
	const ssize_t n = recv(fd, packet, PLACE_WIRE_MAX, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ECONNRESET;
	return place_wire_parse_reply(packet, (size_t)n, ret_reply);
}

static int receive(int fd, char packet[PLACE_WIRE_MAX], int64_t end_ms,
		   struct place_wire_reply *ret_reply)
{
	for (;;) {
		int r;

		/* Most replies take a moment, so waiting comes first. */
		r = wait_for(fd, POLLIN, end_ms);
		if (r == -ETIMEDOUT) {
			/* What came at the last moment counts; behind this nothing comes. */
			(void)shutdown(fd, SHUT_RDWR);
			r = take_packet(fd, packet, ret_reply);
			return r == -EAGAIN || r == -ECONNRESET ? -ETIMEDOUT : r;
		}
		if (r == 0)
			r = take_packet(fd, packet, ret_reply);
		if (r != -EAGAIN)
			return r;
	}
}

int place_client_exchange(int fd, const struct place_wire_request *request, int64_t end_ms,
			  char packet[PLACE_WIRE_MAX], struct place_wire_reply *ret_reply)
{
	int size, r;

	size = place_wire_format_request(request, packet, PLACE_WIRE_MAX);
	if (size < 0)
		return size;
	r = send_packet(fd, packet, (size_t)size, end_ms);
	return r < 0 ? r : receive(fd, packet, end_ms, ret_reply);
}

int place_client_command(int fd, const char *verb, const char *argument, int64_t end_ms,
			 struct place_text *ret_text, struct place_wire_reply *ret_reply)
{
	struct place_wire_request request = { .kind = PLACE_WIRE_COMMAND };
	_cleanup_text_ struct place_text text = { 0 };
	struct place_wire_reply reply;
	char packet[PLACE_WIRE_MAX];
	int r;

	if (strlen(verb) >= sizeof(request.verb) || strlen(argument) >= sizeof(request.argument))
		return -ENAMETOOLONG;
	strcpy(request.verb, verb);
	strcpy(request.argument, argument);
	r = place_text_append(&text, "", 0);
	if (r == 0)
		r = place_client_exchange(fd, &request, end_ms, packet, &reply);
	while (r == 0 && reply.outcome == PLACE_WIRE_LINE) {
		r = place_text_append(&text, reply.line, reply.line_size);
		if (r == 0)
			r = receive(fd, packet, end_ms, &reply);
	}
	if (r < 0)
		return r;
	if (reply.outcome == PLACE_WIRE_ERROR) {
		*ret_reply = reply;
		return -reply.error;
	}
	*ret_text = text;
	text = (struct place_text){ 0 };
	return 0;
}
