/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placed -w without a daemon: read the host, decide, book, print, and be gone. */
#pragma once

#include "options.h"

/* Returns: the exit status: 0 whenever an answer was printed. */
int oneshot_run(const struct options *options);
