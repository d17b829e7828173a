/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A window's slots of 2 MiB: which of them hold one huge page, told by the kernel (PAGEMAP_SCAN,
 * 6.7) or found out by moving one page of each. Only pages.c includes this.
 */
#pragma once

#include "act/pages.h"

#define SLOTS_MAX (PAGES_WINDOW / STUCK_SLOT_PAGES + 1)

enum slot_state {
	SLOT_UNKNOWN,
	SLOT_HUGE,
	SLOT_PLAIN,
	SLOT_WRONG,   /* plain, and all of its test pages lie wrong */
	SLOT_SUSPECT, /* may be huge */
	SLOT_PROBE,   /* the same, and now it is found out by moving */
	SLOT_DONE,
};

struct window {
	const struct pages_range *range;
	unsigned n_slots;
	uint64_t first; /* address of slot 0, before range->start where that is not aligned */
	int flags;
	bool is_scanned;  /* the kernel told what is huge: the other slots are plain */
	bool is_supposed; /* wrong slots are supposed to be plain, as those before them were */
	enum slot_state slots[SLOTS_MAX];
	unsigned n_probed[SLOTS_MAX]; /* test pages that were sent, and so are counted */
};

static inline uint64_t window_slot(const struct act *act, const struct window *window,
				   unsigned slot)
{
	return window->first + slot * act->huge_bytes;
}

/*
 * Fills in the slots' states: huge, plain (what is not there as a whole) or unknown, among which
 * are no huge ones where the kernel told them all.
 */
void probe_scan(struct pages_work *work, struct window *window);

/*
 * Moves huge pages among the unknown slots by one address each, and counts them: all of these slots
 * are plain, wrong or done afterwards. Errors: as pages_move_window().
 */
int probe_unknown(struct pages_work *work, struct window *window);

/* Supposed slots of this worker's were not plain after all: the next ones are probed again. */
void probe_was_mistaken(struct pages_work *work);

/* Whether that page of the slot was sent as a test page, and so is counted already. */
bool probe_has_sent(const struct window *window, unsigned slot, unsigned page);
