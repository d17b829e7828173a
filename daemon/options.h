/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: every option letter of numad with its grammar and messages, and our own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

enum command {
	COMMAND_DAEMON,	 /* what numad does without -w: become the daemon, or talk to it */
	COMMAND_ADVICE,	 /* -w */
	COMMAND_NOTHING, /* -i 0 with no daemon to stop */
	COMMAND_EXIT,	 /* said what it had to say: exit with exit_status */
};

struct options {
	enum command command;
	int exit_status;
	const char *program;	      /* argv[0] */
	bool is_called_numad;	      /* numad's log file is kept then */
	const char *root;	      /* --root, or NULL */
	struct place_request request; /* -w */
	int log_level;		      /* -l -d -v: syslog's numbers */
	bool count_reclaimable;	      /* -C */
	unsigned smt_percent;	      /* -t */
	bool have_reserved_cpus;
	struct place_set reserved_cpus;	    /* -R */
	int interval_min_s, interval_max_s; /* -i */
};

/*
 * Reads the command line; prints what numad prints for what it does not like.
 * Returns: nothing; ret_options->command says what is to be done.
 */
void options_parse(int argc, char **argv, struct options *ret_options);
