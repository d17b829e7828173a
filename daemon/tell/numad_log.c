/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "Mon Jan  5 10:00:00 2026: message": what scripts and test suites grep for. */
#include "tell/numad_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* O_APPEND stays right when logrotate truncates; O_NONBLOCK never waits for a FIFO's reader. */
void numad_log_open(const char *path, int level, struct numad_log *ret_log)
{
	const int fd = open(
		path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	struct numad_log log = { .level = level };

	log.file = fd < 0 ? NULL : fdopen(fd, "a");
	if (!log.file) {
		const int reason = errno;

		if (fd >= 0)
			close(fd);
		log.file = stderr;
		numad_log_line(&log, LOG_NOTICE,
			       "Cannot open numad log file (errno: %d) -- using stderr", reason);
	}
	*ret_log = log;
}

void numad_log_stamp(time_t now, char stamp[NUMAD_STAMP_MAX])
{
	struct tm local;

	stamp[0] = '\0';
	if (localtime_r(&now, &local))
		strftime(stamp, NUMAD_STAMP_MAX, "%a %b %e %H:%M:%S %Y", &local);
}

void numad_log_line(const struct numad_log *log, int level, const char *format, ...)
{
	va_list arguments;
	char stamp[NUMAD_STAMP_MAX];

	if (level > log->level)
		return;
	numad_log_stamp(time(NULL), stamp);
	flockfile(log->file);
	fprintf(log->file, "%s: ", stamp);
	va_start(arguments, format);
	vfprintf(log->file, format, arguments);
	va_end(arguments);
	fputc('\n', log->file);
	funlockfile(log->file);
}

void numad_log_close(struct numad_log *log)
{
	if (log->file && log->file != stderr)
		fclose(log->file);
	log->file = NULL;
}
