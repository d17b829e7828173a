/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inotify(7) on QEMU's binaries. execve() opens the file as everybody does (fs/exec.c
 * do_open_execat(), fsnotify_open() there, 6.1), be it libvirt or a shell that executes it. Others
 * may open it as often as they like: how soon a turn may be is limited elsewhere (cycle_when.c).
 */
#include "arrivals.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <syslog.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "tell/event.h"

/*
 * Not wherever a guest's program lies: to watch a file asks its file system whether we may read
 * it, and a user's may never answer.
 */
const char *const arrivals_usual[] = {
	"/usr/bin/qemu-system-*", "/usr/bin/qemu-kvm*",		  "/usr/libexec/qemu-kvm*",
	"/usr/lib/qemu-*",	  "/usr/local/bin/qemu-system-*", NULL,
};

/* Anybody may open them all day long: so often we wake up for it, the rest is read together. */
#define WINDOW_US 1000000
#define PER_WINDOW 10

/* The same file again is no second watch; one that was replaced has lost its own. */
void arrivals_renew(const struct arrivals *arrivals)
{
	if (arrivals->fd < 0)
		return;
	for (size_t i = 0; arrivals->programs[i]; i++) {
		glob_t found = { 0 };

		if (glob(arrivals->programs[i], GLOB_NOSORT, NULL, &found) == 0)
			for (size_t k = 0; k < found.gl_pathc; k++)
				(void)inotify_add_watch(arrivals->fd, found.gl_pathv[k],
							IN_OPEN | IN_ATTRIB);
		globfree(&found);
	}
}

/* A package that is upgraded takes a name from its old file, which changes its number of names. */
static bool is_replaced(const char *buffer, size_t size)
{
	const struct inotify_event *event;

	for (size_t at = 0; at + sizeof(*event) <= size; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)(const void *)(buffer + at);
		if (event->mask & (IN_ATTRIB | IN_IGNORED))
			return true;
	}
	return false;
}

/* What was opened says nothing that a turn does not see; a queue that has run over is as good. */
static int on_event(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct arrivals *arrivals = data;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const ssize_t size = read(fd, buffer, sizeof(buffer));

	(void)source, (void)events;
	if (size <= 0)
		return 0;
	if (is_replaced(buffer, (size_t)size))
		arrivals_renew(arrivals);
	arrivals->on_arrival(arrivals->data);
	return 0;
}

int arrivals_begin(sd_event *event, const char *const *programs, void (*on_arrival)(void *data),
		   void *data, struct arrivals *ret)
{
	int r;

	*ret = (struct arrivals){
		.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
		.programs = programs,
		.on_arrival = on_arrival,
		.data = data,
	};
	if (ret->fd < 0) {
		event(LOG_NOTICE, EVENT_TROUBLE,
		      KV("note", "no inotify: new guests are seen with the next turn, not at once"),
		      KV("error", strerror(errno)));
		return 0;
	}
	arrivals_renew(ret);
	r = sd_event_add_io(event, &ret->source, ret->fd, EPOLLIN, on_event, ret);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(ret->source, WINDOW_US, PER_WINDOW);
	if (r < 0)
		arrivals_done(ret);
	return r < 0 ? r : 0;
}

void arrivals_done(struct arrivals *arrivals)
{
	sd_event_source_disable_unref(arrivals->source);
	if (arrivals->fd >= 0)
		(void)close(arrivals->fd);
	*arrivals = (struct arrivals){ .fd = -1 };
}
