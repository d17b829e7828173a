/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reaches the daemon from outside while it runs: questions, orders, words of placectl, and
 * signals. Each is handed on to whom it is for.
 */
#include "daemon_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "host/cleanup.h"
#include "life/notify.h"
#include "tell/numad_log.h"

/* ---- the serving files --------------------------------------------------------------------- */

static void on_ask(void *data, struct serve_ask *ask)
{
	struct daemon *daemon = data;

	cycle_ask(&daemon->cycle, ask);
}

static void on_forget(void *data, struct serve_ask *ask)
{
	struct daemon *daemon = data;

	advice_forget(&daemon->cycle.advice, ask);
}

static int on_order(void *data, const struct serve_order *order)
{
	struct daemon *daemon = data;
	int r;

	if (!order->peer.is_root)
		return -EPERM;
	if (order->letter == 'i' && order->arg2 <= 0) {
		event(LOG_NOTICE, EVENT_STOP, KV("reason", "order"));
		return sd_event_exit(daemon->event, EXIT_SUCCESS);
	}
	r = control_apply(&daemon->settings, &daemon->lists, order);
	if (r == 0 && strchr("pxr", order->letter))
		cycle_lists_changed(&daemon->cycle, (int)order->arg1);
	else if (r == 0)
		cycle_settings_changed(&daemon->cycle);
	return r;
}

static int on_command(void *data, const struct serve_peer *peer, const char *verb,
		      const char *argument, FILE *out)
{
	struct daemon *daemon = data;

	return commands_run(&daemon->commands, peer, verb, argument, out);
}

struct serve_ops daemon_serve_ops(struct daemon *daemon)
{
	return (struct serve_ops){
		.ask = on_ask,
		.forget = on_forget,
		.order = on_order,
		.command = on_command,
		.daemon = daemon,
	};
}

/* ---- the settings, again ------------------------------------------------------------------- */

void daemon_tell_lines(int priority, enum event_kind kind, const char *text)
{
	while (*text) {
		const size_t n = strcspn(text, "\n");
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		event(priority, kind, KV("note", line));
		text += n + (text[n] == '\n');
	}
}

int daemon_reload(void *data, FILE *out)
{
	struct daemon *daemon = data;
	_cleanup_text_ struct place_text text = { 0 };
	FILE *told = open_memstream(&text.data, &text.size);
	int r;

	if (!told)
		return -ENOMEM;
	r = control_reload(&daemon->settings, &daemon->lists, daemon->options, told);
	if (place_text_close(&text, told) < 0)
		return -ENOMEM;
	daemon_tell_lines(r < 0 ? LOG_ERR : LOG_NOTICE, EVENT_RELOAD, text.data);
	if (out)
		fputs(text.data, out);
	event(r < 0 ? LOG_ERR : LOG_NOTICE, EVENT_RELOAD,
	      KV("note", r < 0 ? "the old settings stay" : "the settings were read again"));
	if (r == 0)
		cycle_lists_changed(&daemon->cycle, 0);
	return r;
}

/* ---- signals ------------------------------------------------------------------------------- */

static void on_stop(void *data, int signo)
{
	struct daemon *daemon = data;

	event(LOG_NOTICE, EVENT_STOP, KV("reason", strsignal(signo)));
	(void)sd_event_exit(daemon->event, EXIT_SUCCESS);
}

static void on_reload(void *data)
{
	struct daemon *daemon = data;

	notify_reloading();
	(void)numad_lines_reopen();
	(void)daemon_reload(daemon, NULL);
	notify_ready(NULL);
}

struct life_ops daemon_life_ops(struct daemon *daemon)
{
	return (struct life_ops){
		.stop = on_stop,
		.reload = on_reload,
		.data = daemon,
	};
}
