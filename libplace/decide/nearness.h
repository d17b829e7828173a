/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How near the kernel is to swapping on a node. */
#pragma once

#include "flow.h"

/* Two readings, the earlier one first, of a node and of the host. */
struct place_nearness_input {
	const struct place_node_sample *node;
	const struct place_reclaim *before, *now;
	const struct place_stall *stall_before, *stall_now;
};

/*
 * SWAP: 256 pages were written out, or came back from swap, since the reading before; beside the
 * watermark a single one. RECLAIM: pages
 * were looked at, or the node has no room and somebody on the host waited for memory. CLOSE: what
 * is free and the clean page cache are each below twice the high watermark. A counter that is not
 * there, or that went back, says nothing; where the node's memory is not known either, UNKNOWN.
 */
enum place_nearness place_nearness_of(const struct place_nearness_input *input);

/* What CLOSE says of a node; false where one of the facts is not known. */
bool place_nearness_is_close(const struct place_node_sample *node);
