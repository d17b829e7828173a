/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/pools.h"

#include <errno.h>
#include <stdlib.h>

#include "arith.h"

struct pool_size {
	uint64_t page_bytes;
	struct act_pools before;
};

struct pools {
	size_t n;
	struct pool_size list[PLACE_POOLS_MAX];
};

static bool has_size(const struct pools *pools, uint64_t page_bytes)
{
	for (size_t i = 0; i < pools->n; i++)
		if (pools->list[i].page_bytes == page_bytes)
			return true;
	return false;
}

int pools_look(struct act *act, const struct pages_range *ranges, size_t n_ranges,
	       struct pools **ret_pools)
{
	struct pools *pools = NULL;

	for (size_t i = 0; i < n_ranges; i++) {
		const uint64_t page_bytes = ranges[i].pool_bytes;
		struct pool_size *size;

		if (!page_bytes)
			continue;
		if (!pools)
			pools = calloc(1, sizeof(*pools));
		if (!pools)
			return -ENOMEM;
		if (has_size(pools, page_bytes) || pools->n == PLACE_POOLS_MAX)
			continue;
		size = &pools->list[pools->n];
		size->page_bytes = page_bytes;
		if (act->ops->get_pools(act, page_bytes, &size->before) == 0)
			pools->n++;
	}
	*ret_pools = pools;
	return 0;
}

struct pools *pools_free(struct pools *pools)
{
	free(pools);
	return NULL;
}

/* How many pages have gone to the node; 0 where somebody else may have had a hand in it. */
static uint64_t count_shifted(const struct act_pools *before, const struct act_pools *now,
			      unsigned to_node)
{
	const uint64_t gained = place_subtract(now->pages[to_node], before->pages[to_node]);
	uint64_t lost = 0;

	if (!place_set_equal(&before->nodes, &now->nodes))
		return 0;
	for (size_t node = 0; node < PLACE_NODES_MAX; node++) {
		if (node == to_node)
			continue;
		if (now->pages[node] > before->pages[node])
			return 0;
		lost += before->pages[node] - now->pages[node];
	}
	return lost == gained ? gained : 0;
}

/*
 * Before 6.15 a node's pool comes out larger than was asked for by as much surplus as others have
 * (set_max_huge_pages()): then the same again, less that. Returns: 0, *ret_now is how it is, or
 * -errno.
 */
static int set_exactly(struct act *act, unsigned node, uint64_t page_bytes, uint64_t pages,
		       struct act_pools *ret_now)
{
	int r = act->ops->set_pool(act, node, page_bytes, pages);

	if (r == 0)
		r = act->ops->get_pools(act, page_bytes, ret_now);
	if (r < 0 || ret_now->pages[node] <= pages)
		return r;
	r = act->ops->set_pool(act, node, page_bytes,
			       place_subtract(pages, ret_now->pages[node] - pages));
	return r == 0 ? act->ops->get_pools(act, page_bytes, ret_now) : r;
}

/* First what was lost, and of what was gained only as much: all of them together stay as large. */
static void restore_size(struct act *act, unsigned to_node, uint64_t most_bytes,
			 const struct pool_size *size)
{
	struct act_pools then, now;
	uint64_t shifted, back = 0;

	if (act->ops->get_pools(act, size->page_bytes, &then) < 0)
		return;
	shifted = count_shifted(&size->before, &then, to_node);
	if (!shifted || place_multiply(shifted, size->page_bytes) > most_bytes)
		return;
	for (unsigned node = 0; node < PLACE_NODES_MAX; node++) {
		const uint64_t pages = size->before.pages[node];

		if (pages > then.pages[node] &&
		    set_exactly(act, node, size->page_bytes, pages, &now) == 0)
			back += place_subtract(now.pages[node], then.pages[node]);
	}
	if (back)
		(void)set_exactly(act, to_node, size->page_bytes,
				  place_subtract(then.pages[to_node], back), &now);
}

void pools_restore(struct act *act, unsigned to_node, uint64_t most_bytes,
		   const struct pools *pools)
{
	for (size_t i = 0; to_node < PLACE_NODES_MAX && i < pools->n; i++)
		restore_size(act, to_node, most_bytes, &pools->list[i]);
}
