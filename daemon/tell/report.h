/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon tells whoever asks: the lines behind `placectl status`, `explain`, `doctor` and
 * `metrics`. Reads what the other rooms made, and only writes text: no clock, no file, no state.
 *
 * A line is a word and key=value pairs; texts are escaped as place_text_escape() does and always
 * quoted. What is not known has no key. Readers pass over words and keys that they do not know.
 */
#pragma once

#include <stdio.h>

#include "flow.h"

struct intents;

enum report_move_state {
	REPORT_MOVE_RUNNING,
	REPORT_MOVE_PAUSED,
	REPORT_MOVE_DONE,
	REPORT_MOVE_STOPPED, /* by an order, or because the guest left or its gain was gone */
	REPORT_MOVE_FAILED,
	REPORT_MOVE_STATE_COUNT,
};

/* A move that runs, or one of the last that ran. */
struct report_move {
	int pid;
	const char *name; /* of the guest, "" where it has none */
	struct place_set from;
	unsigned to_node;
	uint64_t planned_bytes;
	uint64_t moved_bytes;
	uint64_t failed_bytes; /* tried, and not moved */
	uint64_t begin_ns;     /* CLOCK_BOOTTIME */
	uint64_t end_ns;       /* 0: not yet */
	enum report_move_state state;
	enum place_cause cause;
	const char *for_whom; /* whom it makes room for: a name, "pid 7", "promise of 9 MiB"; NULL,
				 "" */
	int for_pid;	      /* 0: nobody, or a promise */
	const char *reason;   /* a word or a short sentence, or "" */
};

/* How urgent; in words: notice, warning, critical, unknown. */
enum report_level {
	REPORT_NOTICE,	 /* nobody is harmed */
	REPORT_WARNING,	 /* guests may run worse, or be swapped */
	REPORT_CRITICAL, /* a guest may be killed */
	REPORT_UNKNOWN,	 /* it could not be found out whether anybody is harmed */
	REPORT_LEVEL_COUNT,
};

/* A NUMA cell of a wide guest. */
struct report_cell {
	int pid;
	const char *name; /* of the guest, "" where it has none */
	unsigned id, n_vcpus;
	uint64_t present_bytes;
	bool has_node;
	unsigned to_node;     /* where it belongs */
	uint64_t right_bytes; /* of it, there, at the last look */
	bool is_due;	      /* the rest is to be moved */
};

/* Something that an operator should know and may want to change. */
struct report_finding {
	const char *what;    /* a word: ksm_across_nodes */
	const char *subject; /* a guest's name, "node 1", or "" for the host */
	const char *text;    /* a sentence */
	const char *remedy;  /* a sentence, or "" */
	enum report_level level;
	/* Of a guest that may come to harm by growing: its figures. NULL: of something else. */
	const struct place_pressure *pressure;
	int pid;
	const char *nodes; /* in list format */
};

/* A number for metrics: placed_NAME. The help is one line. */
struct report_counter {
	const char *name;
	const char *help;
	uint64_t value;
	bool is_gauge; /* may go down */
};

/* All of it belongs to the caller. Arrays per guest are in the order of the sample. */
struct report_view {
	const char *version;
	int pid;
	uint64_t now_ns;     /* CLOCK_BOOTTIME */
	uint64_t started_ns; /* the same clock */
	unsigned interval_s;
	bool is_paused;
	bool is_dry_run;
	bool is_recorded; /* the host: nothing of it is moved */
	const struct place_topology *topology;
	const struct place_sample *sample;
	const struct place_model *model; /* NULL: none was made yet */
	const struct place_activity *activities;
	const unsigned *traits;
	const enum place_class *classes;
	const enum place_fate *fates;
	/* Per guest; NULL: nothing was found out yet. */
	const struct place_pressure *pressures;
	const enum place_risk *risks;
	const enum place_nearness *nearness; /* per node, or NULL */
	struct place_stall stall;
	const struct place_ledger *ledger; /* NULL: none */
	const struct report_move *moves;
	size_t n_moves;
	const struct report_cell *cells;
	size_t n_cells;
	const struct intents *intents; /* NULL: none. Who is elsewhere than libvirt thinks */
	const struct report_finding *findings;
	size_t n_findings;
	const struct report_counter *counters;
	size_t n_counters;
};

/* One `daemon` line, then `node`, `promise`, `guest`, `cell`, `move` and `finding` lines. */
void report_status(const struct report_view *view, FILE *out);

/*
 * The `guest` lines of all guests of that libvirt name, uuid or pid, each followed by its `cell`
 * and `move` lines and by `because` lines: topic=WORD text="SENTENCE". Returns: 0; -ENOENT there is
 * none.
 */
int report_explain(const struct report_view *view, const char *who, FILE *out);

/* The `finding` lines alone. */
void report_findings(const struct report_view *view, FILE *out);

/* Prometheus' text format 0.0.4: counters, nodes, guests. */
void report_metrics(const struct report_view *view, FILE *out);

const char *report_move_state_word(enum report_move_state state);

const char *report_level_word(enum report_level level);

/* What the files of this folder share. */
void report_guest_line(const struct report_view *view, size_t i, FILE *out);
void report_move_line(const struct report_view *view, const struct report_move *move, FILE *out);
void report_cell_line(const struct report_cell *cell, FILE *out);
void report_cell_sentence(const struct report_cell *cell, char *text, size_t size);
void report_text(FILE *out, const char *key, const char *text);
void report_number(FILE *out, const char *key, uint64_t number);
void report_set(FILE *out, const char *key, const struct place_set *set);
