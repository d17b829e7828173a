/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What socket.c (who gets in, when it ends) and socket_client.c (what it says) share. */
#pragma once

#include "serve/socket.h"
#include "serve/socket_listen.h"

enum client_state { READING, ASKING, WRITING };

struct client {
	struct client *next, **link; /* link: what points at us */
	struct serve_socket *socket;
	sd_event_source *source; /* owns the descriptor */
	int fd;
	enum client_state state;
	int64_t end_ms; /* of place_clock_ms() */
	struct serve_peer peer;
	struct serve_ask ask;
	bool *is_gone; /* set when we go; of a caller that must know, or NULL */
	char *text;    /* WRITING: of a command, from text_at on not sent yet */
	size_t text_size, text_at;
};

struct serve_socket {
	sd_event *event;
	const struct serve_ops *ops;
	sd_event_source *listener; /* owns the descriptor */
	sd_event_source *sweeper;  /* on while there are clients */
	int spare_fd; /* given up to take a connection that no descriptor is left for */
	struct socket_path path;
	struct client *clients;
	size_t strangers_text; /* bytes of replies that strangers have not read */
	struct serve_socket_counters counters;
};

/* Takes a client out, and frees it; a question that it waits for is forgotten. */
void socket_drop(struct client *client);
/* What is waited for from now on, and for how long. */
void socket_set_state(struct client *client, enum client_state state, unsigned limit_ms);
/* Whether it has said something that we have not come to: then it is we who are late. */
bool socket_has_request(const struct client *client);
/* The handler of a client's descriptor. */
int socket_on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata);
