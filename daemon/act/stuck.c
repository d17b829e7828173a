/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open-addressed table of slots in shared memory; slots are claimed with one atomic step. */
#include "stuck.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* 16 GiB of memory in which every slot has a pinned page, in 640 KiB. */
#define SLOTS 8192
#define TRIES 32

struct slot {
	_Atomic uint64_t number; /* address / slot_bytes + 1; 0 is free */
	uint64_t expires_ns;
	uint64_t bits[STUCK_SLOT_PAGES / 64];
};

struct stuck {
	uint64_t slot_bytes;
	struct slot slots[SLOTS];
};

int stuck_new(uint64_t slot_bytes, struct stuck **ret_stuck)
{
	struct stuck *stuck = mmap(NULL, sizeof(*stuck), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (stuck == MAP_FAILED)
		return -ENOMEM;
	stuck->slot_bytes = slot_bytes;
	*ret_stuck = stuck;
	return 0;
}

struct stuck *stuck_free(struct stuck *stuck)
{
	if (stuck)
		(void)munmap(stuck, sizeof(*stuck));
	return NULL;
}

/* Neighbours go to neighbours: pinned memory comes in runs, and a page of the table holds 50. */
static unsigned place_of(uint64_t number, unsigned attempt)
{
	return (unsigned)((number + attempt) % SLOTS);
}

static unsigned bit_of(const struct stuck *stuck, uint64_t address)
{
	return (unsigned)(address % stuck->slot_bytes / (stuck->slot_bytes / STUCK_SLOT_PAGES));
}

static struct slot *claim(struct stuck *stuck, uint64_t number, uint64_t now_ns)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct slot *slot = &stuck->slots[place_of(number, i)];
		uint64_t seen = atomic_load(&slot->number);

		if (seen == number)
			return slot;
		/* A slot whose time is over is as good as a free one. */
		if ((!seen || slot->expires_ns <= now_ns) &&
		    atomic_compare_exchange_strong(&slot->number, &seen, number)) {
			slot->expires_ns = 0;
			return slot;
		}
	}
	return NULL;
}

void stuck_add(struct stuck *stuck, uint64_t address, uint64_t now_ns)
{
	struct slot *slot;
	unsigned bit;

	if (!stuck)
		return;
	slot = claim(stuck, address / stuck->slot_bytes + 1, now_ns);
	if (!slot)
		return;
	if (slot->expires_ns <= now_ns)
		for (unsigned i = 0; i < STUCK_SLOT_PAGES / 64; i++)
			slot->bits[i] = 0;
	bit = bit_of(stuck, address);
	slot->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
	slot->expires_ns = now_ns + STUCK_FOR_NS;
}

/* The slot that holds the address, while it counts; else NULL. */
static const struct slot *find(const struct stuck *stuck, uint64_t address, uint64_t now_ns)
{
	const uint64_t number = stuck ? address / stuck->slot_bytes + 1 : 0;

	for (unsigned i = 0; stuck && i < TRIES; i++) {
		const struct slot *slot = &stuck->slots[place_of(number, i)];
		const uint64_t seen = atomic_load(&slot->number);

		if (!seen)
			return NULL;
		if (seen == number)
			return slot->expires_ns > now_ns ? slot : NULL;
	}
	return NULL;
}

bool stuck_has(const struct stuck *stuck, uint64_t address, uint64_t now_ns)
{
	const struct slot *slot = find(stuck, address, now_ns);
	unsigned bit;

	if (!slot)
		return false;
	bit = bit_of(stuck, address);
	return slot->bits[bit / 64] >> (bit % 64) & 1;
}

bool stuck_has_in_slot(const struct stuck *stuck, uint64_t address, uint64_t now_ns)
{
	const struct slot *slot = find(stuck, address, now_ns);

	for (unsigned i = 0; slot && i < STUCK_SLOT_PAGES / 64; i++)
		if (slot->bits[i])
			return true;
	return false;
}
