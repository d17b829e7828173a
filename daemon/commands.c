/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each word a function; the lines are made by tell/report.c from a picture of what is there. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "host/cleanup.h"
#include "picture.h"
#include "tell/event.h"

#define WORD_NOW "now"

static int pause_or_resume(struct commands *commands, bool is_paused)
{
	commands->cycle->is_paused = is_paused;
	cycle_settings_changed(commands->cycle);
	event(LOG_NOTICE, is_paused ? EVENT_PAUSE : EVENT_RESUME);
	return 0;
}

static int run_order(struct commands *commands, const char *verb, FILE *out)
{
	if (!strcmp(verb, "pause"))
		return pause_or_resume(commands, true);
	if (!strcmp(verb, "resume"))
		return pause_or_resume(commands, false);
	if (!strcmp(verb, "reload"))
		return commands->reload(commands->data, out);
	return -EOPNOTSUPP;
}

static bool is_order(const char *verb)
{
	return !strcmp(verb, "pause") || !strcmp(verb, "resume") || !strcmp(verb, "reload");
}

/*
 * Who has just begun is known in a moment: what is said before, as if he were not there, is wrong.
 * Whoever has waited for that, and processes come without end, asks for what is known now.
 */
static bool is_too_early(const struct commands *commands, const char *verb, const char *argument)
{
	return !strcmp(verb, "doctor") && strcmp(argument, WORD_NOW) != 0 &&
	       looks_await_new(&commands->cycle->looks);
}

static int explain(const struct commands *commands, const struct picture *picture,
		   const char *argument, FILE *out)
{
	const int r = report_explain(&picture->view, argument, out);

	return r == -ENOENT && looks_await_new(&commands->cycle->looks) ? -EAGAIN : r;
}

int commands_run(struct commands *commands, const struct serve_peer *peer, const char *verb,
		 const char *argument, FILE *out)
{
	_cleanup_free_ struct picture *picture = NULL;

	if (is_order(verb))
		return peer->is_root ? run_order(commands, verb, out) : -EPERM;
	picture = malloc(sizeof(*picture));
	if (!picture)
		return -ENOMEM;
	cycle_show(commands->cycle);
	if (is_too_early(commands, verb, argument))
		return -EAGAIN;
	picture_fill(commands, picture);
	if (!strcmp(verb, "status"))
		report_status(&picture->view, out);
	else if (!strcmp(verb, "explain"))
		return explain(commands, picture, argument, out);
	else if (!strcmp(verb, "doctor"))
		report_findings(&picture->view, out);
	else if (!strcmp(verb, "metrics"))
		report_metrics(&picture->view, out);
	else
		return -EOPNOTSUPP;
	return 0;
}
