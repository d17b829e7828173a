/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's command line (20150602 and 20251104), where libvirt, scripts and test suites know it:
 * letters, number grammar, messages and exit statuses are its own. What it let wrap around is
 * refused with its own message. Options that only a running daemon heeds are passed over.
 */
#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask/request.h"
#include "config.h"

#define LOG_LEVEL_NOTICE 5
#define LOG_LEVEL_INFO 6
#define LOG_LEVEL_DEBUG 7

enum { OPTION_ROOT = 256, OPTION_VERSION, OPTION_HELP };

static const struct option long_options[] = {
	{ "root", required_argument, NULL, OPTION_ROOT },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

/* For -h numad's way (stderr, status 1), for --help everybody's (stdout, status 0). */
static void print_usage(FILE *file, const char *program)
{
	fprintf(file,
		"Usage: %s <options> ...\n"
		"Says on which NUMA nodes a new guest should live.\n"
		"\n"
		"  -w CPUS[:MIB]  print the nodes for a guest of that size, and exit\n"
		"  -C 0|1         count inactive page cache as free memory (default 1)\n"
		"  -t PERCENT     what a second thread adds to its core (default 20)\n"
		"  -R CPULIST     CPUs that are not for guests\n"
		"  -l LEVEL       log level: 5 notice (default), 6 info, 7 debug\n"
		"  -v, -d         the same as -l 6, -l 7\n"
		"  -V             print the version, and exit\n"
		"  -h             print this on stderr, and exit with status 1\n"
		"      --root DIR the host to read, if not this one: a recorded tree\n"
		"      --version  the same as -V\n"
		"      --help     print this, and exit\n"
		"\n"
		"Taken as numad takes them, for the daemon:\n"
		"  -i [MIN:]MAX  -H MS  -K 0|1  -m PERCENT  -p PID  -r PID  -S 0|1  -u PERCENT\n"
		"  -x PID  -D DIR\n",
		program);
}

static void print_version(const char *program)
{
	printf("%s version: %s: compiled %s\n", program, PACKAGE_VERSION, PLACED_BUILD_DATE);
}

static void leave(struct options *options, int exit_status)
{
	options->command = COMMAND_EXIT;
	options->exit_status = exit_status;
}

static void refuse_value(struct options *options, const char *argument)
{
	fprintf(stderr, "Can't parse arg value(s): %s\n", argument);
	leave(options, EXIT_FAILURE);
}

static void take_request(struct options *options, const char *argument)
{
	if (place_request_parse(argument, &options->request) < 0)
		refuse_value(options, argument);
	else
		options->command = COMMAND_ADVICE;
}

static void take_interval(struct options *options, const char *argument)
{
	struct place_numbers numbers;

	if (place_numbers_parse(argument, &numbers) < 0) {
		refuse_value(options, argument);
		return;
	}
	options->interval_max_s = numbers.have_second ? numbers.second : numbers.first;
	if (numbers.have_second)
		options->interval_min_s = numbers.first;
	if (options->interval_max_s && options->interval_min_s > options->interval_max_s) {
		fprintf(stderr, "Max interval (%d) must be greater than min interval (%d)\n",
			options->interval_max_s, options->interval_min_s);
		leave(options, EXIT_FAILURE);
	}
}

/* atoi() without its undefined behaviour. */
static long take_atoi(const char *argument)
{
	return strtol(argument, NULL, 10);
}

static void take_thp_scan(struct options *options, const char *argument)
{
	const long ms = take_atoi(argument);

	if (ms == 0 || (ms > 9 && ms < 1000001))
		return;
	fprintf(stderr, "THP scan_sleep_ms must be > 9 and < 1000001\n");
	leave(options, EXIT_FAILURE);
}

/* Digits and "-" are ids and ranges, anything else parts them. */
static void take_reserved_cpus(struct options *options, const char *argument)
{
	struct place_set *cpus = &options->reserved_cpus;

	place_set_clear(cpus);
	options->have_reserved_cpus = true;
	for (const char *at = argument; *at;) {
		unsigned long first, last;
		char *end;

		if (*at < '0' || *at > '9') {
			at++;
			continue;
		}
		first = last = strtoul(at, &end, 10);
		if (end[0] == '-' && end[1] >= '0' && end[1] <= '9')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < PLACE_SET_MAX; first++)
			place_set_add(cpus, (unsigned)first);
		at = end;
	}
}

static void take_option(struct options *options, int option, const char *argument)
{
	long number;

	switch (option) {
	case 'w':
		take_request(options, argument);
		break;
	case 'i':
		take_interval(options, argument);
		break;
	case 'H':
		take_thp_scan(options, argument);
		break;
	case 'R':
		take_reserved_cpus(options, argument);
		break;
	case 'C':
		options->count_reclaimable = take_atoi(argument) != 0;
		break;
	case 't':
		number = take_atoi(argument);
		if (number >= 0 && number <= 100)
			options->smt_percent = (unsigned)number;
		break;
	case 'l':
		number = take_atoi(argument);
		options->log_level =
			number > INT_MAX || number < INT_MIN ? LOG_LEVEL_NOTICE : (int)number;
		break;
	case 'v':
		options->log_level = LOG_LEVEL_INFO;
		break;
	case 'd':
		options->log_level = LOG_LEVEL_DEBUG;
		break;
	case OPTION_ROOT:
		/* "/" is this host. */
		options->root = strcmp(argument, "/") && *argument ? argument : NULL;
		break;
	case 'V':
	case OPTION_VERSION:
		print_version(options->program);
		leave(options, EXIT_SUCCESS);
		break;
	case OPTION_HELP:
		print_usage(stdout, options->program);
		leave(options, EXIT_SUCCESS);
		break;
	case 'h':
	case '?':
		print_usage(stderr, options->program);
		leave(options, EXIT_FAILURE);
		break;
	default: /* D K m p r S u x: only the daemon heeds them */
		break;
	}
}

static bool is_named_numad(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strcmp(slash ? slash + 1 : program, "numad");
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options *options = ret_options;
	int option;

	*options = (struct options){
		.program = argc > 0 && argv[0] ? argv[0] : "placed",
		.log_level = LOG_LEVEL_NOTICE,
		.count_reclaimable = true,
		.smt_percent = 20,
		.interval_min_s = 5,
		.interval_max_s = 15,
	};
	options->is_called_numad = is_named_numad(options->program);
	while ((option = getopt_long(argc, argv, "C:dD:hH:i:K:l:m:p:r:R:S:t:u:vVw:x:", long_options,
				     NULL)) != -1) {
		take_option(options, option, optarg);
		if (options->command == COMMAND_EXIT)
			return;
	}
	if (optind < argc) {
		fprintf(stderr, "Unexpected arg = %s\n", argv[optind]);
		leave(options, EXIT_FAILURE);
	} else if (options->command == COMMAND_DAEMON && options->interval_max_s == 0) {
		options->command = COMMAND_NOTHING;
	}
}
