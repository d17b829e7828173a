/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placectl status and explain: what the daemon sees, does and means. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "ask.h"
#include "ctl.h"
#include "show.h"

#define BIT(kind) (1U << (kind))

static const char json_options[] = "\n"
				   "  --json         print JSON: bytes, thousandths, milliseconds\n"
				   "  --socket PATH  ask the daemon that listens there\n"
				   "  --help         print this, and exit\n";

static int ask_and_show(int argc, char **argv, int n_words, const char *purpose, unsigned shown)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct ctl_options options;
	char usage[1024];
	int exit_status;

	snprintf(usage, sizeof(usage), "%s%s", purpose, json_options);
	ctl_options_parse(argc, argv, true, n_words, usage, &options);
	if (options.is_done)
		return options.exit_status;
	exit_status = ctl_ask(&options, argv[0], n_words ? argv[optind] : "", &text);
	if (exit_status != EXIT_SUCCESS)
		return exit_status;
	return show(&text, shown, options.as_json);
}

int ctl_status(int argc, char **argv)
{
	return ask_and_show(
		argc, argv, 0,
		"Usage: placectl status [--json]\n"
		"Shows nodes, guests, NUMA cells of guests, moves, promises and findings.\n",
		BIT(SHOW_DAEMON) | BIT(SHOW_NODES) | BIT(SHOW_GUESTS) | BIT(SHOW_CELLS) |
			BIT(SHOW_MOVES) | BIT(SHOW_PROMISES) | BIT(SHOW_FINDINGS));
}

int ctl_explain(int argc, char **argv)
{
	return ask_and_show(argc, argv, 1,
			    "Usage: placectl explain GUEST|PID [--json]\n"
			    "Says why something happens to a guest, or nothing. GUEST is libvirt's "
			    "name or uuid.\n",
			    BIT(SHOW_GUESTS) | BIT(SHOW_CELLS) | BIT(SHOW_MOVES) |
				    BIT(SHOW_BECAUSE));
}
