/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pools of hugetlb pages keep their sizes. Pages move into free ones, but between our look and
 * the kernel's somebody may take these: it moves the page into a fresh one then, which counts as
 * the target's pool's, and the old node's has one less.
 */
#pragma once

#include "act/pages.h"

struct pools;

/*
 * Looks at the pools that some memory of these ranges is from. Returns: 0 or -ENOMEM; a pool that
 * cannot be read is left alone. Ownership: *ret_pools is the caller's, pools_free(); NULL: none.
 */
int pools_look(struct act *act, const struct pages_range *ranges, size_t n_ranges,
	       struct pools **ret_pools);
struct pools *pools_free(struct pools *pools);

/*
 * Gives nodes back what has gone to that one since, where it can be no other's doing: nobody else
 * has more than before, they have lost as much as it has got, and that is most_bytes at most.
 */
void pools_restore(struct act *act, unsigned to_node, uint64_t most_bytes,
		   const struct pools *pools);
