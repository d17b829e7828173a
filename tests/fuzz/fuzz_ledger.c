/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The promise ledger: what was read, written and read again is the same, and nothing damaged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/ledger.h"

#define BOOT "5cdfe7b1-ed1f-4b13-a5c2-6ec8cf7bb1dc"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct place_ledger *ledger)
{
	struct place_text text = { 0 };
	struct place_ledger again;
	size_t n_damaged;

	if (place_ledger_format(ledger, BOOT, &text) < 0)
		return;
	if (place_ledger_parse(text.data, BOOT, &again, &n_damaged) == 0) {
		if (n_damaged || again.n != ledger->n)
			abort();
		for (size_t i = 0; i < ledger->n; i++)
			if (again.promises[i].memory_bytes != ledger->promises[i].memory_bytes ||
			    !place_set_equal(&again.promises[i].nodes, &ledger->promises[i].nodes))
				abort();
		place_ledger_done(&again);
	}
	place_text_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct place_ledger ledger;
	size_t n_damaged;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (place_ledger_parse(text, BOOT, &ledger, &n_damaged) == 0) {
		if (ledger.n > ledger.capacity)
			abort();
		for (size_t i = 0; i < ledger.n; i++)
			if (place_set_is_empty(&ledger.promises[i].nodes))
				abort();
		check_round_trip(&ledger);
		place_ledger_done(&ledger);
	}
	free(text);
	return 0;
}
