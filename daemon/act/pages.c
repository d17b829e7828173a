/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/pages.h"

#include <errno.h>
#include <numaif.h>
#include <stdlib.h>

#include "act/answer.h"
#include "act/batch.h"
#include "act/probe.h"

/* Batches of the first call, the least and most of later ones (doc/decisions/0014-moving.md). */
#define PLAIN_FIRST 64
#define PLAIN_LEAST 64
#define PLAIN_MOST 4096
#define HUGE_FIRST 16
#define HUGE_LEAST 1
#define HUGE_MOST 64
/*
 * Huge pages go one by one on every kernel, so that a guest does not feel how many are in a call;
 * but a stop and a pause come between calls.
 */
#define HUGE_CALL_NS UINT64_C(100000000)

/* ---- windows ------------------------------------------------------------------------------- */

/* Windows of a move with several workers: so many for each at least, or one ends long before. */
#define WINDOWS_EACH 8
#define WINDOW_LEAST (PAGES_WINDOW / 8)

uint64_t pages_window_bytes(const struct act *act, uint64_t total_bytes, unsigned n_workers)
{
	uint64_t pages = PAGES_WINDOW;

	if (n_workers > 1)
		while (pages > WINDOW_LEAST &&
		       total_bytes / (pages * act->base_bytes) < WINDOWS_EACH * n_workers)
			pages /= 2;
	return pages * act->base_bytes;
}

static uint64_t bytes_in(const struct pages_range *range, uint64_t window_bytes)
{
	return range->pool_bytes > window_bytes ? range->pool_bytes : window_bytes;
}

static size_t n_windows(const struct pages_range *range, uint64_t window_bytes)
{
	const uint64_t bytes = bytes_in(range, window_bytes);

	return range->end > range->start ?
		       (size_t)((range->end - 1) / bytes - range->start / bytes + 1) :
		       0;
}

size_t pages_n_windows(const struct pages_range *ranges, size_t n_ranges, uint64_t window_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < n_ranges; i++)
		n += n_windows(&ranges[i], window_bytes);
	return n;
}

void pages_window(const struct pages_range *ranges, size_t n_ranges, uint64_t window_bytes,
		  size_t number, struct pages_range *ret_window)
{
	for (size_t i = 0; i < n_ranges; i++) {
		const size_t n = n_windows(&ranges[i], window_bytes);
		const uint64_t bytes = bytes_in(&ranges[i], window_bytes);
		uint64_t start, end;

		if (number >= n) {
			number -= n;
			continue;
		}
		start = (ranges[i].start / bytes + number) * bytes;
		end = start + bytes;
		*ret_window = ranges[i];
		if (ret_window->start < start)
			ret_window->start = start;
		if (ret_window->end > end)
			ret_window->end = end;
		return;
	}
}

/* ---- lists --------------------------------------------------------------------------------- */

static int move_list(struct pages_work *work, struct batch_list *list)
{
	int r = answer_filter(work, list);

	if (r == 0)
		r = batch_move(work, list);
	if (r == 0)
		answer_count_no_block(work, list->n_untried * list->bytes);
	return r;
}

static int move_huge(struct pages_work *work, const struct window *window)
{
	struct act *act = work->task->act;
	struct batch_list list = {
		.pages = work->pages,
		.kind = ACT_HUGE,
		.bytes = act->huge_bytes,
		.room_bytes = act->huge_bytes,
		.flags = window->flags,
	};

	for (unsigned i = 0; i < window->n_slots; i++)
		if (window->slots[i] == SLOT_HUGE)
			work->pages[list.n++] = (void *)window_slot(act, window, i);
	return list.n ? move_list(work, &list) : 0;
}

/* Appends the slot's pages to the list, but for those that were probed. */
static void add_slot(struct pages_work *work, const struct window *window, unsigned slot,
		     struct batch_list *list)
{
	const struct act *act = work->task->act;
	uint64_t address = window_slot(act, window, slot);

	for (unsigned page = 0; page < STUCK_SLOT_PAGES; page++, address += act->base_bytes)
		if (address >= window->range->start && address < window->range->end &&
		    !probe_has_sent(window, slot, page))
			list->pages[list->n++] = (void *)address;
}

/*
 * A slot whose test pages all lie wrong is sent as it is: to ask for each page first costs a tenth
 * of moving it. The kernel leaves what is there already, and says which places are empty. Not where
 * pages may lie on other nodes as well, which it would take away; nor where the target is nearly
 * full, and pages that lie there must not be reckoned as if they needed room.
 */
static bool may_send_unasked(struct pages_work *work, const struct window *window)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < window->n_slots; i++)
		bytes += window->slots[i] == SLOT_WRONG ? work->task->act->huge_bytes : 0;
	return bytes && place_set_count(work->task->right) == 1 && batch_has_room(work, bytes);
}

static int move_plain(struct pages_work *work, const struct window *window)
{
	struct act *act = work->task->act;
	struct batch_list list = {
		.pages = work->pages,
		.kind = ACT_PLAIN,
		.bytes = act->base_bytes,
		.room_bytes = act->base_bytes,
		.flags = window->flags,
	};
	const uint64_t busy_bytes = work->count.outcome_bytes[ACT_BUSY];
	const bool is_unasked = may_send_unasked(work, window);
	struct batch_list asked;
	int r = 0;

	for (unsigned i = 0; i < window->n_slots && is_unasked; i++)
		if (window->slots[i] == SLOT_WRONG)
			add_slot(work, window, i, &list);
	list.n_unasked = list.n;
	asked = list;
	asked.pages += list.n;
	asked.n = 0;
	for (unsigned i = 0; i < window->n_slots; i++)
		if (window->slots[i] == SLOT_PLAIN ||
		    (window->slots[i] == SLOT_WRONG && !is_unasked))
			add_slot(work, window, i, &asked);
	if (asked.n)
		r = answer_filter(work, &asked);
	list.n += asked.n;
	if (r == 0 && list.n)
		r = batch_move(work, &list);
	if (window->is_supposed && work->count.outcome_bytes[ACT_BUSY] != busy_bytes)
		probe_was_mistaken(work);
	return r;
}

static int move_pool(struct pages_work *work, const struct pages_range *range, int flags)
{
	struct batch_list list = {
		.pages = work->pages,
		.kind = ACT_POOL,
		.bytes = range->pool_bytes,
		.room_bytes = range->pool_bytes,
		.flags = flags,
	};

	for (uint64_t at = range->start; at < range->end; at += range->pool_bytes)
		work->pages[list.n++] = (void *)at;
	return move_list(work, &list);
}

int pages_move_window(struct pages_work *work, const struct pages_range *range)
{
	struct act *act = work->task->act;
	const int flags = range->is_shared ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE;
	struct window window = { .range = range, .flags = flags };
	int r;

	if (range->pool_bytes)
		return move_pool(work, range, flags);
	window.first = range->start / act->huge_bytes * act->huge_bytes;
	window.n_slots =
		(unsigned)((range->end - window.first + act->huge_bytes - 1) / act->huge_bytes);
	if (window.n_slots > SLOTS_MAX)
		return -EINVAL;
	probe_scan(work, &window);
	r = move_huge(work, &window);
	if (r == 0)
		r = probe_unknown(work, &window);
	return r == 0 ? move_plain(work, &window) : r;
}

/* Those from `at` on that can go in one list. */
static size_t take_alike(struct pages_work *work, size_t at, size_t n, struct batch_list *list)
{
	const struct pages_retry *first = &work->retries[at];

	*list = (struct batch_list){
		.pages = work->pages,
		.kind = first->kind,
		.bytes = first->bytes,
		.room_bytes = first->bytes,
		.flags = first->flags,
	};
	for (; at < n; at++) {
		const struct pages_retry *retry = &work->retries[at];

		if (retry->kind != list->kind || retry->bytes != list->bytes ||
		    retry->flags != list->flags)
			break;
		work->pages[list->n++] = retry->page;
	}
	answer_count(work, ACT_BUSY, -(int64_t)(list->n * list->bytes));
	return at;
}

int pages_retry_busy(struct pages_work *work)
{
	const size_t n = work->n_retries;
	struct batch_list list;
	size_t at = 0;
	int r = 0;

	/* What is busy again is written in front of what is read. */
	work->n_retries = 0;
	while (at < n && r == 0) {
		at = take_alike(work, at, n, &list);
		r = move_list(work, &list);
	}
	return r;
}

/* ---- a worker's own ------------------------------------------------------------------------ */

int pages_work_new(struct pages_task *task, struct pages_work **ret_work)
{
	struct pages_work *work = calloc(1, sizeof(*work));
	struct act *act = task->act;
	const unsigned most = task->budget_ns ? PLAIN_MOST : PAGES_WINDOW;

	if (!work)
		return -ENOMEM;
	work->task = task;
	pthread_mutex_init(&work->lock, NULL);
	pace_batch_init(&work->plain, act->moves_singly ? most : PLAIN_FIRST, PLAIN_LEAST, most,
			act->moves_singly ? 0 : task->budget_ns);
	pace_batch_init(&work->huge, HUGE_FIRST, HUGE_LEAST, HUGE_MOST, HUGE_CALL_NS);
	for (size_t i = 0; i < PAGES_WINDOW; i++)
		work->nodes[i] = (int)task->to_node;
	*ret_work = work;
	return 0;
}

struct pages_work *pages_work_free(struct pages_work *work)
{
	if (work)
		pthread_mutex_destroy(&work->lock);
	free(work);
	return NULL;
}

void pages_work_count(struct pages_work *work, struct pages_count *ret_count)
{
	pthread_mutex_lock(&work->lock);
	*ret_count = work->count;
	pthread_mutex_unlock(&work->lock);
}

uint64_t pages_count_left(const struct pages_count *count)
{
	return count->outcome_bytes[ACT_BUSY] + count->outcome_bytes[ACT_PINNED] +
	       count->outcome_bytes[ACT_DENIED] + count->outcome_bytes[ACT_FULL] +
	       count->no_block_bytes;
}

void pages_count_add(struct pages_count *sum, const struct pages_count *count)
{
	sum->right_bytes += count->right_bytes;
	for (size_t i = 0; i < ACT_OUTCOME_COUNT; i++)
		sum->outcome_bytes[i] += count->outcome_bytes[i];
	sum->no_block_bytes += count->no_block_bytes;
	sum->calls += count->calls;
	if (sum->longest_ns < count->longest_ns)
		sum->longest_ns = count->longest_ns;
}
