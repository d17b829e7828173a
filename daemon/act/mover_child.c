/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/mover_child.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "act/crew.h"
#include "arith.h"
#include "host/cleanup.h"
#include "host/root.h"
#include "observe/mounts.h"
#include "observe/ranges.h"

#define MIB (UINT64_C(1) << 20)
#define MS_NS UINT64_C(1000000)

/*
 * A call is to take 2 ms. Beside a SCHED_FIFO loop it takes most of a second (the scheduler lets
 * others run 50 ms in each), or it never comes back where sched_rt_runtime_us is -1.
 */
#define SLOW_NS (500 * MS_NS)

static enum mover_end end_of(const struct crew *crew, int r)
{
	switch (-r) {
	case 0:
	case EDQUOT:
		return MOVER_DONE;
	case ECANCELED:
		return crew->is_pressed ? MOVER_PRESSURE : MOVER_STOPPED;
	case ESRCH:
		return MOVER_GONE;
	case ENOSPC:
		return MOVER_FULL;
	case ETIME:
		return MOVER_SLOW;
	case -CREW_MIGRATES:
		return MOVER_MIGRATING;
	case -CREW_SPARSE:
		return MOVER_SPARSE;
	default:
		return MOVER_DENIED;
	}
}

/* In the child: maps may wait for the guest's mmap lock. */
static int read_ranges(const struct mover_order *order, uint64_t base_bytes,
		       struct pages_range **ret_ranges, size_t *ret_n)
{
	struct place_guest guest = { .pid = order->pid };
	_cleanup_text_ struct place_text text = { 0 };
	struct place_mounts mounts;
	struct place_ranges found;
	struct place_root root;
	int r = place_root_open(NULL, &root);

	if (r < 0)
		return r;
	if (order->guest)
		guest = *order->guest;
	(void)place_mounts_read(&root, &text, &mounts);
	r = place_ranges_read(&root, &text, &mounts, &guest, order->is_guest, &found);
	place_root_close(&root);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	*ret_ranges = calloc(found.n, sizeof(**ret_ranges));
	if (!*ret_ranges)
		return -ENOMEM;
	for (size_t i = 0; i < found.n; i++) {
		const struct place_range *range = &found.list[i];

		(*ret_ranges)[i] = (struct pages_range){
			.start = range->start,
			.end = range->end,
			.pool_bytes = range->page_bytes > base_bytes ? range->page_bytes : 0,
			.is_shared = range->is_shared,
		};
	}
	*ret_n = found.n;
	return 0;
}

static int find_ranges(struct crew *crew, struct pages_range **ret_owned)
{
	const struct mover_order *order = crew->order;
	int r = 0;

	crew->ranges = order->ranges;
	crew->n_ranges = order->n_ranges;
	if (!order->ranges) {
		r = read_ranges(order, crew->act->base_bytes, ret_owned, &crew->n_ranges);
		crew->ranges = *ret_owned;
	}
	for (size_t i = 0; i < crew->n_ranges; i++)
		crew->total_bytes += crew->ranges[i].end - crew->ranges[i].start;
	crew->window_bytes = pages_window_bytes(crew->act, crew->total_bytes, order->workers);
	crew->n_windows = pages_n_windows(crew->ranges, crew->n_ranges, crew->window_bytes);
	return r == 0 ? pools_look(crew->act, crew->ranges, crew->n_ranges, &crew->pools) : r;
}

static int prepare(struct crew *crew, struct pages_range **ret_owned)
{
	const struct mover_order *order = crew->order;
	struct act *act = crew->act;
	int r;

	crew->begin_ns = act->ops->now_ns(act);
	crew->from_reserve_bytes = order->from_reserve_bytes;
	r = act->ops->attach(act, order->pid, order->start_ns);
	if (r == 0)
		r = find_ranges(crew, ret_owned);
	crew->right = order->keep;
	place_set_add(&crew->right, order->to_node);
	pace_init(&crew->pace, order->bandwidth_mib_s * MIB);
	crew->task = (struct pages_task){
		.act = act,
		.to_node = order->to_node,
		.right = &crew->right,
		.reserve_bytes = order->reserve_bytes,
		.budget_ns = order->stall_budget_ms * MS_NS,
		.slow_ns = SLOW_NS,
		.stuck = order->stuck,
		.pace = &crew->pace,
		.may_go_on = crew_may_go_on,
		.data = crew,
	};
	if (r == 0 && !order->stuck)
		r = stuck_new(act->huge_bytes, &crew->task.stuck);
	return r;
}

static int make_act(const struct mover_order *order, struct act **ret_act)
{
	struct act *act = order->act, *null;
	int r = act ? 0 : act_linux_new(&act);

	if (r == 0 && order->is_dry) {
		r = act_null_new(act, &null);
		if (r < 0)
			return r;
		act = null;
	}
	if (r == 0)
		*ret_act = act;
	return r;
}

static uint64_t room_for(const struct crew *crew, const struct pages_range *range, unsigned node,
			 uint64_t reserve_bytes)
{
	const uint64_t pool_bytes = range->pool_bytes;
	struct act *act = crew->act;
	struct act_room room;

	if (act->ops->get_room(act, node, pool_bytes ? ACT_POOL : ACT_PLAIN,
			       pool_bytes ? pool_bytes : act->base_bytes, &room) < 0)
		return 0;
	return pool_bytes ? place_multiply(room.pool_pages, pool_bytes) :
			    place_subtract(room.free_bytes, reserve_bytes);
}

/* Of the kind of its memory that there is least room for: what is counted is not told apart. */
static uint64_t room_on(const struct crew *crew, unsigned node, uint64_t reserve_bytes)
{
	uint64_t room = crew->n_ranges ? UINT64_MAX : 0;

	for (size_t i = 0; i < crew->n_ranges; i++)
		if (!i || crew->ranges[i].pool_bytes != crew->ranges[i - 1].pool_bytes)
			room = place_least(room,
					   room_for(crew, &crew->ranges[i], node, reserve_bytes));
	return room;
}

static enum relocate_state settle(struct crew *crew, const struct mover_report *report)
{
	const struct mover_order *order = crew->order;
	const struct relocate_room room = {
		.from_bytes = room_on(crew, order->from_node, crew->from_reserve_bytes),
		.to_bytes = room_on(crew, order->to_node, atomic_load(&crew->task.reserve_bytes)),
	};

	return relocate_settle(crew->act, order->pid, order->from_node, order->to_node,
			       &report->count,
			       place_subtract(report->total_bytes, report->looked_bytes), &room);
}

/* With less than one part in so many of what will not move it was in vain. */
#define VAIN_PART 16

/*
 * All was gone through. It is no success where more stayed for want of blocks than came, where
 * nothing came, or next to nothing beside what will not move, or where the guest went back, or
 * will.
 * Returns: 0; -ENOSPC: for want of room; -EBUSY: what stayed will not move.
 */
static int judge(const struct mover_order *order, const struct mover_report *report)
{
	const struct pages_count *count = &report->count;
	const uint64_t moved = count->outcome_bytes[ACT_MOVED], there = count->right_bytes + moved;
	const uint64_t fixed = count->outcome_bytes[ACT_BUSY] + count->outcome_bytes[ACT_PINNED] +
			       count->outcome_bytes[ACT_DENIED];
	const bool will_not_move = fixed > count->no_block_bytes;

	/* As many as were wanted, and the last one ended before anybody looked. */
	if (order->most_bytes && moved >= order->most_bytes)
		return 0;
	if ((report->mems == RELOCATE_BACK || report->mems == RELOCATE_WIDE) &&
	    there < fixed + count->no_block_bytes)
		return will_not_move ? -EBUSY : -ENOSPC;
	if (report->mems == RELOCATE_BACK)
		return -ENOSPC;
	if (!there && will_not_move)
		return -EBUSY;
	/* A few such pages are in each guest. */
	if (report->mems == RELOCATE_NONE && will_not_move && moved < fixed / VAIN_PART &&
	    fixed > there / VAIN_PART)
		return -EBUSY;
	return count->no_block_bytes > moved ? -ENOSPC : 0;
}

/*
 * The groups first, if they are to change; whatever the move came to, they end on one node, now or,
 * where the guest migrates or neither node has room, when somebody mends them afterwards.
 */
static int run_all(struct crew *crew, int fd, struct mover_report *report)
{
	const struct mover_order *order = crew->order;
	int r;

	if (crew_is_streaming(crew)) {
		crew_report(crew, report);
		return CREW_MIGRATES;
	}
	if (order->moves_mems) {
		r = relocate_widen(crew->act, order->pid, order->from_node, order->to_node,
				   &crew->mems);
		if (r < 0) {
			crew_report(crew, report);
			return r == -ENODATA || r == -EBUSY ? -EPERM : r;
		}
	}
	r = crew_run(crew, fd);
	crew_report(crew, report);
	/* What is narrowed takes along what lies elsewhere, much of it where the move was cut. */
	if (order->moves_mems && r < 0 && crew_is_streaming(crew))
		r = CREW_MIGRATES;
	if (order->moves_mems && r != CREW_MIGRATES)
		report->mems = settle(crew, report);
	/* What was narrowed has moved uncounted. */
	if (crew->pools)
		pools_restore(crew->act, order->to_node,
			      order->moves_mems ? report->total_bytes :
						  report->count.outcome_bytes[ACT_MOVED],
			      crew->pools);
	if (report->mems == RELOCATE_FORWARD && order->cpus.name)
		(void)relocate_cpus(crew->act, order->pid, &order->cpus);
	return r == 0 ? judge(order, report) : r;
}

void mover_child(const struct mover_order *order, int fd)
{
	struct crew crew = { .order = order };
	_cleanup_free_ struct pages_range *owned = NULL;
	struct mover_report report = { 0 };
	int r;

	r = make_act(order, &crew.act);
	if (r == 0)
		r = prepare(&crew, &owned);
	if (r == 0)
		r = run_all(&crew, fd, &report);
	report.end = end_of(&crew, r);
	/* A process on its way out refuses in words that mean other things (EINVAL, EPERM). */
	if (report.end == MOVER_DENIED && crew.act && !crew.act->ops->is_alive(crew.act))
		report.end = MOVER_GONE;
	/* The other ends say it all: their numbers are between the crew and us. */
	report.error = report.end == MOVER_DENIED ? r : 0;
	crew_send(&report, fd, 0);
	for (unsigned i = 0; i < crew.n_workers; i++)
		crew.works[i] = pages_work_free(crew.works[i]);
	if (!order->stuck)
		crew.task.stuck = stuck_free(crew.task.stuck);
	pools_free(crew.pools);
	act_free(crew.act);
}
