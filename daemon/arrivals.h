/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that begin. On a quiet host the next turn is up to interval_max_s away, and a guest whose
 * memory is populated at its start has taken all of it by then. The kernel says when a QEMU is
 * executed: that its file is opened (inotify). It costs nothing while nobody does.
 */
#pragma once

#include <systemd/sd-event.h>

struct arrivals {
	int fd; /* -1: nobody is told */
	const char *const *programs;
	sd_event_source *source;
	void (*on_arrival)(void *data); /* a QEMU may have been started */
	void *data;
};

/* Where distributions have QEMU. */
extern const char *const arrivals_usual[];

/*
 * programs: patterns of glob(7), the last one NULL; kept. What does not exist is left out; where
 * the kernel gives no inotify instance, nobody is told. Returns: 0 or -errno of the event loop.
 */
int arrivals_begin(sd_event *event, const char *const *programs, void (*on_arrival)(void *data),
		   void *data, struct arrivals *ret);

/* Somebody new was seen: programs that were installed since are watched as well. About 1 ms. */
void arrivals_renew(const struct arrivals *arrivals);

/* Nothing is to be done for one that was not begun, but was set to { .fd = -1 }. */
void arrivals_done(struct arrivals *arrivals);
