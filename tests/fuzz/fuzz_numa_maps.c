/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process's numa_maps: lines end, counts stay inside the line, no page is invented. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/numa_maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(struct place_numa_line *line, const char *end)
{
	const char *at = line->counts;
	uint64_t pages;
	unsigned node;

	if (line->bind >= PLACE_BIND_COUNT || line->counts > end)
		abort();
	while (place_numa_counts_next(line, &node, &pages)) {
		if (line->counts <= at || line->counts > end)
			abort();
		at = line->counts;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct place_node nodes[] = { { .id = 0 }, { .id = 1 } };
	static const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
	static const struct place_ranges ranges = { .n = 1, .list = { { .end = UINT64_MAX } } };
	char *text = malloc(size + 1);
	const char *at = text;
	struct place_numa_line line;
	uint64_t bytes[2] = { 0 };
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	do {
		const char *from = at;

		r = place_numa_maps_next(&at, &line);
		if (r == 0)
			check_line(&line, at);
		if (r != -ENODATA && at <= from)
			abort();
	} while (r != -ENODATA);
	(void)place_numa_maps_sum(text, &ranges, &topology, bytes);
	free(text);
	return 0;
}
