/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cells: one function per way of writing a value. */
#include "cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cell_text(const struct fields *fields, const char *key, char *cell, size_t size)
{
	const char *value = fields_get(fields, key);

	if (value)
		fields_shown(value, cell, size);
	else
		snprintf(cell, size, "-");
}

void cell_bytes(const struct fields *fields, const char *key, char *cell, size_t size)
{
	uint64_t bytes;

	if (fields_number(fields, key, &bytes))
		table_format_bytes(bytes, cell, size);
	else
		snprintf(cell, size, "-");
}

void cell_millicpu(const struct fields *fields, const char *key, char *cell, size_t size)
{
	uint64_t millicpu;

	if (fields_number(fields, key, &millicpu))
		snprintf(cell, size, "%" PRIu64 ".%02" PRIu64, millicpu / 1000,
			 millicpu % 1000 / 10);
	else
		snprintf(cell, size, "-");
}

void cell_permille(const struct fields *fields, const char *key, char *cell, size_t size)
{
	uint64_t permille;

	if (fields_number(fields, key, &permille))
		snprintf(cell, size, "%" PRIu64 ".%" PRIu64 "%%", permille / 10, permille % 10);
	else
		snprintf(cell, size, "-");
}

void cell_age(const struct fields *fields, const char *key, char *cell, size_t size)
{
	uint64_t ms;

	if (!fields_number(fields, key, &ms))
		snprintf(cell, size, "-");
	else if (ms < 100000)
		snprintf(cell, size, "%" PRIu64 ".%" PRIu64 "s", ms / 1000, ms % 1000 / 100);
	else
		snprintf(cell, size, "%" PRIu64 "min", ms / 60000);
}

/* A guest without a name is known by its pid. */
void cell_name(const struct fields *fields, const char *key, char *cell, size_t size)
{
	const char *name = fields_get(fields, key), *pid = fields_get(fields, "pid");

	if (name && *name)
		fields_shown(name, cell, size);
	else
		snprintf(cell, size, "pid %s", pid ? pid : "?");
}

/* Calls visit for each "ID:NUMBER" of a list with commas. Returns: whether it is one. */
static bool each_pair(const char *list, void (*visit)(uint64_t id, uint64_t number, void *data),
		      void *data)
{
	while (*list) {
		char *end;
		uint64_t id, number;

		if (*list < '0' || *list > '9')
			return false;
		id = strtoull(list, &end, 10);
		if (*end != ':' || end[1] < '0' || end[1] > '9')
			return false;
		number = strtoull(end + 1, &end, 10);
		if (*end != ',' && *end != '\0')
			return false;
		if (visit)
			visit(id, number, data);
		list = end + (*end == ',');
	}
	return true;
}

struct shares {
	uint64_t sum;
	char *cell;
	size_t size, at;
};

static void add_up(uint64_t id, uint64_t number, void *data)
{
	struct shares *shares = data;

	(void)id;
	shares->sum += number;
}

static void put_share(uint64_t id, uint64_t number, void *data)
{
	struct shares *shares = data;
	const __uint128_t sum = shares->sum ? shares->sum : 1;
	const uint64_t percent = (uint64_t)(((__uint128_t)number * 100 + sum / 2) / sum);

	if (!percent || shares->at >= shares->size)
		return;
	shares->at +=
		(size_t)snprintf(shares->cell + shares->at, shares->size - shares->at,
				 "%s%" PRIu64 ":%" PRIu64 "%%", shares->at ? " " : "", id, percent);
}

/* "0:75% 1:25%": what is less than half a percent is left out. */
void cell_shares(const struct fields *fields, const char *key, char *cell, size_t size)
{
	const char *list = fields_get(fields, key);
	struct shares shares = { .cell = cell, .size = size };

	snprintf(cell, size, "-");
	if (list && each_pair(list, add_up, &shares) && shares.sum)
		(void)each_pair(list, put_share, &shares);
}

void cell_progress(const struct fields *fields, const char *key, char *cell, size_t size)
{
	uint64_t moved, planned;
	char moved_text[32], planned_text[32];

	snprintf(cell, size, "-");
	if (!fields_number(fields, key, &moved) ||
	    !fields_number(fields, "planned_bytes", &planned))
		return;
	table_format_bytes(moved, moved_text, sizeof(moved_text));
	table_format_bytes(planned, planned_text, sizeof(planned_text));
	snprintf(cell, size, "%s/%s", moved_text, planned_text);
}

static void put_member(uint64_t id, uint64_t number, void *data)
{
	struct shares *object = data;

	if (object->at < object->size)
		object->at += (size_t)snprintf(object->cell + object->at, object->size - object->at,
					       "%s\"%" PRIu64 "\": %" PRIu64,
					       object->at ? ", " : "", id, number);
}

void cell_put_json(struct table *table, const struct fields *fields, const char *key,
		   bool is_string)
{
	const char *value = fields_get(fields, key);
	char cell[CELL_MAX], members[CELL_MAX - 8] = "";
	struct shares object = { .cell = members, .size = sizeof(members) };
	uint64_t number;

	if (is_string) {
		fields_in_json(value ? value : "", cell, sizeof(cell));
		table_put(table, value ? cell : NULL);
	} else if (value && strchr(value, ':') && each_pair(value, put_member, &object) &&
		   object.at < object.size) {
		snprintf(cell, sizeof(cell), "{%s}", members);
		table_put(table, cell);
	} else if (fields_number(fields, key, &number)) {
		table_put_number(table, number);
	} else {
		table_put(table, "null");
	}
}
