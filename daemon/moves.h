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
/* Movers that hang, at most; beyond it nothing is moved. The unit's TasksMax= is 256. */
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
	uint64_t there_bytes; /* of the guest, that lay there when it began */
	uint64_t page_bytes;  /* of the pool that what is planned is from; 0: plain memory */
	/* What it has not taken yet, where that goes with it: plain memory, and of that pool. */
	uint64_t claim_bytes, pool_claim_bytes;
	uint64_t begin_ns, end_ns;
	bool changes_nodes; /* its groups are wide meanwhile */
	enum place_cause cause;
	char for_whom[PLACE_GUEST_NAME_MAX]; /* a name, "pid 7", "promise of 512 MiB"; "": nobody */
	int for_pid;			     /* 0: nobody, or a promise */
	uint64_t most_bytes;		     /* 0: all of the guest goes */
	bool is_urgent;			     /* at no limit of bandwidth */
	bool is_relieved;		     /* stopped: nobody needs that room any more */
	bool is_paused;
	uint64_t paused_ns;   /* since when */
	uint64_t heard_ns;    /* when it reported last */
	uint64_t doubtful_ns; /* since when it has seemed to hang; 0: it does not */
	bool hangs;	      /* that is why it was stopped */
	bool is_part;	      /* a cell's memory alone */
	bool is_slow_told;    /* that a call of it takes long */
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
	/* A move has ended: the guest is to be left alone for a while, or until it has migrated. */
	void (*on_end)(int pid, uint64_t start_ns, enum mover_end end, void *data);
	/* What moves_may_start() waited for is there. */
	void (*on_ready)(void *data);
	/* What must stay free on a node for others than the guest at index i of the watch. */
	uint64_t (*reserve_on)(void *data, size_t i, unsigned node, enum place_cause cause);
	void *data;
	struct act *act; /* for affinities; each mover's child has its own */
	struct intents intents;
	uint64_t anew_ns;   /* when the watch began anew, 0: never */
	size_t follow_next; /* the intent whose new threads are next */
	size_t next;	    /* the place of the next one, if it is free */
	bool is_hurried;    /* who makes room does so at no limit of bandwidth */
	struct move list[MOVES_MAX];
	struct job *mend_job;
	pid_t mend_child; /* of the one that was given up last: it may hang in the kernel */
	struct job *realtime_job;
	struct realtime_finding realtime;
	uint64_t realtime_ns; /* when that was looked at, 0: never */
	char realtime_text[200];
	uint64_t n_moved_bytes, n_ended, n_failed, n_for_others;
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
 * Starts the move of a step of the guest at index i of the watch. range: that part of its memory
 * alone, NULL is all. Returns: 0; -EAGAIN as many run as there are places; or -errno, and the log
 * has said why.
 */
int moves_start(struct moves *moves, const struct place_step *step, size_t i,
		const struct pages_range *range);

/* Tells those that run their share of another bandwidth_mib_s. */
void moves_settings_changed(struct moves *moves);

/*
 * Who makes room for somebody who may be swapped or killed (PLACE_CAUSE_ARRIVAL) does so at no
 * limit of bandwidth, or at the ordinary pace.
 */
void moves_hurry(struct moves *moves, bool is_urgent);

/*
 * Nobody needs that room any more: those that would leave their guests split are stopped, unless
 * more than half has gone, and the others go on at the ordinary pace.
 */
void moves_relieved(struct moves *moves);

/* Moves that make room for somebody. */
size_t moves_n_relieving(const struct moves *moves);

/* What is still to go. Returns: how many of at most `most` were written. */
size_t moves_under_way(const struct moves *moves, struct place_step *steps, size_t most);

bool moves_is_moving(const struct moves *moves, int pid, uint64_t start_ns);
/* Whether moves_start() would refuse it: its mover hangs in the kernel, or too many others do. */
bool moves_is_barred(const struct moves *moves, int pid, uint64_t start_ns);
size_t moves_n_running(const struct moves *moves);

/*
 * What moves under way will still bring to a node, and what their guests may take there then: from
 * the pool of pages of that size, plain memory (0), or all together.
 */
#define MOVES_ANY_PAGES UINT64_MAX
uint64_t moves_coming_bytes(const struct moves *moves, unsigned node, uint64_t page_bytes);

/*
 * Stops moves whose guest has changed: gone, migrating, excluded, or it runs elsewhere now, and
 * movers that hang. Pauses the others for a minute, or resumes them; one that changes nodes is
 * stopped at once, since its groups would stay wide for as long.
 */
void moves_check(struct moves *moves, bool is_paused);

/*
 * The watch begins anew: who is not in it any more may be there still, goes on, and keeps his CPUs.
 */
void moves_watch_anew(struct moves *moves);
/* Whether that was so short a time ago that some may not be in it again. */
bool moves_is_watch_anew(const struct moves *moves);

/*
 * Somebody may have been promised room since moves began, on their targets, or on the node that a
 * guest has left and may go back to.
 */
void moves_keep_free(struct moves *moves);

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

/*
 * What a look has found its vCPUs to have: whether that may be what we gave. Not where somebody has
 * given them others since, which two looks in a row have to say.
 */
bool moves_has_given(struct moves *moves, int pid, uint64_t start_ns, const struct place_set *cpus);

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
