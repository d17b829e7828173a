/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables and JSON arrays through libsmartcols. */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int table_init(struct table *table, const char *name, bool as_json)
{
	*table = (struct table){ .name = name, .as_json = as_json };
	table->scols = scols_new_table();
	if (!table->scols)
		return -ENOMEM;
	scols_table_enable_json(table->scols, as_json);
	scols_table_set_name(table->scols, name);
	/*
	 * Cells are safe to print; it would escape our backslashes once more. Bytes beyond ASCII
	 * are not in them where the locale is not UTF-8 (fields_shown()): 2.38 never ends over
	 * those.
	 */
	scols_table_enable_noencoding(table->scols, 1);
	return 0;
}

void table_done(struct table *table)
{
	scols_unref_table(table->scols);
	table->scols = NULL;
}

void table_column(struct table *table, const char *heading, const char *key, int json_type)
{
	const bool is_number = json_type == SCOLS_JSON_NUMBER;
	struct libscols_column *column = scols_table_new_column(
		table->scols, table->as_json ? key : heading, 0, is_number ? SCOLS_FL_RIGHT : 0);

	if (column)
		scols_column_set_json_type(column, json_type);
}

void table_line(struct table *table)
{
	table->line = scols_table_new_line(table->scols, NULL);
	table->column = 0;
	table->n_lines += table->line != NULL;
}

void table_put(struct table *table, const char *text)
{
	if (table->line)
		(void)scols_line_set_data(table->line, table->column++, text);
}

void table_put_number(struct table *table, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	table_put(table, text);
}

void table_format_bytes(uint64_t bytes, char *text, size_t size)
{
	if (bytes >> 20 < 10000)
		snprintf(text, size, "%" PRIu64 "M", bytes >> 20);
	else
		snprintf(text, size, "%" PRIu64 ".%" PRIu64 "G", bytes >> 30,
			 (bytes >> 20) % 1024 * 10 / 1024);
}

void table_put_bytes(struct table *table, bool is_known, uint64_t bytes)
{
	char text[32];

	if (!is_known)
		snprintf(text, sizeof(text), "%s", table->as_json ? "null" : "-");
	else if (table->as_json)
		snprintf(text, sizeof(text), "%" PRIu64, bytes);
	else
		table_format_bytes(bytes, text, sizeof(text));
	table_put(table, text);
}

void table_print(struct table *table)
{
	if (table->n_lines)
		scols_print_table(table->scols);
}

/* libsmartcols prints {"name": [...]}, and nothing at all for a table without lines. */
int table_print_json(struct table *table, bool as_object)
{
	char *text = NULL, *from, *to;

	if (!table->n_lines) {
		printf("   \"%s\": %s", table->name, as_object ? "null" : "[]");
		return 0;
	}
	if (scols_print_table_to_string(table->scols, &text) < 0)
		return -ENOMEM;
	from = strchr(text, '[');
	to = strrchr(text, ']');
	if (from && to && as_object) {
		from = strchr(from, '{');
		while (to > text && *to != '}')
			to--;
	}
	if (from && to)
		printf("   \"%s\": %.*s", table->name, (int)(to - from + 1), from);
	free(text);
	return from && to ? 0 : -ENOMEM;
}
