/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where cgroups and huge pages are mounted: the few lines of /proc/mounts that matter here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/root.h"

#define PLACE_MOUNT_PATH_MAX 256
#define PLACE_HUGETLBFS_MAX 4

struct place_hugetlbfs {
	char path[PLACE_MOUNT_PATH_MAX];
	uint64_t page_bytes; /* 0: the host's default size */
};

struct place_mounts {
	/* Without the leading slash, as the root wants them; "" where there is none. */
	char cgroup2[PLACE_MOUNT_PATH_MAX];
	char cpuset_v1[PLACE_MOUNT_PATH_MAX];
	char memory_v1[PLACE_MOUNT_PATH_MAX];
	bool is_noprefix; /* an old cpuset mount: "mems" instead of "cpuset.mems" */
	size_t n_hugetlbfs;
	struct place_hugetlbfs hugetlbfs[PLACE_HUGETLBFS_MAX];
};

/*
 * Reads /proc/self/mounts, or /proc/mounts of a recording.
 * Returns: 0 or -errno; *ret_mounts is then empty.
 */
int place_mounts_read(const struct place_root *root, struct place_text *text,
		      struct place_mounts *ret_mounts);

/* The mount that a file lies on, or NULL where that is no hugetlbfs. */
const struct place_hugetlbfs *place_mounts_hugetlbfs(const struct place_mounts *mounts,
						     const char *path);
