/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon: everything put together, and its loop. */
#pragma once

#include "options.h"

/*
 * Becomes the daemon. In the small program: starts the daemon's own, which takes the same command
 * line. Returns: the exit status, when the daemon has stopped or could not start.
 */
int daemon_run(const struct options *options, char **argv);
