/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: every option letter of numad with its grammar and messages, and our own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "flow.h"

enum command {
	COMMAND_DAEMON,	 /* what numad does without -w: become the daemon, or talk to it */
	COMMAND_ADVICE,	 /* -w */
	COMMAND_NOTHING, /* -i 0: stops a daemon; with none, nothing is to be done */
	COMMAND_EXIT,	 /* said what it had to say: exit with exit_status */
	COMMAND_CHECK_CONFIG,
	COMMAND_PRINT_CONFIG,
};

/*
 * The letters that steer a daemon, in the order in which numad sends them to a running one; w
 * comes last, and is not among the orders.
 */
#define OPTION_ORDER_LETTERS "CHiKlmprStux"
#define OPTION_ORDERS_MAX 64

/*
 * One letter that was given, with numbers in the units of numad's queue: i seconds (least, most;
 * most 0 stops the daemon), H ms, m t u percent, l syslog's level (-v is l 6, -d is l 7), C K S 0
 * or 1, p r x a PID, unchecked. What numad silently ignores (-m -t -u out of range) is not here.
 */
struct option_order {
	char letter;
	int64_t arg1, arg2;
};

struct options {
	enum command command;
	int exit_status;
	const char *program;	      /* argv[0] */
	bool is_called_numad;	      /* numad's log file is kept then */
	const char *root;	      /* --root, or NULL */
	const char *config;	      /* --config, or NULL for the usual place */
	bool is_foreground;	      /* --foreground */
	bool is_dry_run;	      /* --dry-run: decide and tell, touch nothing */
	struct place_request request; /* -w */
	int log_level;		      /* -l -d -v: syslog's numbers */
	bool count_reclaimable;	      /* -C */
	unsigned smt_percent;	      /* -t */
	bool have_reserved_cpus;
	struct place_set reserved_cpus;	    /* -R */
	int interval_min_s, interval_max_s; /* -i */
	/* All letters given, in the order of OPTION_ORDER_LETTERS; one each, but any p r x. */
	size_t n_orders;
	struct option_order orders[OPTION_ORDERS_MAX];
};

/*
 * Reads the command line; prints what numad prints for what it does not like.
 * Returns: nothing; ret_options->command says what is to be done.
 */
void options_parse(int argc, char **argv, struct options *ret_options);

/* The first order of that letter, or NULL where it was not given. */
const struct option_order *options_order(const struct options *options, char letter);

/* Whether this very process is wanted, so that another daemon that runs already is no success. */
bool options_want_own(const struct options *options);

/* ---- options_usage.c ---- */

/* For -h numad's way (stderr, status 1), for --help everybody's (stdout, status 0). */
void options_print_usage(FILE *file, const char *program);
void options_print_version(const char *program);
