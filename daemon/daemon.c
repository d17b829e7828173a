/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon: everything put together, and its loop. */
#include "daemon.h"

#include <stdlib.h>
#include <systemd/sd-event.h>

int daemon_run(const struct options *options, char **argv)
{
	(void)options, (void)argv;
	return EXIT_FAILURE;
}
