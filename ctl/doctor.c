/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * placectl doctor: what may harm guests, for people, for programs, and for monitoring systems,
 * whose plugins exit with 0, 1, 2 or 3 and say in their first line how it is.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "ctl.h"
#include "fields.h"
#include "host/cleanup.h"
#include "show.h"

static const char usage[] =
	"Usage: placectl doctor [--json]\n"
	"Says what may harm guests on this host, and what helps. Changes nothing.\n"
	"Exits with 0 where all is well, 1 for a warning, 2 where a guest may be killed,\n"
	"3 where that is not known.\n"
	"\n"
	"  --json         print JSON: bytes\n"
	"  --socket PATH  ask the daemon that listens there\n"
	"  --help         print this, and exit\n";

struct counts {
	unsigned n_notices, n_warnings, n_criticals, n_unknowns;
};

/* A level that this program does not know is none to pass over. */
static void count_line(char *line, struct counts *counts)
{
	struct fields fields;
	const char *level;

	if (fields_parse(line, &fields) < 0 || strcmp(fields.word, "finding") != 0)
		return;
	level = fields_get(&fields, "level");
	if (level && !strcmp(level, "notice"))
		counts->n_notices++;
	else if (level && !strcmp(level, "critical"))
		counts->n_criticals++;
	else if (level && !strcmp(level, "unknown"))
		counts->n_unknowns++;
	else
		counts->n_warnings++;
}

/* Lines are taken apart in place, and are to be shown yet. Returns: whether there was memory. */
static bool count_findings(const char *text, struct counts *ret_counts)
{
	_cleanup_free_ char *copy = strdup(text);
	struct counts counts = { 0 };
	char *rest = copy, *line;

	if (!copy)
		return false;
	while ((line = strsep(&rest, "\n")))
		count_line(line, &counts);
	*ret_counts = counts;
	return true;
}

static int exit_status_of(const struct counts *counts)
{
	if (counts->n_criticals)
		return CTL_DOCTOR_CRITICAL;
	if (counts->n_warnings)
		return CTL_DOCTOR_WARNING;
	return counts->n_unknowns ? CTL_DOCTOR_UNKNOWN : EXIT_SUCCESS;
}

static void print_kind(unsigned n, const char *kind, const char **separator)
{
	if (!n)
		return;
	printf("%s%u %s%s", *separator, n, kind, n == 1 ? "" : "s");
	*separator = ", ";
}

static bool has_any(const struct counts *counts)
{
	return counts->n_notices || counts->n_warnings || counts->n_criticals || counts->n_unknowns;
}

static void print_summary(const struct counts *counts)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	const char *separator = ": ";

	fputs(words[exit_status_of(counts)], stdout);
	if (!has_any(counts))
		fputs(": nothing was found", stdout);
	print_kind(counts->n_criticals, "critical finding", &separator);
	print_kind(counts->n_warnings, "warning", &separator);
	print_kind(counts->n_unknowns, "unknown", &separator);
	print_kind(counts->n_notices, "notice", &separator);
	putchar('\n');
}

static int print(struct place_text *text, bool as_json)
{
	struct counts counts;

	if (!count_findings(text->data ? text->data : "", &counts)) {
		fprintf(stderr, "placectl: out of memory\n");
		return CTL_DOCTOR_UNKNOWN;
	}
	if (!as_json)
		print_summary(&counts);
	if ((as_json || has_any(&counts)) &&
	    show(text, 1U << SHOW_FINDINGS, as_json) != EXIT_SUCCESS)
		return CTL_DOCTOR_UNKNOWN;
	return exit_status_of(&counts);
}

int ctl_doctor(int argc, char **argv)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct ctl_options options;

	ctl_options_parse(argc, argv, true, 0, usage, &options);
	if (options.is_done)
		return options.exit_status == EXIT_SUCCESS ? EXIT_SUCCESS : CTL_DOCTOR_UNKNOWN;
	if (ctl_ask(&options, argv[0], "", &text) != EXIT_SUCCESS) {
		/* The first line of a plugin's output is what is shown of it. */
		if (!options.as_json)
			puts("UNKNOWN: placed cannot be asked");
		return CTL_DOCTOR_UNKNOWN;
	}
	return print(&text, options.as_json);
}
