/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fewest, nearest nodes that hold something together. Exact where all sets of the size can
 * be looked at, growing and swapping where they cannot.
 */
#pragma once

#include "flow.h"

/* A node that may be in the set. */
struct place_candidate {
	size_t index;	   /* of the node in the model */
	uint64_t room;	   /* bytes of the resource, at most PLACE_SEARCH_ROOM_MAX */
	uint64_t centicpu; /* hundredths of CPUs that the guest may use */
	uint64_t base;	   /* distance to the nodes that are in the answer anyway */
	uint64_t room_sum; /* work space: of this and all candidates before it */
	uint64_t reach;	   /* work space: distance to the nodes chosen so far */
	bool is_chosen;	   /* work space */
	bool is_best;	   /* the result */
};

/* So that no sum of them wraps: a node of 1 PiB. */
#define PLACE_SEARCH_ROOM_MAX (UINT64_C(1) << 50)

/* So many sets of one size are looked at; 18 nodes never have more, 32 do from 5 on. */
#define PLACE_SEARCH_SETS_MAX 50000

/*
 * Marks the best set with is_best: together at least `room` bytes and `centicpu`; of those the
 * fewest nodes, the least sum of distances over all pairs (there and back) and bases, the most
 * room, the lowest ids. Candidates are reordered. All of them together must hold it; if they
 * do not, all are marked.
 *
 * Threads: touches nothing but the candidates.
 */
void place_search_set(const struct place_model *model, struct place_candidate *candidates, size_t n,
		      uint64_t room, uint64_t centicpu);
