/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters that rose, and else what is free beside the watermark. */
#include "decide/nearness.h"

#include "arith.h"

static bool has_risen(unsigned known, unsigned fact, uint64_t before, uint64_t now)
{
	return known & fact && now > before;
}

static bool is_close(const struct place_node_sample *node)
{
	const uint64_t mark = place_multiply(node->reserve_bytes, 2);

	return node->known & PLACE_NODE_RECLAIMABLE && node->free_bytes < mark &&
	       node->reclaimable_bytes < mark;
}

enum place_nearness place_nearness_of(const struct place_nearness_input *input)
{
	const struct place_reclaim *before = input->before, *now = input->now;
	const unsigned facts = PLACE_NODE_FREE | PLACE_NODE_RESERVE;
	const bool is_weighed = (input->node->known & facts) == facts;
	const unsigned known = before->known & now->known;

	if (has_risen(known, PLACE_RECLAIM_WRITTEN, before->written_pages, now->written_pages) ||
	    has_risen(known, PLACE_RECLAIM_REFAULTED, before->refaulted_pages,
		      now->refaulted_pages))
		return PLACE_NEARNESS_SWAP;
	if (has_risen(known, PLACE_RECLAIM_SCANNED, before->scanned_pages, now->scanned_pages) ||
	    has_risen(known, PLACE_RECLAIM_STOLEN, before->stolen_pages, now->stolen_pages))
		return PLACE_NEARNESS_RECLAIM;
	if (!is_weighed)
		return PLACE_NEARNESS_UNKNOWN;
	if (!is_close(input->node))
		return PLACE_NEARNESS_CALM;
	return has_risen(input->stall_before->known & input->stall_now->known, PLACE_STALL_SOME,
			 input->stall_before->some_total_us, input->stall_now->some_total_us) ?
		       PLACE_NEARNESS_RECLAIM :
		       PLACE_NEARNESS_CLOSE;
}
