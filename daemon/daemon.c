/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon put together: the start-up is a list to be read from top to bottom, the stop is the
 * same list backwards, and between them there is only the loop.
 */
#include "daemon_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "config.h"
#include "foreign.h"
#include "host/cleanup.h"
#include "life/notify.h"
#include "life/privilege.h"
#include "state_dir.h"
#include "tell/event.h"
#include "tell/numad_log.h"

/* Until the daemon is ready whoever started it sees what is wrong, and the log too. */
static void say(const struct daemon *daemon, const char *what)
{
	fprintf(stderr, "%s: %s\n", daemon->options->program, what);
	event(LOG_ERR, EVENT_TROUBLE, KV("note", what));
}

static int complain(const struct daemon *daemon, const char *what, int r)
{
	fprintf(stderr, "%s: %s: %s\n", daemon->options->program, what, strerror(-r));
	event(LOG_ERR, EVENT_TROUBLE, KV("note", what), KV("error", strerror(-r)));
	return r;
}

/* The daemon runs without it, and whoever wonders later finds why. */
static void regret(const char *what, int r)
{
	event(LOG_NOTICE, EVENT_TROUBLE, KV("note", what), KV("error", strerror(-r)));
}

/* ---- the start ----------------------------------------------------------------------------- */

static int load_settings(struct daemon *daemon)
{
	_cleanup_text_ struct place_text text = { 0 };
	FILE *told = open_memstream(&text.data, &text.size);
	int r;

	if (!told)
		return complain(daemon, "the settings", -ENOMEM);
	r = settings_load(daemon->options->config, &daemon->settings, told);
	if (place_text_close(&text, told) < 0)
		return complain(daemon, "the settings", -ENOMEM);
	fputs(text.data, stderr);
	/* Where nobody may be looking at stderr. */
	if (!daemon->options->is_foreground)
		daemon_tell_lines(r < 0 ? LOG_ERR : LOG_WARNING, EVENT_TROUBLE, text.data);
	if (r < 0)
		return r;
	settings_override(&daemon->settings, daemon->options);
	return 0;
}

static int take_pid_files(struct daemon *daemon)
{
	_cleanup_close_ int folder_fd = state_dir_make();
	char who[128];
	pid_t other = 0;
	int r;

	if ((folder_fd == -EPERM || folder_fd == -EACCES) && geteuid() != 0)
		return complain(daemon, "only root can run the daemon", folder_fd);
	if (folder_fd == -EPERM)
		return complain(daemon, STATE_DIR " is not ours, or others may write into it",
				folder_fd);
	if (folder_fd < 0)
		return complain(daemon, STATE_DIR, folder_fd);
	r = pidfile_take(PLACED_PID_PATH, &daemon->own_pid, &other);
	if (r == -EEXIST) {
		snprintf(who, sizeof(who), "placed is running already, as PID %d", (int)other);
		say(daemon, who);
		daemon->runs_already = true;
		return r;
	}
	if (r < 0)
		return complain(daemon, PLACED_PID_PATH, r);
	if (daemon->own_pid.note[0])
		event(LOG_WARNING, EVENT_START, KV("note", daemon->own_pid.note));
	r = pidfile_write_numad(NUMAD_PID_PATH, &daemon->numad_pid, &other);
	if (r == -EEXIST) {
		snprintf(who, sizeof(who), "%s is running, as PID %d: stop it first",
			 foreign_is_placed(other) == 1 ? "another placed" : "numad", (int)other);
		say(daemon, who);
		return -EBUSY;
	}
	if (r < 0)
		regret(NUMAD_PID_PATH ": who looks there for a daemon finds none", r);
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
	r = cycle_init(daemon->event, &daemon->host, &daemon->settings, &daemon->lists,
		       daemon->options->is_dry_run, &daemon->cycle);
	return r < 0 ? complain(daemon, "the first look at the host", r) : 0;
}

static int open_socket(struct daemon *daemon)
{
	const int n = sd_listen_fds(1);
	char text[256];
	int r;

	r = socket_open(daemon->event, &daemon->ops, n > 0 ? SD_LISTEN_FDS_START : -1,
			&daemon->socket);
	if (r < 0) {
		snprintf(text, sizeof(text), "the socket: %s", socket_trouble(r));
		say(daemon, text);
	}
	return r;
}

static int serve(struct daemon *daemon)
{
	int r;

	daemon->ops = daemon_serve_ops(daemon);
	r = open_socket(daemon);
	if (r == 0 && daemon->settings.numad_queue) {
		r = numad_queue_open(daemon->event, &daemon->ops, &daemon->queue);
		if (r < 0)
			(void)complain(daemon, "numad's queue", r);
	}
	daemon->commands = (struct commands){
		.cycle = &daemon->cycle,
		.lists = &daemon->lists,
		.socket = daemon->socket,
		.queue = daemon->queue,
		.started_ns = place_host_now_ns(&daemon->host),
		.reload = daemon_reload,
		.data = daemon,
	};
	return r;
}

static int open_loop(struct daemon *daemon)
{
	int r;

	daemon->life = daemon_life_ops(daemon);
	r = sd_event_new(&daemon->event);
	if (r >= 0)
		r = life_signals_add(daemon->event, daemon->options->is_foreground, &daemon->life);
	if (r >= 0)
		r = notify_watchdog(daemon->event);
	return r < 0 ? complain(daemon, "the event loop", r) : 0;
}

static void get_comfort(void)
{
	long r = privilege_raise_files();

	if (r < 0)
		regret("the limit of open files stays: fewer guests' files are kept open", (int)r);
	r = privilege_lock_memory();
	if (r < 0)
		regret("memory is not locked: on a full node warnings may come late", (int)r);
}

/* Each step leaves a sentence where it fails; the stop undoes what was done. */
static int start(struct daemon *daemon)
{
	int r;

	open_logs(daemon);
	r = take_pid_files(daemon);
	if (r < 0)
		return r;
	get_comfort();
	r = open_loop(daemon);
	if (r == 0)
		r = open_host(daemon);
	if (r == 0)
		r = serve(daemon);
	if (r < 0)
		return r;
	numad_tell_start();
	daemon->has_told_start = true;
	control_start(&daemon->settings, &daemon->lists, daemon->options);
	r = privilege_drop();
	if (r < 0)
		return complain(daemon, "privileges", r);
	r = background_ready(&daemon->background);
	return r < 0 ? complain(daemon, "whoever started this has gone", r) : 0;
}

/*
 * Backwards. Jobs are killed, who is stuck in the kernel is left to it; only groups that a move has
 * left wide are waited for, two seconds (moves_mems_stop()).
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
	if (daemon->has_told_start)
		numad_tell_stop();
	numad_lines_close();
	event_close();
	sd_event_unref(daemon->event);
	settings_done(&daemon->settings);
}

static int loop(struct daemon *daemon)
{
	int r;

	notify_ready("watching guests");
	event(LOG_NOTICE, EVENT_READY, KV_U64("nodes", daemon->host.topology.n_nodes),
	      KV("version", PACKAGE_VERSION));
	r = sd_event_loop(daemon->event);
	return r < 0 ? complain(daemon, "the event loop", r) : r;
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
	event_open(options->is_foreground);
	r = load_settings(&daemon);
	if (r < 0) {
		event_close();
		return EXIT_FAILURE;
	}
	r = background_begin(options->program, options->is_foreground, &daemon.background);
	if (r < 0) {
		(void)complain(&daemon, "going into the background", r);
		settings_done(&daemon.settings);
		event_close();
		return EXIT_FAILURE;
	}
	r = start(&daemon);
	if (r == 0)
		r = loop(&daemon);
	stop(&daemon);
	/* As numad: what was wanted runs already. Not where this very process is wanted. */
	if (daemon.runs_already && !options_want_own(options))
		r = EXIT_SUCCESS;
	return r < 0 ? EXIT_FAILURE : r;
}
