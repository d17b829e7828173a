/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who moves. One simple rule: the guest with most remote traffic goes to the node that advice
 * would name for it, if there is room and the move pays for itself in time.
 */
#pragma once

#include "decide/advise.h"
#include "flow.h"

/* A node where its vCPUs run for less than this is no home for memory that follows them. */
#define PLACE_RUN_HOME_PERMILLE 600

struct place_move_policy {
	bool is_enabled;
	unsigned remote_permille;   /* guests with less remote access are local enough */
	unsigned locality_permille; /* of its memory on one node: nothing more to gather */
	/* Of the room on its new node a guest takes this much; 0 and above 100: all. */
	unsigned utilization_percent;
	bool merges_interleaved; /* what is spread on purpose may be gathered (numad's -K 0) */
	uint64_t busy_millicpu;	 /* guests that use less are idle */
	uint64_t payback_s;	 /* a move that has not paid by then is not made */
	unsigned steps_max;	 /* guests moved at the same time, at most PLACE_STEPS_MAX */
};

/* What a plan is made from; arrays per guest are in the order of the sample. */
struct place_plan_input {
	const struct place_topology *topology;
	const struct place_sample *sample;
	const enum place_class *classes;
	const unsigned *traits; /* per guest, of enum place_trait */
	const struct place_activity *activities;
	const uint64_t *held_until_ns; /* per guest: not before then */
	const bool *is_moving;	       /* per guest: a mover is at it; each takes a step's place */
	const bool *may_steer;	       /* per guest: its CPUs may go with its memory */
	/* Per guest: place_class_changes_nodes(), and no earlier change is left to do. */
	const bool *may_change_nodes;
	const bool *is_wide;	      /* per guest: it is placed by its cells; NULL: nobody is */
	const uint64_t *coming_bytes; /* per node: of moves under way; NULL: none */
	const struct place_promise *promises;
	size_t n_promises;
	const struct place_policy *policy;
	const struct place_move_policy *move;
	uint64_t now_ns;
};

/* Buffers of the caller: nodes and taken_bytes have one entry per node, traffic one per guest. */
struct place_plan_scratch {
	struct place_node_model *nodes;
	uint64_t *taken_bytes;
	uint64_t *traffic;
	struct place_advise_scratch advise;
};

/*
 * Makes the plan; plan->after_pid and after_system_pid are those of the plan before, at first 0.
 * plan->fates, one per guest, is the caller's and filled: the verdict on each guest, and so the
 * reason where nothing is done.
 *
 * Those with most traffic are weighed, and some others in turn; who was not stays
 * PLACE_FATE_WAITING. Traffic is remote_permille x busy_millicpu. Guests of root's libvirt go
 * before those of users, whatever traffic these make. Where a guest's CPUs may go with
 * its memory, any node may be its target; memory of others goes where their vCPUs run most, inside
 * what they are allowed; who may change nodes is allowed all, and its
 * step then says so. Guests that are alike are taken in the order of uuid and pid: the order in
 * the sample does not matter.
 *
 * Returns: 0 or -EINVAL (the sample is not of this topology).
 */
int place_plan_make(const struct place_plan_input *input, struct place_plan_scratch *scratch,
		    struct place_plan *plan);

/* Whether root's libvirt runs it: anybody can start another, and make it as busy as he likes. */
bool place_plan_is_of_system(unsigned traits);

/*
 * Whether moving `bytes` pays: the CPU time that remote access wastes, over payback_s, against what
 * the move itself takes.
 */
bool place_plan_pays(const struct place_move_policy *move, uint64_t bytes, unsigned gain_permille,
		     uint64_t busy_millicpu);
