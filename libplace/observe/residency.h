/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many bytes of a guest's RAM lie on each node, from some pages: one random page of each of n
 * equal strata. Never a fixed stride, which sees interleaved memory on one node. The kernel is
 * asked through a function of the caller, so that this file needs no library and tests no nodes.
 */
#pragma once

#include "flow.h"
#include "observe/ranges.h"

/*
 * Asks where pages of a process are: status[i] becomes the node of pages[i], or is negative where
 * no page is there. Returns: 0 or -errno. place_pages_ask() in pages.h is the kernel's.
 */
typedef int (*place_residency_ask)(void *data, int pid, size_t n, void **pages, int *status);

struct place_residency_how {
	size_t n_samples;
	uint64_t seed; /* the same one asks for the same pages */
	place_residency_ask ask;
	void *data; /* of ask */
};

struct place_residency {
	uint64_t n_asked;
	uint64_t n_present;	 /* of them; absent and zero pages lie nowhere, and do not count */
	uint64_t present_bytes;	 /* all that is there, by that share */
	uint64_t hidden_bytes;	 /* resident by its status, and not seen: see below */
	unsigned error_permille; /* half width of the 99 % interval of the largest node's share;
				    0: every page was asked for */
};

/*
 * Samples about how->n_samples pages of the ranges, or asks for every page where there are not
 * more. A hugepage of a pool is one page. `bytes`, by index of the node in the topology, is set,
 * not added to: estimates of what is present.
 *
 * error_permille is that of independent pages, 2.576 * sqrt(p(1-p)/n): where memory comes in runs
 * of 2 MiB, or is interleaved, the strata make it less than half of that (bench/residency).
 *
 * Returns: 0 or -errno: -EINVAL no ranges or samples; -ENOMEM; what `ask` returned.
 */
int place_residency_sample(const struct place_ranges *ranges, const struct place_topology *topology,
			   int pid, const struct place_residency_how *how, uint64_t *bytes,
			   struct place_residency *ret_residency);

/*
 * The bytes of one guest, the cheapest way: numa_maps below 128 MiB, where it is exact and costs
 * no more, else samples. Checks that the pid is the same process before and after.
 *
 * Linux 6.1 to 6.5 with NUMA balancing hide from move_pages(2) every page that the balancing has
 * marked and nobody has touched since (mm/gup.c gup_can_follow_protnone(), mended in 6.6); so do
 * pages that are swapped out. Where samples see clearly less than the process's status counts,
 * up to 4 GiB numa_maps is read, which counts them; beyond that hidden_bytes is set, and
 * error_permille becomes the hidden share.
 *
 * Returns: 0 or -errno: as above and place_ranges_read(); -ESRCH: the process went.
 */
int place_residency_read(const struct place_root *root, struct place_text *text,
			 const struct place_topology *topology, const struct place_mounts *mounts,
			 const struct place_guest *guest, bool is_guest,
			 const struct place_residency_how *how, uint64_t *bytes,
			 struct place_residency *ret_residency);
