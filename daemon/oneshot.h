/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placed -w without a daemon: read the host, decide, book, print, and be gone. */
#pragma once

#include <stdbool.h>

#include "options.h"

/*
 * Looks at the host and its guests for at most deadline_ms (200 at the least); should that be in
 * vain, answers without the guests, for at most 150 ms more.
 * Returns: the exit status: 0 whenever an answer was printed.
 */
int oneshot_run(const struct options *options, unsigned deadline_ms);

/* The answer on stdout, by itself. Returns: whether it is out; if not, stderr says why. */
bool oneshot_print(const struct options *options, const char *nodes);
