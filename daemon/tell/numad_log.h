/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's log file: its path, its line layout, its fallback to stderr. First for a program that
 * writes a few lines and ends, then the daemon's (numad_lines.c), which stays open and is written
 * only where the daemon is called numad or the setting log_file asks for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "host/nodeset.h"

#define NUMAD_LOG_PATH "/var/log/numad.log"

struct numad_log {
	FILE *file;
	int level; /* lines above it are left out: syslog's numbers, 5 is notice */
};

/* Opens it for appending; where that fails, lines go to stderr and the first one says so. */
void numad_log_open(const char *path, int level, struct numad_log *ret_log);
void numad_log_line(const struct numad_log *log, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void numad_log_close(struct numad_log *log);

/* "Mon Jan  5 10:00:00 2026", as ctime(3) has it, without its newline. */
#define NUMAD_STAMP_MAX 32
void numad_log_stamp(time_t now, char stamp[NUMAD_STAMP_MAX]);

/*
 * Opens the daemon's log. An empty path or NULL: nothing is written from now on. Where the file
 * cannot be opened, lines go to stderr, the first one says so, and the result is -errno.
 */
int numad_lines_open(const char *path, int level);

/* After logrotate moved the file (HUP). Returns: 0 or -errno: the old file stays. */
int numad_lines_reopen(void);
void numad_lines_set_level(int level);
void numad_lines_close(void);

/* Whether a line of that level would be written: tables are not made for nobody. */
bool numad_lines_show(int level);

/*
 * A line with its time. What is not printable ASCII becomes \xNN: names may be anybody's. Never
 * waits, and what cannot be written is lost.
 */
void numad_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same without a time: numad's tables. */
void numad_raw_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Lines that scripts and test suites wait for, level notice. Those of a changed setting are
 * written where the setting is changed. comm: the command name without brackets; nodes: as
 * place_set_format() writes them.
 */
void numad_tell_start(void);
void numad_tell_stop(void);
void numad_tell_question(uint32_t vcpus_centi, uint64_t memory_bytes);
void numad_tell_advice(int pid, const char *comm, const struct place_set *from,
		       const struct place_set *to);
void numad_tell_moved(int pid, const struct place_set *to, uint64_t duration_ns);
