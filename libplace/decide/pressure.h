/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may come to harm by taking what it was given: for every guest what it may still take against
 * what its nodes have left beside the growth of its neighbours and the promises. A pure function;
 * guests x nodes steps, and no allocation.
 */
#pragma once

#include "flow.h"

struct place_pressure_input {
	const struct place_topology *topology;
	const struct place_sample *sample;
	const struct place_model *model; /* of this sample, with all its guests and promises */
	const struct place_policy *policy;
	const struct place_promise *promises; /* those that the model was built with */
	size_t n_promises;
	const struct place_activity *activities; /* per guest, or NULL */
	const enum place_nearness *nearness;	 /* per node, or NULL */
	const struct place_stall *stall; /* what swap has, and surplus huge pages; or NULL */
};

/* Work space of the caller, one per node. */
struct place_pressure_node {
	uint64_t room_bytes;	 /* free and clean cache, after the reserve */
	uint64_t promised_bytes; /* of that, by the model, without what is doubtful */
	uint64_t pool_promised_bytes[PLACE_POOLS_MAX];
	uint64_t doubtful_bytes; /* of guests of whom it is not known what they have */
	bool is_weighed;	 /* what is free is known */
	bool is_rough;		 /* but not its page cache: the room may be larger */
	bool is_short;		 /* a confined guest lacks room here */
};

/*
 * Fills one entry of `pressures` per guest of the sample.
 *
 * Confined guests (policy bind, or a cpuset) may take from their nodes alone: what does not fit is
 * reclaimed from whoever lies there, into swap, and where swap does not hold it somebody is killed.
 * Hugepages are never reclaimed: where the pools of its nodes run out the guest is killed. All
 * others lose locality: guests with policy preferred on their nodes, interleaved ones each node's
 * part, those without a policy on the node where most of their memory lies; it is said where it is
 * more than an eighth of their memory.
 *
 * Neighbours count with all that the model promises them on these nodes, so those that could go
 * elsewhere count in part. What is not known is not said: a guest whose size, resident memory or
 * nodes are unknown, or the memory of one of whose nodes is, gets PLACE_RISK_UNKNOWN; neighbours of
 * whom only the size is known do not count at all. Where it is not known what swap holds, a guest
 * that would be swapped or killed gets PLACE_RISK_SWAP; where huge pages may be made beyond the
 * pools, or it is not known, nothing is said of a pool that runs out.
 *
 * Returns: 0 or -EINVAL (sample, model and topology are not of the same nodes).
 */
int place_pressure_find(const struct place_pressure_input *input, struct place_pressure_node *nodes,
			struct place_pressure *pressures);

/*
 * The risk to go by, from that of the time before: a worse one at once, a lesser one only when it
 * has some distance to the worse (a 32nd of the guest, at least 16 MiB), so that single pages
 * change nothing. What is not known changes nothing either.
 */
enum place_risk place_pressure_settle(enum place_risk before, const struct place_pressure *now);

/* Its nodes are all that it may take memory from, or are not known: it may come to harm, where
 * others lose locality at most. */
bool place_pressure_may_be_confined(const struct place_guest *guest);
