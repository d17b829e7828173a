/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placed: what the command line asks for, in the order in which it can be refused. */
#include <stdio.h>
#include <stdlib.h>

#include "oneshot.h"
#include "options.h"

int main(int argc, char **argv)
{
	struct options options;

	options_parse(argc, argv, &options);
	switch (options.command) {
	case COMMAND_ADVICE:
		return oneshot_run(&options);
	case COMMAND_NOTHING:
		return EXIT_SUCCESS;
	case COMMAND_EXIT:
		return options.exit_status;
	case COMMAND_DAEMON:
		break;
	}
	fprintf(stderr, "%s: this version answers -w and has no daemon yet\n", options.program);
	return EXIT_FAILURE;
}
