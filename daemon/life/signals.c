/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-event reads signals from a descriptor; here is what each of them means. */
#include "life/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	const struct life_ops *ops = userdata;

	if (ops->stop)
		ops->stop(ops->data, (int)info->ssi_signo);
	else
		(void)sd_event_exit(sd_event_source_get_event(source), 0);
	return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	const struct life_ops *ops = userdata;

	(void)source, (void)info;
	if (ops->reload)
		ops->reload(ops->data);
	return 0;
}

/* One signal may stand for many children. */
static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	const struct life_ops *ops = userdata;
	int status;
	pid_t pid;

	(void)source, (void)info;
	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid <= 0)
			return 0;
		if (ops->child_ended)
			ops->child_ended(ops->data, pid, status);
	}
}

static int add(sd_event *event, int signo, int64_t priority, sd_event_signal_handler_t handler,
	       const struct life_ops *ops)
{
	sd_event_source *source = NULL;
	void *userdata = (void *)(uintptr_t)ops;
	int r;

	r = sd_event_add_signal(event, &source, signo, handler, userdata);
	if (r < 0)
		return r;
	(void)sd_event_source_set_priority(source, priority);
	r = sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
	return r;
}

int life_signals_add(sd_event *event, bool in_foreground, const struct life_ops *ops)
{
	/* A stop goes before whatever else is waiting. */
	const struct {
		int signo;
		int64_t priority;
		sd_event_signal_handler_t handler;
	} wanted[] = {
		{ SIGTERM, SD_EVENT_PRIORITY_IMPORTANT, on_stop },
		{ SIGQUIT, SD_EVENT_PRIORITY_IMPORTANT, on_stop },
		{ SIGHUP, SD_EVENT_PRIORITY_NORMAL, on_reload },
		{ SIGCHLD, SD_EVENT_PRIORITY_NORMAL, on_child },
		{ SIGINT, SD_EVENT_PRIORITY_IMPORTANT, on_stop },
	};
	const size_t n = sizeof(wanted) / sizeof(wanted[0]) - (in_foreground ? 0 : 1);
	sigset_t signals;

	sigemptyset(&signals);
	for (size_t i = 0; i < n; i++)
		sigaddset(&signals, wanted[i].signo);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		const int r =
			add(event, wanted[i].signo, wanted[i].priority, wanted[i].handler, ops);

		if (r < 0)
			return r;
	}
	return 0;
}
