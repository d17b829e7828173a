/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs of a guest's vCPU threads by its NUMA cells (see affinity.h, which is for all of them at
 * once). However many cells it has, its threads are walked once and the intents written once: the
 * loop does this itself.
 */
#pragma once

#include "act/act.h"
#include "act/intent.h"
#include "host/root.h"

struct affinity_cell {
	const struct place_set *vcpus; /* indices */
	const struct place_set *cpus;
};

/*
 * Gives the vCPUs of each cell those of its cpus that they may use already. An intent for each
 * cell; vCPUs that came since the last time are given theirs too, and cells without any thread are
 * passed over. Not beside affinity_give() to the same guest: take that back first.
 *
 * Returns: 0; -EBUSY the threads of one cell differ from each other and from what we gave before;
 * -EINVAL they may use none of these CPUs; -E2BIG more than AFFINITY_THREADS_MAX threads; -ESRCH
 * gone; -ENOENT none of these vCPUs is there: nothing is changed then. Or -errno of writing the
 * intents, or of changing a thread: then of the cells that were to change none has new CPUs, and
 * affinity_take_back() gives back what is left of the old ones.
 */
int affinity_give_cells(struct act *act, const struct place_root *root, struct place_text *text,
			struct intents *intents, int pid, uint64_t start_ns,
			const struct affinity_cell *cells, size_t n);

/* Takes back what all cells of a guest were given, and drops the intents; writes none. */
void affinity_take_back_cells(struct act *act, const struct place_root *root,
			      struct place_text *text, struct intents *intents, int pid,
			      uint64_t start_ns);
