/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What looks.c and looks_samples.c share. */
#pragma once

#include "looks.h"

/*
 * Whether the process at hand is what held a job up, rather than many that are slow. r: the job's
 * end.
 */
bool looks_is_held_up(const struct job *job, int r, uint64_t deadline_ms);

/* A look at this process does not come back: `child` may hang in it. */
void looks_leave_alone(struct looks *looks, int pid, pid_t child);

/* ---- looks_samples.c ---- */

/* Starts the job for what is in looks->sampled. Returns: 0, or -errno: they are dropped. */
int looks_start_samples(struct looks *looks);
