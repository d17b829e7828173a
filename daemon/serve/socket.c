/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who gets in, and when it has to go: each state of a client has an end, and one timer for all of
 * them looks for clients past theirs. What they say: socket_client.c.
 */
#include "serve/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.h"
#include "serve/socket_client.h"

/* Taken from the queue per wakeup; then others have their turn. */
#define ACCEPT_MAX 64
/* How late a client past its end may be found. */
#define SWEEP_USEC 250000

/*
 * Strangers come behind all else that the loop does. Taking connections does not come before it:
 * whoever connects without end would then have the loop for himself.
 */
#define PRIORITY_STRANGER (SD_EVENT_PRIORITY_NORMAL + 10)

static int on_sweep(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct serve_socket *socket = userdata;
	struct serve_socket_counters *counters = &socket->counters;
	const int64_t now_ms = place_clock_ms();

	(void)usec;
	(void)sd_event_source_set_time_relative(source, SWEEP_USEC);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	for (struct client *client = socket->clients, *next; client; client = next) {
		next = client->next;
		if (now_ms < client->end_ms || socket_has_request(client))
			continue;
		if (client->state == READING)
			counters->n_idle++;
		else if (client->state == WRITING)
			counters->n_slow++;
		else
			counters->n_unanswered++;
		socket_drop(client);
	}
	return 0;
}

/* ---- accepting --------------------------------------------------------------------------- */

static bool may_enter(const struct serve_socket *socket, const struct serve_peer *peer)
{
	unsigned n_same = 0;

	if (peer->is_root)
		return socket->counters.n_root < SOCKET_ROOT_MAX;
	if (socket->counters.n_strangers >= SOCKET_STRANGERS_MAX)
		return false;
	for (const struct client *client = socket->clients; client; client = client->next)
		n_same += client->peer.uid == peer->uid;
	return n_same < SOCKET_STRANGERS_PER_UID;
}

static int add_client(struct serve_socket *socket, int fd, const struct serve_peer *peer)
{
	struct client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	r = sd_event_add_io(socket->event, &client->source, fd, EPOLLIN, socket_on_client, client);
	if (r < 0) {
		free(client);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(client->source, true);
	if (!peer->is_root)
		(void)sd_event_source_set_priority(client->source, PRIORITY_STRANGER);
	client->socket = socket;
	client->fd = fd;
	client->peer = *peer;
	socket_set_state(client, READING, SOCKET_IDLE_LIMIT_MS);
	if (!socket->clients) {
		(void)sd_event_source_set_time_relative(socket->sweeper, SWEEP_USEC);
		(void)sd_event_source_set_enabled(socket->sweeper, SD_EVENT_ONESHOT);
	}
	client->next = socket->clients;
	client->link = &socket->clients;
	if (client->next)
		client->next->link = &client->next;
	socket->clients = client;
	if (peer->is_root)
		socket->counters.n_root++;
	else
		socket->counters.n_strangers++;
	socket->counters.n_accepted++;
	return 0;
}

static void welcome(struct serve_socket *socket, int fd)
{
	struct serve_peer peer = { .uid = (uid_t)-1 };
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	/* As our user namespace sees it: root of another one is a stranger. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
		peer.pid = credentials.pid;
		peer.uid = credentials.uid;
		peer.is_root = credentials.uid == 0;
	}
	if (may_enter(socket, &peer) && add_client(socket, fd, &peer) == 0)
		return;
	socket->counters.n_refused++;
	close(fd);
}

/*
 * Without a descriptor to take it by, a connection would wake us for ever.
 * Returns: whether there was one.
 */
static bool shed(struct serve_socket *socket, int listen_fd)
{
	int fd;

	if (socket->spare_fd < 0)
		return false;
	close(socket->spare_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		socket->counters.n_refused++;
		close(fd);
	}
	socket->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static bool is_short_of_descriptors(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static int on_connection(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata)
{
	struct serve_socket *socket = userdata;

	(void)source, (void)revents;
	for (unsigned n = 0; n < ACCEPT_MAX; n++) {
		const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			welcome(socket, fd);
		else if (errno == EINTR || errno == ECONNABORTED)
			continue;
		else if (!is_short_of_descriptors(errno) || !shed(socket, listen_fd))
			break;
	}
	return 0;
}

/* ---- all of it --------------------------------------------------------------------------- */

static int add_sources(struct serve_socket *socket, int listen_fd)
{
	int r;

	r = sd_event_add_time_relative(socket->event, &socket->sweeper, CLOCK_MONOTONIC, SWEEP_USEC,
				       SWEEP_USEC / 5, on_sweep, socket);
	if (r < 0)
		return r;
	(void)sd_event_source_set_enabled(socket->sweeper, SD_EVENT_OFF);
	return sd_event_add_io(socket->event, &socket->listener, listen_fd, EPOLLIN, on_connection,
			       socket);
}

int socket_open(sd_event *event, const struct serve_ops *ops, int listen_fd,
		struct serve_socket **ret_socket)
{
	struct serve_socket *socket = calloc(1, sizeof(*socket));
	const bool is_given = listen_fd >= 0;
	int fd, r;

	if (!socket)
		return -ENOMEM;
	socket->event = sd_event_ref(event);
	socket->ops = ops;
	socket->spare_fd = -1;
	if (is_given) {
		r = socket_check_listening(listen_fd);
		fd = r < 0 ? r : listen_fd;
	} else {
		fd = socket_listen(&socket->path);
	}
	r = fd < 0 ? fd : add_sources(socket, fd);
	if (r < 0) {
		if (fd >= 0 && !is_given)
			close(fd);
		socket_close(socket);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(socket->listener, true);
	socket->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*ret_socket = socket;
	return 0;
}

struct serve_socket *socket_close(struct serve_socket *socket)
{
	if (!socket)
		return NULL;
	/* First, so that who starts now finds nobody and does not wait. */
	socket_unlink(&socket->path);
	while (socket->clients)
		socket_drop(socket->clients);
	sd_event_source_disable_unref(socket->listener);
	sd_event_source_disable_unref(socket->sweeper);
	if (socket->spare_fd >= 0)
		close(socket->spare_fd);
	sd_event_unref(socket->event);
	free(socket);
	return NULL;
}

const struct serve_socket_counters *socket_counters(const struct serve_socket *socket)
{
	return &socket->counters;
}
