/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon that only lives: its start-up list with an empty loop, for the tests of daemon/life/.
 * Options: --foreground; --fail: says why and leaves with status 7; --hang: gets ready when /run/go
 * is there;
 * --child: has a child that outlives it. HUP and ended children are told on /run/told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "life/background.h"
#include "life/notify.h"
#include "life/pidfile.h"
#include "life/privilege.h"
#include "life/signals.h"
#include "state_dir.h"

static void tell(const char *what)
{
	const int fd = open("/run/told", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	dprintf(fd, "%s\n", what);
	close(fd);
}

static void on_reload(void *data)
{
	(void)data;
	notify_reloading();
	tell("reload");
	notify_ready(NULL);
}

static void on_child(void *data, pid_t pid, int status)
{
	(void)data, (void)pid;
	tell(status == 0 ? "child" : "child failed");
}

static int fail(const char *what, int r, pid_t other)
{
	fprintf(stderr, "life_server: %s: %s (PID %d)\n", what, strerror(-r), other);
	return r == -EEXIST ? 3 : EXIT_FAILURE;
}

static bool has(char **argv, const char *option)
{
	for (; *argv; argv++)
		if (strcmp(*argv, option) == 0)
			return true;
	return false;
}

static int run(sd_event *event, struct background *background, char **argv)
{
	const struct life_ops ops = { .reload = on_reload, .child_ended = on_child };
	int r;

	r = life_signals_add(event, has(argv, "--foreground"), &ops);
	if (r < 0)
		return fail("signals", r, 0);
	r = privilege_drop();
	if (r < 0)
		return fail("privileges", r, 0);
	(void)notify_watchdog(event);
	while (has(argv, "--hang") && access("/run/go", F_OK) < 0)
		usleep(1000);
	/* One that has ended, as soon as the loop runs. */
	if (fork() == 0)
		_exit(0);
	r = background_ready(background);
	if (r < 0)
		return fail("background", r, 0);
	if (has(argv, "--child") && fork() == 0)
		for (;;)
			pause();
	notify_ready("living");
	r = sd_event_loop(event);
	notify_stopping();
	return r < 0 ? EXIT_FAILURE : r;
}

int main(int argc, char **argv)
{
	struct pidfile ours = PIDFILE_NONE, numads = PIDFILE_NONE;
	struct background background;
	struct state_dir state;
	sd_event *event = NULL;
	pid_t other = 0;
	int r;

	(void)argc;
	background_clean();
	(void)privilege_raise_files();
	r = background_begin("life_server", has(argv, "--foreground"), &background);
	if (r < 0)
		return fail("background", r, 0);
	if (has(argv, "--fail")) {
		fprintf(stderr, "life_server: it was to fail\n");
		return 7;
	}
	if (state_dir_open(100, &state) == 0)
		state_dir_close(&state);
	r = pidfile_take(PLACED_PID_PATH, &ours, &other);
	if (r < 0)
		return fail(PLACED_PID_PATH, r, other);
	r = pidfile_write_numad(NUMAD_PID_PATH, &numads, &other);
	if (r == 0)
		r = sd_event_default(&event);
	r = r < 0 ? fail(NUMAD_PID_PATH, r, other) : run(event, &background, argv);
	sd_event_unref(event);
	pidfile_release(&numads);
	pidfile_release(&ours);
	return r;
}
