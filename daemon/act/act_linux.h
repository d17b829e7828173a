/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real seam's own; only act_linux.c, act_room.c and act_pool.c include it. */
#pragma once

#include <stdatomic.h>

#include "act.h"
#include "host/root.h"
#include "observe/streams.h"

/* A file that is read before each call: opened once, by whichever worker comes first. */
struct kept_file {
	_Atomic int64_t fd_and_node; /* the node in the upper half; -1: not opened yet */
};

struct act_linux {
	struct act act;
	int pid;
	int pid_fd;	/* -1 before attach() */
	int pagemap_fd; /* -1 where it cannot be read */
	bool can_scan;	/* PAGEMAP_SCAN */
	bool knows_huge;
	struct kept_file meminfo, buddyinfo;
	struct place_root root;
	struct place_text text; /* of is_streaming(), which one thread calls */
	struct place_streams streams;
};

/* A small file of the kernel, with a '\0' behind it; what does not fit is cut off. 0 or -errno. */
__attribute__((format(printf, 3, 4))) int act_linux_read_file(char *text, size_t size,
							      const char *format, ...);

int act_linux_get_room(struct act *act, unsigned node, enum act_kind kind, uint64_t page_bytes,
		       struct act_room *ret_room);
uint64_t act_linux_pool_room(struct act *act, unsigned node, uint64_t page_bytes);
int act_linux_get_pools(struct act *act, uint64_t page_bytes, struct act_pools *ret_pools);
int act_linux_set_pool(struct act *act, unsigned node, uint64_t page_bytes, uint64_t pages);
int act_linux_get_pressure(struct act *act, uint64_t *ret_stalled_us);
void act_linux_close_kept(struct kept_file *file);
