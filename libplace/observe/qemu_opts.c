/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's two spellings of an option (util/keyval.c, qobject/json-lexer.c, 7.2). No allocation. */
#include "observe/qemu_opts.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "host/text.h"

struct walk {
	const char *at;
	char key[PLACE_OPT_MAX];
	char value[PLACE_OPT_MAX];
	void (*visit)(const char *key, const char *value, void *data);
	void *data;
};

/* Nesting deeper than this is nothing that QEMU or libvirt writes. */
#define JSON_DEPTH_MAX 16

/* Appends while it fits; a token that does not fit is emptied by its caller. */
static void put(char *token, size_t *size, char c)
{
	if (*size < PLACE_OPT_MAX)
		token[(*size)++] = c;
}

static void end_token(char *token, size_t size)
{
	token[size < PLACE_OPT_MAX ? size : 0] = '\0';
}

/* Up to "=" (only in a key) or a single comma; two commas are one. */
static char take_plain(struct walk *walk, char *token, bool is_key)
{
	size_t size = 0;
	char end;

	for (;; walk->at++) {
		if (*walk->at == ',' && walk->at[1] == ',')
			walk->at++;
		else if (*walk->at == ',' || *walk->at == '\0' || (is_key && *walk->at == '='))
			break;
		put(token, &size, *walk->at);
	}
	end = *walk->at;
	if (end)
		walk->at++;
	end_token(token, size);
	return end;
}

static void each_plain(struct walk *walk, const char *implied)
{
	for (bool is_first = true; *walk->at; is_first = false) {
		if (take_plain(walk, walk->key, true) == '=') {
			(void)take_plain(walk, walk->value, false);
			walk->visit(walk->key, walk->value, walk->data);
		} else if (is_first && implied) {
			walk->visit(implied, walk->key, walk->data);
		} else {
			walk->visit(walk->key, "on", walk->data);
		}
	}
}

static void skip_blanks(struct walk *walk)
{
	walk->at += strspn(walk->at, " \t\r\n");
}

static bool take_char(struct walk *walk, char c)
{
	skip_blanks(walk);
	if (*walk->at != c)
		return false;
	walk->at++;
	return true;
}

/* What stands behind a backslash; characters outside ASCII become a question mark. */
static char take_escape(struct walk *walk)
{
	const char c = *walk->at;

	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'u':
		for (int i = 0; i < 4 && walk->at[1]; i++)
			walk->at++;
		return '?';
	default:
		return c;
	}
}

static int take_string(struct walk *walk, char *token)
{
	size_t size = 0;

	if (!take_char(walk, '"'))
		return -EINVAL;
	for (; *walk->at != '"'; walk->at++) {
		char c = *walk->at;

		if (c == '\\') {
			walk->at++;
			c = take_escape(walk);
		}
		if (*walk->at == '\0')
			return -EINVAL;
		put(token, &size, c);
	}
	walk->at++;
	end_token(token, size);
	return 0;
}

/* A number, true, false or null. */
static int take_word(struct walk *walk, char *token)
{
	size_t size = strcspn(walk->at, ",]} \t\r\n");

	if (!size)
		return -EINVAL;
	memcpy(token, walk->at, size < PLACE_OPT_MAX ? size : 0);
	end_token(token, size);
	walk->at += size;
	return 0;
}

static int take_scalar(struct walk *walk, char *token)
{
	skip_blanks(walk);
	return *walk->at == '"' ? take_string(walk, token) : take_word(walk, token);
}

/* Passes over a nested object or array. */
static int skip_nested(struct walk *walk)
{
	char open[JSON_DEPTH_MAX];
	int depth = 0;

	do {
		skip_blanks(walk);
		switch (*walk->at) {
		case '\0':
			return -EINVAL;
		case '{':
		case '[':
			if (depth == JSON_DEPTH_MAX)
				return -EINVAL;
			open[depth++] = *walk->at++;
			break;
		case '}':
		case ']':
			if (open[--depth] != (*walk->at == '}' ? '{' : '['))
				return -EINVAL;
			walk->at++;
			break;
		case ',':
		case ':':
			walk->at++;
			break;
		default:
			if (take_scalar(walk, walk->value) < 0)
				return -EINVAL;
		}
	} while (depth);
	return 0;
}

static int each_element(struct walk *walk)
{
	walk->at++;
	if (take_char(walk, ']'))
		return 0;
	do {
		skip_blanks(walk);
		if (*walk->at == '{' || *walk->at == '[') {
			if (skip_nested(walk) < 0)
				return -EINVAL;
			continue;
		}
		if (take_scalar(walk, walk->value) < 0)
			return -EINVAL;
		walk->visit(walk->key, walk->value, walk->data);
	} while (take_char(walk, ','));
	return take_char(walk, ']') ? 0 : -EINVAL;
}

static int take_member(struct walk *walk)
{
	if (take_string(walk, walk->key) < 0 || !take_char(walk, ':'))
		return -EINVAL;
	skip_blanks(walk);
	if (*walk->at == '[')
		return each_element(walk);
	if (*walk->at == '{')
		return skip_nested(walk);
	if (take_scalar(walk, walk->value) < 0)
		return -EINVAL;
	walk->visit(walk->key, walk->value, walk->data);
	return 0;
}

static int each_json(struct walk *walk)
{
	if (!take_char(walk, '{'))
		return -EINVAL;
	if (take_char(walk, '}'))
		return 0;
	do {
		if (take_member(walk) < 0)
			return -EINVAL;
	} while (take_char(walk, ','));
	return take_char(walk, '}') ? 0 : -EINVAL;
}

int place_qemu_opts_each(const char *text, const char *implied,
			 void (*visit)(const char *key, const char *value, void *data), void *data)
{
	struct walk walk = { .at = text, .visit = visit, .data = data };

	skip_blanks(&walk);
	if (*walk.at == '{')
		return each_json(&walk);
	each_plain(&walk, implied);
	return 0;
}

static int parse_suffix(const char *text, uint64_t unit_bytes, uint64_t *ret_unit_bytes)
{
	static const char suffixes[] = "bkmgtpe";
	const char *found;

	if (*text == '\0') {
		*ret_unit_bytes = unit_bytes;
		return 0;
	}
	found = strchr(suffixes, *text | 0x20);
	if (!found || *found == '\0' || text[1] != '\0')
		return -EINVAL;
	*ret_unit_bytes = UINT64_C(1) << (10 * (found - suffixes));
	return 0;
}

int place_qemu_size_parse(const char *text, uint64_t unit_bytes, uint64_t *ret_bytes)
{
	uint64_t whole, fraction = 0, scale = 1, unit, bytes;
	const char *at = text;
	int r;

	r = place_text_digits(&at, &whole);
	if (r < 0)
		return r;
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9'; at++)
			if (scale < 1000000) {
				fraction = fraction * 10 + (uint64_t)(*at - '0');
				scale *= 10;
			}
	r = parse_suffix(at, unit_bytes, &unit);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(whole, unit, &bytes) ||
	    __builtin_add_overflow(bytes, (uint64_t)((unsigned __int128)unit * fraction / scale),
				   &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

void place_qemu_copy_word(const char *value, char *word, size_t size)
{
	const size_t n = strlen(value);

	memcpy(word, value, n < size ? n + 1 : 0);
	if (n >= size)
		word[0] = '\0';
}
