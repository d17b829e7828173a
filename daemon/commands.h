/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of our own protocol that are no questions: what placectl asks and orders. */
#pragma once

#include <stdio.h>

#include "cycle.h"
#include "serve/numad_queue.h"
#include "serve/serve.h"
#include "serve/socket.h"

struct commands {
	struct cycle *cycle;
	const struct control_lists *lists;
	/* NULL where they are not served. */
	const struct serve_socket *socket;
	const struct numad_queue *queue;
	uint64_t started_ns;
	/* Says to `out` what changed, or what is wrong. Returns: 0; -errno: the old ones stand. */
	int (*reload)(void *data, FILE *out);
	void *data;
};

/*
 * Carries one out; the lines of its reply go to `out`. Everybody may look, root may change.
 * Returns: 0; -EOPNOTSUPP no such word; -EPERM; -ENOENT no such guest; -EINVAL; -EAGAIN of doctor
 * and explain: somebody has just begun, and is known in a moment (doctor "now" says what there is).
 */
int commands_run(struct commands *commands, const struct serve_peer *peer, const char *verb,
		 const char *argument, FILE *out);
