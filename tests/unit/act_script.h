/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A scripted seam: a made-up process whose pages lie where a test put them, and a kernel that
 * answers as 6.1 does, with a clock of its own. It lies in shared memory, so that what a child
 * moves is seen by the test.
 */
#pragma once

#include "act/act.h"

#define SCRIPT_PAGES 32768 /* two windows */
#define SCRIPT_START (UINT64_C(1) << 40)
#define SCRIPT_BASE UINT64_C(4096)
#define SCRIPT_HUGE (SCRIPT_BASE * 512)
#define SCRIPT_NODES 4

struct script_page {
	int node;      /* -1: absent */
	unsigned head; /* the first page of its folio */
	unsigned busy; /* so many tries fail */
	bool is_pinned;
	bool is_shared;	 /* mapped by others: only MPOL_MF_MOVE_ALL */
	unsigned hidden; /* absent to so many questions and moves, by the kernel's balancing */
	bool is_zero;	 /* absent, and mapped all the same */
};

struct script {
	struct act act;
	uint64_t now_ns, slept_ns;
	uint64_t page_ns, call_ns, failed_ns; /* what a page costs, a call, a page that fails */
	uint64_t free_bytes[SCRIPT_NODES], least_free_bytes[SCRIPT_NODES];
	uint64_t huge_blocks, pool_bytes;
	uint64_t pool_pages[SCRIPT_NODES]; /* free ones */
	uint64_t pool_size[SCRIPT_NODES];
	uint64_t pool_taken;  /* so many of the free ones are gone when they are to be used */
	uint64_t pool_short;  /* a pool that is to grow gets so many less */
	uint64_t pool_beyond; /* so many more on any, for surplus pages on others */
	bool can_scan;
	unsigned n_calls, n_addresses, n_split, n_pools_set;
	unsigned n_asked;	 /* pages that were asked for */
	unsigned most_addresses; /* of a call */
	unsigned gone_after;	 /* calls, 0: never */
	unsigned stall_after;	 /* from this call on it does not come back, 0: never */
	uint64_t stalled_us;
	unsigned nap_us;     /* real time that a call takes */
	bool is_unreadable;  /* its pagemap */
	bool keeps_question; /* one waits until this is false */
	bool is_gone;
	bool is_streaming;
	struct script_page pages[SCRIPT_PAGES];
	uint8_t mark[SCRIPT_PAGES]; /* isolated in this call */
};

/* All pages on node 0, small, with much room everywhere. Ownership: script_free(). */
struct script *script_new(void);
void script_free(struct script *script);

/* Pages from .. to - 1: their node; or one huge page per 512 of them. */
void script_put(struct script *script, unsigned from, unsigned to, int node);
void script_huge(struct script *script, unsigned from, unsigned to);
uint64_t script_bytes_on(const struct script *script, int node);
