/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The size of a guest as numad's -w takes it, and the number grammar that -i shares with it. */
#pragma once

#include "flow.h"

struct place_numbers {
	int first;
	int hundredths; /* of the first: two decimals count, more are passed over */
	int second;
	bool have_second;
};

/*
 * Parses "N[.DD][:M]"; what stands behind is not looked at, as in numad.
 * Returns: 0; -EINVAL no number, a negative one, or nothing behind the colon; -ERANGE a number
 * that an int does not hold, which numad lets wrap around.
 */
int place_numbers_parse(const char *text, struct place_numbers *ret_numbers);

/* Parses CPUS[:MIB]. Returns: as above. */
int place_request_parse(const char *text, struct place_request *ret_request);
