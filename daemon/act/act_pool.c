/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools of hugetlb pages, as act_linux reads and sets them (mm/hugetlb.c, 6.18). */
#include "act_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/nodeset.h"
#include "host/text.h"

#define KIB UINT64_C(1024)
#define NODE_DIR "/sys/devices/system/node"
#define ALL_NODES UINT_MAX /* the host's own counters */

static void make_path(const struct act *act, unsigned node, uint64_t page_bytes, const char *name,
		      char *path, size_t size)
{
	const char *root = act->root_path ? act->root_path : "";

	if (node == ALL_NODES)
		snprintf(path, size, "%s/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s", root,
			 page_bytes / KIB, name);
	else
		snprintf(path, size, "%s" NODE_DIR "/node%u/hugepages/hugepages-%" PRIu64 "kB/%s",
			 root, node, page_bytes / KIB, name);
}

static int read_count(const struct act *act, unsigned node, uint64_t page_bytes, const char *name,
		      uint64_t *ret_pages)
{
	char path[PATH_MAX], text[64];
	int r;

	make_path(act, node, page_bytes, name, path, sizeof(path));
	r = act_linux_read_file(text, sizeof(text), "%s", path);
	return r < 0 ? r : place_text_u64(text, ret_pages);
}

/*
 * What others have reserved and not touched is still free, on which node is nobody's. The kernel
 * takes a free page for one that moves only where more are free on the host than are reserved
 * (alloc_hugetlb_folio_nodemask()), else a fresh one.
 */
uint64_t act_linux_pool_room(struct act *act, unsigned node, uint64_t page_bytes)
{
	uint64_t room, all, reserved;

	if (read_count(act, node, page_bytes, "free_hugepages", &room) < 0)
		return 0;
	if (read_count(act, ALL_NODES, page_bytes, "free_hugepages", &all) == 0 &&
	    read_count(act, ALL_NODES, page_bytes, "resv_hugepages", &reserved) == 0)
		room = place_least(room, place_subtract(all, reserved));
	return room;
}

int act_linux_get_pools(struct act *act, uint64_t page_bytes, struct act_pools *ret_pools)
{
	char text[PLACE_SET_TEXT_MAX];
	struct place_set nodes;
	uint64_t pages, surplus;
	int r = act_linux_read_file(text, sizeof(text), "%s" NODE_DIR "/online",
				    act->root_path ? act->root_path : "");

	if (r == 0)
		r = place_set_parse_list(text, &nodes);
	if (r < 0)
		return r;
	*ret_pools = (struct act_pools){ 0 };
	for (int node = place_set_next(&nodes, 0); node >= 0 && node < PLACE_NODES_MAX;
	     node = place_set_next(&nodes, (unsigned)node + 1)) {
		if (read_count(act, (unsigned)node, page_bytes, "nr_hugepages", &pages) < 0 ||
		    read_count(act, (unsigned)node, page_bytes, "surplus_hugepages", &surplus) < 0)
			continue;
		place_set_add(&ret_pools->nodes, (unsigned)node);
		ret_pools->pages[node] = place_subtract(pages, surplus);
	}
	return 0;
}

int act_linux_set_pool(struct act *act, unsigned node, uint64_t page_bytes, uint64_t pages)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	make_path(act, node, page_bytes, "nr_hugepages", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return dprintf(fd, "%" PRIu64 "\n", pages) < 0 ? -errno : 0;
}
