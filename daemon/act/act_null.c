/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam of a dry run: looks as the real one does, and says "done" to every change without making
 * it. What a dry run counts as moved is what would have been sent on its way.
 */
#include "act.h"

#include <errno.h>
#include <stdlib.h>

struct act_null {
	struct act act;
	struct act *under;
};

static struct act *below(struct act *act)
{
	return ((struct act_null *)act)->under;
}

static int null_attach(struct act *act, int pid, uint64_t start_ns)
{
	struct act *under = below(act);
	const int r = under->ops->attach(under, pid, start_ns);

	act->may_hide = under->may_hide;
	return r;
}

static bool null_is_alive(struct act *act)
{
	struct act *under = below(act);

	return under->ops->is_alive(under);
}

static bool null_is_streaming(struct act *act)
{
	struct act *under = below(act);

	return under->ops->is_streaming(under);
}

static long null_move_pages(struct act *act, size_t n, void **pages, const int *nodes, int *status,
			    int flags)
{
	struct act *under = below(act);
	const long rc = under->ops->move_pages(under, n, pages, NULL, status, flags);

	for (size_t i = 0; nodes && rc == 0 && i < n; i++)
		if (status[i] >= 0)
			status[i] = nodes[i];
	return rc;
}

static int null_find_huge(struct act *act, uint64_t start, uint64_t end, uint64_t *ret_slots)
{
	struct act *under = below(act);

	return under->ops->find_huge(under, start, end, ret_slots);
}

static int null_find_present(struct act *act, uint64_t start, size_t n, uint8_t *ret_pages)
{
	struct act *under = below(act);

	return under->ops->find_present(under, start, n, ret_pages);
}

static int null_get_room(struct act *act, unsigned node, enum act_kind kind, uint64_t page_bytes,
			 struct act_room *ret_room)
{
	struct act *under = below(act);

	return under->ops->get_room(under, node, kind, page_bytes, ret_room);
}

static int null_get_pools(struct act *act, uint64_t page_bytes, struct act_pools *ret_pools)
{
	struct act *under = below(act);

	return under->ops->get_pools(under, page_bytes, ret_pools);
}

static int null_set_pool(struct act *act, unsigned node, uint64_t page_bytes, uint64_t pages)
{
	(void)act, (void)node, (void)page_bytes, (void)pages;
	return 0;
}

static int null_get_pressure(struct act *act, uint64_t *ret_stalled_us)
{
	struct act *under = below(act);

	return under->ops->get_pressure(under, ret_stalled_us);
}

static int null_get_affinity(struct act *act, int tid, struct place_set *ret_cpus)
{
	struct act *under = below(act);

	return under->ops->get_affinity(under, tid, ret_cpus);
}

static int null_set_affinity(struct act *act, int tid, const struct place_set *cpus)
{
	(void)act, (void)tid, (void)cpus;
	return 0;
}

static int null_write_group(struct act *act, const char *group, const char *value)
{
	(void)act, (void)group, (void)value;
	return 0;
}

static uint64_t null_now_ns(struct act *act)
{
	struct act *under = below(act);

	return under->ops->now_ns(under);
}

static void null_sleep_ns(struct act *act, uint64_t ns)
{
	struct act *under = below(act);

	under->ops->sleep_ns(under, ns);
}

static void null_free(struct act *act)
{
	act_free(below(act));
	free(act);
}

int act_null_new(struct act *under, struct act **ret_act)
{
	static const struct act_ops ops = {
		.attach = null_attach,
		.is_alive = null_is_alive,
		.is_streaming = null_is_streaming,
		.move_pages = null_move_pages,
		.find_huge = null_find_huge,
		.find_present = null_find_present,
		.get_room = null_get_room,
		.get_pools = null_get_pools,
		.set_pool = null_set_pool,
		.get_pressure = null_get_pressure,
		.get_affinity = null_get_affinity,
		.set_affinity = null_set_affinity,
		.write_mems = null_write_group,
		.write_cpus = null_write_group,
		.now_ns = null_now_ns,
		.sleep_ns = null_sleep_ns,
		.free = null_free,
	};
	struct act_null *act = calloc(1, sizeof(*act));

	if (!act)
		return -ENOMEM;
	act->act = (struct act){
		.ops = &ops,
		.base_bytes = under->base_bytes,
		.huge_bytes = under->huge_bytes,
		.moves_singly = under->moves_singly,
	};
	act->under = under;
	*ret_act = &act->act;
	return 0;
}
