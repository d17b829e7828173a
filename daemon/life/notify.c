/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of sd_notify(3). */
#include "life/notify.h"

#include <inttypes.h>
#include <stdbool.h>
#include <systemd/sd-daemon.h>

#include "host/clock.h"

int notify_watchdog(sd_event *event)
{
	const int r = sd_event_set_watchdog(event, true);

	return r < 0 ? r : 0;
}

void notify_ready(const char *status)
{
	if (status)
		(void)sd_notifyf(false, "READY=1\nSTATUS=%s", status);
	else
		(void)sd_notify(false, "READY=1");
}

/* The time is what newer releases (Type=notify-reload, 253) tell one reload from the next by. */
void notify_reloading(void)
{
	(void)sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, place_clock_ns() / 1000);
}

void notify_stopping(void)
{
	(void)sd_notify(false, "STOPPING=1");
}
