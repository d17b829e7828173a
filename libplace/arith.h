/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arithmetic that does not wrap. What is read from a kernel may be nonsense (a node with more
 * free than total memory exists), and a sum that wrapped would be promised to a guest.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PLACE_MIB (UINT64_C(1) << 20)

static inline uint64_t place_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t place_subtract(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* UINT64_MAX where it does not fit. */
static inline uint64_t place_multiply(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t place_sum(const uint64_t *numbers, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = place_add(sum, numbers[i]);
	return sum;
}

static inline uint64_t place_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t place_most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* a * b / c without losing the high half; c must not be 0. */
static inline uint64_t place_scale(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 scaled = (unsigned __int128)a * b / c;

	return scaled > UINT64_MAX ? UINT64_MAX : (uint64_t)scaled;
}
