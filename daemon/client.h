/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small program as the client of a running daemon: the question of -w, the letters that steer
 * it as numad's do, and what a second start finds. libc only. Every wait has a deadline, and nobody
 * at the socket is the ordinary case.
 */
#pragma once

#include <stdbool.h>

#include "ask/wire.h"
#include "options.h"

/*
 * libvirt waits without a limit: so long for the daemon, then the answer is computed here. Where
 * this process itself gets no CPU time, so long from its start.
 */
#define CLIENT_ADVICE_LIMIT_MS 250
#define CLIENT_CROWD_LIMIT_MS 500

struct client_advice {
	struct place_wire_reply reply; /* has_nodes, when the daemon answered */
	bool is_refused;	       /* an order beside the question was not taken, and said so */
};

/*
 * Sends the orders of the command line, then the question. What goes wrong with an order is said
 * on stderr.
 *
 * Returns: 0 the daemon answered; else -errno and the caller computes: -ENOENT, -ECONNREFUSED
 * nobody is there, -EPERM somebody whom we do not believe, -ETIMEDOUT it is stopped or busy; ...
 * ret_advice->is_refused holds on failure, too.
 */
int client_ask(const struct options *options, struct client_advice *ret_advice);

/*
 * A command line without -w. Where a daemon runs: sends it the orders, or says that it runs; -i 0
 * stops it and waits for its end. Not with --root, and not in a process that a socket was handed
 * to.
 *
 * Returns: whether there is one; *ret_status is then the exit status.
 */
bool client_steer(const struct options *options, int *ret_status);
