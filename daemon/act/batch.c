/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/batch.h"

#include <errno.h>
#include <stdatomic.h>

#include "act/answer.h"
#include "arith.h"

/* Second try after a call that failed: so many plain pages. */
#define PIECE_PAGES 64

/*
 * So many slow calls in a row are no chance: a worker that lost its CPU once is slow once, beside a
 * realtime thread each call is, however few its pages. What a page may take on a host that is
 * merely busy comes on top. Of a call with thousands of them that is seconds: one that would be
 * slow with a few is no proof, and the next has only so many.
 */
#define SLOW_CALLS 2
#define SLOW_PAGE_NS UINT64_C(1000000)

/* A wait for the bucket is cut into such pieces, so that a stop is heard. */
#define SLEEP_NS UINT64_C(50000000)

static bool has_unset(const struct pages_work *work, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (work->status[i] == ACT_STATUS_UNSET)
			return true;
	return false;
}

/* ---- calls --------------------------------------------------------------------------------- */

static struct pace_batch *batch_of(struct pages_work *work, enum act_kind kind)
{
	return kind == ACT_PLAIN ? &work->plain : &work->huge;
}

static size_t few_of(enum act_kind kind)
{
	return kind == ACT_PLAIN ? PIECE_PAGES : 1;
}

/* What one page may take: ten times as long for each 2 MiB that it has as a plain one. */
static uint64_t slow_page_ns(const struct pages_work *work, const struct batch_list *list)
{
	const uint64_t slots = list->bytes / work->task->act->huge_bytes;

	return SLOW_PAGE_NS * (list->kind == ACT_PLAIN ? 1 : 10 * (slots ? slots : 1));
}

static void judge_time(struct pages_work *work, const struct batch_list *list, size_t n,
		       uint64_t took_ns)
{
	const uint64_t page_ns = slow_page_ns(work, list);
	const uint64_t slow_ns = work->task->slow_ns;
	const size_t few = n < few_of(list->kind) ? n : few_of(list->kind);

	work->is_doubtful = slow_ns && took_ns > slow_ns + few * page_ns;
	if (!work->is_doubtful)
		work->n_slow = 0;
	else if (took_ns > slow_ns + n * page_ns)
		work->n_slow++;
}

/* One call. Returns: what the call returned, or -ETIME. */
static long call(struct pages_work *work, const struct batch_list *list, void **pages, size_t n)
{
	struct pages_task *task = work->task;
	struct act *act = task->act;
	const uint64_t begin_ns = act->ops->now_ns(act);
	uint64_t took_ns;
	long rc;

	for (size_t i = 0; i < n; i++)
		work->status[i] = ACT_STATUS_UNSET;
	atomic_store(&work->call_since_ns, begin_ns);
	rc = act->ops->move_pages(act, n, pages, work->nodes, work->status, list->flags);
	atomic_store(&work->call_since_ns, 0);
	took_ns = act->ops->now_ns(act) - begin_ns;
	pthread_mutex_lock(&work->lock);
	work->count.calls++;
	if (work->count.longest_ns < took_ns)
		work->count.longest_ns = took_ns;
	pthread_mutex_unlock(&work->lock);
	if (rc == 0)
		pace_batch_took(batch_of(work, list->kind), (unsigned)n, took_ns);
	if (rc == 0 && has_unset(work, n))
		rc = (long)n;
	judge_time(work, list, n, took_ns);
	if (rc >= 0 && work->n_slow == SLOW_CALLS)
		rc = -ETIME;
	return rc;
}

/* -errno of a whole call, as our callers know it. */
static int end_of(long rc)
{
	switch (act_outcome_of_call((int)rc)) {
	case ACT_FULL:
		return -ENOSPC;
	case ACT_GONE:
		return -ESRCH;
	case ACT_MOVED:
	case ACT_BUSY:
	case ACT_ABSENT:
	case ACT_PINNED:
	case ACT_DENIED:
	case ACT_OUTCOME_COUNT:
		break;
	}
	return (int)rc;
}

/* A call that failed as a whole may have moved some all the same. */
static int give_up(struct pages_work *work, const struct batch_list *list, void **pages, size_t n,
		   long rc)
{
	size_t left = n;

	(void)answer_arrived(work, list, pages, n, &left, NULL);
	answer_count(work, rc == -ETIME ? ACT_BUSY : act_outcome_of_call((int)rc),
		     (int64_t)(left * list->bytes));
	return end_of(rc);
}

/* Second try, in small pieces. n are all that are left of it. */
static int move_pieces(struct pages_work *work, const struct batch_list *list, void **pages,
		       size_t n)
{
	const size_t most = few_of(list->kind);
	size_t piece, left;
	long rc;
	int r;

	for (size_t at = 0; at < n; at += piece) {
		piece = n - at < most ? n - at : most;
		r = work->task->may_go_on(work->task->data);
		if (r < 0) {
			answer_count(work, ACT_BUSY, (int64_t)((n - at) * list->bytes));
			return r;
		}
		rc = call(work, list, pages + at, piece);
		if (rc == 0) {
			answer_statuses(work, list, pages + at, piece);
			continue;
		}
		if (rc < 0) {
			r = give_up(work, list, pages + at, piece, rc);
			answer_count(work, ACT_BUSY, (int64_t)((n - at - piece) * list->bytes));
			return r;
		}
		r = answer_arrived(work, list, pages + at, piece, &left, NULL);
		if (r < 0)
			return end_of(r);
		answer_stuck(work, list, pages + at, left);
	}
	return 0;
}

/*
 * A place that turns out to be empty makes the kernel move what it has queued, and if some of that
 * will not go the rest of the call is not tried: so once more, without the empty ones.
 */
static int move_batch(struct pages_work *work, const struct batch_list *list, void **pages,
		      size_t n)
{
	bool has_gaps = true;
	size_t left;
	int r;

	for (unsigned attempt = 0; attempt < 2 && has_gaps && n; attempt++) {
		const long rc = call(work, list, pages, n);

		if (rc == 0) {
			answer_statuses(work, list, pages, n);
			return 0;
		}
		if (rc < 0)
			return give_up(work, list, pages, n, rc);
		r = answer_arrived(work, list, pages, n, &left, &has_gaps);
		if (r < 0)
			return end_of(r);
		n = left;
	}
	return move_pieces(work, list, pages, n);
}

/* ---- room and pace ------------------------------------------------------------------------- */

/* How many of n the target holds now, beside what other workers have under way. */
static int fit(struct pages_task *task, const struct batch_list *list, size_t *n)
{
	const uint64_t under_way = atomic_load(&task->in_flight_bytes);
	struct act *act = task->act;
	struct act_room room;
	uint64_t spare, blocks;
	int r;

	r = act->ops->get_room(act, task->to_node, list->kind, list->bytes, &room);
	if (r < 0)
		return r;
	if (list->kind == ACT_POOL) {
		*n = place_least(*n, place_subtract(room.pool_pages, under_way / list->bytes));
		return 0;
	}
	/* The reserve may be all there is: nothing is known of the node. */
	spare = place_subtract(room.free_bytes, place_add(task->reserve_bytes, under_way));
	if (spare < list->room_bytes)
		return -ENOSPC;
	*n = place_least(*n, spare / list->room_bytes);
	if (list->kind == ACT_HUGE) {
		blocks = place_subtract(room.huge_blocks, under_way / list->room_bytes);
		*n = place_least(*n, blocks);
	}
	return 0;
}

bool batch_has_room(struct pages_work *work, uint64_t bytes)
{
	struct pages_task *task = work->task;
	struct act *act = task->act;
	const uint64_t kept = place_add(task->reserve_bytes, atomic_load(&task->in_flight_bytes));
	struct act_room room;

	return act->ops->get_room(act, task->to_node, ACT_PLAIN, act->base_bytes, &room) == 0 &&
	       place_subtract(room.free_bytes, kept) >= bytes;
}

static int wait_turn(struct pages_task *task, uint64_t bytes)
{
	struct act *act = task->act;
	uint64_t wait_ns = pace_take(task->pace, bytes, act->ops->now_ns(act));
	int r;

	while (wait_ns) {
		const uint64_t piece_ns = wait_ns < SLEEP_NS ? wait_ns : SLEEP_NS;

		act->ops->sleep_ns(act, piece_ns);
		wait_ns -= piece_ns;
		r = task->may_go_on(task->data);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One batch of at most n. Returns: 0, *ret_n of them were done (none: no block of their size). */
static int move_some(struct pages_work *work, const struct batch_list *list, void **pages, size_t n,
		     size_t *ret_n)
{
	struct pages_task *task = work->task;
	uint64_t bytes;
	int r;

	r = task->may_go_on(task->data);
	if (r == 0)
		r = wait_turn(task, n * list->bytes);
	if (r == 0)
		r = fit(task, list, &n);
	if (r < 0)
		return r;
	*ret_n = n;
	if (!n)
		return 0;
	bytes = n * list->room_bytes;
	atomic_fetch_add(&task->in_flight_bytes, bytes);
	r = move_batch(work, list, pages, n);
	atomic_fetch_sub(&task->in_flight_bytes, bytes);
	return r;
}

size_t batch_most(struct pages_work *work, const struct batch_list *list)
{
	const uint64_t burst_bytes = pace_burst_bytes(work->task->pace);
	const size_t burst = (size_t)(burst_bytes / list->room_bytes);
	size_t most = batch_of(work, list->kind)->n;

	if (burst_bytes && most > burst)
		most = burst ? burst : 1;
	return work->is_doubtful && most > few_of(list->kind) ? few_of(list->kind) : most;
}

/* Those from `at` on were not tried any more: of those that nobody asked for it is told now. */
static void count_untried(struct pages_work *work, const struct batch_list *list, size_t at,
			  enum act_outcome outcome)
{
	struct batch_list unasked = *list;
	size_t n = list->n - at;

	if (at < list->n_unasked) {
		unasked.pages = list->pages + at;
		unasked.n = list->n_unasked - at;
		n -= unasked.n;
		(void)answer_filter(work, &unasked);
		n += unasked.n;
	}
	answer_count(work, outcome, (int64_t)(n * list->bytes));
}

int batch_move(struct pages_work *work, struct batch_list *list)
{
	size_t n_done = 0;
	int r = 0;

	list->n_untried = 0;
	for (size_t at = 0; at < list->n; at += n_done) {
		const size_t most = batch_most(work, list);
		const size_t n = list->n - at < most ? list->n - at : most;

		n_done = 0;
		r = move_some(work, list, list->pages + at, n, &n_done);
		if (r < 0) {
			count_untried(work, list, at + n_done, r == -ENOSPC ? ACT_FULL : ACT_BUSY);
			return r;
		}
		if (!n_done) {
			list->n_untried = list->n - at;
			return 0;
		}
	}
	return r;
}
