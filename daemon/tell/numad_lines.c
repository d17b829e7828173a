/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's lines in numad's log. A line is one write(2) on a descriptor opened for appending:
 * it stays whole beside other writers, and right when logrotate truncates the file.
 */
#include "tell/numad_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "config.h"
#include "host/cleanup.h"
#include "tell/log_socket.h"

/* A row of distances or a list of 1000 CPUs fits; longer lines are cut. */
#define NUMAD_LINE_MAX 8192

static struct {
	char path[PATH_MAX];
	int fd; /* -1 and a path: stderr */
	int level;
} state = { .fd = -1 };

static int open_file(const char *path)
{
	const int fd = open(
		path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : fd;
}

int numad_lines_open(const char *path, int level)
{
	int fd;

	numad_lines_close();
	state.level = level;
	if (!path || path[0] == '\0')
		return 0;
	if (strlen(path) >= sizeof(state.path))
		return -ENAMETOOLONG;
	strcpy(state.path, path);
	fd = open_file(path);
	if (fd < 0) {
		numad_line(LOG_NOTICE, "Cannot open numad log file (errno: %d) -- using stderr",
			   -fd);
		return fd;
	}
	state.fd = fd;
	return 0;
}

int numad_lines_reopen(void)
{
	int fd;

	if (state.path[0] == '\0')
		return 0;
	fd = open_file(state.path);
	if (fd < 0)
		return fd;
	if (state.fd >= 0)
		close(state.fd);
	state.fd = fd;
	return 0;
}

void numad_lines_set_level(int level)
{
	state.level = level;
}

void numad_lines_close(void)
{
	if (state.fd >= 0)
		close(state.fd);
	state.fd = -1;
	state.path[0] = '\0';
}

bool numad_lines_show(int level)
{
	return state.path[0] != '\0' && level <= state.level;
}

static void write_line(const char *line, size_t size)
{
	if (state.fd < 0)
		(void)log_descriptor_send(STDERR_FILENO, line, size);
	else if (write(state.fd, line, size) < 0)
		return; /* a full disk: there is nobody to tell */
}

/* Puts text behind `at`; what is not printable ASCII as \xNN, so that no name makes a line. */
static size_t copy_escaped(const char *text, char *line, size_t at, size_t size)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text && at + 5 < size; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f) {
			line[at++] = (char)c;
			continue;
		}
		line[at++] = '\\';
		line[at++] = 'x';
		line[at++] = hex[c >> 4];
		line[at++] = hex[c & 15];
	}
	return at;
}

static void __attribute__((format(printf, 2, 0)))
put_line(const char *stamp, const char *format, va_list arguments)
{
	char text[NUMAD_LINE_MAX / 2], line[NUMAD_LINE_MAX];
	size_t n = 0;

	vsnprintf(text, sizeof(text), format, arguments);
	if (stamp) {
		n = copy_escaped(stamp, line, n, sizeof(line));
		n = copy_escaped(": ", line, n, sizeof(line));
	}
	n = copy_escaped(text, line, n, sizeof(line));
	line[n++] = '\n';
	write_line(line, n);
}

void numad_line(int level, const char *format, ...)
{
	char stamp[NUMAD_STAMP_MAX];
	va_list arguments;

	if (!numad_lines_show(level))
		return;
	numad_log_stamp(time(NULL), stamp);
	va_start(arguments, format);
	put_line(stamp, format, arguments);
	va_end(arguments);
}

void numad_raw_line(int level, const char *format, ...)
{
	va_list arguments;

	if (!numad_lines_show(level))
		return;
	va_start(arguments, format);
	put_line(NULL, format, arguments);
	va_end(arguments);
}

/* ---- what is said of guests ---------------------------------------------------------- */

void numad_tell_start(void)
{
	numad_line(LOG_NOTICE, "Registering numad version %s PID %d", PACKAGE_VERSION,
		   (int)getpid());
}

void numad_tell_stop(void)
{
	numad_line(LOG_NOTICE, "Shutting down numad");
}

void numad_tell_question(uint32_t vcpus_centi, uint64_t memory_bytes)
{
	numad_line(LOG_NOTICE,
		   "Getting NUMA pre-placement advice for %" PRIu32 " CPUs and %" PRIu64 " MBs",
		   vcpus_centi, memory_bytes >> 20);
}

void numad_tell_advice(int pid, const char *comm, const struct place_set *from,
		       const struct place_set *to)
{
	_cleanup_free_ char *from_text = malloc(PLACE_SET_TEXT_MAX);
	_cleanup_free_ char *to_text = malloc(PLACE_SET_TEXT_MAX);

	if (!numad_lines_show(LOG_NOTICE) || !from_text || !to_text ||
	    place_set_format(from, from_text, PLACE_SET_TEXT_MAX) < 0 ||
	    place_set_format(to, to_text, PLACE_SET_TEXT_MAX) < 0)
		return;
	numad_line(LOG_NOTICE, "Advising pid %d (%s) move from nodes (%s) to nodes (%s)", pid, comm,
		   from_text, to_text);
}

/* Hundredths are not padded: 2.07 seconds are "2.7", as numad writes them. */
void numad_tell_moved(int pid, const struct place_set *to, uint64_t duration_ns)
{
	_cleanup_free_ char *text = malloc(PLACE_SET_TEXT_MAX);
	const uint64_t centi = duration_ns / 10000000;

	if (!text || place_set_format(to, text, PLACE_SET_TEXT_MAX) < 0)
		return;
	numad_line(LOG_NOTICE, "PID %d moved to node(s) %s in %" PRIu64 ".%" PRIu64 " seconds", pid,
		   text, centi / 100, centi % 100);
}
