/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves under way and the last ones that ended: a mover each, what the guest's CPUs were given, and
 * why it ended. Nothing waits for a move: turns look at it, a stop kills it.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "act/act.h"
#include "act/affinity_cells.h"
#include "act/intent.h"
#include "act/mover.h"
#include "act/realtime.h"
#include "act/stuck.h"
#include "flow.h"
#include "job.h"
#include "observe/sample.h"
#include "observe/watch.h"
#include "settings.h"
#include "tell/report.h"

/* Some run, the others are remembered for status. */
#define MOVES_MAX 32
/* Movers that hang, at most; beyond it nothing is moved. The unit's TasksMax= is 128. */
#define MOVES_HUNG_MAX 8

/* The name of what moves_may_start() found, in the log and in reports. */
#define MOVES_FINDING_REALTIME "realtime_thread"

struct moves;

struct move {
	struct moves *moves; /* whose it is; NULL: the place was never used */
	struct mover *mover; /* NULL: it has ended */
	pid_t child;	     /* of the mover that has ended: it may hang in the kernel */
	int pid;
	uint64_t start_ns;
	char name[PLACE_GUEST_NAME_MAX];
	struct place_set from;
	unsigned to_node;
	uint64_t planned_bytes;
	uint64_t begin_ns, end_ns;
	bool changes_nodes; /* its groups are wide meanwhile */
	bool is_paused;
	enum mover_end end;
	const char *reason; /* why we stopped it, or NULL */
	struct mover_report report;
	struct stuck *stuck; /* pages of the guest that would not move, from all of its moves */
};

struct moves {
	sd_event *event;
	struct place_host *host;
	struct place_watch *watch;
	const struct settings *settings;
	/* A move has ended: the guest is to be left alone for a while. */
	void (*on_end)(int pid, uint64_t start_ns, void *data);
	/* What moves_may_start() waited for is there. */
	void (*on_ready)(void *data);
	void *data;
	struct act *act; /* for affinities; each mover's child has its own */
	struct intents intents;
	size_t follow_next; /* the intent whose new threads are next */
	size_t next;	    /* the place of the next one, if it is free */
	struct move list[MOVES_MAX];
	struct job *mend_job;
	pid_t mend_child; /* of the one that was given up last: it may hang in the kernel */
	struct job *realtime_job;
	struct realtime_finding realtime;
	uint64_t realtime_ns; /* when that was looked at, 0: never */
	char realtime_text[200];
	uint64_t n_moved_bytes, n_ended, n_failed;
};

/*
 * Begins, and takes back what a crash of an earlier daemon left, but for a dry run, which changes
 * nothing. The callbacks are set by the caller. Returns: 0 or -ENOMEM. Ownership: moves_done().
 */
int moves_init(sd_event *event, struct place_host *host, struct place_watch *watch,
	       const struct settings *settings, bool is_dry_run, struct moves *moves);
/* Kills what runs, and gives the guests their CPUs back. */
void moves_done(struct moves *moves);

/*
 * Whether this host may be moved on: no realtime thread can own a CPU. Looked at in a job, anew
 * every few minutes. Returns: 0; -EINPROGRESS being looked at; -EPERM no, and the log has said why.
 */
int moves_may_start(struct moves *moves);

/*
 * Gives the CPUs of the guest at index i of the watch to the node of a step, where nobody else
 * chose them. Returns: 0 or -errno as affinity_give(): they stay where they are.
 */
int moves_steer(struct moves *moves, const struct place_step *step, size_t i);

/*
 * Starts the move of a step of the guest at index i of the watch. reserve_bytes: what must stay
 * free on the target. range: that part of its memory alone, NULL is all. Returns: 0; -EAGAIN as
 * many run as there are places; or -errno, and the log has said why.
 */
int moves_start(struct moves *moves, const struct place_step *step, size_t i,
		uint64_t reserve_bytes, const struct pages_range *range);

/* Tells those that run their share of another bandwidth_mib_s. */
void moves_settings_changed(struct moves *moves);

bool moves_is_moving(const struct moves *moves, int pid, uint64_t start_ns);
size_t moves_n_running(const struct moves *moves);
/* What moves under way will still bring to a node. */
uint64_t moves_coming_bytes(const struct moves *moves, unsigned node);

/*
 * Stops moves whose guest has changed: gone, migrating, excluded. Pauses or resumes the others; one
 * that changes nodes is stopped instead, since its groups would stay wide for as long.
 */
void moves_check(struct moves *moves, bool is_paused);

/*
 * Gives CPUs to the vCPUs of each cell of the guest at index i of the watch. What the whole guest
 * was given is taken back before. Returns: 0 or -errno as affinity_give_cells(); -E2BIG also where
 * what is left of the intents is for guests of the system.
 */
int moves_steer_cells(struct moves *moves, size_t i, const struct affinity_cell *cells, size_t n);

/* Takes back all CPUs that the guest was given. */
void moves_release(struct moves *moves, int pid, uint64_t start_ns);

/* Whether it had some of the nodes only when its CPUs were given. */
bool moves_was_confined(const struct moves *moves, int pid, uint64_t start_ns);

/* Whether the affinity of its threads is ours. */
bool moves_steers(const struct moves *moves, int pid, uint64_t start_ns);

/* Whether its groups are being changed, or are to be mended: no step is made for it meanwhile. */
bool moves_is_mending(const struct moves *moves, int pid, uint64_t start_ns);
/* Whether there is any such guest. */
bool moves_has_to_mend(const struct moves *moves);
/* Whether one is worth an early turn: not where it was tried in vain again and again. */
bool moves_mends_soon(const struct moves *moves);

/* For reports, the oldest first. Returns: how many. */
size_t moves_report(const struct moves *moves, struct report_move reports[MOVES_MAX]);
