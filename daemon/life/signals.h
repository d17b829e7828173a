/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals, as numad knows them: TERM and QUIT stop, HUP reads settings anew and reopens the log.
 * INT stops too where somebody at a terminal can send it. Children that have ended are taken up.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct life_ops {
	/* TERM, QUIT, INT. NULL: the loop ends with status 0. */
	void (*stop)(void *data, int signo);
	/* HUP. */
	void (*reload)(void *data);
	/* A child ended, with waitpid()'s status; nobody else may wait for any. May be NULL. */
	void (*child_ended)(void *data, pid_t pid, int status);
	void *data;
};

/*
 * Blocks the signals in the calling thread and reads them in the loop: call it before threads are
 * made, and children that run other code set their mask back. `ops` must stay valid; the sources
 * live as long as the loop.
 *
 * Returns: 0 or -errno.
 */
int life_signals_add(sd_event *event, bool in_foreground, const struct life_ops *ops);
