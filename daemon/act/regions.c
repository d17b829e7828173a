/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/PID/maps and, for hugetlb pages, numa_maps (fs/proc/task_mmu.c, 6.18). */
#include "act/regions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"

#define LEAST_BYTES (UINT64_C(2) << 20)

struct regions {
	struct pages_range *ranges;
	size_t n, room;
};

static int add(struct regions *regions, const struct pages_range *range)
{
	if (regions->n == regions->room) {
		const size_t room = regions->room ? regions->room * 2 : 64;
		struct pages_range *ranges = realloc(regions->ranges, room * sizeof(*ranges));

		if (!ranges)
			return -ENOMEM;
		regions->ranges = ranges;
		regions->room = room;
	}
	regions->ranges[regions->n++] = *range;
	return 0;
}

/* Memory that a guest's RAM may lie in: no name, a memfd, a file of /dev/shm or of hugepages. */
static bool is_ram(const char *path)
{
	static const char *const prefixes[] = { "/memfd:",	  "/dev/shm/", "/dev/hugepages",
						"/anon_hugepage", "/dev/zero", "[heap]",
						"[anon" };

	if (*path == '\n' || !*path)
		return true;
	for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
		if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return strstr(path, "huge") != NULL;
}

/* "7f..-7f.. rw-p 00000000 00:00 0     path" */
static bool parse_line(const char *line, struct pages_range *ret_range)
{
	unsigned long start, end;
	char mode[5];
	int at = 0;

	if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %*u%n", &start, &end, mode, &at) < 3 || !at)
		return false;
	at += (int)strspn(line + at, " ");
	if (mode[1] != 'w' || mode[2] == 'x' || end - start < LEAST_BYTES || !is_ram(line + at))
		return false;
	*ret_range =
		(struct pages_range){ .start = start, .end = end, .is_shared = mode[3] == 's' };
	return true;
}

static FILE *open_of(int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

static bool has_hugetlb(int pid)
{
	_cleanup_fclose_ FILE *file = open_of(pid, "status");
	char line[256];
	uint64_t bytes;

	while (file && fgets(line, sizeof(line), file))
		if (place_text_find_kib(line, "HugetlbPages:", &bytes))
			return bytes != 0;
	return false;
}

/* "7f.. default file=... huge dirty=1 N0=1 kernelpagesize_kB=2048" */
static int mark_hugetlb(int pid, struct regions *regions)
{
	_cleanup_fclose_ FILE *file = open_of(pid, "numa_maps");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		const char *kib = strstr(line, "kernelpagesize_kB=");
		const uint64_t start = strtoull(line, NULL, 16);
		uint64_t number;

		if (!kib || !strstr(line, " huge"))
			continue;
		kib += strlen("kernelpagesize_kB=");
		if (place_text_digits(&kib, &number) < 0)
			continue;
		for (size_t i = 0; i < regions->n; i++)
			if (start >= regions->ranges[i].start && start < regions->ranges[i].end)
				regions->ranges[i].pool_bytes = number * 1024;
	}
	return 0;
}

int regions_read(int pid, struct pages_range **ret_ranges, size_t *ret_n)
{
	_cleanup_fclose_ FILE *file = open_of(pid, "maps");
	struct regions regions = { 0 };
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r == 0 && getline(&line, &size, file) > 0) {
		struct pages_range range;

		if (parse_line(line, &range))
			r = add(&regions, &range);
	}
	if (r == 0 && !regions.n)
		r = -ENODATA;
	if (r == 0 && has_hugetlb(pid))
		r = mark_hugetlb(pid, &regions);
	if (r < 0) {
		free(regions.ranges);
		return r;
	}
	*ret_ranges = regions.ranges;
	*ret_n = regions.n;
	return 0;
}
