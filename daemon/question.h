/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placed -w: who answers, in which order, and how long each may take. */
#pragma once

#include "options.h"

/* Returns: the exit status: 0 whenever an answer was printed and no order beside it was refused. */
int question_run(const struct options *options);
