/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters that rose, and else what is free beside the watermark. */
#include "decide/nearness.h"

#include "arith.h"

/*
 * Of 4 KiB: a single page that comes back from swap is no sign of want, on any host some do now and
 * then.
 */
#define SWAP_LEAST_PAGES 256

static bool has_risen(unsigned known, unsigned fact, uint64_t before, uint64_t now)
{
	return known & fact && now > before;
}

static uint64_t rise_of(unsigned known, unsigned fact, uint64_t before, uint64_t now)
{
	return has_risen(known, fact, before, now) ? now - before : 0;
}

bool place_nearness_is_close(const struct place_node_sample *node)
{
	const unsigned facts = PLACE_NODE_FREE | PLACE_NODE_RESERVE | PLACE_NODE_RECLAIMABLE;
	const uint64_t mark = place_multiply(node->reserve_bytes, 2);

	return (node->known & facts) == facts && node->free_bytes < mark &&
	       node->reclaimable_bytes < mark;
}

enum place_nearness place_nearness_of(const struct place_nearness_input *input)
{
	const struct place_reclaim *before = input->before, *now = input->now;
	const unsigned facts = PLACE_NODE_FREE | PLACE_NODE_RESERVE;
	const bool is_weighed = (input->node->known & facts) == facts;
	const unsigned known = before->known & now->known;
	const bool is_close = place_nearness_is_close(input->node);
	const uint64_t swapped_pages = place_add(
		rise_of(known, PLACE_RECLAIM_WRITTEN, before->written_pages, now->written_pages),
		rise_of(known, PLACE_RECLAIM_REFAULTED, before->refaulted_pages,
			now->refaulted_pages));

	if (swapped_pages >= (is_close ? 1 : SWAP_LEAST_PAGES))
		return PLACE_NEARNESS_SWAP;
	if (has_risen(known, PLACE_RECLAIM_SCANNED, before->scanned_pages, now->scanned_pages) ||
	    has_risen(known, PLACE_RECLAIM_STOLEN, before->stolen_pages, now->stolen_pages))
		return PLACE_NEARNESS_RECLAIM;
	if (!is_weighed)
		return PLACE_NEARNESS_UNKNOWN;
	if (!is_close)
		return PLACE_NEARNESS_CALM;
	return has_risen(input->stall_before->known & input->stall_now->known, PLACE_STALL_SOME,
			 input->stall_before->some_total_us, input->stall_now->some_total_us) ?
		       PLACE_NEARNESS_RECLAIM :
		       PLACE_NEARNESS_CLOSE;
}
