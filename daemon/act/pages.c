/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/pages.h"

#include <errno.h>
#include <numaif.h>
#include <stdlib.h>

#include "act/batch.h"
#include "host/cleanup.h"

/* Batches of the first call, and the least and most of later ones (doc/decisions/0014-moving.md).
 */
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

/* Test pages of a slot, by their number in it; odd and even ones, so that interleaving shows. */
static const unsigned test_pages[] = { 0, 171, 342, 511 };
#define TESTS ELEMENTSOF(test_pages)
#define SLOTS_MAX 64 /* of a window */

enum slot_state {
	SLOT_UNKNOWN,
	SLOT_HUGE,
	SLOT_PLAIN,
	SLOT_SUSPECT, /* may be huge */
	SLOT_PROBE,   /* the same, and now it is found out by moving */
	SLOT_DONE,
};

struct window {
	const struct pages_range *range;
	unsigned n_slots;
	uint64_t first; /* address of slot 0, before range->start where that is not aligned */
	int flags;
	enum slot_state slots[SLOTS_MAX];
	unsigned n_probed[SLOTS_MAX]; /* test pages that were sent, and so are counted */
};

/* ---- windows ------------------------------------------------------------------------------- */

static uint64_t window_bytes(const struct act *act, const struct pages_range *range)
{
	const uint64_t bytes = PAGES_WINDOW * act->base_bytes;

	return range->pool_bytes > bytes ? range->pool_bytes : bytes;
}

static size_t n_windows(const struct act *act, const struct pages_range *range)
{
	const uint64_t bytes = window_bytes(act, range);

	return range->end > range->start ?
		       (size_t)((range->end - 1) / bytes - range->start / bytes + 1) :
		       0;
}

size_t pages_n_windows(const struct act *act, const struct pages_range *ranges, size_t n_ranges)
{
	size_t n = 0;

	for (size_t i = 0; i < n_ranges; i++)
		n += n_windows(act, &ranges[i]);
	return n;
}

void pages_window(const struct act *act, const struct pages_range *ranges, size_t n_ranges,
		  size_t number, struct pages_range *ret_window)
{
	for (size_t i = 0; i < n_ranges; i++) {
		const size_t n = n_windows(act, &ranges[i]);
		const uint64_t bytes = window_bytes(act, &ranges[i]);
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

/* ---- what is huge -------------------------------------------------------------------------- */

static uint64_t slot_address(const struct act *act, const struct window *window, unsigned slot)
{
	return window->first + slot * act->huge_bytes;
}

/* The whole slot lies in the range: else no huge page of ours can be there. */
static bool is_whole(const struct act *act, const struct window *window, unsigned slot)
{
	const uint64_t address = slot_address(act, window, slot);

	return address >= window->range->start && address + act->huge_bytes <= window->range->end;
}

static void find_huge(const struct pages_work *work, struct window *window)
{
	struct act *act = work->task->act;
	uint64_t huge = 0;
	int r;

	r = act->ops->find_huge(act, window->first, slot_address(act, window, window->n_slots),
				&huge);
	for (unsigned i = 0; i < window->n_slots; i++)
		if (!is_whole(act, window, i))
			window->slots[i] = SLOT_PLAIN;
		else if (r == 0)
			window->slots[i] = huge >> i & 1 ? SLOT_HUGE : SLOT_PLAIN;
		else
			window->slots[i] = SLOT_UNKNOWN;
}

static uint64_t test_address(const struct act *act, const struct window *window, unsigned slot,
			     unsigned test)
{
	return slot_address(act, window, slot) +
	       test_pages[test] * (act->huge_bytes / STUCK_SLOT_PAGES);
}

/* Asks for the test pages of all slots in that state, in order. Returns: how many, or -errno. */
static int ask_tests(struct pages_work *work, const struct window *window, enum slot_state state)
{
	struct act *act = work->task->act;
	unsigned n = 0;
	int r;

	for (unsigned i = 0; i < window->n_slots; i++)
		for (unsigned test = 0; window->slots[i] == state && test < TESTS; test++)
			work->pages[n++] = (void *)test_address(act, window, i, test);
	r = n ? batch_query(work, work->pages, n) : 0;
	return r < 0 ? r : (int)n;
}

/* All four on one wrong node, and none of them known to be stuck? */
static bool may_be_huge(const struct pages_work *work, const int *status, void *const *pages,
			uint64_t now_ns)
{
	if (status[0] < 0 || place_set_has(work->task->right, (unsigned)status[0]))
		return false;
	for (unsigned test = 0; test < TESTS; test++)
		if (status[test] != status[0] ||
		    stuck_has(work->task->stuck, (uintptr_t)pages[test], now_ns))
			return false;
	return true;
}

static int find_probes(struct pages_work *work, struct window *window)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);
	unsigned at = 0;
	int r = ask_tests(work, window, SLOT_UNKNOWN);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < window->n_slots; i++) {
		if (window->slots[i] != SLOT_UNKNOWN)
			continue;
		window->slots[i] = may_be_huge(work, work->status + at, work->pages + at, now_ns) ?
					   SLOT_SUSPECT :
					   SLOT_PLAIN;
		if (window->slots[i] == SLOT_SUSPECT)
			work->from_node = work->status[at];
		at += TESTS;
	}
	return 0;
}

/* The slot's page by its number. */
static uint64_t page_address(const struct act *act, const struct window *window, unsigned slot,
			     unsigned page)
{
	return slot_address(act, window, slot) + page * (act->huge_bytes / STUCK_SLOT_PAGES);
}

/*
 * After one test page of each was moved: the others went along, or they did not. Where it did not
 * move itself nothing is known yet.
 */
static int read_probes(struct pages_work *work, struct window *window, unsigned probed)
{
	struct act *act = work->task->act;
	const int *status = work->status;
	int r = ask_tests(work, window, SLOT_PROBE);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < window->n_slots; i++) {
		unsigned n_moved = 0;
		uint64_t more;

		if (window->slots[i] != SLOT_PROBE)
			continue;
		for (unsigned test = 0; test < TESTS; test++)
			n_moved += status[test] == (int)work->task->to_node;
		if (n_moved == TESTS) {
			window->slots[i] = SLOT_DONE;
			more = act->huge_bytes - window->n_probed[i] * act->base_bytes;
			batch_count(work, ACT_MOVED, (int64_t)more);
			/* The next batch waits for what went with this one. */
			(void)pace_take(work->task->pace, more, act->ops->now_ns(act));
		} else if (status[probed] == (int)work->task->to_node) {
			window->slots[i] = SLOT_PLAIN;
		}
		status += TESTS;
	}
	return 0;
}

/* Not one test page moved: a pinned huge page, or plain ones that each say why. */
static void end_probe(struct pages_work *work, struct window *window, unsigned slot)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);

	window->slots[slot] = SLOT_PLAIN;
	for (unsigned test = 0; test < TESTS; test++)
		if (!stuck_has(work->task->stuck, test_address(act, window, slot, test), now_ns))
			return;
	for (unsigned page = 0; page < STUCK_SLOT_PAGES; page++)
		stuck_add(work->task->stuck, page_address(act, window, slot, page), now_ns);
	window->slots[slot] = SLOT_DONE;
	batch_count(work, ACT_PINNED, (int64_t)(act->huge_bytes - TESTS * act->base_bytes));
}

/*
 * The target has no free block for a huge page, and moving one would split it: what may be one
 * stays, unless there is no such page at all where they lie.
 */
static void keep_probes(struct pages_work *work, struct window *window, size_t n_untried)
{
	struct act *act = work->task->act;
	struct act_room room = { 0 };
	const int from = n_untried ? work->from_node : -1;
	const bool has_none =
		from >= 0 &&
		act->ops->get_room(act, (unsigned)from, ACT_PLAIN, act->base_bytes, &room) == 0 &&
		!room.anon_huge_bytes && !(window->flags & MPOL_MF_MOVE_ALL);

	for (unsigned i = window->n_slots; i-- && n_untried;) {
		if (window->slots[i] != SLOT_PROBE)
			continue;
		n_untried--;
		if (has_none) {
			window->slots[i] = SLOT_PLAIN;
			window->n_probed[i]--;
			continue;
		}
		window->slots[i] = SLOT_DONE;
		batch_count_no_block(work,
				     act->huge_bytes - (window->n_probed[i] - 1) * act->base_bytes);
	}
}

/*
 * Takes the next suspects: only as many as go in one call, since what goes along with a test page
 * is known, and paced, only afterwards. Returns: whether there were any.
 */
static bool take_probes(struct pages_work *work, struct window *window)
{
	const struct batch_list list = { .kind = ACT_HUGE,
					 .room_bytes = work->task->act->huge_bytes };
	const size_t most = batch_most(work, &list);
	size_t n = 0;

	for (unsigned i = 0; i < window->n_slots && n < most; i++)
		if (window->slots[i] == SLOT_SUSPECT) {
			window->slots[i] = SLOT_PROBE;
			n++;
		}
	return n;
}

static int move_probes(struct pages_work *work, struct window *window)
{
	struct act *act = work->task->act;
	int r;

	for (unsigned test = 0; test < TESTS; test++) {
		struct batch_list list = {
			.pages = work->pages,
			.kind = ACT_HUGE,
			.bytes = act->base_bytes,
			.room_bytes = act->huge_bytes,
			.flags = window->flags,
		};

		for (unsigned i = 0; i < window->n_slots; i++)
			if (window->slots[i] == SLOT_PROBE) {
				work->pages[list.n++] = (void *)test_address(act, window, i, test);
				window->n_probed[i] = test + 1;
			}
		if (!list.n)
			return 0;
		r = batch_move(work, &list);
		keep_probes(work, window, list.n_untried);
		if (r == 0)
			r = read_probes(work, window, test);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < window->n_slots; i++)
		if (window->slots[i] == SLOT_PROBE)
			end_probe(work, window, i);
	return 0;
}

/* ---- lists --------------------------------------------------------------------------------- */

static int move_list(struct pages_work *work, struct batch_list *list)
{
	int r = batch_filter(work, list);

	if (r == 0)
		r = batch_move(work, list);
	if (r == 0)
		batch_count_no_block(work, list->n_untried * list->bytes);
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
			work->pages[list.n++] = (void *)slot_address(act, window, i);
	return list.n ? move_list(work, &list) : 0;
}

/* A test page that was sent before is counted already. */
static bool was_probed(const struct window *window, unsigned slot, unsigned page)
{
	for (unsigned test = 0; test < window->n_probed[slot]; test++)
		if (test_pages[test] == page)
			return true;
	return false;
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

	for (unsigned i = 0; i < window->n_slots; i++) {
		if (window->slots[i] != SLOT_PLAIN)
			continue;
		for (unsigned page = 0; page < STUCK_SLOT_PAGES; page++) {
			const uint64_t address = page_address(act, window, i, page);

			if (address >= window->range->start && address < window->range->end &&
			    !was_probed(window, i, page))
				work->pages[list.n++] = (void *)address;
		}
	}
	return list.n ? move_list(work, &list) : 0;
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
	find_huge(work, &window);
	r = move_huge(work, &window);
	if (r == 0)
		r = find_probes(work, &window);
	while (r == 0 && take_probes(work, &window))
		r = move_probes(work, &window);
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
	batch_count(work, ACT_BUSY, -(int64_t)(list->n * list->bytes));
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
