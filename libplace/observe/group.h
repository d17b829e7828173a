/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The group of the memory controller that a guest's memory is charged to, on cgroup v2, v1, both
 * beside each other, and none. Whether nobody else lives in that group is for the watch to find
 * out; here is what it compares.
 */
#pragma once

#include "flow.h"
#include "host/root.h"
#include "observe/mounts.h"

#define PLACE_GROUP_FILE_MAX (PLACE_MOUNT_PATH_MAX + PLACE_GROUP_PATH_MAX + 32)

/*
 * The groups of a process from the text of its /proc/PID/cgroup, without a leading slash:
 * "0::/machine.slice/..." for v2, "4:memory:/machine/..." for v1 (kernel/cgroup/cgroup.c
 * proc_cgroup_show(), 6.18). "" where there is none, where it is the root (which is nobody's
 * own), where it is too long, or outside of what we can see ("/../..": another namespace).
 * Both buffers have PLACE_GROUP_PATH_MAX bytes.
 */
void place_group_parse(const char *text, char *group_v2, char *group_memory_v1);

/*
 * Finds the least group that has a file `name`, from the process's group upwards, never the
 * hierarchy's root: under libvirt with v2 the emulator lives in a group below the domain's, and
 * only the domain's own has the memory controller. v2 goes before v1.
 *
 * Returns: a descriptor, and the path below the host's root in `path` of PLACE_GROUP_FILE_MAX
 * bytes; or -errno: -ENOENT where no group has it, -EMFILE, ...
 */
int place_group_open(const struct place_root *root, const struct place_mounts *mounts,
		     const char *group_v2, const char *group_memory_v1, const char *name,
		     char *path);

/*
 * What swap may have of a group of v2: the least memory.swap.max of it and of those above it
 * (Documentation/admin-guide/cgroup-v2.rst, 6.18: "max", or bytes). UINT64_MAX: no limit.
 *
 * Returns: 0, or -ENOENT where none of them has the file.
 */
int place_group_swap_limit(const struct place_root *root, struct place_text *text,
			   const struct place_mounts *mounts, const char *group_v2,
			   uint64_t *ret_bytes);

/* The name of the hugetlb controller's file for a page size: hugetlb.2MB.numa_stat. */
void place_group_hugetlb_name(uint64_t page_bytes, char *name, size_t size);

/*
 * Whether a group holds what one process holds, and so that process alone: they differ by at most
 * 64 MiB or an eighth. Both move while they are read, and the group counts what is charged to it,
 * the process what it has mapped.
 */
bool place_group_agrees(uint64_t group_bytes, uint64_t process_bytes);
