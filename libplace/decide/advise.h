/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a new guest goes: the one node that is best with it, else the fewest, nearest nodes
 * that hold it together, else what is least bad. Never an empty answer.
 */
#pragma once

#include "decide/search.h"
#include "flow.h"

struct place_advise_scratch {
	size_t n_nodes;			    /* room for that many in each array */
	struct place_candidate *candidates; /* nothing in it outlives the call */
	enum place_reason *reasons;
};

/*
 * Answers a request on a model.
 *
 * One node where one holds it: its usable memory (policy: its pools) is enough, and it has as
 * many CPUs as the guest has virtual ones; how busy they are only decides between nodes. Else
 * the least number of nodes, of these the nearest (sum of the distances of all pairs, both
 * ways), of these the most room, of these the lowest ids. More vCPUs than all eligible nodes
 * have CPUs count as that many. The time is bounded for any number of nodes: the search is
 * exact where there are not too many sets of that size (decide/search.h).
 *
 * Returns: 0 or -errno; *ret_advice is untouched on failure.
 * Errors: -EINVAL there are no nodes, more than a set holds, or too little scratch.
 * Ownership: ret_advice->reasons is scratch->reasons.
 * Threads: none are shared but what the caller shares.
 */
int place_advise(const struct place_model *model, const struct place_policy *policy,
		 const struct place_request *request, struct place_advise_scratch *scratch,
		 struct place_advice *ret_advice);
