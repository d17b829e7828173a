/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's command line (20150602 and 20251104), where libvirt, scripts and test suites know it:
 * letters, number grammar, messages and exit statuses are its own. What it let wrap around is
 * refused with its own message. What was given is also kept as orders, for a running daemon.
 */
#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask/request.h"

#define LOG_LEVEL_NOTICE 5
#define LOG_LEVEL_INFO 6
#define LOG_LEVEL_DEBUG 7

enum {
	OPTION_ROOT = 256,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_CONFIG,
	OPTION_CHECK_CONFIG,
	OPTION_PRINT_CONFIG,
	OPTION_FOREGROUND,
	OPTION_DRY_RUN,
};

static const struct option long_options[] = {
	{ "check-config", optional_argument, NULL, OPTION_CHECK_CONFIG },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "dry-run", no_argument, NULL, OPTION_DRY_RUN },
	{ "foreground", no_argument, NULL, OPTION_FOREGROUND },
	{ "print-config", no_argument, NULL, OPTION_PRINT_CONFIG },
	{ "root", required_argument, NULL, OPTION_ROOT },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

/* What is said instead of being done must have been said. */
static void leave(struct options *options, int exit_status)
{
	options->command = COMMAND_EXIT;
	options->exit_status = ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILURE : exit_status;
}

static void refuse_value(struct options *options, const char *argument)
{
	fprintf(stderr, "Can't parse arg value(s): %s\n", argument);
	leave(options, EXIT_FAILURE);
}

/* At the place of its letter, behind those of the same; where one is enough, the last counts. */
static void put_order(struct options *options, char letter, int64_t arg1, int64_t arg2)
{
	const struct option_order order = { .letter = letter, .arg1 = arg1, .arg2 = arg2 };
	const char *const rank = strchr(OPTION_ORDER_LETTERS, letter);
	size_t at = options->n_orders;

	while (at && strchr(OPTION_ORDER_LETTERS, options->orders[at - 1].letter) > rank)
		at--;
	if (at && options->orders[at - 1].letter == letter && !strchr("prx", letter)) {
		options->orders[at - 1] = order;
		return;
	}
	if (options->n_orders == OPTION_ORDERS_MAX) {
		fprintf(stderr, "%s: too many options -p, -r and -x\n", options->program);
		leave(options, EXIT_FAILURE);
		return;
	}
	memmove(&options->orders[at + 1], &options->orders[at],
		(options->n_orders - at) * sizeof(order));
	options->orders[at] = order;
	options->n_orders++;
}

bool options_want_own(const struct options *options)
{
	return options->is_foreground || options->is_dry_run || options->config;
}

const struct option_order *options_order(const struct options *options, char letter)
{
	for (size_t i = 0; i < options->n_orders; i++)
		if (options->orders[i].letter == letter)
			return &options->orders[i];
	return NULL;
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
		return;
	}
	put_order(options, 'i', options->interval_min_s, options->interval_max_s);
}

/* atoi() without its undefined behaviour. */
static long take_atoi(const char *argument)
{
	return strtol(argument, NULL, 10);
}

static void take_thp_scan(struct options *options, const char *argument)
{
	const long ms = take_atoi(argument);

	if (ms == 0 || (ms > 9 && ms < 1000001)) {
		put_order(options, 'H', ms, 0);
		return;
	}
	fprintf(stderr, "THP scan_sleep_ms must be > 9 and < 1000001\n");
	leave(options, EXIT_FAILURE);
}

static void take_percent(struct options *options, char letter, const char *argument, long least,
			 long greatest)
{
	const long percent = take_atoi(argument);

	/* As numad does, without a word. */
	if (percent < least || percent > greatest)
		return;
	put_order(options, letter, percent, 0);
	if (letter == 't')
		options->smt_percent = (unsigned)percent;
}

static void take_log_level(struct options *options, long level)
{
	options->log_level = level > INT_MAX || level < INT_MIN ? LOG_LEVEL_NOTICE : (int)level;
	put_order(options, 'l', options->log_level, 0);
}

static void take_check(struct options *options, const char *file)
{
	options->command = COMMAND_CHECK_CONFIG;
	if (file)
		options->config = file;
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

static bool take_letter(struct options *options, int letter, const char *argument)
{
	switch (letter) {
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
		put_order(options, 'C', options->count_reclaimable, 0);
		break;
	case 'K':
	case 'S':
		put_order(options, (char)letter, take_atoi(argument) != 0, 0);
		break;
	case 'm':
		take_percent(options, 'm', argument, 50, 100);
		break;
	case 't':
		take_percent(options, 't', argument, 0, 100);
		break;
	case 'u':
		take_percent(options, 'u', argument, 10, 130);
		break;
	case 'p':
	case 'r':
	case 'x':
		put_order(options, (char)letter, take_atoi(argument), 0);
		break;
	case 'l':
		take_log_level(options, take_atoi(argument));
		break;
	case 'v':
		take_log_level(options, LOG_LEVEL_INFO);
		break;
	case 'd':
		take_log_level(options, LOG_LEVEL_DEBUG);
		break;
	default:
		return letter == 'D';
	}
	return true;
}

static void take_option(struct options *options, int option, const char *argument)
{
	switch (option) {
	case OPTION_ROOT:
		if (!*argument) {
			fprintf(stderr, "%s: --root: no path\n", options->program);
			leave(options, EXIT_FAILURE);
			break;
		}
		/* "/" is this host. */
		options->root = strcmp(argument, "/") ? argument : NULL;
		break;
	case OPTION_CONFIG:
		options->config = argument;
		break;
	case OPTION_CHECK_CONFIG:
		take_check(options, argument);
		break;
	case OPTION_PRINT_CONFIG:
		options->command = COMMAND_PRINT_CONFIG;
		break;
	case OPTION_FOREGROUND:
		options->is_foreground = true;
		break;
	case OPTION_DRY_RUN:
		options->is_dry_run = true;
		break;
	case 'V':
	case OPTION_VERSION:
		options_print_version(options->program);
		leave(options, EXIT_SUCCESS);
		break;
	case OPTION_HELP:
		options_print_usage(stdout, options->program);
		leave(options, EXIT_SUCCESS);
		break;
	default:
		if (take_letter(options, option, argument))
			break;
		options_print_usage(stderr, options->program);
		leave(options, EXIT_FAILURE);
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
	/* --check-config FILE, as one would write it. */
	if (options->command == COMMAND_CHECK_CONFIG && optind < argc)
		options->config = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "Unexpected arg = %s\n", argv[optind]);
		leave(options, EXIT_FAILURE);
	} else if (options->command == COMMAND_DAEMON && options->interval_max_s == 0) {
		options->command = COMMAND_NOTHING;
	}
}
