/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The time that deadlines are counted in: CLOCK_MONOTONIC, which nobody sets. What is decided by is
 * place_host_now_ns(), which a recorded host has of its own.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t place_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline int64_t place_clock_ms(void)
{
	return (int64_t)(place_clock_ns() / 1000000);
}
