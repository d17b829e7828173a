/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * placectl advise: the table behind an answer, as a table or as JSON. Asks through the public
 * library, so whatever it shows any program can have.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "place.h"
#include "table.h"

/* A host has two hugepage sizes on x86 and at most four elsewhere. */
#define POOL_SIZES_MAX 4

struct view {
	bool as_json;
	size_t n_sizes;
	uint64_t page_bytes[POOL_SIZES_MAX];
	struct table table;
};

static int usage(FILE *file, int exit_status)
{
	fprintf(file, "Usage: placectl advise CPUS[:MIB] [--json] [--root DIR]\n"
		      "Shows where a guest of that size would go, and why. Books nothing.\n"
		      "\n"
		      "  --json      all figures in bytes and thousandths of a CPU\n"
		      "  --root DIR  read a recorded host\n"
		      "  --help      print this, and exit\n");
	return exit_status;
}

static void collect_sizes(const struct place_reply *reply, struct view *view)
{
	struct place_pool_row pool = { .size = sizeof(pool) };

	for (size_t i = 0; i < place_reply_row_count(reply); i++)
		for (size_t j = 0; place_reply_pool(reply, i, j, &pool) == 0; j++) {
			size_t k = 0;

			while (k < view->n_sizes && view->page_bytes[k] != pool.page_bytes)
				k++;
			if (k == view->n_sizes && k < POOL_SIZES_MAX)
				view->page_bytes[view->n_sizes++] = pool.page_bytes;
		}
}

static void add_pool_columns(struct view *view)
{
	for (size_t i = 0; i < view->n_sizes; i++) {
		const uint64_t kib = view->page_bytes[i] >> 10;
		char heading[32], key[48];

		if (kib % 1048576 == 0)
			snprintf(heading, sizeof(heading), "%" PRIu64 "G-PAGES", kib >> 20);
		else if (kib % 1024 == 0)
			snprintf(heading, sizeof(heading), "%" PRIu64 "M-PAGES", kib >> 10);
		else
			snprintf(heading, sizeof(heading), "%" PRIu64 "K-PAGES", kib);
		snprintf(key, sizeof(key), "pool_%" PRIu64 "kib_free_pages", kib);
		table_column(&view->table, heading, key, SCOLS_JSON_NUMBER);
		if (!view->as_json)
			continue;
		snprintf(key, sizeof(key), "pool_%" PRIu64 "kib_total_pages", kib);
		table_column(&view->table, "", key, SCOLS_JSON_NUMBER);
	}
}

static void add_columns(struct view *view)
{
	table_column(&view->table, "NODE", "node", SCOLS_JSON_NUMBER);
	table_column(&view->table, "", "chosen", SCOLS_JSON_BOOLEAN);
	table_column(&view->table, "TOTAL", "total_bytes", SCOLS_JSON_NUMBER);
	table_column(&view->table, "FREE", "free_bytes", SCOLS_JSON_NUMBER);
	table_column(&view->table, "RECLAIM", "reclaimable_bytes", SCOLS_JSON_NUMBER);
	table_column(&view->table, "RESERVE", "reserve_bytes", SCOLS_JSON_NUMBER);
	table_column(&view->table, "PROMISED", "promised_bytes", SCOLS_JSON_NUMBER);
	table_column(&view->table, "USABLE", "usable_bytes", SCOLS_JSON_NUMBER);
	table_column(&view->table, "CPUS", "cpus", SCOLS_JSON_NUMBER);
	if (view->as_json) {
		table_column(&view->table, "", "cores", SCOLS_JSON_NUMBER);
		table_column(&view->table, "", "capacity_millicpu", SCOLS_JSON_NUMBER);
	}
	table_column(&view->table, "COMMITTED", "committed_millicpu", SCOLS_JSON_NUMBER);
	add_pool_columns(view);
	if (view->as_json)
		table_column(&view->table, "", "reason", SCOLS_JSON_STRING);
	table_column(&view->table, "WHY", "reason_text", SCOLS_JSON_STRING);
}

static void put_pages(struct table *table, bool is_known, uint64_t pages)
{
	if (is_known)
		table_put_number(table, pages);
	else
		table_put(table, "null");
}

static void put_pools(struct view *view, const struct place_reply *reply, size_t i, bool is_known)
{
	for (size_t k = 0; k < view->n_sizes; k++) {
		struct place_pool_row pool = { .size = sizeof(pool) };
		bool is_there = false;
		char text[48];

		for (size_t j = 0; !is_there && place_reply_pool(reply, i, j, &pool) == 0; j++)
			is_there = pool.page_bytes == view->page_bytes[k];
		if (view->as_json) {
			put_pages(&view->table, is_known, is_there ? pool.free_pages : 0);
			put_pages(&view->table, is_known, is_there ? pool.total_pages : 0);
			continue;
		}
		snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, is_there ? pool.free_pages : 0,
			 is_there ? pool.total_pages : 0);
		table_put(&view->table, is_known ? text : "-");
	}
}

static void put_committed(struct view *view, const struct place_row *row)
{
	char text[32];

	if (view->as_json) {
		table_put_number(&view->table, row->n_cores);
		table_put_number(&view->table, row->capacity_millicpu);
		table_put_number(&view->table, row->committed_millicpu);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64, row->committed_millicpu / 1000,
		 row->committed_millicpu % 1000 / 100);
	table_put(&view->table, text);
}

static void add_line(struct view *view, const struct place_reply *reply, size_t i,
		     const struct place_row *row)
{
	struct table *table = &view->table;
	const bool is_known = row->flags & PLACE_ROW_FREE;
	const bool is_chosen = row->flags & PLACE_ROW_CHOSEN;

	table_line(table);
	table_put_number(table, row->id);
	/* libsmartcols makes booleans of 1 and 0, and true of the word "false". */
	table_put(table, view->as_json ? (is_chosen ? "1" : "0") : (is_chosen ? "*" : ""));
	table_put_bytes(table, row->flags & PLACE_ROW_TOTAL, row->total_bytes);
	table_put_bytes(table, is_known, row->free_bytes);
	table_put_bytes(table, row->flags & PLACE_ROW_RECLAIMABLE, row->reclaimable_bytes);
	table_put_bytes(table, is_known, row->reserve_bytes);
	table_put_bytes(table, is_known, row->promised_bytes);
	table_put_bytes(table, is_known, row->usable_bytes);
	table_put_number(table, row->n_cpus);
	put_committed(view, row);
	put_pools(view, reply, i, row->flags & PLACE_ROW_POOLS);
	if (view->as_json)
		table_put(table, row->reason);
	table_put(table, row->reason_text);
}

static int print_json(struct view *view, const struct place_reply *reply)
{
	int r;

	printf("{\n   \"advice\": \"%s\",\n   \"verdict\": \"%s\",\n   \"sentence\": \"%s\",\n",
	       place_reply_nodes(reply), place_reply_verdict(reply), place_reply_sentence(reply));
	r = table_print_json(&view->table, false);
	printf("\n}\n");
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int print_reply(struct view *view, const struct place_reply *reply)
{
	struct place_row row = { .size = sizeof(row) };
	int exit_status = EXIT_SUCCESS;

	if (table_init(&view->table, "nodes", view->as_json) < 0)
		return EXIT_FAILURE;
	collect_sizes(reply, view);
	add_columns(view);
	for (size_t i = 0; place_reply_row(reply, i, &row) == 0; i++)
		add_line(view, reply, i, &row);
	if (view->as_json) {
		exit_status = print_json(view, reply);
	} else {
		table_print(&view->table);
		printf("\nAdvice: %s (%s)\n", place_reply_nodes(reply),
		       place_reply_sentence(reply));
	}
	table_done(&view->table);
	return exit_status;
}

static int fail(const char *what, int r)
{
	fprintf(stderr, "placectl: %s: %s\n", what, strerror(-r));
	return EXIT_FAILURE;
}

static int advise(struct view *view, const char *root, const struct place_question *question)
{
	struct place_reply *reply = NULL;
	struct place *place;
	int r, exit_status;

	r = place_open(root, &place);
	if (r < 0)
		return fail(root ? root : "/", r);
	r = place_read(place);
	if (r == 0)
		r = place_ask(place, question, &reply);
	for (size_t i = 0; i < place_note_count(place); i++)
		fprintf(stderr, "placectl: %s\n", place_note(place, i));
	exit_status = r < 0 ? fail("advise", r) : print_reply(view, reply);
	place_reply_free(reply);
	place_close(place);
	return exit_status;
}

/* numad's grammar passes over what stands behind a number: 1:4G would be 4 MiB. */
static bool is_size(const char *text)
{
	static const char digits[] = "0123456789";
	const size_t n_digits = strspn(text, digits);

	text += n_digits;
	if (*text == '.')
		text += 1 + strspn(text + 1, digits);
	if (*text == ':' && strspn(text + 1, digits))
		text += 1 + strspn(text + 1, digits);
	return n_digits && !*text;
}

int ctl_advise(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct place_question question = { .size = sizeof(question) };
	struct view view = { 0 };
	const char *root = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (option == 'j')
			view.as_json = true;
		else if (option == 'r')
			root = optarg;
		else
			return option == 'h' ? usage(stdout, EXIT_SUCCESS) :
					       usage(stderr, EXIT_FAILURE);
	}
	if (argc - optind != 1)
		return usage(stderr, EXIT_FAILURE);
	if (!is_size(argv[optind]) || place_question_parse(argv[optind], &question) < 0) {
		fprintf(stderr, "placectl: not of the form CPUS[:MIB]: %s\n", argv[optind]);
		return EXIT_FAILURE;
	}
	return advise(&view, root, &question);
}
