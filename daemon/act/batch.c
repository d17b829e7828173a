/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/batch.h"

#include <errno.h>
#include <stdatomic.h>

/*
 * do_pages_stat() takes the target's mmap lock for 16 pages at a time, and a thread of the target
 * that maps memory meets it: with 16384 pages per call its p99 was 4.2 ms, with 4096 0.5 ms
 * (6.18, 8 GiB).
 */
#define QUERY_PAGES 4096

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

void batch_count(struct pages_work *work, enum act_outcome outcome, int64_t bytes)
{
	pthread_mutex_lock(&work->lock);
	work->count.outcome_bytes[outcome] += (uint64_t)bytes;
	pthread_mutex_unlock(&work->lock);
}

void batch_count_no_block(struct pages_work *work, uint64_t bytes)
{
	pthread_mutex_lock(&work->lock);
	work->count.no_block_bytes += bytes;
	pthread_mutex_unlock(&work->lock);
}

int batch_query(struct pages_work *work, void **pages, size_t n)
{
	struct act *act = work->task->act;

	for (size_t at = 0; at < n; at += QUERY_PAGES) {
		const size_t piece = n - at < QUERY_PAGES ? n - at : QUERY_PAGES;
		long rc;

		for (size_t i = 0; i < piece; i++)
			work->status[at + i] = -ENOENT;
		rc = act->ops->move_pages(act, piece, pages + at, NULL, work->status + at, 0);
		if (rc < 0)
			return (int)rc;
	}
	return 0;
}

static bool is_right(const struct pages_work *work, int node)
{
	return place_set_has(work->task->right, (unsigned)node);
}

static void add_retry(struct pages_work *work, const struct batch_list *list, void *page)
{
	if (work->n_retries < PAGES_RETRIES)
		work->retries[work->n_retries++] = (struct pages_retry){
			.page = page,
			.bytes = list->bytes,
			.kind = list->kind,
			.flags = list->flags,
		};
}

/* A page that is called absent and is there all the same: the kernel's balancing has marked it. */
static bool is_hidden(struct pages_work *work, uint64_t address)
{
	struct act *act = work->task->act;
	const uint64_t span = ACT_PRESENT_MAX * act->base_bytes;
	const uint64_t from = address / span * span;

	if (!act->may_hide)
		return false;
	if (work->present_from != from) {
		work->present_from = 0;
		if (act->ops->find_present(act, from, ACT_PRESENT_MAX, work->present) < 0)
			return false;
		work->present_from = from;
	}
	return work->present[(address - from) / act->base_bytes];
}

/*
 * Touched meanwhile it can be moved, or the kernel has done so itself: so it is tried again. One
 * that nobody touches stays, and matters to nobody.
 */
static bool keep_hidden(struct pages_work *work, const struct batch_list *list, void *page)
{
	if (!is_hidden(work, (uintptr_t)page))
		return false;
	add_retry(work, list, page);
	return true;
}

int batch_filter(struct pages_work *work, struct batch_list *list)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);
	uint64_t right = 0, absent = 0, hidden = 0, stuck = 0;
	size_t n = 0;
	int r;

	r = batch_query(work, list->pages, list->n);
	if (r < 0)
		return r;
	work->present_from = 0;
	for (size_t i = 0; i < list->n; i++) {
		void *page = list->pages[i];
		const int status = work->status[i];

		if (status < 0 && keep_hidden(work, list, page))
			hidden++;
		else if (status < 0)
			absent++;
		else if (is_right(work, status))
			right++;
		else if (stuck_has(work->task->stuck, (uintptr_t)page, now_ns))
			stuck++;
		else
			list->pages[n++] = page;
	}
	list->n = n;
	pthread_mutex_lock(&work->lock);
	work->count.right_bytes += right * list->bytes;
	work->count.outcome_bytes[ACT_ABSENT] += absent * list->bytes;
	work->count.outcome_bytes[ACT_BUSY] += hidden * list->bytes;
	work->count.outcome_bytes[ACT_PINNED] += stuck * list->bytes;
	pthread_mutex_unlock(&work->lock);
	return 0;
}

/* ---- what became of them ------------------------------------------------------------------- */

static bool has_unset(const struct pages_work *work, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (work->status[i] == ACT_STATUS_UNSET)
			return true;
	return false;
}

/* After a call that returned 0: each entry is true. */
static void count_statuses(struct pages_work *work, const struct batch_list *list, void **pages,
			   size_t n)
{
	uint64_t bytes[ACT_OUTCOME_COUNT] = { 0 };

	for (size_t i = 0; i < n; i++) {
		enum act_outcome outcome = act_outcome_of_page(work->status[i]);

		/* Found elsewhere after all, or marked since it was asked for. */
		if ((outcome == ACT_MOVED && !is_right(work, work->status[i])) ||
		    (outcome == ACT_ABSENT && is_hidden(work, (uintptr_t)pages[i])))
			outcome = ACT_BUSY;
		if (outcome == ACT_BUSY)
			add_retry(work, list, pages[i]);
		bytes[outcome] += list->bytes;
	}
	pthread_mutex_lock(&work->lock);
	for (size_t i = 0; i < ACT_OUTCOME_COUNT; i++)
		work->count.outcome_bytes[i] += bytes[i];
	pthread_mutex_unlock(&work->lock);
}

/*
 * After any other call only a query tells: counts what arrived or left, and puts what still lies
 * wrong to the front.
 */
static int count_arrived(struct pages_work *work, const struct batch_list *list, void **pages,
			 size_t n, size_t *ret_left)
{
	uint64_t moved = 0, absent = 0, hidden = 0;
	size_t left = 0;
	int r = batch_query(work, pages, n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		void *page = pages[i];

		if (work->status[i] < 0 && keep_hidden(work, list, page)) {
			hidden++;
		} else if (work->status[i] < 0) {
			absent++;
		} else if (is_right(work, work->status[i])) {
			moved++;
		} else {
			pages[i] = pages[left];
			pages[left++] = page;
		}
	}
	batch_count(work, ACT_MOVED, (int64_t)(moved * list->bytes));
	batch_count(work, ACT_ABSENT, (int64_t)(absent * list->bytes));
	batch_count(work, ACT_BUSY, (int64_t)(hidden * list->bytes));
	*ret_left = left;
	return 0;
}

static void count_stuck(struct pages_work *work, const struct batch_list *list, void **pages,
			size_t n)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);

	for (size_t i = 0; i < n; i++)
		stuck_add(work->task->stuck, (uintptr_t)pages[i], now_ns);
	batch_count(work, ACT_PINNED, (int64_t)(n * list->bytes));
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

static void judge_time(struct pages_work *work, const struct batch_list *list, size_t n,
		       uint64_t took_ns)
{
	const uint64_t page_ns = SLOW_PAGE_NS * (list->kind == ACT_PLAIN ? 1 : 10);
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

	(void)count_arrived(work, list, pages, n, &left);
	batch_count(work, rc == -ETIME ? ACT_BUSY : act_outcome_of_call((int)rc),
		    (int64_t)(left * list->bytes));
	return end_of(rc);
}

/* Second try, in small pieces. n are all that are left of it. */
static int move_pieces(struct pages_work *work, const struct batch_list *list, void **pages,
		       size_t n)
{
	const size_t most = list->kind == ACT_PLAIN ? PIECE_PAGES : 1;
	size_t piece, left;
	int r;

	for (size_t at = 0; at < n; at += piece) {
		piece = n - at < most ? n - at : most;
		r = work->task->may_go_on(work->task->data);
		if (r < 0) {
			batch_count(work, ACT_BUSY, (int64_t)((n - at) * list->bytes));
			return r;
		}
		const long rc = call(work, list, pages + at, piece);

		if (rc == 0) {
			count_statuses(work, list, pages + at, piece);
			continue;
		}
		if (rc < 0) {
			r = give_up(work, list, pages + at, piece, rc);
			batch_count(work, ACT_BUSY, (int64_t)((n - at - piece) * list->bytes));
			return r;
		}
		r = count_arrived(work, list, pages + at, piece, &left);
		if (r < 0)
			return end_of(r);
		count_stuck(work, list, pages + at, left);
	}
	return 0;
}

static int move_batch(struct pages_work *work, const struct batch_list *list, void **pages,
		      size_t n)
{
	const long rc = call(work, list, pages, n);
	size_t left;
	int r;

	if (rc == 0) {
		count_statuses(work, list, pages, n);
		return 0;
	}
	if (rc < 0)
		return give_up(work, list, pages, n, rc);
	r = count_arrived(work, list, pages, n, &left);
	if (r < 0)
		return end_of(r);
	return move_pieces(work, list, pages, left);
}

/* ---- room and pace ------------------------------------------------------------------------- */

/* How many of n the target holds now, beside what other workers have under way. */
static int fit(struct pages_task *task, const struct batch_list *list, size_t *n)
{
	const uint64_t under_way = atomic_load(&task->in_flight_bytes);
	struct act *act = task->act;
	struct act_room room;
	uint64_t fits = UINT64_MAX, spare;
	int r;

	r = act->ops->get_room(act, task->to_node, list->kind, list->bytes, &room);
	if (r < 0)
		return r;
	if (list->kind == ACT_POOL) {
		const uint64_t taken = under_way / list->bytes;

		fits = room.pool_pages > taken ? room.pool_pages - taken : 0;
	} else {
		spare = room.free_bytes > task->reserve_bytes + under_way ?
				room.free_bytes - task->reserve_bytes - under_way :
				0;
		if (spare < list->room_bytes)
			return -ENOSPC;
		fits = spare / list->room_bytes;
	}
	if (list->kind == ACT_HUGE) {
		const uint64_t taken = under_way / list->room_bytes;
		const uint64_t blocks = room.huge_blocks > taken ? room.huge_blocks - taken : 0;

		fits = fits < blocks ? fits : blocks;
	}
	if (*n > fits)
		*n = fits;
	return 0;
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
			/* What was not tried any more. */
			batch_count(work, r == -ENOSPC ? ACT_FULL : ACT_BUSY,
				    (int64_t)((list->n - at - n_done) * list->bytes));
			return r;
		}
		if (!n_done) {
			list->n_untried = list->n - at;
			return 0;
		}
	}
	return r;
}
