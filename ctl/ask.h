/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking the daemon, and saying in words why it did not answer. */
#pragma once

#include <stdbool.h>

#include "host/root.h"

/* Beside EXIT_SUCCESS and EXIT_FAILURE; in the man page. */
enum { CTL_NOT_RUNNING = 3, CTL_NO_SUCH_GUEST = 4 };

/* As monitoring plugins do; what is well is EXIT_SUCCESS. */
enum { CTL_DOCTOR_WARNING = 1, CTL_DOCTOR_CRITICAL = 2, CTL_DOCTOR_UNKNOWN = 3 };

struct ctl_options {
	bool as_json;
	const char *socket_path;
	bool is_done; /* help was asked for, or the options are wrong: exit_status says */
	int exit_status;
};

/*
 * Reads --json (where `has_json`), --socket and --help, and checks how many words are left, which
 * then begin at argv[optind].
 */
void ctl_options_parse(int argc, char **argv, bool has_json, int n_words, const char *usage,
		       struct ctl_options *ret_options);

/*
 * Runs a command of the daemon; complains on stderr where it does not answer or refuses.
 *
 * Returns: EXIT_SUCCESS with its reply in *ret_text, or another exit status.
 * Ownership: place_text_done(ret_text), on success.
 */
int ctl_ask(const struct ctl_options *options, const char *verb, const char *argument,
	    struct place_text *ret_text);
