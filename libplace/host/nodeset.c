/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of ids and their list format. Pure: the deciding code links it, so no allocation, no
 * locale (strtoul would take signs and blanks in places where the kernel never writes them).
 */
#include "host/nodeset.h"

#include <errno.h>
#include <string.h>

bool place_set_is_empty(const struct place_set *set)
{
	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		if (set->words[i])
			return false;
	return true;
}

bool place_set_equal(const struct place_set *a, const struct place_set *b)
{
	return place_set_is_subset(a, b) && place_set_is_subset(b, a);
}

bool place_set_is_subset(const struct place_set *inner, const struct place_set *outer)
{
	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		if (inner->words[i] & ~outer->words[i])
			return false;
	return true;
}

bool place_set_intersects(const struct place_set *a, const struct place_set *b)
{
	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		if (a->words[i] & b->words[i])
			return true;
	return false;
}

unsigned place_set_count(const struct place_set *set)
{
	return place_set_count_common(set, set);
}

unsigned place_set_count_common(const struct place_set *a, const struct place_set *b)
{
	unsigned count = 0;

	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		count += (unsigned)__builtin_popcountll(a->words[i] & b->words[i]);
	return count;
}

void place_nodes_from_set(const struct place_set *set, struct place_nodes *ret_nodes)
{
	memcpy(ret_nodes->words, set->words, sizeof(ret_nodes->words));
}

void place_nodes_to_set(const struct place_nodes *nodes, struct place_set *ret_set)
{
	place_set_clear(ret_set);
	memcpy(ret_set->words, nodes->words, sizeof(nodes->words));
}

int place_set_next(const struct place_set *set, unsigned from)
{
	for (size_t i = from / 64; i < PLACE_SET_WORDS; i++) {
		uint64_t word = set->words[i];

		if (i == from / 64)
			word &= ~UINT64_C(0) << (from % 64);
		if (word)
			return (int)(i * 64) + __builtin_ctzll(word);
	}
	return -1;
}

void place_set_and(struct place_set *set, const struct place_set *with)
{
	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		set->words[i] &= with->words[i];
}

void place_set_or(struct place_set *set, const struct place_set *with)
{
	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		set->words[i] |= with->words[i];
}

void place_set_subtract(struct place_set *set, const struct place_set *less)
{
	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		set->words[i] &= ~less->words[i];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static const char *skip_blanks(const char *text)
{
	while (is_blank(*text))
		text++;
	return text;
}

/* Reads one id; leaves *text behind it. */
static int parse_id(const char **text, unsigned *ret_id)
{
	const char *at = *text;
	unsigned id = 0;

	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		id = id * 10 + (unsigned)(*at - '0');
		if (id >= PLACE_SET_MAX)
			return -ERANGE;
	}
	*text = at;
	*ret_id = id;
	return 0;
}

/* Reads "N" or "N-M" and adds it. */
static int parse_range(const char **text, struct place_set *set)
{
	unsigned first, last;
	int r;

	r = parse_id(text, &first);
	if (r < 0)
		return r;
	last = first;
	if (**text == '-') {
		(*text)++;
		r = parse_id(text, &last);
		if (r < 0)
			return r;
		if (last < first)
			return -EINVAL;
	}
	for (unsigned id = first; id <= last; id++)
		place_set_add(set, id);
	return 0;
}

int place_set_parse_list(const char *text, struct place_set *ret_set)
{
	struct place_set set = { 0 };
	const char *at = skip_blanks(text);

	if (*at == '\0') {
		*ret_set = set;
		return 0;
	}
	for (;;) {
		int r = parse_range(&at, &set);

		if (r < 0)
			return r;
		if (*at != ',')
			break;
		at++;
	}
	if (*skip_blanks(at) != '\0')
		return -EINVAL;
	*ret_set = set;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int place_set_parse_mask(const char *text, struct place_set *ret_set)
{
	struct place_set set = { 0 };
	const char *first = skip_blanks(text), *end = first;
	unsigned id = 0;

	while (*end == ',' || hex_digit(*end) >= 0)
		end++;
	if (end == first || *skip_blanks(end) != '\0')
		return -EINVAL;
	while (end-- > first) {
		int digit = *end == ',' ? -1 : hex_digit(*end);

		if (digit < 0)
			continue;
		for (unsigned bit = 0; bit < 4; bit++, id++) {
			if (!(digit >> bit & 1))
				continue;
			if (id >= PLACE_SET_MAX)
				return -ERANGE;
			place_set_add(&set, id);
		}
	}
	*ret_set = set;
	return 0;
}

/* Appends a decimal number; returns the new length, or size where it did not fit. */
static size_t put_number(char *text, size_t size, size_t at, unsigned number)
{
	char digits[10];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	if (at + n >= size)
		return size;
	while (n)
		text[at++] = digits[--n];
	return at;
}

static size_t put_char(char *text, size_t size, size_t at, char c)
{
	if (at + 1 >= size)
		return size;
	text[at] = c;
	return at + 1;
}

int place_set_format(const struct place_set *set, char *text, size_t size)
{
	size_t at = 0;

	if (!size)
		return -ENOBUFS;
	for (int first = place_set_next(set, 0); first >= 0;) {
		int last = first;

		while (place_set_has(set, (unsigned)last + 1))
			last++;
		if (at)
			at = put_char(text, size, at, ',');
		at = put_number(text, size, at, (unsigned)first);
		if (last > first) {
			at = put_char(text, size, at, '-');
			at = put_number(text, size, at, (unsigned)last);
		}
		if (at >= size) {
			text[0] = '\0';
			return -ENOBUFS;
		}
		first = place_set_next(set, (unsigned)last + 1);
	}
	text[at] = '\0';
	return (int)at;
}
