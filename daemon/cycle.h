/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One turn of the daemon: observe, decide, act, tell. Everything that is known of the host at this
 * moment is here; who asks gets his answer from it.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "advice.h"
#include "arrivals.h"
#include "control.h"
#include "decide/plan.h"
#include "decide/relief.h"
#include "findings.h"
#include "flow.h"
#include "looks.h"
#include "moves.h"
#include "observe/sample.h"
#include "observe/watch.h"
#include "risks.h"
#include "settings.h"
#include "wide.h"

/* How fast a guest takes memory: what it had, when, and up to when that is called growing. */
struct cycle_growth {
	uint64_t resident_bytes, looked_ns, until_ns;
};

/* What is remembered of a guest from turn to turn. */
struct cycle_memory {
	int pid;
	uint64_t start_ns;
	uint64_t held_until_ns;	 /* not moved before then */
	unsigned n_denied;	 /* moves in a row that were refused */
	uint64_t stuck_until_ns; /* nor to save somebody: the last try failed */
	uint64_t looked_ns;	 /* the last closer look at it */
	uint64_t sampled_ns;	 /* the last samples of it */
	uint64_t seen_ns;	 /* since when it is known */
	uint64_t unsteerable_ns; /* until then its CPUs could not be given to a node */
	uint64_t migrating_ns;	 /* since when it migrates; 0: it does not */
	uint64_t closely_ns;	 /* since when it is watched closely for that; 0: it never was */
	uint64_t released_ns;	 /* when it was over, and nothing held any more; 0: never */
	unsigned n_threads;	 /* at that look, or when this was seen first; 0: unknown */
	bool is_look_due;	 /* the next turn looks at it again */
	/* What the sources that count said last, and when: 0 never. */
	enum place_evidence counted;
	unsigned counted_permille, counted_sure_permille;
	uint64_t counted_ns;
	bool is_told; /* its coming was logged */
	enum place_class class_told;
	enum place_fate fate_told;
	unsigned to_node_told;
	struct risk_memory risk;
	struct cycle_growth fast, slow;
	struct place_relief_vain vain;
};

struct cycle {
	sd_event *event;
	struct place_host *host;
	const struct settings *settings;
	struct control_lists *lists;
	struct place_policy policy;
	struct place_move_policy move;
	bool is_dry_run, is_paused;

	struct place_watch watch;
	struct looks looks;
	struct place_sample sample; /* borrows from the host and the watch */
	struct moves moves;
	struct wide wide;
	struct advice advice;
	uint64_t refreshed_ns; /* 0: never */
	bool has_refresh_pending;

	size_t n_memories, room;
	size_t n_kept; /* of them, the last: of guests that the watch does not have again yet */
	struct cycle_memory *memories; /* same order as the watch after cycle_turn() */
	struct cycle_memory *memories_before;
	uint64_t *held_until_ns, *stuck_until_ns;
	bool *is_moving, *may_steer, *may_change_nodes, *is_wide, *is_growing;
	struct place_plan plan;
	struct place_plan_scratch scratch;
	uint64_t *coming_bytes;		       /* per node, of moves under way, of any kind */
	struct place_node_sample *hidden_from; /* the nodes, while answers see less of them */
	size_t n_nodes;			       /* of the scratch */
	struct place_relief relief;
	struct place_relief_scratch relief_scratch;
	struct place_step under_way[MOVES_MAX + PLACE_STEPS_MAX];

	struct arrivals arrivals;
	sd_event_source *timer;	       /* the next turn */
	sd_event_source *patience;     /* questions that wait for a look */
	sd_event_source *gathering;    /* questions that have just come */
	struct place_set nodes_online; /* to notice nodes and CPUs that come or go */
	struct place_set cpus_online;
	struct findings findings;
	struct risks risks;
	int looked_pid;	    /* whose turn it was last to be looked at again */
	unsigned n_closely; /* looks of this turn at guests that are watched closely */
	unsigned n_news;    /* and at those that have more threads than before */
	bool is_crowded;    /* there were more new processes than could be asked of a job */
	bool is_blind;	    /* nor could a job be made for those that were */
	bool is_stale;	    /* the nodes changed, and were not read again yet */
	bool is_decided;    /* the plan is of this picture */
	unsigned n_counted; /* guests of whom the sources that count were asked in this turn */
	int counted_pid;    /* the last one of them: the next turn goes on behind it */
	bool is_hurried;    /* a step was dropped, and is to be planned anew */
	bool is_learning;   /* of some guest it is not known yet what it does */
	bool is_new;	    /* and it has only just come, or may be one at the next scan */
	bool is_quick;	    /* something happened: the next turn comes early */
	bool is_relieving;  /* somebody makes room for another, or is about to */
	uint64_t opened_ns; /* when somebody opened the program of guests last; 0: never */
	uint64_t n_turns;
	uint64_t turned_ns; /* the last turn began */
	uint64_t quick_ns;  /* up to then the budget of quick turns is spent */
};

/*
 * Begins: the topology must have been read. `settings` and `lists` stay the caller's; tell of
 * changes with cycle_settings_changed().
 * Returns: 0 or -errno. Ownership: cycle_done().
 */
int cycle_init(sd_event *event, struct place_host *host, const struct settings *settings,
	       struct control_lists *lists, bool is_dry_run, struct cycle *cycle);
void cycle_done(struct cycle *cycle);

/* One whole turn now; the next follows by itself. */
void cycle_turn(struct cycle *cycle);

void cycle_settings_changed(struct cycle *cycle);

/*
 * The lists of processes, or the rules, changed. Whoever is on a list now is taken for it at once;
 * what rules say of a guest comes with a look at it, which is due now. pid 0: of all guests.
 */
void cycle_lists_changed(struct cycle *cycle, int pid);

/* Brings the picture up to date for somebody who wants to see it. */
void cycle_show(struct cycle *cycle);

/* A question: answered at once where the picture is fresh, else as soon as it is. */
void cycle_ask(struct cycle *cycle, struct serve_ask *ask);
