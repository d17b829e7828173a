/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd is told, where it started us (Type=notify); elsewhere these do nothing. */
#pragma once

#include <systemd/sd-event.h>

/*
 * Has the loop answer the watchdog, at half the time that the unit gives: a turn of the loop that
 * takes longer than WatchdogSec ends in a restart. Returns: 0 or -errno.
 */
int notify_watchdog(sd_event *event);

/*
 * READY=1 and a line for `systemctl status`, or NULL for the one that stands: at the start, and
 * again after notify_reloading().
 */
void notify_ready(const char *status);
/* Before the settings are read anew. */
void notify_reloading(void);
void notify_stopping(void);
