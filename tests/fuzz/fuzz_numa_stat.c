/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.numa_stat, hugetlb.*.numa_stat, /proc/PID/stat, and /proc/PID/cgroup: what the first tier
 * reads of every guest. A node's bytes are never more than the sum, and a group's path always ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/group.h"
#include "observe/numa_stat.h"
#include "observe/procstat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bytes(int r, const uint64_t *bytes, size_t n, uint64_t total)
{
	for (size_t i = 0; r == 0 && i < n; i++)
		if (bytes[i] > total)
			abort();
}

static void check_groups(const char *text)
{
	char v2[PLACE_GROUP_PATH_MAX], v1[PLACE_GROUP_PATH_MAX];

	memset(v2, 0x5a, sizeof(v2));
	memset(v1, 0x5a, sizeof(v1));
	place_group_parse(text, v2, v1);
	if (!memchr(v2, '\0', sizeof(v2)) || !memchr(v1, '\0', sizeof(v1)) || v2[0] == '\n' ||
	    strchr(v2, '\n') || strchr(v1, '\n'))
		abort();
}

static void check_stat(const char *text)
{
	struct place_procstat stat;

	memset(&stat, 0x5a, sizeof(stat));
	if (place_procstat_parse(text, &stat) < 0)
		return;
	if (!memchr(stat.comm, '\0', sizeof(stat.comm)))
		abort();
	(void)place_comm_is_vcpu(stat.comm);
	(void)place_ticks_to_ns(stat.cpu_ticks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct place_node nodes[] = { { .id = 0 }, { .id = 1 }, { .id = 8 }, { .id = 252 } };
	const struct place_topology topology = { .n_nodes = 4, .nodes = nodes };
	uint64_t bytes[4] = { 0 }, pool_bytes[4] = { 0 }, total = 0;
	char *text = malloc(size + 1);
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	r = place_numa_stat_parse(text, &topology, 4096, bytes, &total);
	check_bytes(r, bytes, 4, total);
	r = place_numa_stat_parse_hugetlb(text, &topology, pool_bytes, &total);
	check_bytes(r, pool_bytes, 4, total);
	check_groups(text);
	check_stat(text);
	free(text);
	return 0;
}
