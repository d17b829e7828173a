/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chance for made-up hosts: xorshift64*, which makes the same ones on every machine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* *state must not be 0. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static inline unsigned below(uint64_t *state, unsigned limit)
{
	return (unsigned)((next_random(state) >> 33) % limit);
}

static inline bool one_in(uint64_t *state, unsigned n)
{
	return below(state, n) == 0;
}
