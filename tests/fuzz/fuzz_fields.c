/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines that placectl takes apart, and names that it makes fit to be printed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const char *value, size_t room)
{
	char *shown = malloc(room);

	if (!shown)
		abort();
	fields_shown(value, shown, room);
	for (const char *at = shown; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			abort();
	free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct fields fields;
	uint64_t number;

	if (!line)
		abort();
	memcpy(line, data, size);
	line[size] = '\0';
	if (fields_parse(line, &fields) == 0) {
		if (fields.n > FIELDS_MAX)
			abort();
		for (size_t i = 0; i < fields.n; i++) {
			if (fields_get(&fields, fields.list[i].key) == NULL)
				abort();
			(void)fields_number(&fields, fields.list[i].key, &number);
			check_shown(fields.list[i].value, 4 * size + 1);
			check_shown(fields.list[i].value, size / 2 + 1);
		}
	}
	free(line);
	return 0;
}
