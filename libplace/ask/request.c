/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* numad's number grammar (20150602 and 20251104), less its wrap-arounds. */
#include "ask/request.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* strtol() as in numad, so blanks and a plus sign may stand before a number. */
static int take_number(const char **at, int *ret_number)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(*at, &end, 10);
	if (end == *at || number < 0)
		return -EINVAL;
	if (errno || number > INT_MAX)
		return -ERANGE;
	*at = end;
	*ret_number = (int)number;
	return 0;
}

static int take_hundredths(const char **at)
{
	int hundredths = 0, weight = 10;

	if (**at != '.')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++) {
		hundredths += (**at - '0') * weight;
		weight /= 10;
	}
	return hundredths;
}

int place_numbers_parse(const char *text, struct place_numbers *ret_numbers)
{
	struct place_numbers numbers = { 0 };
	const char *at = text;
	int r;

	r = take_number(&at, &numbers.first);
	if (r < 0)
		return r;
	numbers.hundredths = take_hundredths(&at);
	if (*at == ':') {
		at++;
		r = take_number(&at, &numbers.second);
		if (r < 0)
			return r;
		numbers.have_second = true;
	}
	*ret_numbers = numbers;
	return 0;
}

int place_request_parse(const char *text, struct place_request *ret_request)
{
	struct place_numbers numbers;
	int centi, r;

	r = place_numbers_parse(text, &numbers);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(numbers.first, 100, &centi) ||
	    __builtin_add_overflow(centi, numbers.hundredths, &centi))
		return -ERANGE;
	ret_request->vcpus_centi = (uint32_t)centi;
	ret_request->memory_bytes = (uint64_t)numbers.second << 20;
	return 0;
}
