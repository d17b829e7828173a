/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/probe.h"

#include <errno.h>
#include <numaif.h>

#include "act/answer.h"
#include "act/batch.h"
#include "host/cleanup.h"

/* Test pages of a slot, by their number in it; odd and even ones, so that interleaving shows. */
static const unsigned test_pages[] = { 0, 171, 342, 511 };
#define TESTS ELEMENTSOF(test_pages)

/* So many plain slots in a row are reason to suppose that it goes on like this. */
#define PLAIN_EVIDENCE 8

/* The whole slot lies in the range: else no huge page of ours can be there. */
static bool is_whole(const struct act *act, const struct window *window, unsigned slot)
{
	const uint64_t address = window_slot(act, window, slot);

	return address >= window->range->start && address + act->huge_bytes <= window->range->end;
}

void probe_scan(struct pages_work *work, struct window *window)
{
	struct act *act = work->task->act;
	uint64_t huge = 0;
	int r;

	answer_look_begin(work);
	r = act->ops->find_huge(act, window->first, window_slot(act, window, window->n_slots),
				&huge);
	answer_look_end(work);
	window->is_scanned = r == 0;
	for (unsigned i = 0; i < window->n_slots; i++)
		if (!is_whole(act, window, i))
			window->slots[i] = SLOT_PLAIN;
		else
			window->slots[i] = huge >> i & 1 ? SLOT_HUGE : SLOT_UNKNOWN;
}

static uint64_t test_address(const struct act *act, const struct window *window, unsigned slot,
			     unsigned test)
{
	return window_slot(act, window, slot) +
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
	r = n ? answer_query(work, work->pages, n) : 0;
	return r < 0 ? r : (int)n;
}

/* All four on one wrong node, and none of them known to be stuck? */
static bool lies_wrong(const struct pages_work *work, const int *status, void *const *pages,
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

/* A slot of plain pages whose test pages lie wrong: all of it, as far as is known. */
static enum slot_state plain_state(const struct pages_work *work, const struct window *window,
				   unsigned slot, uint64_t now_ns)
{
	const uint64_t address = window_slot(work->task->act, window, slot);

	return stuck_has_in_slot(work->task->stuck, address, now_ns) ? SLOT_PLAIN : SLOT_WRONG;
}

/*
 * A slot none of whose test pages is there is most often empty. One look into pagemap shows it in
 * 2.7 us, where to ask for the other pages takes 55 at least (6.18, measured): address space that
 * nobody has touched costs its owner nothing, and may be had by the terabyte.
 */
static bool is_empty(struct pages_work *work, const struct window *window, unsigned slot,
		     const int *status)
{
	for (unsigned test = 0; test < TESTS; test++)
		if (status[test] >= 0)
			return false;
	return answer_is_empty(work, window_slot(work->task->act, window, slot));
}

/* Its test pages' statuses and addresses are those from `at` on. */
static enum slot_state judge_slot(struct pages_work *work, const struct window *window,
				  unsigned slot, unsigned at, uint64_t now_ns)
{
	const int *status = work->status + at;

	if (is_empty(work, window, slot, status)) {
		answer_count(work, ACT_ABSENT, (int64_t)work->task->act->huge_bytes);
		return SLOT_DONE;
	}
	if (!lies_wrong(work, status, work->pages + at, now_ns))
		return SLOT_PLAIN;
	work->from_node = status[0];
	return window->is_scanned ? plain_state(work, window, slot, now_ns) : SLOT_SUSPECT;
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
		window->slots[i] = judge_slot(work, window, i, at, now_ns);
		at += TESTS;
	}
	return 0;
}

/*
 * What the test pages of one slot say after the one called `probed` was sent: the others went
 * along, or they did not. Where that one did not move itself nothing is known yet.
 */
static void read_probe(struct pages_work *work, struct window *window, unsigned slot,
		       unsigned probed, const int *status)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);
	const int to_node = (int)work->task->to_node;
	unsigned n_moved = 0;

	for (unsigned test = 0; test < TESTS; test++)
		n_moved += status[test] == to_node;
	if (n_moved == TESTS) {
		const uint64_t more = act->huge_bytes - window->n_probed[slot] * act->base_bytes;

		window->slots[slot] = SLOT_DONE;
		answer_count(work, ACT_MOVED, (int64_t)more);
		/* The next batch waits for what went with this one. */
		(void)pace_take(work->task->pace, more, now_ns);
	} else if (status[probed] == to_node) {
		window->slots[slot] =
			n_moved == 1 ? plain_state(work, window, slot, now_ns) : SLOT_PLAIN;
	}
}

static int read_probes(struct pages_work *work, struct window *window, unsigned probed)
{
	const int *status = work->status;
	const int r = ask_tests(work, window, SLOT_PROBE);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < window->n_slots; i++)
		if (window->slots[i] == SLOT_PROBE) {
			read_probe(work, window, i, probed, status);
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
		stuck_add(work->task->stuck,
			  window_slot(act, window, slot) + page * act->base_bytes, now_ns);
	window->slots[slot] = SLOT_DONE;
	answer_count(work, ACT_PINNED, (int64_t)(act->huge_bytes - TESTS * act->base_bytes));
}

/* Whether no huge page is where the probed ones lie; those that are shared are not counted. */
static bool has_no_huge(const struct pages_work *work, const struct window *window)
{
	struct act *act = work->task->act;
	struct act_room room = { 0 };

	return work->from_node >= 0 && !(window->flags & MPOL_MF_MOVE_ALL) &&
	       act->ops->get_room(act, (unsigned)work->from_node, ACT_PLAIN, act->base_bytes,
				  &room) == 0 &&
	       !room.anon_huge_bytes;
}

/*
 * The target has no free block for the last n_untried, and moving a huge page would split it: what
 * may be one stays, unless there is no such page at all where they lie.
 */
static void keep_probes(struct pages_work *work, struct window *window, size_t n_untried)
{
	struct act *act = work->task->act;
	uint64_t now_ns, left_bytes;
	bool are_plain;

	if (!n_untried)
		return;
	now_ns = act->ops->now_ns(act);
	are_plain = has_no_huge(work, window);
	for (unsigned i = window->n_slots; i-- && n_untried;) {
		if (window->slots[i] != SLOT_PROBE)
			continue;
		n_untried--;
		if (are_plain) {
			window->slots[i] = plain_state(work, window, i, now_ns);
			window->n_probed[i]--;
			continue;
		}
		window->slots[i] = SLOT_DONE;
		/* But for the test pages before this one, which were sent and counted. */
		left_bytes = act->huge_bytes - (window->n_probed[i] - 1) * act->base_bytes;
		answer_count_no_block(work, left_bytes);
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

static unsigned count_slots(const struct window *window, enum slot_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < window->n_slots; i++)
		n += window->slots[i] == state;
	return n;
}

/*
 * A probe costs a call, however little is moved: most of it is the kernel's emptying of every CPU's
 * list, 20 to 30 ms on a busy host. Where the last slots were all plain the next ones are supposed
 * to be: a huge page among them is moved as a whole all the same by the first address, as long as
 * the target has a block for it, and the kernel calls the second one busy.
 */
static bool suppose_plain(const struct pages_work *work, unsigned n_suspects)
{
	const struct pages_task *task = work->task;
	struct act_room room;

	return n_suspects && work->n_plain >= PLAIN_EVIDENCE &&
	       task->act->ops->get_room(task->act, task->to_node, ACT_HUGE, task->act->huge_bytes,
					&room) == 0 &&
	       room.huge_blocks >= UINT64_C(2) * n_suspects;
}

static void note_probed(struct pages_work *work, const struct window *window)
{
	for (unsigned i = 0; i < window->n_slots; i++)
		if (!window->n_probed[i])
			continue;
		else if (window->slots[i] == SLOT_DONE)
			work->n_plain = 0;
		else
			work->n_plain++;
}

int probe_unknown(struct pages_work *work, struct window *window)
{
	struct act *act = work->task->act;
	const uint64_t now_ns = act->ops->now_ns(act);
	int r = find_probes(work, window);

	if (r < 0)
		return r;
	window->is_supposed = suppose_plain(work, count_slots(window, SLOT_SUSPECT));
	for (unsigned i = 0; i < window->n_slots && window->is_supposed; i++)
		if (window->slots[i] == SLOT_SUSPECT)
			window->slots[i] = plain_state(work, window, i, now_ns);
	while (r == 0 && take_probes(work, window))
		r = move_probes(work, window);
	note_probed(work, window);
	return r;
}

void probe_was_mistaken(struct pages_work *work)
{
	work->n_plain = 0;
}

bool probe_has_sent(const struct window *window, unsigned slot, unsigned page)
{
	for (unsigned test = 0; test < window->n_probed[slot]; test++)
		if (test_pages[test] == page)
			return true;
	return false;
}
