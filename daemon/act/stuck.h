/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of one guest that would not move: a bit per page of a 2 MiB slot, for ten minutes. A try at
 * a pinned page costs three to seven times as much as moving one (6.1: 145 us, 6.12: 94 us against
 * 22 and 33, emulated host), so that the next move of the guest must not pay for it again.
 *
 * The table lies in memory that a child shares with us, so that it outlives the child; a child that
 * is killed leaves it usable. Nothing is in memory before something is remembered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUCK_SLOT_PAGES 512
#define STUCK_FOR_NS UINT64_C(600000000000)

struct stuck;

/*
 * slot_bytes: STUCK_SLOT_PAGES base pages. Returns: 0 or -ENOMEM.
 * Ownership: the caller's, stuck_free() after the last child that uses it.
 */
int stuck_new(uint64_t slot_bytes, struct stuck **ret_stuck);
struct stuck *stuck_free(struct stuck *stuck);

/*
 * Remembers pages of the slot that holds address, bit i for its page i: for good or until now_ns
 * + STUCK_FOR_NS. Where the table is full it is forgotten. Two threads may not call it for the
 * same slot. NULL is a table that forgets everything.
 */
void stuck_add(struct stuck *stuck, uint64_t address, uint64_t now_ns);
bool stuck_has(const struct stuck *stuck, uint64_t address, uint64_t now_ns);

/* Whether any page of the slot that holds address is remembered. */
bool stuck_has_in_slot(const struct stuck *stuck, uint64_t address, uint64_t now_ns);
