/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt waits for every start of placed, and the libraries of the daemon would be most of it.
 * So the program that answers links libc alone and hands over where a daemon is wanted.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAEMON_PROGRAM PKGLIBEXECDIR "/placed"

int daemon_run(const struct options *options, char **argv)
{
	execv(DAEMON_PROGRAM, argv);
	fprintf(stderr, "%s: " DAEMON_PROGRAM ": %s\n", options->program, strerror(errno));
	return EXIT_FAILURE;
}
