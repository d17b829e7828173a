/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel's own NUMA balancing counted: where the pages were that a thread was caught
 * touching. The counts fade by half with each of its scans, so they are of now; and they are of
 * pages as they lie after the kernel moved what it would move.
 */
#pragma once

#include "observe/evidence.h"

struct place_hint_counts {
	uint64_t local; /* on the node that the thread ran on */
	uint64_t all;
};

/*
 * Parses the text of /proc/PID/task/TID/sched (kernel/sched/debug.c proc_sched_show_task(), 6.1 to
 * 6.18; before 6.15 only with CONFIG_SCHED_DEBUG). It begins with the command name, which may hold
 * anything, newlines too: of the lines that name the node the last one counts, and what is behind
 * it.
 *
 * Returns: 0; -ENODATA no such lines; -EINVAL they are damaged.
 */
int place_hint_counts_parse(const char *text, struct place_hint_counts *ret_counts);

extern const struct place_evidence_source place_hint_faults;
