/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What daemon.c and daemon_orders.c share: all that there is of the daemon. */
#pragma once

#include <systemd/sd-event.h>

#include "commands.h"
#include "control.h"
#include "cycle.h"
#include "daemon.h"
#include "life/background.h"
#include "life/pidfile.h"
#include "life/signals.h"
#include "serve/numad_queue.h"
#include "serve/serve.h"
#include "serve/socket.h"
#include "settings.h"
#include "tell/event.h"

struct daemon {
	const struct options *options;
	sd_event *event;
	struct settings settings;
	struct control_lists lists;
	struct place_host host;
	struct cycle cycle;
	struct commands commands;
	struct pidfile own_pid, numad_pid;
	struct background background;
	struct serve_socket *socket;
	struct numad_queue *queue;
	struct serve_ops ops;
	struct life_ops life;
	bool runs_already;   /* another one has the pid file */
	bool has_told_start; /* in numad's words, so that the end is told as well */
};

/* ---- daemon_orders.c ---- */

/* What the serving files and signals may ask for. */
struct serve_ops daemon_serve_ops(struct daemon *daemon);
struct life_ops daemon_life_ops(struct daemon *daemon);

/* A line of `text` each, in the log. */
void daemon_tell_lines(int priority, enum event_kind kind, const char *text);

/* commands->reload: reads the settings again. `out` may be NULL. */
int daemon_reload(void *daemon, FILE *out);
