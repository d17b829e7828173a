/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in a cell for a key of a line, for people and in JSON. A key that is not there is "-"
 * and null; one whose value is not what it should be is the same.
 */
#pragma once

#include "fields.h"
#include "table.h"

#define CELL_MAX 1100

typedef void (*cell_format)(const struct fields *fields, const char *key, char *cell, size_t size);

void cell_text(const struct fields *fields, const char *key, char *cell, size_t size);
/* The name, or "pid 812" for a guest without one. */
void cell_name(const struct fields *fields, const char *key, char *cell, size_t size);
void cell_bytes(const struct fields *fields, const char *key, char *cell, size_t size);
void cell_millicpu(const struct fields *fields, const char *key, char *cell, size_t size);
void cell_permille(const struct fields *fields, const char *key, char *cell, size_t size);
/* Milliseconds as "1.2s" or "12min". */
void cell_age(const struct fields *fields, const char *key, char *cell, size_t size);
/* "0:3072,1:1024" as "0:75% 1:25%". */
void cell_shares(const struct fields *fields, const char *key, char *cell, size_t size);
/* Moved of planned: "512M/1024M". */
void cell_progress(const struct fields *fields, const char *key, char *cell, size_t size);

/*
 * Puts a JSON value into the line of the table: a string, or a number, or for "0:3072,1:1024" an
 * object. Numbers and objects are printed by libsmartcols as they are, so nothing else gets there.
 */
void cell_put_json(struct table *table, const struct fields *fields, const char *key,
		   bool is_string);
