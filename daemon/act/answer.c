/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/answer.h"

#include <errno.h>
#include <numaif.h>
#include <stdatomic.h>

/*
 * do_pages_stat() takes the target's mmap lock for 16 pages at a time, and a thread of the target
 * that maps memory meets it: with 16384 pages per call its p99 was 4.2 ms, with 4096 0.5 ms
 * (6.18, 8 GiB).
 */
#define QUERY_PAGES 4096

void answer_count(struct pages_work *work, enum act_outcome outcome, int64_t bytes)
{
	pthread_mutex_lock(&work->lock);
	work->count.outcome_bytes[outcome] += (uint64_t)bytes;
	pthread_mutex_unlock(&work->lock);
}

void answer_count_no_block(struct pages_work *work, uint64_t bytes)
{
	pthread_mutex_lock(&work->lock);
	work->count.no_block_bytes += bytes;
	pthread_mutex_unlock(&work->lock);
}

void answer_look_begin(struct pages_work *work)
{
	struct act *act = work->task->act;

	atomic_store(&work->call_since_ns, act->ops->now_ns(act));
}

void answer_look_end(struct pages_work *work)
{
	struct act *act = work->task->act;

	work->look_ns += act->ops->now_ns(act) - atomic_exchange(&work->call_since_ns, 0);
}

static int query(struct pages_work *work, void **pages, size_t n)
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

int answer_query(struct pages_work *work, void **pages, size_t n)
{
	int r;

	answer_look_begin(work);
	r = query(work, pages, n);
	answer_look_end(work);
	return r;
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

/* Into work->present, of the slot at that address. Returns: whether it could be read. */
static bool find_present(struct pages_work *work, uint64_t from)
{
	struct act *act = work->task->act;
	int r;

	work->present_from = 0;
	answer_look_begin(work);
	r = act->ops->find_present(act, from, ACT_PRESENT_MAX, work->present);
	answer_look_end(work);
	if (r == 0)
		work->present_from = from;
	return r == 0;
}

bool answer_is_empty(struct pages_work *work, uint64_t slot_address)
{
	if (!find_present(work, slot_address))
		return false;
	for (size_t i = 0; i < ACT_PRESENT_MAX; i++)
		if (work->present[i] & ACT_PAGE_PRESENT)
			return false;
	return true;
}

/*
 * A page that is called absent and is there all the same: the kernel's balancing has marked it. Of
 * private memory it marks what is mapped once (mm/mprotect.c change_pte_range()), so that the zero
 * page, of which a guest may have gigabytes, is what it seems: nothing to move.
 */
static bool is_hidden(struct pages_work *work, const struct batch_list *list, uint64_t address)
{
	const bool is_shared = list->flags & MPOL_MF_MOVE_ALL;
	const uint8_t wanted = ACT_PAGE_PRESENT | (is_shared ? 0 : ACT_PAGE_SINGLE);
	struct act *act = work->task->act;
	const uint64_t span = ACT_PRESENT_MAX * act->base_bytes;
	const uint64_t from = address / span * span;

	if (!act->may_hide)
		return false;
	if (work->present_from != from && !find_present(work, from))
		return false;
	return (work->present[(address - from) / act->base_bytes] & wanted) == wanted;
}

/*
 * Touched meanwhile it can be moved, or the kernel has done so itself: so it is tried again. One
 * that nobody touches stays, and matters to nobody.
 */
static bool keep_hidden(struct pages_work *work, const struct batch_list *list, void *page)
{
	if (!is_hidden(work, list, (uintptr_t)page))
		return false;
	add_retry(work, list, page);
	return true;
}

int answer_filter(struct pages_work *work, struct batch_list *list)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);
	uint64_t right = 0, absent = 0, hidden = 0, stuck = 0;
	size_t n = 0;
	int r;

	r = answer_query(work, list->pages, list->n);
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

/* After a call that returned 0: each entry is true. */
void answer_statuses(struct pages_work *work, const struct batch_list *list, void **pages, size_t n)
{
	uint64_t bytes[ACT_OUTCOME_COUNT] = { 0 };

	for (size_t i = 0; i < n; i++) {
		enum act_outcome outcome = act_outcome_of_page(work->status[i]);

		/* Found elsewhere after all, or marked since it was asked for. */
		if ((outcome == ACT_MOVED && !is_right(work, work->status[i])) ||
		    (outcome == ACT_ABSENT && is_hidden(work, list, (uintptr_t)pages[i])))
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
int answer_arrived(struct pages_work *work, const struct batch_list *list, void **pages, size_t n,
		   size_t *ret_left, bool *ret_has_gaps)
{
	uint64_t moved = 0, absent = 0, hidden = 0;
	size_t left = 0;
	int r = answer_query(work, pages, n);

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
	answer_count(work, ACT_MOVED, (int64_t)(moved * list->bytes));
	answer_count(work, ACT_ABSENT, (int64_t)(absent * list->bytes));
	answer_count(work, ACT_BUSY, (int64_t)(hidden * list->bytes));
	*ret_left = left;
	if (ret_has_gaps)
		*ret_has_gaps = absent || hidden;
	return 0;
}

void answer_stuck(struct pages_work *work, const struct batch_list *list, void **pages, size_t n)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);

	for (size_t i = 0; i < n; i++)
		stuck_add(work->task->stuck, (uintptr_t)pages[i], now_ns);
	answer_count(work, ACT_PINNED, (int64_t)(n * list->bytes));
}
