/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists and masks of ids: what parses, formats to a list that parses to the same set. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/nodeset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct place_set *set)
{
	static char list[PLACE_SET_TEXT_MAX];
	struct place_set again;

	if (place_set_format(set, list, sizeof(list)) < 0 ||
	    place_set_parse_list(list, &again) < 0 || !place_set_equal(set, &again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), cut[16];
	struct place_set set;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (place_set_parse_list(text, &set) == 0) {
		check_round_trip(&set);
		(void)place_set_format(&set, cut, sizeof(cut));
	}
	if (place_set_parse_mask(text, &set) == 0)
		check_round_trip(&set);
	free(text);
	return 0;
}
