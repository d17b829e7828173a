/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our own socket, /run/placed/socket (SOCK_SEQPACKET): reads the requests of libplace/ask/wire.h,
 * hands them to the daemon through serve_ops, writes the replies. Anybody may connect and ask;
 * SO_PEERCRED says who it is, and what only root may do is refused here already. No client can hold
 * the loop up, fill the memory, or keep root out. It decides nothing and tells nothing: what
 * happened is in the counters.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "serve/serve.h"

/*
 * Clients at a time. 128 and 16 are more than a host's users start guests at once; whom they leave
 * out computes the answer itself. Root's bound is only there for its descriptors.
 */
#define SOCKET_ROOT_MAX 1024
#define SOCKET_STRANGERS_MAX 128
#define SOCKET_STRANGERS_PER_UID 16

/* A client that sends nothing, or does not read what it asked for, is dropped after this time. */
#define SOCKET_IDLE_LIMIT_MS 2000
/* Should the daemon not answer a question; our own clients have long given up by then. */
#define SOCKET_ANSWER_LIMIT_MS 5000

/* Replies to commands that are not read yet, in bytes: of one, and of all strangers together. */
#define SOCKET_TEXT_MAX (16U << 20)
#define SOCKET_STRANGERS_TEXT_MAX (8U << 20)

struct serve_socket;

struct serve_socket_counters {
	unsigned n_root, n_strangers; /* clients now */
	uint64_t n_accepted;
	uint64_t n_refused;   /* over a limit, or no descriptor left */
	uint64_t n_advice;    /* questions handed to the daemon */
	uint64_t n_orders;    /* orders and commands, the same */
	uint64_t n_denied;    /* of those who may not */
	uint64_t n_malformed; /* requests that are none, or too long */
	uint64_t n_idle;      /* dropped: said nothing in time */
	uint64_t n_slow;      /* dropped: did not read in time, or at all */
	uint64_t n_given_up;  /* hung up before they were answered; their questions are forgotten */
	uint64_t n_unanswered;	/* the daemon did not answer in time */
	uint64_t n_undelivered; /* answered, but the client had gone: booked for nobody, perhaps */
};

/*
 * Listens at /run/placed/socket; makes the folder where it is missing, replaces a socket that
 * nobody serves. With listen_fd >= 0 (socket activation) that one is served, and no path is
 * touched.
 *
 * Returns: 0 or -errno; socket_trouble() has a sentence for it.
 * Errors: -EADDRINUSE another process answers there; -EPERM the folder belongs to somebody else or
 * others may write into it; -EEXIST what lies there is no socket; -ENOTSOCK, -EINVAL listen_fd is
 * not a listening SOCK_SEQPACKET; or of the system calls.
 * Ownership: ops must outlive it; listen_fd is ours on success; socket_close(*ret_socket).
 */
int socket_open(sd_event *event, const struct serve_ops *ops, int listen_fd,
		struct serve_socket **ret_socket);

/* Forgets questions, drops clients, removes the path where it is still ours. NULL is fine. */
struct serve_socket *socket_close(struct serve_socket *socket);

/* Valid as long as the socket. */
const struct serve_socket_counters *socket_counters(const struct serve_socket *socket);

const char *socket_trouble(int r);
