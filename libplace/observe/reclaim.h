/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel reclaims of each node, and how the host fares for want of memory: counters since
 * the boot, so that two readings say what happened between them (decide/nearness.h).
 */
#pragma once

#include "flow.h"
#include "host/root.h"

/*
 * nodeN/vmstat, lines "name number" (drivers/base/node.c node_read_vmstat()): nr_vmscan_write and
 * workingset_refault_anon of 5.9 and later; pgscan_* and pgsteal_* where the kernel counts them by
 * node (6.18 does not, tried). What is not there, or is no number, stays unknown.
 */
void place_reclaim_parse(const char *text, struct place_reclaim *ret_reclaim);

/*
 * /proc/pressure/memory (kernel/sched/psi.c psi_show(), since 4.20; off with psi=0):
 *    some avg10=0.12 avg60=0.00 avg300=0.00 total=1234
 *    full avg10=0.00 avg60=0.00 avg300=0.00 total=56
 * Adds what it finds; a line that is damaged is unknown.
 */
void place_stall_parse(const char *text, struct place_stall *stall);

/* SwapTotal and SwapFree of /proc/meminfo, added in the same way. */
void place_stall_parse_swap(const char *text, struct place_stall *stall);

/*
 * Reads all of it, one entry of `reclaims` per node: a file per node, two more, and one for each
 * size of huge pages that the sample has (/sys/kernel/mm/hugepages/hugepages-NkB/
 * nr_overcommit_hugepages). Allocates nothing but what `text` grows by. What cannot be read is
 * unknown.
 */
void place_reclaim_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, const struct place_sample *sample,
			struct place_reclaim *reclaims, struct place_stall *ret_stall);
