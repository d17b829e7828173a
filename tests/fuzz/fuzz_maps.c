/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process's maps: ranges ascend, are made of whole pages, and are as large as they say. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/ranges.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct place_ranges *ranges)
{
	uint64_t sum = 0;

	if (ranges->n > PLACE_RANGES_MAX)
		abort();
	for (size_t i = 0; i < ranges->n; i++) {
		const struct place_range *range = &ranges->list[i];

		if (range->start >= range->end || range->start % range->page_bytes ||
		    range->end % range->page_bytes)
			abort();
		if (i && range->start < ranges->list[i - 1].start)
			abort();
		sum += range->end - range->start;
	}
	if (sum != ranges->bytes)
		abort();
}

/* The first byte is the guest's memory and page size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct place_mounts mounts = {
		.n_hugetlbfs = 1,
		.hugetlbfs = { { "/dev/hugepages", 2 << 20 } },
	};
	static struct place_ranges ranges;
	struct place_guest guest = { .known = PLACE_GUEST_MEMORY };
	char *text;

	if (!size)
		return 0;
	guest.memory_bytes = UINT64_C(1) << (*data & 63);
	guest.hugepage_bytes = *data & 64 ? UINT64_C(1) << (*data & 63) : 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	place_ranges_parse(text, &mounts, &guest, !(*data & 128), &ranges);
	check(&ranges);
	free(text);
	return 0;
}
