/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread's sched file, whose first line begins with a name of its own choice. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/hint_faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct place_hint_counts counts;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (place_hint_counts_parse(text, &counts) == 0 && counts.local > counts.all)
		abort();
	free(text);
	return 0;
}
