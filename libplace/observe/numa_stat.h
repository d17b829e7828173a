/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes per node of a group: memory.numa_stat of the memory controller and hugetlb.SIZE.numa_stat
 * of the hugetlb one. These cost the same however large the group's memory is, and take no lock
 * of the processes in it. Only what guests are made of is counted: anonymous and shared memory,
 * no page cache.
 */
#pragma once

#include "flow.h"

/*
 * Adds a group's memory to bytes[0 .. n_nodes), by index of the node in the topology, and sums it
 * up; a node that the topology does not know is in the sum alone. Two forms:
 *
 *  v2 (mm/memcontrol.c memory_numa_stat_show(), since 5.10), in bytes, "shmem" beside "anon":
 *    anon N0=4096 N1=0
 *    shmem N0=0 N1=8192
 *  v1 (mm/memcontrol-v1.c memcg_numa_stat_show(), 6.18), in pages of page_bytes; the lists of
 *  the kernel, where shared memory is among the anonymous and locked memory among the unevictable:
 *    anon=12 N0=12 N1=0
 *    hierarchical_anon=30 N0=20 N1=10          (with the groups below it: preferred)
 *
 * Returns: 0; -ENODATA neither form; -EINVAL, -ERANGE a damaged or cut line: bytes are meaningless.
 */
int place_numa_stat_parse(const char *text, const struct place_topology *topology,
			  uint64_t page_bytes, uint64_t *bytes, uint64_t *ret_total_bytes);

/*
 * The same for hugepages: "total=2097152 N0=2097152 N1=0", in bytes on both versions, and
 * hierarchical_total on v1 (mm/hugetlb_cgroup.c, since 5.17).
 */
int place_numa_stat_parse_hugetlb(const char *text, const struct place_topology *topology,
				  uint64_t *bytes, uint64_t *ret_total_bytes);
