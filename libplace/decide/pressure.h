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
	uint64_t promised_bytes; /* of that, by the model, without what is doubtful or pooled */
	uint64_t pool_promised_bytes[PLACE_POOLS_MAX];
	/*
	 * Promised, and not counted: of guests of whom it is not known what they have, and what
	 * others' QEMUs will hardly need.
	 */
	uint64_t doubtful_bytes;
	uint64_t pooled_bytes;	  /* nor these, of promises that may come from huge pages */
	bool is_weighed;	  /* what is free is known */
	bool is_rough;		  /* but not its page cache: the room may be larger */
	bool is_short;		  /* a confined guest lacks room here */
	bool is_short_together;	  /* here and on others: one that its cpuset alone confines does */
	uint64_t swappable_bytes; /* guests' memory here, as far as their groups may swap it */
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
 * A guest whose policy would let it go elsewhere and whose cpuset does not (PLACE_GUEST_ALLOWED) is
 * confined to the nodes of that; where they hold it, it loses locality as others do.
 *
 * A guest each of whose NUMA cells is bound to one node is judged node by node, where its own group
 * says what of it lies on which; else by all of its nodes together.
 *
 * What swap can take is what it has free and what it has of these guests already. Where a guest's
 * group limits it (memory.swap.max), others on its nodes may be swapped in its place, those that
 * may: where all of them together may not be, somebody is killed.
 *
 * Neighbours count with all that the model promises them on these nodes, so those that could go
 * elsewhere count in part. A promise of which it is not known whether it will take huge pages does
 * not count where the pools of its nodes hold it beside all that is promised of them: advice may
 * have found it room there and nowhere else. What is not known is not said: a guest whose size,
 * resident memory or nodes are unknown, or the memory of one of whose nodes is, gets
 * PLACE_RISK_UNKNOWN; neighbours of whom only the size is known do not count at all. Where it is
 * not known what swap holds, a guest that would be swapped or killed gets PLACE_RISK_SWAP; where
 * huge pages may be made beyond the pools, or it is not known, nothing is said of a pool that runs
 * out.
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

/*
 * What a promise that nobody has taken up lacks on its nodes, after place_pressure_find(): 0 where
 * they hold it, where it is not known, and of guests that are, or may be, on huge pages.
 */
uint64_t place_pressure_promise(const struct place_pressure_input *input,
				const struct place_pressure_node *nodes,
				const struct place_promise *promise);

/* How far a guest with that limit must be from a risk that it was at to be called out of it. */
uint64_t place_pressure_margin(uint64_t limit_bytes);

/*
 * Its nodes are all that it may take memory from, or are not known: it may come to harm, where
 * others lose locality at most.
 */
bool place_pressure_may_be_confined(const struct place_guest *guest);

/* Whether that may make it take memory from this node. */
bool place_pressure_may_be_confined_to(const struct place_guest *guest, unsigned node);
