/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of relief*.c share. */
#pragma once

#include "decide/relief.h"

/* The host as it would be: with moves under way done, and the steps that stand. */
struct relief_world {
	const struct place_relief_input *input;
	struct place_relief_scratch *scratch;
	struct place_sample sample;
	struct place_model model;
	struct place_pressure_input pressure;
	size_t n_rows;
	uint64_t short_bytes; /* of all who may be swapped or killed, and of promises */
};

/* Somebody who is short. */
struct relief_need {
	size_t guest;			   /* SIZE_MAX: a promise */
	size_t promise;			   /* its index */
	const struct place_nodes *allowed; /* his nodes; NULL: */
	const struct place_set *set;	   /* these; NULL: home_node alone */
	unsigned home_node;
	uint64_t short_bytes;
	uint64_t lacking_bytes; /* that must leave his nodes, with some distance */
	enum place_cause cause;
	bool costs_locality; /* others may come to lie elsewhere too for it: nothing else helped */
};

/* One neighbour, one target. */
struct relief_option {
	size_t guest, target; /* indices */
	unsigned rank;	      /* 0: loses no locality */
	bool covers;	      /* all that is lacking, alone */
	bool keeps_cpus, changes_nodes;
	uint64_t bytes;	       /* that are moved */
	uint64_t relief_bytes; /* by which there is more room on the nodes of the need */
	uint64_t most_bytes;   /* 0: all of the guest goes */
	unsigned run_permille; /* of its vCPUs on the target */
	unsigned distance;
	uint64_t usable_bytes;
};

/* Each takes a model of the whole host, and the pressure on all of its guests. */
#define RELIEF_TRIED_MAX 32
/* So many for one need in one way: what is in vain for the first must not be all that is tried. */
#define RELIEF_TRIED_EACH 4

/* What was tried, in vain or not. */
struct relief_tried {
	size_t n;     /* in all */
	size_t first; /* of this need, and of this way to help it */
	struct {
		size_t guest, target;
		bool is_part; /* not all of the guest was to go */
		bool stands;  /* its step does: nobody is moved twice */
	} list[RELIEF_TRIED_MAX];
};

/* Returns: 0 or -errno; the world then is that of the input with what is under way. */
int relief_world_begin(const struct place_relief_input *input, struct place_relief_scratch *scratch,
		       struct relief_world *world);

/*
 * Tries a step of a guest. Returns: whether it stands; the world is as before where it does not.
 * Those who may be swapped or killed must lack less; for PLACE_CAUSE_GROWTH the need itself must,
 * and they no more; for PLACE_CAUSE_LOCALITY, which is nobody's need, that is all.
 */
bool relief_world_try(struct relief_world *world, size_t guest, const struct place_step *step,
		      const struct relief_need *need);

/* By index; n_guests: it is not there. */
size_t relief_find_guest(const struct place_sample *sample, int pid);

/* Whether somebody may be swapped or killed, and room in plain memory would help. */
bool relief_is_harm(const struct place_pressure *pressure);

bool relief_is_at(const struct relief_need *need, unsigned node);

/* What is short of it in the world; 0: nothing. */
uint64_t relief_short_of(const struct relief_world *world, const struct relief_need *need);

/* Who goes first, and where, of what was not tried for it. Returns: whether there is anything. */
bool relief_pick(const struct relief_world *world, const struct relief_need *need,
		 const struct relief_tried *tried, struct relief_option *ret_option);
