/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of moves*.c share; others include moves.h. */
#pragma once

#include "moves.h"

/* Whether the one at index i of the watch is a guest: else all of its memory and threads count. */
bool moves_is_guest(const struct moves *moves, size_t i);

/* Each has its share of the bandwidth, or no limit. */
void moves_share_bandwidth(struct moves *moves);

/* The log line of a move that has ended. */
void moves_tell_end(const struct move *move);

/* Takes back the CPUs of the node that a move was to go to, where the guest was given those. */
void moves_release_from(struct moves *moves, const struct move *move);

/*
 * Of who has ended the intent goes; who was excluded, is no guest any more, or was given CPUs or
 * nodes by somebody else is let go.
 */
void moves_let_go(struct moves *moves);

/* vCPUs that were added to guests whose CPUs we gave get the same. */
void moves_follow(struct moves *moves);

/* Gives all guests their CPUs back. */
void moves_take_back(struct moves *moves);

/*
 * A step that changes nodes: writes down what is about to be done. Returns: 0 or -errno, then it
 * must not be done.
 */
int moves_mems_begin(struct moves *moves, const struct place_step *step);

/* The CPUs that go along with it; untouched where libvirt has no name for the guest. */
void moves_mems_find_cpus(const struct moves *moves, const struct place_step *step,
			  struct cgroup_cpus *cpus);

/* Its mover has ended, or was never started: what is left to do is for moves_mems_check(). */
void moves_mems_end(struct moves *moves, const struct move *move);

/* What a job found of one intent. */
struct mended {
	enum intent_kind kind;
	int pid;
	uint64_t start_ns;
	enum relocate_state state;
	int r; /* n changed, or -errno */
};

unsigned moves_node_of(const struct place_set *set);

/* Whether its groups are to be looked at, and nobody is at work on them. */
bool moves_is_due(const struct moves *moves, const struct intent *intent);

/*
 * In a child: where the groups of an intent are to end, by where the guest's memory lies now, and
 * by the room on either node. Returns: 0; or -errno: nobody knows, and *ret_choice is WIDE.
 */
int moves_choose(const struct moves *moves, const struct intent *intent,
		 enum relocate_state *ret_choice);

/* A job_work: mends what is due, and writes a struct mended for each. */
int moves_mend_all(void *data, FILE *out);

/* Each turn: starts a job where groups are wide and nobody is at work on them, or may have come. */
void moves_mems_check(struct moves *moves);

/* At the stop, movers have been killed: narrows what they left wide, waits for it two seconds. */
void moves_mems_stop(struct moves *moves);
