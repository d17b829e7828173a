/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nodeN/vmstat, /proc/pressure/memory and the swap lines of /proc/meminfo: figures that are known
 * are inside their bounds, and what is not there is not known.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/reclaim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct place_stall stall = { 0 };
	struct place_reclaim reclaim;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&reclaim, 0x5a, sizeof(reclaim));
	place_reclaim_parse(text, &reclaim);
	if ((reclaim.known & PLACE_RECLAIM_WRITTEN && !strstr(text, "nr_vmscan_write ")) ||
	    (reclaim.known & PLACE_RECLAIM_SCANNED && !strstr(text, "pgscan_")) ||
	    (reclaim.known & PLACE_RECLAIM_STOLEN && !strstr(text, "pgsteal_")) ||
	    (reclaim.known & PLACE_RECLAIM_REFAULTED && !strstr(text, "workingset_refault_anon ")))
		abort();
	place_stall_parse(text, &stall);
	place_stall_parse_swap(text, &stall);
	if (stall.some_avg10_permille > 1000 || stall.full_avg10_permille > 1000 ||
	    stall.swap_free_bytes > stall.swap_total_bytes ||
	    (stall.known & PLACE_STALL_SOME && !strstr(text, "some avg10=")) ||
	    (stall.known & PLACE_STALL_FULL && !strstr(text, "full avg10=")))
		abort();
	free(text);
	return 0;
}
