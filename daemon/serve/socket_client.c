/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client says, and what it is told. It is in one of three states: we read its request, the
 * daemon thinks about its question, or we write a long reply. One request at a time: the next is
 * not read before the last is answered.
 */
#include "serve/socket_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask/wire.h"
#include "host/clock.h"

/* ---- clients come and go ----------------------------------------------------------------- */

static void free_text(struct client *client)
{
	if (!client->peer.is_root)
		client->socket->strangers_text -= client->text_size;
	free(client->text);
	client->text = NULL;
	client->text_size = client->text_at = 0;
}

void socket_drop(struct client *client)
{
	struct serve_socket *socket = client->socket;

	if (client->state == ASKING)
		socket->ops->forget(socket->ops->daemon, &client->ask);
	if (client->is_gone)
		*client->is_gone = true;
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	if (client->peer.is_root)
		socket->counters.n_root--;
	else
		socket->counters.n_strangers--;
	free_text(client);
	sd_event_source_disable_unref(client->source);
	free(client);
	if (!socket->clients)
		(void)sd_event_source_set_enabled(socket->sweeper, SD_EVENT_OFF);
}

void socket_set_state(struct client *client, enum client_state state, unsigned limit_ms)
{
	static const uint32_t events[] = {
		[READING] = EPOLLIN, [ASKING] = 0, [WRITING] = EPOLLOUT
	};

	if (client->state != state)
		(void)sd_event_source_set_io_events(client->source, events[state]);
	client->state = state;
	/* Not by the loop's time: what this turn took is not the client's. */
	client->end_ms = place_clock_ms() + limit_ms;
}

/* ---- replies ----------------------------------------------------------------------------- */

/* Returns: 0, -EAGAIN it does not read, or that it is gone. */
static int send_reply(const struct client *client, const struct place_wire_reply *reply)
{
	char packet[PLACE_WIRE_MAX + 1];
	int size;

	size = place_wire_format_reply(reply, packet, sizeof(packet));
	if (size < 0)
		return size;
	return send(client->fd, packet, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The client is gone where that fails: who has not read the last reply gets no other one. */
static void reply_or_drop(struct client *client, const struct place_wire_reply *reply)
{
	struct serve_socket *socket = client->socket;
	int r;

	r = send_reply(client, reply);
	if (r == 0) {
		socket_set_state(client, READING, SOCKET_IDLE_LIMIT_MS);
		return;
	}
	if (r == -EAGAIN)
		socket->counters.n_slow++;
	socket_drop(client);
}

static void fill_error(struct place_wire_reply *reply, int r, const char *text)
{
	*reply = (struct place_wire_reply){ .outcome = PLACE_WIRE_ERROR, .error = -r };
	snprintf(reply->text, sizeof(reply->text), "%s", text ? text : "");
}

static void reply_error(struct client *client, int r, const char *text)
{
	struct place_wire_reply reply;

	fill_error(&reply, r, text);
	reply_or_drop(client, &reply);
}

/* Who sends what is no request gets nothing else from us. */
static void refuse_and_drop(struct client *client, int r, const char *text)
{
	struct place_wire_reply reply;

	client->socket->counters.n_malformed++;
	fill_error(&reply, r, text);
	(void)send_reply(client, &reply);
	socket_drop(client);
}

/* Packets of a command's text until the client has no room for more. */
static void write_text(struct client *client)
{
	const struct place_wire_reply ok = { .outcome = PLACE_WIRE_OK };

	while (client->text_at < client->text_size) {
		struct place_wire_reply reply = { .outcome = PLACE_WIRE_LINE };
		int r;

		reply.line = client->text + client->text_at;
		reply.line_size = place_wire_cut(reply.line, client->text_size - client->text_at);
		r = send_reply(client, &reply);
		if (r == -EAGAIN) {
			if (client->state != WRITING)
				socket_set_state(client, WRITING, SOCKET_IDLE_LIMIT_MS);
			return;
		}
		if (r < 0) {
			socket_drop(client);
			return;
		}
		client->text_at += reply.line_size;
	}
	free_text(client);
	reply_or_drop(client, &ok);
}

/* ---- requests ---------------------------------------------------------------------------- */

static bool is_waiting(const struct serve_ask *ask)
{
	const struct client *client =
		(const struct client *)((const char *)ask - offsetof(struct client, ask));
	struct pollfd event = { .fd = client->fd };

	return poll(&event, 1, 0) == 0;
}

static void on_answer(struct serve_ask *ask, const struct serve_answer *answer)
{
	struct client *client = (struct client *)((char *)ask - offsetof(struct client, ask));
	struct place_wire_reply reply = { .has_nodes = true, .is_booked = answer->is_booked };
	struct serve_socket *socket = client->socket;
	int r;

	reply.nodes = *answer->nodes;
	strncpy(reply.verdict, answer->verdict, sizeof(reply.verdict) - 1);
	strncpy(reply.note, answer->note ? answer->note : "", sizeof(reply.note) - 1);
	socket_set_state(client, READING, SOCKET_IDLE_LIMIT_MS);
	r = send_reply(client, &reply);
	if (r == -ENOBUFS) {
		reply_error(client, -EMSGSIZE, "the answer does not fit into a packet");
	} else if (r < 0) {
		socket->counters.n_undelivered++;
		socket_drop(client);
	}
}

static void take_advice(struct client *client, const struct place_wire_request *request)
{
	struct serve_socket *socket = client->socket;
	bool is_gone = false;

	socket->counters.n_advice++;
	client->ask = (struct serve_ask){
		.request = request->advice,
		.peer = client->peer,
		.answer = on_answer,
		.is_waiting = is_waiting,
	};
	/* The answer may come at once, and end the client: nothing of it is touched then. */
	client->is_gone = &is_gone;
	socket_set_state(client, ASKING, SOCKET_ANSWER_LIMIT_MS);
	socket->ops->ask(socket->ops->daemon, &client->ask);
	if (!is_gone)
		client->is_gone = NULL;
}

static void take_order(struct client *client, const struct place_wire_request *request)
{
	const struct serve_order order = {
		.letter = request->letter,
		.arg1 = request->arg1,
		.arg2 = request->arg2,
		.peer = client->peer,
	};
	const struct place_wire_reply ok = { .outcome = PLACE_WIRE_OK };
	struct serve_socket *socket = client->socket;
	int r = -EPERM;

	if (client->peer.is_root) {
		socket->counters.n_orders++;
		r = socket->ops->order(socket->ops->daemon, &order);
	}
	if (r == -EPERM) {
		socket->counters.n_denied++;
		reply_error(client, r, "only root may change the running daemon");
	} else if (r < 0) {
		reply_error(client, r, strerror(-r));
	} else {
		reply_or_drop(client, &ok);
	}
}

static int run_command(struct client *client, const struct place_wire_request *request)
{
	struct serve_socket *socket = client->socket;
	FILE *out;
	int r;

	out = open_memstream(&client->text, &client->text_size);
	if (!out)
		return -ENOMEM;
	r = socket->ops->command(socket->ops->daemon, &client->peer, request->verb,
				 request->argument, out);
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	if (!client->peer.is_root)
		socket->strangers_text += client->text_size;
	if (r == 0 && client->text_size > SOCKET_TEXT_MAX)
		r = -EFBIG;
	if (r == 0 && socket->strangers_text > SOCKET_STRANGERS_TEXT_MAX && !client->peer.is_root)
		r = -EBUSY;
	return r;
}

static void take_command(struct client *client, const struct place_wire_request *request)
{
	struct serve_socket *socket = client->socket;
	char said[PLACE_WIRE_TEXT_MAX] = "";
	int r;

	socket->counters.n_orders++;
	r = run_command(client, request);
	if (r == 0) {
		write_text(client);
		return;
	}
	/* What is wrong, where the command says it; as much as an error holds, no last newline. */
	if (r == -EINVAL && client->text_size)
		snprintf(said, sizeof(said), "%.*s", (int)client->text_size - 1, client->text);
	free_text(client);
	if (r == -EPERM || r == -EACCES)
		socket->counters.n_denied++;
	if (r == -EPERM)
		reply_error(client, r, "only root may do that");
	else
		reply_error(client, r, said[0] ? said : strerror(-r));
}

static void take_request(struct client *client, const char *packet, size_t size)
{
	struct place_wire_reply hello = { .pid = getpid() };
	struct place_wire_request request;
	int r;

	r = place_wire_parse_request(packet, size, &request);
	if (r == -EPROTONOSUPPORT) {
		refuse_and_drop(client, r, "this daemon speaks version 1");
		return;
	}
	if (r < 0) {
		refuse_and_drop(client, r, "not a request");
		return;
	}
	switch (request.kind) {
	case PLACE_WIRE_HELLO:
		reply_or_drop(client, &hello);
		break;
	case PLACE_WIRE_ADVICE:
		take_advice(client, &request);
		break;
	case PLACE_WIRE_ORDER:
		take_order(client, &request);
		break;
	case PLACE_WIRE_COMMAND:
		take_command(client, &request);
		break;
	}
}

static void read_request(struct client *client)
{
	char packet[PLACE_WIRE_MAX];
	const ssize_t n = recv(client->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		socket_drop(client);
	else if ((size_t)n > sizeof(packet))
		refuse_and_drop(client, -EMSGSIZE, "a request has at most 4096 bytes");
	else
		take_request(client, packet, (size_t)n);
}

/* A byte of what is there, and all of it stays there. */
static bool has_packet(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool socket_has_request(const struct client *client)
{
	return client->state == READING && has_packet(client->fd);
}

int socket_on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct client *client = userdata;

	(void)source;
	/*
	 * Before anything it may have sent: its time was up and it has found the answer itself. To
	 * answer it now would book the same guest twice.
	 */
	if (revents & (EPOLLHUP | EPOLLERR)) {
		if (client->state == ASKING || has_packet(fd))
			client->socket->counters.n_given_up++;
		socket_drop(client);
	} else if (client->state == READING && revents & EPOLLIN) {
		read_request(client);
	} else if (client->state == WRITING && revents & EPOLLOUT) {
		write_text(client);
	}
	return 0;
}
