/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placectl metrics, pause, resume and reload: what the daemon says is printed as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "ctl.h"

static const char socket_options[] = "\n"
				     "  --socket PATH  ask the daemon that listens there\n"
				     "  --help         print this, and exit\n";

static int ask_and_print(int argc, char **argv, const char *purpose)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct ctl_options options;
	char usage[1024];
	int exit_status;

	snprintf(usage, sizeof(usage), "%s%s", purpose, socket_options);
	ctl_options_parse(argc, argv, false, 0, usage, &options);
	if (options.is_done)
		return options.exit_status;
	exit_status = ctl_ask(&options, argv[0], "", &text);
	if (exit_status == EXIT_SUCCESS && text.size)
		fwrite(text.data, 1, text.size, stdout);
	return exit_status;
}

int ctl_metrics(int argc, char **argv)
{
	return ask_and_print(argc, argv,
			     "Usage: placectl metrics\n"
			     "Prints what there is to count, in Prometheus' text format.\n");
}

int ctl_pause(int argc, char **argv)
{
	return ask_and_print(argc, argv,
			     "Usage: placectl pause\n"
			     "Moves nothing from now on; advice is given as before.\n");
}

int ctl_resume(int argc, char **argv)
{
	return ask_and_print(argc, argv,
			     "Usage: placectl resume\n"
			     "Ends a pause.\n");
}

int ctl_reload(int argc, char **argv)
{
	return ask_and_print(argc, argv,
			     "Usage: placectl reload\n"
			     "Reads the settings again. Where they are wrong the old ones stay.\n");
}
