/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line that the daemon tells: a word and key=value pairs (daemon/tell/report.h). Read in place,
 * without allocation; made of nothing but our own daemon's text, and not trusted all the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELDS_MAX 48

struct fields {
	const char *word;
	size_t n;
	struct {
		const char *key, *value;
	} list[FIELDS_MAX]; /* further ones are passed over */
};

/*
 * Takes `line` (NUL-terminated, without a newline) apart; values lose their quotes, and \xNN
 * becomes the byte it stands for, but for \x00, which stays as it is. Of keys that are there
 * twice the first one counts.
 *
 * Returns: 0; -EINVAL it is no such line. Ownership: ret_fields points into `line`.
 */
int fields_parse(char *line, struct fields *ret_fields);

/* NULL where there is no such key. */
const char *fields_get(const struct fields *fields, const char *key);

/* Returns: whether the key is there and its value is a number. */
bool fields_number(const struct fields *fields, const char *key, uint64_t *ret_number);

/*
 * A name for JSON: as it is where it is UTF-8 without control characters, else escaped as
 * place_text_escape() does. For people: as it is only if their locale is UTF-8, or it is ASCII.
 */
void fields_in_json(const char *value, char *text, size_t size);
void fields_shown(const char *value, char *text, size_t size);
