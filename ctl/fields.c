/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of the daemon, taken apart. Never prints. */
#include "fields.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Leaves *at behind the word. Returns: whether there is one. */
static bool skip_word(char **at)
{
	char *from = *at;

	while (is_word_char(**at))
		(*at)++;
	return *at > from;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that \xNN at `at` stands for, or 0. */
static char escaped_byte(const char *at)
{
	int high, low;

	if (at[0] != '\\' || at[1] != 'x')
		return 0;
	high = hex_digit(at[2]);
	if (high < 0)
		return 0;
	low = hex_digit(at[3]);
	return low < 0 ? 0 : (char)(high * 16 + low);
}

/* *at stands behind the opening quote, and is left behind the closing one. */
static int read_quoted(char **at)
{
	char *to = *at;

	for (char *from = *at; *from; from++) {
		const char byte = escaped_byte(from);

		if (*from == '"') {
			*to = '\0';
			*at = from + 1;
			return 0;
		}
		*to++ = byte ? byte : *from;
		if (byte)
			from += 3;
	}
	return -EINVAL;
}

/* Reads the value at *at and ends it; *at is left behind it, at a blank or the end. */
static int read_value(char **at, char *ret_end)
{
	int r = 0;

	if (**at == '"') {
		(*at)++;
		r = read_quoted(at);
	} else {
		*at += strcspn(*at, " \"");
	}
	if (r < 0 || (**at != ' ' && **at != '\0'))
		return -EINVAL;
	*ret_end = **at;
	**at = '\0';
	return 0;
}

static int read_field(char **at, struct fields *fields)
{
	const char *key = *at;
	const char *value;
	char end;
	int r;

	if (!skip_word(at) || **at != '=')
		return -EINVAL;
	*(*at)++ = '\0';
	value = *at + (**at == '"');
	r = read_value(at, &end);
	if (r < 0)
		return r;
	if (end == ' ')
		(*at)++;
	if (fields->n < FIELDS_MAX) {
		fields->list[fields->n].key = key;
		fields->list[fields->n++].value = value;
	}
	return 0;
}

int fields_parse(char *line, struct fields *ret_fields)
{
	struct fields fields = { .word = line };
	char *at = line;
	int r;

	if (!skip_word(&at) || (*at != ' ' && *at != '\0'))
		return -EINVAL;
	if (*at == ' ')
		*at++ = '\0';
	while (*at) {
		r = read_field(&at, &fields);
		if (r < 0)
			return r;
	}
	*ret_fields = fields;
	return 0;
}

const char *fields_get(const struct fields *fields, const char *key)
{
	for (size_t i = 0; i < fields->n; i++)
		if (!strcmp(fields->list[i].key, key))
			return fields->list[i].value;
	return NULL;
}

bool fields_number(const struct fields *fields, const char *key, uint64_t *ret_number)
{
	const char *value = fields_get(fields, key);

	return value && place_text_u64(value, ret_number) == 0;
}

/*
 * The length of the character at `at` if it is well-formed UTF-8 (RFC 3629) and none that moves
 * the cursor or turns the writing: C0, C1, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069.
 */
static size_t plain_character(const unsigned char *at)
{
	const size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	uint32_t code = size == 1 ? at[0] : at[0] & (0x7fU >> size);

	static const uint32_t least[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };

	if (at[0] >= 0xf8 || (at[0] >= 0x80 && at[0] < 0xc2))
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[size] || code == 0x7f || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff) || code == 0x200e || code == 0x200f ||
	    (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	return size;
}

/* What is more than ASCII is shown where the terminal's letters are UTF-8. */
static bool has_wide_letters(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static bool is_ascii(const char *value)
{
	while (*value && (unsigned char)*value < 0x80)
		value++;
	return !*value;
}

static void show(const char *value, char *text, size_t size, bool as_utf8)
{
	const unsigned char *at = (const unsigned char *)value;
	size_t n = 1;

	while (*at && n) {
		n = plain_character(at);
		at += n;
	}
	if (n && (as_utf8 || is_ascii(value)) && (size_t)(at - (const unsigned char *)value) < size)
		snprintf(text, size, "%s", value);
	else
		place_text_escape(value, text, size);
}

void fields_shown(const char *value, char *text, size_t size)
{
	show(value, text, size, has_wide_letters());
}

void fields_in_json(const char *value, char *text, size_t size)
{
	show(value, text, size, true);
}
