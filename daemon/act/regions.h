/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What memory of a process may be moved, read where reading may block: in a mover's child. */
#pragma once

#include "act/pages.h"

/*
 * Writable anonymous memory and memory backends (memfd, /dev/shm, hugepage files) of 2 MiB and
 * more. Which of them are hugetlb is asked of numa_maps, and only where the process has any.
 *
 * Returns: 0 or -errno; -ESRCH gone, -ENODATA none. Ownership: the caller frees *ret_ranges.
 */
int regions_read(int pid, struct pages_range **ret_ranges, size_t *ret_n);
