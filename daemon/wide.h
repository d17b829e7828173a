/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wide guests: those that need several nodes and have NUMA cells. A job looks at the cells of one
 * of them at a time (observe/cells.h), decide/cells.h says which node each belongs to, and then its
 * vCPUs and its memory go there, one cell after the other; inside the nodes that the guest has, and
 * without a word to its policy or its cpuset. This file knows who they are; cycle_wide.c acts.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "act/pages.h"
#include "decide/cells.h"
#include "flow.h"
#include "job.h"
#include "observe/cells.h"
#include "observe/sample.h"
#include "observe/watch.h"

/* Who has cells and several nodes has a place, wide or not; beyond it they are the plan's. */
#define WIDE_MAX 256
/*
 * Of them the last so many are for guests of the system: anybody else can start as many as he
 * likes.
 */
#define WIDE_OF_SYSTEM 64
/* Looks that hang in the kernel, at most; beyond it nobody is looked at. */
#define WIDE_HUNG_MAX 8

/* What is known of one cell. */
struct wide_cell {
	unsigned id;
	unsigned n_vcpus;
	uint64_t present_bytes;
	uint64_t right_bytes; /* of them on to_node, at the last look */
	unsigned to_node;     /* PLACE_CELL_NOWHERE: it stays as it is */
	struct pages_range range;
	bool is_due; /* its memory is to be moved */
};

struct wide_guest {
	int pid; /* 0: the place is free */
	uint64_t start_ns;
	char name[PLACE_GUEST_NAME_MAX]; /* "" where it has none */
	uint64_t next_ns;		 /* the next look */
	uint64_t looked_ns;		 /* the last look that said something; 0: none yet */
	bool is_wide;			 /* it is placed by its cells */
	bool is_checking;   /* the next look says what the moves have come to, and begins none */
	int error;	    /* -errno of the last look, or why the cells were not placed */
	pid_t child;	    /* of a look that did not come back; 0: none */
	unsigned n_refused; /* moves in a row that could not begin now */
	size_t n_cells;
	struct wide_cell cells[PLACE_CELLS_MAX];
};

struct wide {
	struct wide_guest list[WIDE_MAX];
	size_t n;		   /* behind these all places are free */
	pid_t hung[WIDE_HUNG_MAX]; /* looks that did not come back; 0: the place is free */
	unsigned n_turns;	   /* guests whose turn it was */
	bool is_crowded_out; /* a cell of the system's guests found no place among the moves */
	struct job *job;
	/* Of the job that is under way. */
	const struct place_host *host;
	struct place_guest guest;
	size_t n_samples;
	uint64_t seed;
	void (*on_looked)(void *data, struct wide_guest *guest, const struct place_cells_look *look,
			  const uint64_t *bytes);
	void *data;
};

struct wide_guest *wide_find(struct wide *wide, int pid, uint64_t start_ns);

bool wide_has_room(const struct wide *wide, bool is_of_system);

/* Finds it, or makes place for it. Returns: NULL where there is none. */
struct wide_guest *wide_add(struct wide *wide, int pid, uint64_t start_ns, bool is_of_system);

/* Forgets who is not in the watch any more. */
void wide_forget(struct wide *wide, const struct place_watch *watch);

/*
 * Starts the look at a guest: on_looked() comes with what it found, look NULL where that is nothing
 * (guest->error says why) and is not called when the guest was forgotten meanwhile.
 * Returns: 0 or -errno (-EBUSY one is under way, or an earlier one of this guest hangs; -EAGAIN too
 * many hang).
 */
int wide_look(struct wide *wide, sd_event *event, struct place_host *host,
	      const struct place_guest *guest);
void wide_done(struct wide *wide);

/*
 * Of its memory, the share on another node than its cell's.
 * Returns: false where nothing is known.
 */
bool wide_remote_permille(const struct wide_guest *guest, unsigned *ret_permille);
