/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who makes room. Where a confined guest is short on its nodes, or they do not hold what was
 * promised any more, and others have room, neighbours go away from there first: the cheapest, and
 * only where that harms nobody. A pure function; doc/decisions/0017-arrivals.md says why so.
 */
#pragma once

#include "decide/plan.h"
#include "decide/pressure.h"
#include "flow.h"

/* Rows of changed guests: those that move, and those that are to. */
#define PLACE_RELIEF_ROWS 64

struct place_relief_input {
	const struct place_plan_input
		*plan; /* its coming_bytes are not used: under_way says more */
	const struct place_pressure_input *pressure; /* of the same sample, with its model */
	const struct place_pressure_node *nodes;     /* what place_pressure_find() made of it */
	const struct place_pressure *pressures;
	/*
	 * Per guest: not before then, be it to save a guest of root's libvirt. A hold-off
	 * (plan->held_until_ns) is no reason there: many may arrive while it lasts. NULL: no such
	 * time.
	 */
	const uint64_t *stuck_until_ns;
	const bool *is_growing; /* per guest: it takes memory these moments; NULL: nobody does */
	/* Moves under way; bytes is what is still to go of each. */
	const struct place_step *under_way;
	size_t n_under_way;
};

/* When it was last in vain to look for somebody who makes room; 0: never. */
struct place_relief_vain {
	uint64_t nodes_ns; /* for the guest, or another that was short on the same nodes as he */
	uint64_t own_ns;   /* for the guest */
};

/* Buffers of the caller; touched only where somebody is short. */
struct place_relief_scratch {
	/* One entry per node each. */
	struct place_node_model *models;
	struct place_node_sample *raw;
	struct place_pressure_node *nodes;
	uint64_t *saved_free, *saved_row;
	uint64_t *rows; /* PLACE_RELIEF_ROWS of them */
	/* One entry per guest each. */
	struct place_guest *guests;
	struct place_activity *activities;
	struct place_pressure *pressures;
	enum place_risk *risks;
	/* One per guest, kept by the caller from turn to turn; NULL: nothing is remembered. */
	struct place_relief_vain *vain;
};

struct place_relief {
	size_t n_steps;
	struct place_step steps[PLACE_STEPS_MAX]; /* with a cause, and for whom */
	bool is_urgent; /* who may be swapped or killed is short, with what is under way */
};

/*
 * Whether anybody is short: a guest that may be swapped or killed, one that grows and would come to
 * lie elsewhere too, or a promise. Where nobody is, this is all that is done.
 */
bool place_relief_is_wanted(const struct place_relief_input *input);

/* The same for those alone who may be swapped or killed, and promises. */
bool place_relief_is_urgent(const struct place_relief_input *input);

/* The same for promises alone. */
bool place_relief_is_promise_short(const struct place_relief_input *input);

/*
 * Who goes where. Each step is tried on the host as it would be after it, with what is under way
 * and the steps before: it stands where those who may be swapped or killed lack less than before,
 * nobody is at a worse risk than before, and its target holds it after its reserve and its
 * promises. In this order: who loses no locality (idle; its vCPUs go along, or run there already),
 * then who covers alone what is lacking, then the fewest bytes. Of a guest that need not go as a
 * whole and feels nothing of it, or has no CPUs to go along, a part goes.
 *
 * What is tried at a time is bounded, and those for whom it is in vain must not be in the way of
 * others for ever: they, and who is short on the same nodes, go behind everybody else from then on,
 * first who has waited longest. Promises, the last one first, go before them, and behind all other
 * guests.
 *
 * Only classes that are moved, inside what they are allowed; not who is stuck, or held off where it
 * is not to save a guest of root's libvirt; no guest on huge pages, none that is placed by its
 * cells, and pinned ones only to where their vCPUs run. For one that is not of root's libvirt those
 * that are go only while it grows. A guest that is short itself and may change nodes may be the one
 * that goes.
 *
 * For those who would lose locality alone (PLACE_CAUSE_GROWTH) only where nobody else is short and
 * nothing is under way, only neighbours that lose none, and only while they grow and it pays.
 *
 * relief->n_steps is 0 where moving is switched off. Returns: 0; -EINVAL the sample is not of this
 * topology, or more is under way than there are rows: there are no steps.
 */
int place_relief_find(const struct place_relief_input *input, struct place_relief_scratch *scratch,
		      struct place_relief *relief);

/*
 * Takes those steps out of the plan that would bring somebody into danger of being swapped or
 * killed, or more of it: their guests' verdict is PLACE_FATE_NO_ROOM. What makes room must be under
 * way in the input. Returns: 0 or -EINVAL as above: the plan is as it was.
 */
int place_relief_restrain(const struct place_relief_input *input,
			  struct place_relief_scratch *scratch, struct place_plan *plan);
