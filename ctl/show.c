/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of the daemon into one table per kind, and out. */
#include "show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "host/cleanup.h"

struct show_column {
	const char *heading; /* NULL: in JSON only */
	const char *key;     /* of the line and of JSON */
	bool is_text;
	cell_format format; /* for people */
};

static const struct show_column node_columns[] = {
	{ "NODE", "node", false, cell_text },
	{ "TOTAL", "total_bytes", false, cell_bytes },
	{ "FREE", "free_bytes", false, cell_bytes },
	{ "RECLAIM", "reclaimable_bytes", false, cell_bytes },
	{ "RESERVE", "reserve_bytes", false, cell_bytes },
	{ "PROMISED", "promised_bytes", false, cell_bytes },
	{ "USABLE", "usable_bytes", false, cell_bytes },
	{ NULL, "nearness", true, NULL },
	{ "CPUS", "cpus", false, cell_text },
	{ NULL, "cores", false, NULL },
	{ NULL, "pool_free_pages", false, NULL },
	{ NULL, "pool_total_pages", false, NULL },
	{ NULL, "capacity_millicpu", false, NULL },
	{ "COMMITTED", "committed_millicpu", false, cell_millicpu },
};

static const struct show_column guest_columns[] = {
	{ "GUEST", "name", true, cell_name },
	{ "PID", "pid", false, cell_text },
	{ NULL, "uuid", true, NULL },
	{ "CLASS", "class", true, cell_text },
	{ "VCPUS", "vcpus", false, cell_text },
	{ "MEMORY", "memory_bytes", false, cell_bytes },
	{ NULL, "resident_bytes", false, NULL },
	{ NULL, "balloon_bytes", false, NULL },
	{ NULL, "hugepage_bytes", false, NULL },
	{ NULL, "bind", true, NULL },
	{ NULL, "mems", true, NULL },
	{ "MEMORY ON", "bytes", false, cell_shares },
	{ NULL, "bytes_source", true, NULL },
	{ NULL, "bytes_age_ms", false, NULL },
	{ "RUNS ON", "run_permille", false, cell_shares },
	{ "BUSY", "busy_millicpu", false, cell_millicpu },
	{ "REMOTE", "remote_permille", false, cell_permille },
	{ NULL, "sure_permille", false, NULL },
	{ NULL, "evidence", true, NULL },
	{ NULL, "risk", true, NULL },
	{ NULL, "growth_bytes", false, NULL },
	{ NULL, "short_bytes", false, NULL },
	{ "VERDICT", "verdict", true, cell_text },
	{ "WHY", "reason", true, cell_text },
};

static const struct show_column wide_columns[] = {
	{ "GUEST", "name", true, cell_name },
	{ NULL, "pid", false, NULL },
	{ "CELL", "cell", false, cell_text },
	{ "VCPUS", "vcpus", false, cell_text },
	{ "NODE", "node", false, cell_text },
	{ "MEMORY", "present_bytes", false, cell_bytes },
	{ "ON IT", "there_bytes", false, cell_bytes },
};

static const struct show_column move_columns[] = {
	{ "GUEST", "name", true, cell_name },
	{ NULL, "pid", false, NULL },
	{ "FROM", "from", true, cell_text },
	{ "TO", "to", false, cell_text },
	{ "STATE", "state", true, cell_text },
	{ NULL, "planned_bytes", false, NULL },
	{ "MOVED", "moved_bytes", false, cell_progress },
	{ "FAILED", "failed_bytes", false, cell_bytes },
	{ "AGO", "age_ms", false, cell_age },
	{ "TOOK", "duration_ms", false, cell_age },
	{ "CAUSE", "cause", true, cell_text },
	{ NULL, "for_pid", false, NULL },
	{ "FOR", "for", true, cell_text },
	{ "WHY", "reason", true, cell_text },
};

static const struct show_column promise_columns[] = {
	{ "PROMISED ON", "nodes", true, cell_text },
	{ "MEMORY", "memory_bytes", false, cell_bytes },
	{ NULL, "vcpus_centi", false, NULL },
	{ "AGO", "age_ms", false, cell_age },
	{ "TAKEN BY", "pid", false, cell_text },
};

static const struct show_column finding_columns[] = {
	{ "LEVEL", "level", true, cell_text },	 { "FINDING", "what", true, cell_text },
	{ "OF", "subject", true, cell_text },	 { NULL, "pid", false, NULL },
	{ NULL, "nodes", true, NULL },		 { NULL, "growth_bytes", false, NULL },
	{ NULL, "room_bytes", false, NULL },	 { NULL, "neighbours_bytes", false, NULL },
	{ NULL, "short_bytes", false, NULL },	 { "WHAT IT MEANS", "text", true, cell_text },
	{ "REMEDY", "remedy", true, cell_text },
};

static const struct show_column because_columns[] = {
	{ NULL, "pid", false, NULL },
	{ "TOPIC", "topic", true, cell_text },
	{ "EXPLANATION", "text", true, cell_text },
};

static const struct show_column daemon_columns[] = {
	{ NULL, "version", true, NULL },    { NULL, "pid", false, NULL },
	{ NULL, "mode", true, NULL },	    { NULL, "interval_s", false, NULL },
	{ NULL, "uptime_ms", false, NULL }, { NULL, "sample_age_ms", false, NULL },
};

static const struct {
	const char *word; /* that the line begins with */
	const char *name; /* of the array in JSON */
	const struct show_column *columns;
	size_t n_columns;
} kinds[] = {
	[SHOW_NODES] = { "node", "nodes", node_columns, ELEMENTSOF(node_columns) },
	[SHOW_GUESTS] = { "guest", "guests", guest_columns, ELEMENTSOF(guest_columns) },
	[SHOW_CELLS] = { "cell", "cells", wide_columns, ELEMENTSOF(wide_columns) },
	[SHOW_MOVES] = { "move", "moves", move_columns, ELEMENTSOF(move_columns) },
	[SHOW_PROMISES] = { "promise", "promises", promise_columns, ELEMENTSOF(promise_columns) },
	[SHOW_FINDINGS] = { "finding", "findings", finding_columns, ELEMENTSOF(finding_columns) },
	[SHOW_BECAUSE] = { "because", "because", because_columns, ELEMENTSOF(because_columns) },
	[SHOW_DAEMON] = { "daemon", "daemon", daemon_columns, ELEMENTSOF(daemon_columns) },
};

_Static_assert(ELEMENTSOF(kinds) == SHOW_KIND_COUNT, "a kind has no columns");

struct screen {
	unsigned shown;
	bool as_json;
	struct table tables[SHOW_KIND_COUNT];
	bool is_not_first;	/* something was printed */
	const char *last_guest; /* pid of the guest line before */
};

static int open_tables(struct screen *screen)
{
	int r = 0;

	for (unsigned kind = 0; kind < SHOW_KIND_COUNT && r == 0; kind++) {
		struct table *table = &screen->tables[kind];

		r = table_init(table, kinds[kind].name, screen->as_json);
		for (size_t i = 0; r == 0 && i < kinds[kind].n_columns; i++) {
			const struct show_column *column = &kinds[kind].columns[i];

			if (screen->as_json || column->heading)
				table_column(table, column->heading, column->key,
					     column->is_text ? SCOLS_JSON_STRING :
							       SCOLS_JSON_NUMBER);
		}
	}
	return r;
}

static void close_tables(struct screen *screen)
{
	for (unsigned kind = 0; kind < SHOW_KIND_COUNT; kind++)
		table_done(&screen->tables[kind]);
}

static void put_line(struct table *table, unsigned kind, const struct fields *fields)
{
	char cell[CELL_MAX];

	table_line(table);
	for (size_t i = 0; i < kinds[kind].n_columns; i++) {
		const struct show_column *column = &kinds[kind].columns[i];

		if (table->as_json) {
			cell_put_json(table, fields, column->key, column->is_text);
		} else if (column->heading) {
			column->format(fields, column->key, cell, sizeof(cell));
			table_put(table, cell);
		}
	}
}

/* "placed 0.1.0, pid 812, active; looked 1.2s ago, looks every 5 s" */
static void print_daemon(const struct fields *fields)
{
	const char *version = fields_get(fields, "version"), *pid = fields_get(fields, "pid");
	const char *mode = fields_get(fields, "mode"), *every = fields_get(fields, "interval_s");
	char age[32], version_shown[64];

	cell_age(fields, "sample_age_ms", age, sizeof(age));
	fields_shown(version ? version : "?", version_shown, sizeof(version_shown));
	printf("placed %s, pid %s, %s; looked %s ago, looks every %s s\n", version_shown,
	       pid ? pid : "?", mode ? mode : "?", age, every ? every : "?");
}

static void print_tables(struct screen *screen)
{
	for (unsigned kind = 0; kind < SHOW_KIND_COUNT; kind++) {
		if (!screen->tables[kind].n_lines)
			continue;
		if (screen->is_not_first)
			putchar('\n');
		screen->is_not_first = true;
		table_print(&screen->tables[kind]);
	}
}

static int print_json(struct screen *screen)
{
	const char *separator = "{\n";
	int r = 0;

	for (unsigned kind = 0; kind < SHOW_KIND_COUNT && r == 0; kind++)
		if (screen->shown & 1U << kind) {
			fputs(separator, stdout);
			separator = ",\n";
			r = table_print_json(&screen->tables[kind], kind == SHOW_DAEMON);
		}
	printf("\n}\n");
	return r;
}

/* For people, what explains one guest stands behind it, before the next one. */
static int begin_guest(struct screen *screen, const struct fields *fields)
{
	screen->last_guest = fields_get(fields, "pid");
	if (screen->as_json || !(screen->shown & 1U << SHOW_BECAUSE) ||
	    !screen->tables[SHOW_GUESTS].n_lines)
		return 0;
	print_tables(screen);
	close_tables(screen);
	return open_tables(screen);
}

static int take_line(struct screen *screen, char *line)
{
	struct fields fields;
	unsigned kind = 0;
	int r = 0;

	/* Words that a newer daemon says are passed over. */
	if (fields_parse(line, &fields) < 0)
		return 0;
	while (kind < SHOW_KIND_COUNT && strcmp(kinds[kind].word, fields.word) != 0)
		kind++;
	if (kind == SHOW_KIND_COUNT || !(screen->shown & 1U << kind))
		return 0;
	if (kind == SHOW_GUESTS)
		r = begin_guest(screen, &fields);
	if (r < 0)
		return r;
	if (kind == SHOW_BECAUSE && screen->last_guest && fields.n < FIELDS_MAX) {
		fields.list[fields.n].key = "pid";
		fields.list[fields.n++].value = screen->last_guest;
	}
	if (kind == SHOW_DAEMON && !screen->as_json) {
		print_daemon(&fields);
		screen->is_not_first = true;
	} else {
		put_line(&screen->tables[kind], kind, &fields);
	}
	return 0;
}

int show(struct place_text *text, unsigned shown, bool as_json)
{
	struct screen screen = { .shown = shown, .as_json = as_json };
	char *rest = text->data, *line;
	int r;

	r = open_tables(&screen);
	while (r == 0 && rest && (line = strsep(&rest, "\n")))
		r = take_line(&screen, line);
	if (r == 0 && as_json)
		r = print_json(&screen);
	else if (r == 0)
		print_tables(&screen);
	close_tables(&screen);
	if (r < 0)
		fprintf(stderr, "placectl: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
