/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must not be done in the loop, because another process can hold it up: looks at processes
 * (observe/look.h) and samples of their pages (observe/residency.h). Both are done in jobs, one of
 * each kind at a time; what they bring goes into the watch. A process whose look does not come back
 * is unreadable from then on, and tried again after a while.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "flow.h"
#include "hung.h"
#include "job.h"
#include "observe/sample.h"
#include "observe/watch.h"

/* So many are asked of one job; the rest of a crowd waits for the next. */
#define LOOKS_PER_JOB 64
#define SAMPLES_PER_JOB 8

struct looks_order {
	int pid;
	uint64_t start_ns; /* 0: not known yet */
};

struct looks {
	sd_event *event;
	struct place_host *host;
	struct place_watch *watch;
	/* May change a look before it is adopted: rules and lists. */
	void (*on_look)(struct place_look *look, void *data);
	/* One that is new is known but for its policy, which its job still waits for. */
	void (*on_early)(void *data);
	/* A job has ended; looks that it did not get to may be asked for anew. */
	void (*on_done)(void *data);
	void *data;
	struct job *look_job, *sample_job;
	sd_event_source *peek; /* while there is a look_job */
	size_t n_peeked;       /* records that it had written when it was peeked at last */
	bool is_early;	       /* what the last of them says was taken before it was whole */
	struct looks_order asked[LOOKS_PER_JOB];
	size_t n_asked;
	struct looks_order sampled[SAMPLES_PER_JOB];
	size_t n_sampled;
	unsigned n_samples; /* pages per guest */
	uint64_t seed;
	struct hung hung; /* who could not be looked at, and is left alone */
	uint64_t n_looks, n_stuck, n_sample_jobs;
};

/* Cancels what is under way. */
void looks_done(struct looks *looks);

/*
 * Asks for a look in the next job; of one that is left alone for now nothing is asked.
 * Returns: 0, or -EAGAIN: no place now.
 */
int looks_want(struct looks *looks, int pid);

/* Asks for samples of the guest at that index in the watch. Returns: 0 or -EAGAIN. */
int looks_want_sample(struct looks *looks, size_t i);

/* Whether one is asked for, or under way, at a process of which the watch knows nothing yet. */
bool looks_await_new(const struct looks *looks);

/* Starts the jobs that are wanted and not under way. Returns: whether a look is under way. */
bool looks_start(struct looks *looks);
