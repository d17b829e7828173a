/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer on stdout, and what is said of it: to syslog, to numad's log, and on stderr what
 * whoever asks by hand should know. Telling comes when the answer is out, and may hold up nobody.
 */
#include "oneshot_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "guard.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "tell/numad_log.h"

#define TELL_LIMIT_MS 100

static unsigned long long memory_mib(const struct place_request *request)
{
	return request->memory_bytes >> 20;
}

static void tell_numad_log(const struct oneshot_work *work, const char *nodes)
{
	const struct options *options = work->options;
	struct numad_log log;

	numad_log_open(work->log_file, work->log_level, &log);
	if (options->have_reserved_cpus) {
		_cleanup_free_ char *cpus = malloc(PLACE_SET_TEXT_MAX);

		if (cpus &&
		    place_set_format(&options->reserved_cpus, cpus, PLACE_SET_TEXT_MAX) >= 0)
			numad_log_line(&log, LOG_NOTICE, "Reserving %u CPUs (%s) for non-numad use",
				       place_set_count(&options->reserved_cpus), cpus);
	}
	numad_log_line(&log, LOG_NOTICE,
		       "Getting NUMA pre-placement advice for %u CPUs and %llu MBs",
		       work->request.vcpus_centi, memory_mib(&work->request));
	numad_log_line(&log, LOG_NOTICE,
		       "Advising pid -1 (unknown) move from nodes (%s) to nodes (%s)", nodes,
		       nodes);
	numad_log_close(&log);
}

static void tell_syslog(const struct oneshot_work *work, const char *nodes, const char *verdict,
			const char *booked)
{
	syslog(LOG_INFO, "advice vcpus_centi=%u memory_mib=%llu nodes=%s reason=%s booked=%s",
	       work->request.vcpus_centi, memory_mib(&work->request), nodes, verdict, booked);
}

/* Warnings go to the log, and to stderr, where whoever asked by hand sees them. */
static void tell_lines(const struct oneshot_work *work, const char *text, const char *prefix)
{
	const size_t skip = strlen(prefix);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, prefix, skip) != 0)
			continue;
		line += skip;
		fprintf(stderr, "%s: %.*s\n", work->options->program, (int)strcspn(line, "\n"),
			line);
		if (!work->options->root)
			syslog(LOG_WARNING, "%.*s", (int)strcspn(line, "\n"), line);
	}
}

bool oneshot_print(const struct options *options, const char *nodes)
{
	if (printf("%s\n", nodes) >= 0 && fflush(stdout) == 0)
		return true;
	fprintf(stderr, "%s: the answer cannot be written: %s\n", options->program,
		strerror(errno));
	return false;
}

int oneshot_print_and_tell(const struct oneshot_work *work, const char *text)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);
	char verdict[32] = "unknown", booked[8] = "no";

	if (!nodes || place_text_find_word(text, "nodes ", nodes, PLACE_SET_TEXT_MAX) < 0) {
		fprintf(stderr, "%s: no answer could be found\n", work->options->program);
		return EXIT_FAILURE;
	}
	if (!oneshot_print(work->options, nodes))
		return EXIT_FAILURE;
	(void)place_text_find_word(text, "verdict ", verdict, sizeof(verdict));
	(void)place_text_find_word(text, "booked ", booked, sizeof(booked));
	guard_limit_rest(TELL_LIMIT_MS);
	openlog("placed", LOG_PID, LOG_DAEMON);
	if (!work->options->root) {
		tell_syslog(work, nodes, verdict, booked);
		if (work->log_file[0])
			tell_numad_log(work, nodes);
	}
	tell_lines(work, text, "note ");
	if (work->complaints.data)
		tell_lines(work, work->complaints.data, "");
	return EXIT_SUCCESS;
}

/*
 * numad's own falls back to stderr, as numad does. A file that the settings name is root's to
 * write: others' answers are not in it, and nobody is told of it each time.
 */
void oneshot_choose_log(const struct options *options, const char *from_settings, char *path)
{
	const char *usual = options->is_called_numad ? NUMAD_LOG_PATH : "";
	const bool is_root = geteuid() == 0;

	snprintf(path, SETTINGS_TEXT_MAX, "%s", is_root && *from_settings ? from_settings : usual);
}
