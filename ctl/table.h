/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table for people or an array for JSON, from the same calls (libsmartcols). Every line gets a
 * cell per column, in their order.
 */
#pragma once

#include <libsmartcols.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	struct libscols_table *scols;
	struct libscols_line *line; /* that is being filled */
	size_t column;
	size_t n_lines;
	bool as_json;
	const char *name;
};

/*
 * name: of the array in JSON.
 * Returns: 0 or -ENOMEM. Ownership: table_done().
 */
int table_init(struct table *table, const char *name, bool as_json);
void table_done(struct table *table);

/* json_type: SCOLS_JSON_NUMBER (any JSON text that a cell brings), _STRING, _BOOLEAN. */
void table_column(struct table *table, const char *heading, const char *key, int json_type);

void table_line(struct table *table);
void table_put(struct table *table, const char *text);
void table_put_number(struct table *table, uint64_t number);

/* 1536M, 59.4G in a table: four digits tell two nodes apart. Unknown: "-" and null. */
void table_put_bytes(struct table *table, bool is_known, uint64_t bytes);
void table_format_bytes(uint64_t bytes, char *text, size_t size);

/* For people. Nothing where there is no line. */
void table_print(struct table *table);

/*
 * `"name": [...]`, without a newline behind it; as_object: `"name": {...}` of a table with one
 * line, null of one without. Returns: 0 or -ENOMEM.
 */
int table_print_json(struct table *table, bool as_object);
