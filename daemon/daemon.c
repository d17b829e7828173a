/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon put together: the start-up is a list to be read from top to bottom, the stop is the
 * same list backwards, and between them there is only the loop.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "commands.h"
#include "config.h"
#include "control.h"
#include "cycle.h"
#include "host/cleanup.h"
#include "life/background.h"
#include "life/notify.h"
#include "life/pidfile.h"
#include "life/privilege.h"
#include "life/signals.h"
#include "serve/numad_queue.h"
#include "serve/socket.h"
#include "settings.h"
#include "state_dir.h"
#include "tell/event.h"
#include "tell/numad_log.h"

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
};

/* Until the daemon is ready whoever started it sees what is wrong, and the log too. */
static int complain(const struct daemon *daemon, const char *what, int r)
{
	fprintf(stderr, "%s: %s: %s\n", daemon->options->program, what, strerror(-r));
	event(LOG_ERR, EVENT_TROUBLE, KV("note", what), KV("error", strerror(-r)));
	return r;
}

/* ---- what the serving files may ask ------------------------------------------------------- */

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

/* ---- signals ------------------------------------------------------------------------------- */

static void on_stop(void *data, int signo)
{
	struct daemon *daemon = data;

	event(LOG_NOTICE, EVENT_STOP, KV("reason", strsignal(signo)));
	(void)sd_event_exit(daemon->event, EXIT_SUCCESS);
}

/* A line of `text` each. */
static void tell_lines(int priority, const char *text)
{
	while (*text) {
		const size_t n = strcspn(text, "\n");
		char line[256];

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		event(priority, EVENT_RELOAD, KV("note", line));
		text += n + (text[n] == '\n');
	}
}

static int reload_settings(struct daemon *daemon, FILE *out)
{
	_cleanup_text_ struct place_text text = { 0 };
	FILE *told = open_memstream(&text.data, &text.size);
	int r;

	if (!told)
		return -ENOMEM;
	r = control_reload(&daemon->settings, &daemon->lists, daemon->options, told);
	if (place_text_close(&text, told) < 0)
		return -ENOMEM;
	tell_lines(r < 0 ? LOG_ERR : LOG_NOTICE, text.data);
	if (out)
		fputs(text.data, out);
	event(r < 0 ? LOG_ERR : LOG_NOTICE, EVENT_RELOAD,
	      KV("note", r < 0 ? "the old settings stay" : "the settings were read again"));
	if (r == 0)
		cycle_lists_changed(&daemon->cycle, 0);
	return r;
}

static void on_reload(void *data)
{
	struct daemon *daemon = data;

	notify_reloading();
	(void)numad_lines_reopen();
	(void)reload_settings(daemon, NULL);
	notify_ready(NULL);
}

static int on_reload_command(void *data, FILE *out)
{
	return reload_settings(data, out);
}

/* ---- the start ----------------------------------------------------------------------------- */

static int load_settings(struct daemon *daemon)
{
	int r;

	r = settings_load(daemon->options->config, &daemon->settings, stderr);
	if (r < 0)
		return r;
	settings_override(&daemon->settings, daemon->options);
	return 0;
}

static int take_pid_files(struct daemon *daemon)
{
	_cleanup_close_ int folder_fd = state_dir_make();
	pid_t other = 0;
	int r;

	if (folder_fd == -EPERM)
		return complain(daemon, STATE_DIR " is not ours, or others may write into it",
				folder_fd);
	if (folder_fd < 0)
		return complain(daemon, STATE_DIR, folder_fd);
	r = pidfile_take(PLACED_PID_PATH, &daemon->own_pid, &other);
	if (r == -EEXIST) {
		fprintf(stderr, "%s: placed is running already, as PID %d\n",
			daemon->options->program, (int)other);
		return r;
	}
	if (r < 0)
		return complain(daemon, PLACED_PID_PATH, r);
	r = pidfile_write_numad(NUMAD_PID_PATH, &daemon->numad_pid, &other);
	if (r == -EEXIST) {
		fprintf(stderr, "%s: numad is running, as PID %d: stop it first\n",
			daemon->options->program, (int)other);
		return -EBUSY;
	}
	if (r < 0)
		event(LOG_WARNING, EVENT_TROUBLE, KV("note", NUMAD_PID_PATH),
		      KV("error", strerror(-r)));
	if (daemon->numad_pid.note[0])
		event(LOG_NOTICE, EVENT_START, KV("note", daemon->numad_pid.note));
	return 0;
}

static void open_logs(struct daemon *daemon)
{
	const char *path = daemon->settings.log_file;

	event_open(daemon->options->is_foreground);
	if (!path[0] && daemon->options->is_called_numad)
		path = NUMAD_LOG_PATH;
	(void)numad_lines_open(path, (int)daemon->settings.log_level);
}

static int open_host(struct daemon *daemon)
{
	int r;

	r = place_host_init(daemon->options->root, &daemon->host);
	if (r == 0)
		r = place_host_read_topology(&daemon->host, false);
	if (r < 0)
		return complain(daemon, daemon->options->root ? daemon->options->root : "/", r);
	control_init(&daemon->lists, &daemon->host.root, daemon->options->is_dry_run);
	place_host_read_confine(&daemon->host, 0);
	return cycle_init(daemon->event, &daemon->host, &daemon->settings, &daemon->lists,
			  daemon->options->is_dry_run, &daemon->cycle);
}

static int open_socket(struct daemon *daemon)
{
	const int n = sd_listen_fds(1);
	int r;

	r = socket_open(daemon->event, &daemon->ops, n > 0 ? SD_LISTEN_FDS_START : -1,
			&daemon->socket);
	if (r < 0) {
		fprintf(stderr, "%s: the socket: %s\n", daemon->options->program,
			socket_trouble(r));
		event(LOG_ERR, EVENT_TROUBLE, KV("note", socket_trouble(r)));
	}
	return r;
}

static int serve(struct daemon *daemon)
{
	int r;

	daemon->ops = (struct serve_ops){
		.ask = on_ask,
		.forget = on_forget,
		.order = on_order,
		.command = on_command,
		.daemon = daemon,
	};
	r = open_socket(daemon);
	if (r == 0 && daemon->settings.numad_queue)
		r = numad_queue_open(daemon->event, &daemon->ops, &daemon->queue);
	daemon->commands = (struct commands){
		.cycle = &daemon->cycle,
		.lists = &daemon->lists,
		.socket = daemon->socket,
		.queue = daemon->queue,
		.started_ns = place_host_now_ns(&daemon->host),
		.reload = on_reload_command,
		.data = daemon,
	};
	return r;
}

static int open_loop(struct daemon *daemon)
{
	int r;

	daemon->life = (struct life_ops){
		.stop = on_stop,
		.reload = on_reload,
		.data = daemon,
	};
	r = sd_event_new(&daemon->event);
	if (r >= 0)
		r = life_signals_add(daemon->event, daemon->options->is_foreground, &daemon->life);
	if (r >= 0)
		r = notify_watchdog(daemon->event);
	return r < 0 ? complain(daemon, "the event loop", r) : 0;
}

/* Each step leaves a sentence where it fails; the stop undoes what was done. */
static int start(struct daemon *daemon)
{
	int r;

	open_logs(daemon);
	r = take_pid_files(daemon);
	if (r < 0)
		return r;
	(void)privilege_raise_files();
	r = open_loop(daemon);
	if (r == 0)
		r = open_host(daemon);
	if (r == 0)
		r = serve(daemon);
	if (r < 0)
		return r;
	numad_tell_start();
	control_start(&daemon->settings, &daemon->lists, daemon->options);
	r = privilege_drop();
	if (r < 0)
		return complain(daemon, "privileges", r);
	return background_ready(&daemon->background);
}

/* Backwards. Nothing here waits: jobs are killed, and whoever is stuck in the kernel is left to it.
 */
static void stop(struct daemon *daemon)
{
	notify_stopping();
	daemon->queue = numad_queue_close(daemon->queue);
	daemon->socket = socket_close(daemon->socket);
	if (daemon->cycle.event)
		cycle_done(&daemon->cycle);
	if (daemon->lists.root)
		control_done(&daemon->lists);
	if (daemon->host.root.path)
		place_host_done(&daemon->host);
	pidfile_release(&daemon->numad_pid);
	pidfile_release(&daemon->own_pid);
	numad_tell_stop();
	numad_lines_close();
	event_close();
	sd_event_unref(daemon->event);
	settings_done(&daemon->settings);
}

int daemon_run(const struct options *options, char **argv)
{
	/* Read again on HUP, when the working directory is another. */
	_cleanup_free_ char *config = options->config ? realpath(options->config, NULL) : NULL;
	struct options own = *options;
	struct daemon daemon = {
		.options = &own,
		.own_pid = PIDFILE_NONE,
		.numad_pid = PIDFILE_NONE,
		.host = { .root = { .fd = -1 } },
	};
	int r;

	(void)argv;
	if (config)
		own.config = config;
	background_clean();
	/* Who looks for a process called numad finds it, whatever the program's file is called. */
	if (options->is_called_numad)
		(void)prctl(PR_SET_NAME, "numad");
	r = load_settings(&daemon);
	if (r < 0)
		return EXIT_FAILURE;
	r = background_begin(options->program, options->is_foreground, &daemon.background);
	if (r < 0) {
		settings_done(&daemon.settings);
		(void)complain(&daemon, "going into the background", r);
		return EXIT_FAILURE;
	}
	r = start(&daemon);
	if (r == 0) {
		notify_ready("watching guests");
		event(LOG_NOTICE, EVENT_READY, KV_U64("nodes", daemon.host.topology.n_nodes),
		      KV("version", PACKAGE_VERSION));
		r = sd_event_loop(daemon.event);
	}
	stop(&daemon);
	/* As numad: what was wanted runs. Who started it in the foreground waits for this process.
	 */
	if (r == -EEXIST && !options->is_foreground)
		r = EXIT_SUCCESS;
	return r < 0 ? EXIT_FAILURE : r;
}
