/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/numa_maps: exact, but the kernel walks every page for it, under the mmap lock (8 ms
 * per GiB of 4 KiB pages, 2026-11). For small guests, and as a referee in tests.
 */
#pragma once

#include "flow.h"
#include "observe/ranges.h"

/* One line. The counts stay in the text: place_numa_counts_next() reads them. */
struct place_numa_line {
	uint64_t start;	      /* of the mapping */
	const char *policy;   /* its text, up to a blank behind the nodes */
	enum place_bind bind; /* its policy; CPUSET never */
	uint64_t page_bytes;  /* what the counts count; 0 where it is not said */
	bool is_huge;	      /* from a hugepage pool */
	const char *counts;   /* where they begin */
};

/*
 * Parses the line at *at, and leaves *at behind it, whatever the line holds.
 *
 * Form (fs/proc/task_mmu.c show_numa_map(), 6.18): "7f0000 bind:1 file=/a\040b huge anon=1 ... N0=5
 * kernelpagesize_kB=4". The kernel escapes blanks, tabs, newlines and "=" in the path, so a path
 * is one word however it is made up, and what counts stands behind it. A policy may have blanks in
 * it: "prefer (many):0-1", "weighted interleave:0". Lines are of any length.
 *
 * Returns: 0; -ENODATA at the end of the text; -EINVAL no such line.
 */
int place_numa_maps_next(const char **at, struct place_numa_line *ret_line);

/*
 * The nodes of a line's policy: "bind:0-1", "interleave=static:0,2". Returns: if it names any; the
 * set is untouched if not.
 */
bool place_numa_policy_nodes(const struct place_numa_line *line, struct place_set *ret_nodes);

/* The next "N<node>=<pages>" of a line. Returns: if there was one. */
bool place_numa_counts_next(struct place_numa_line *line, unsigned *ret_node, uint64_t *ret_pages);

/*
 * The policy of a process's main thread, which its others inherit: the one of the first line of its
 * numa_maps, a mapping of the program, without one of its own. The kernel walks no more mappings
 * than the answer has room for, and the guest's RAM comes long behind.
 *
 * Returns: 0; -ENODATA no such line; or -errno.
 */
int place_numa_policy_read(const struct place_root *root, int pid, enum place_bind *ret_bind,
			   struct place_set *ret_nodes);

/*
 * Adds the bytes of all mappings that begin in one of the ranges to `bytes`, by index of the node
 * in the topology. Returns: the bytes that were added.
 */
uint64_t place_numa_maps_sum(const char *text, const struct place_ranges *ranges,
			     const struct place_topology *topology, uint64_t *bytes);
