/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes that stand for guests in a measurement: so much memory in 4 KiB pages, two threads
 * named as vCPUs, a group of the memory controller of their own. All of it goes when the program
 * ends, however it ends; groups stay only after SIGKILL.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "host/root.h"

#define LATENCIES_MAX 65536

/* What the prober, a thread of a guest that maps and unmaps memory all the time, writes down. */
struct probe {
	atomic_bool is_on;
	atomic_uint n;
	uint32_t latencies_ns[LATENCIES_MAX];
};

struct guests {
	size_t n;
	int *pids;
	struct place_look *looks; /* as the watch is given them */
	char group[256];	  /* in which the guests' groups are; "" where none can be made */
	struct probe *probe;	  /* of the first guest, or NULL */
};

/*
 * Starts n guests of `bytes` each and waits until all have their memory. Exits with a message
 * where that is not possible.
 */
void guests_start(struct guests *guests, size_t n, uint64_t bytes, bool with_probe);
void guests_stop(struct guests *guests);

/* Idle processes without memory or group; only to be in /proc. */
void guests_start_idle(struct guests *guests, size_t n);
