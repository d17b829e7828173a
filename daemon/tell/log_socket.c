/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams to the journal or to syslog. Never waits, never raises SIGPIPE. */
#include "tell/log_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int log_socket_open(struct log_socket *log, const char *path)
{
	int fd;

	*log = (struct log_socket){ .path = path, .fd = -1 };
	fd = connect_to(path, SOCK_DGRAM);
	/* Some syslog daemons listen for streams (syslog-ng's unix-stream). */
	if (fd == -EPROTOTYPE) {
		log->is_stream = true;
		fd = connect_to(path, SOCK_STREAM);
	}
	if (fd < 0)
		return fd;
	log->fd = fd;
	return 0;
}

void log_socket_close(struct log_socket *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

/* In a stream a NUL ends a message; one that went out in part would spoil the next. */
static int send_once(struct log_socket *log, const char *message, size_t size)
{
	const size_t whole = size + log->is_stream;
	ssize_t n;

	if (log->fd < 0)
		return -ENOTCONN;
	n = send(log->fd, message, whole, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 && (size_t)n < whole)
		return -EPIPE;
	return n < 0 ? -errno : 0;
}

int log_socket_send(struct log_socket *log, const char *message, size_t size)
{
	int r;

	r = send_once(log, message, size);
	if (r == 0 || r == -EAGAIN || r == -EMSGSIZE || r == -ENOBUFS)
		return r;
	log_socket_close(log);
	r = log_socket_open(log, log->path);
	return r < 0 ? r : send_once(log, message, size);
}

/*
 * A pipe that polls as writable takes PIPE_BUF bytes without waiting (pipe(7)), a terminal that
 * somebody stopped does not poll as writable.
 */
int log_descriptor_send(int fd, const char *message, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT) || ready.revents & POLLERR)
		return -EAGAIN;
	n = write(fd, message, size);
	return n < 0 ? -errno : 0;
}
