/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* numad's log file: its path, its line layout, its fallback to stderr. */
#pragma once

#include <stdio.h>

#define NUMAD_LOG_PATH "/var/log/numad.log"

struct numad_log {
	FILE *file;
	int level; /* lines above it are left out: syslog's numbers, 5 is notice */
};

/* Opens it for appending; where that fails, lines go to stderr and the first one says so. */
void numad_log_open(int level, struct numad_log *ret_log);
void numad_log_line(const struct numad_log *log, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void numad_log_close(struct numad_log *log);
