/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs of vCPU threads, so that what a guest touches next lies where its memory went. Only for
 * guests whose threads nobody chose CPUs for (place_class_moves_cpus()): where threads differ, or
 * somebody writes an affinity after us, that one stands. What we gave is an intent of kind
 * INTENT_AFFINITY as long as it is given, and is taken back when the daemon lets go of the guest.
 *
 * The calls are short and do not wait for the guest.
 */
#pragma once

#include "act/act.h"
#include "act/intent.h"
#include "host/root.h"
#include "observe/watch.h"

/* The CPUs that are online; empty where nobody knows. */
void affinity_read_online(const struct place_root *root, struct place_text *text,
			  struct place_set *ret_online);

/*
 * Whether it is the same affinity: a CPU that goes offline is in none that the kernel tells, and is
 * back in it when it comes back.
 */
bool affinity_is_same(const struct place_set *a, const struct place_set *b,
		      const struct place_set *online);

/*
 * Makes all CPUs that are online all that there may be: whoever may use those was kept from none,
 * and what the kernel does not tell of the others would be lost to him when they come back.
 */
void affinity_complete(const struct place_root *root, struct place_text *text,
		       const struct place_set *online, struct place_set *cpus);

/* As many as the watch knows of a process. */
#define AFFINITY_THREADS_MAX PLACE_WATCH_THREADS_MAX

/*
 * Gives the vCPU threads of a guest to those of cpus that they had before we gave them any; of a
 * process that is no guest, all threads. The intent is added and written to disk first.
 *
 * Processes with more than AFFINITY_THREADS_MAX threads are left alone: the loop does this itself.
 *
 * Returns: 0; -E2BIG too many threads; -EBUSY its threads differ from each other, or from what we
 * gave before: somebody pinned one; -ESRCH gone; -ENOENT it has no vCPU thread; -EINVAL they
 * may use none of these CPUs; or -errno of a thread or of writing the intent. They have then what
 * they had, or what they had before we gave them any.
 */
int affinity_give(struct act *act, const struct place_root *root, struct place_text *text,
		  struct intents *intents, int pid, uint64_t start_ns, bool is_guest,
		  const struct place_set *cpus);

/*
 * A thread that came after intent->seen (a vCPU was added) follows, if it still has what the others
 * had before: it is looked at once, and what anybody gives it later stands. intent->seen becomes
 * this thread.
 *
 * Returns: 1 it was given them; 0 it has CPUs of its own, or has them already; -ESRCH it has ended;
 * or -errno: it keeps what it has.
 */
int affinity_follow(struct act *act, const struct place_root *root, struct place_text *text,
		    struct intent *intent, bool is_guest, const struct place_thread *thread);

/*
 * Takes back what was given, to all of it or to its cells (affinity_cells.h): threads that still
 * have it get what they had before; of a process that has vCPUs these alone. The intents, one or
 * one for each cell, are dropped; *intents is written by the caller when all is taken back.
 */
void affinity_take_back(struct act *act, const struct place_root *root, struct place_text *text,
			struct intents *intents, int pid, uint64_t start_ns);
