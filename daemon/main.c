/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placed: what the command line asks for, in the order in which it can be refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "daemon.h"
#include "options.h"
#include "question.h"
#include "settings.h"

/*
 * Descriptors 0 to 2 that the caller closed would be given to the next files opened. They are
 * opened for reading, so that writing an answer to one still fails.
 */
static void fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options options;
	int status;

	fill_descriptors();
	options_parse(argc, argv, &options);
	switch (options.command) {
	case COMMAND_ADVICE:
		return question_run(&options);
	case COMMAND_NOTHING:
		return client_steer(&options, &status) ? status : EXIT_SUCCESS;
	case COMMAND_EXIT:
		return options.exit_status;
	case COMMAND_DAEMON:
		if (client_steer(&options, &status))
			return status;
		return daemon_run(&options, argv);
	case COMMAND_CHECK_CONFIG:
		return settings_check_config(&options);
	case COMMAND_PRINT_CONFIG:
		return settings_print_config(&options);
	}
	return EXIT_FAILURE;
}
