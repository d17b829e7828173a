/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What act_linux reads before each call: room on a node, whether the host is short of memory. */
#include "act_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"

/* ---- small files --------------------------------------------------------------------------- */

int act_linux_read_file(char *text, size_t size, const char *format, ...)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	size_t used = 0;
	va_list args;
	ssize_t n;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (used < size - 1 && (n = read(fd, text + used, size - 1 - used)) != 0) {
		if (n < 0)
			return -errno;
		used += (size_t)n;
	}
	text[used] = '\0';
	return 0;
}

/* A move has one target: another node's file is read as any other. */
static int read_kept(struct kept_file *file, char *text, size_t size, unsigned node,
		     const char *path)
{
	int64_t kept = atomic_load(&file->fd_and_node), none = -1;
	size_t used = 0;
	ssize_t n;

	if (kept < 0) {
		const int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		kept = (int64_t)node << 32 | fd;
		if (!atomic_compare_exchange_strong(&file->fd_and_node, &none, kept)) {
			close(fd);
			kept = none;
		}
	}
	if (kept >> 32 != (int64_t)node)
		return act_linux_read_file(text, size, "%s", path);
	/* seq_file gives a page at a time. */
	while (used < size - 1 && (n = pread((int)(kept & INT32_MAX), text + used, size - 1 - used,
					     (off_t)used)) != 0) {
		if (n < 0)
			return -errno;
		used += (size_t)n;
	}
	text[used] = '\0';
	return 0;
}

void act_linux_close_kept(struct kept_file *file)
{
	if (file->fd_and_node >= 0)
		close((int)(file->fd_and_node & INT32_MAX));
}

/* ---- room ---------------------------------------------------------------------------------- */

/*
 * /proc/buddyinfo (mm/vmstat.c frag_show(), 6.18): "Node 0, zone   Normal  1 2 3 ...", one number
 * of free blocks per order. Zones below 4 GiB serve a guest's memory too.
 */
static uint64_t count_blocks(const char *text, unsigned node, unsigned least_order)
{
	uint64_t blocks = 0;
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "Node %u,", node);
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		const char *at = strstr(line, "zone");
		uint64_t number;

		at = at ? at + strlen("zone") : line;
		at += strspn(at, " ");
		at += strcspn(at, " \n");
		for (unsigned order = 0; *at == ' '; order++) {
			at += strspn(at, " ");
			if (place_text_digits(&at, &number) < 0)
				break;
			if (order >= least_order)
				blocks += number << (order - least_order);
		}
	}
	return blocks;
}

static unsigned order_of(const struct act *act)
{
	unsigned order = 0;

	while (act->base_bytes << order < act->huge_bytes)
		order++;
	return order;
}

int act_linux_get_room(struct act *act, unsigned node, enum act_kind kind, uint64_t page_bytes,
		       struct act_room *ret_room)
{
	struct act_room room = { 0 };
	char text[16384], path[64];
	int r;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
	r = read_kept(&((struct act_linux *)act)->meminfo, text, sizeof(text), node, path);
	if (r < 0)
		return r;
	if (!place_text_find_kib(text, "MemFree:", &room.free_bytes))
		return -EIO;
	(void)place_text_find_kib(text, "AnonHugePages:", &room.anon_huge_bytes);
	if (kind == ACT_HUGE && read_kept(&((struct act_linux *)act)->buddyinfo, text, sizeof(text),
					  0, "/proc/buddyinfo") == 0)
		room.huge_blocks = count_blocks(text, node, order_of(act));
	if (kind == ACT_POOL)
		room.pool_pages = act_linux_pool_room(act, node, page_bytes);
	*ret_room = room;
	return 0;
}

/* /proc/pressure/memory: "some avg10=0.00 avg60=0.00 avg300=0.00 total=4711", microseconds. */
int act_linux_get_pressure(struct act *act, uint64_t *ret_stalled_us)
{
	char text[256];
	const char *at;
	int r = act_linux_read_file(text, sizeof(text), "/proc/pressure/memory");

	(void)act;
	if (r < 0)
		return -EOPNOTSUPP;
	at = strstr(text, "total=");
	if (!at)
		return -EIO;
	at += strlen("total=");
	return place_text_digits(&at, ret_stalled_us);
}
