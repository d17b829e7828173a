/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process's maps: ranges ascend, are made of whole pages, and are as large as they say. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/cells.h"
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

/* Cells of some sizes; where each is said to have its memory, it is of that size and nobody else's.
 */
static void check_cells(const char *text, const struct place_mounts *mounts,
			const struct place_guest *guest, bool is_one_block)
{
	static struct place_cells cells;
	struct place_range ranges[PLACE_CELLS_MAX];

	cells = (struct place_cells){ .n = 4, .is_one_block = is_one_block };
	for (unsigned i = 0; i < cells.n; i++)
		cells.list[i] = (struct place_cell){ .id = i,
						     .order = 9 - i,
						     .bytes = UINT64_C(4096) << (i / 2) };
	if (place_cells_find(text, mounts, guest, &cells, ranges) < 0)
		return;
	for (unsigned i = 0; i < cells.n; i++) {
		if (ranges[i].end - ranges[i].start < cells.list[i].bytes)
			abort();
		for (unsigned j = 0; j < i; j++)
			if (ranges[i].start == ranges[j].start)
				abort();
	}
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
	check_cells(text, &mounts, &guest, *data & 128);
	free(text);
	return 0;
}
