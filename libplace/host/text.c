/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict parsing of kernel text. No allocation, no locale, no reading of files. */
#include "host/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "arith.h"

int place_text_digits(const char **at, uint64_t *ret_number)
{
	const char *from = *at;
	uint64_t number = 0;

	if (*from < '0' || *from > '9')
		return -EINVAL;
	for (; *from >= '0' && *from <= '9'; from++)
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*from - '0'), &number))
			return -ERANGE;
	*at = from;
	*ret_number = number;
	return 0;
}

int place_text_u64(const char *text, uint64_t *ret_number)
{
	const char *at = text;
	uint64_t number;
	int r;

	r = place_text_digits(&at, &number);
	if (r < 0)
		return r;
	if (*at == '\n')
		at++;
	if (*at != '\0')
		return -EINVAL;
	*ret_number = number;
	return 0;
}

int place_text_unsigned(const char *text, unsigned *ret_number)
{
	uint64_t number;
	int r;

	r = place_text_u64(text, &number);
	if (r < 0)
		return r;
	if (number > UINT_MAX)
		return -ERANGE;
	*ret_number = (unsigned)number;
	return 0;
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* drivers/base/node.c node_read_meminfo() puts "Node 3 " before each key (6.18). */
static const char *skip_node_prefix(const char *line)
{
	const char *at = skip_blanks(line);
	uint64_t id;

	if (strncmp(at, "Node ", 5) != 0)
		return at;
	at = skip_blanks(at + 5);
	if (place_text_digits(&at, &id) < 0)
		return line;
	return skip_blanks(at);
}

/* Behind the key, or NULL. */
static const char *find_key(const char *text, const char *key)
{
	const size_t key_size = strlen(key);

	for (const char *line = text; *line;) {
		const char *at = skip_node_prefix(line);

		if (strncmp(at, key, key_size) == 0)
			return skip_blanks(at + key_size);
		line = strchr(line, '\n');
		if (!line)
			break;
		line++;
	}
	return NULL;
}

int place_text_find_u64(const char *text, const char *key, uint64_t *ret_number)
{
	const char *at = find_key(text, key);

	return at ? place_text_digits(&at, ret_number) : -ENOENT;
}

bool place_text_find_kib(const char *text, const char *key, uint64_t *ret_bytes)
{
	uint64_t kib;

	if (place_text_find_u64(text, key, &kib) < 0)
		return false;
	*ret_bytes = place_multiply(kib, 1024);
	return true;
}

int place_text_find_word(const char *text, const char *key, char *word, size_t size)
{
	const char *at = find_key(text, key);
	size_t n;

	if (!at)
		return -ENOENT;
	n = strcspn(at, "\n");
	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	if (n >= size)
		return -ENOBUFS;
	memcpy(word, at, n);
	word[n] = '\0';
	return 0;
}

void place_text_escape(const char *raw, char *text, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	if (!size)
		return;
	for (; *raw; raw++) {
		const unsigned char c = (unsigned char)*raw;
		const bool is_plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		if (at + (is_plain ? 1 : 4) >= size)
			break;
		if (is_plain) {
			text[at++] = (char)c;
			continue;
		}
		text[at++] = '\\';
		text[at++] = 'x';
		text[at++] = hex[c >> 4];
		text[at++] = hex[c & 15];
	}
	text[at] = '\0';
}
