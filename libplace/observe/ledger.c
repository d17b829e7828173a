/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text, a line per promise in the order of booking:
 *
 *   placed promises 1 boot 6e5f...
 *   booked_ns 1 vcpus_centi 400 memory_bytes 1073741824 pid 0 start_ns 0 seen_ns 0 nodes 1
 */
#include "observe/ledger.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

#define HEADING "placed promises 1 boot "

/* Reads "KEY NUMBER " at *at. */
static int take_field(const char **at, const char *key, uint64_t most, uint64_t *ret_value)
{
	const size_t size = strlen(key);

	if (strncmp(*at, key, size) != 0 || (*at)[size] != ' ')
		return -EINVAL;
	*at += size + 1;
	if (place_text_digits(at, ret_value) < 0 || *ret_value > most || **at != ' ')
		return -EINVAL;
	(*at)++;
	return 0;
}

static int parse_promise(const char *line, struct place_promise *ret_promise)
{
	uint64_t booked_ns, vcpus_centi, memory_bytes, pid, start_ns, seen_ns;
	struct place_promise promise = { 0 };
	const char *at = line;

	if (take_field(&at, "booked_ns", UINT64_MAX, &booked_ns) < 0 ||
	    take_field(&at, "vcpus_centi", UINT32_MAX, &vcpus_centi) < 0 ||
	    take_field(&at, "memory_bytes", UINT64_MAX, &memory_bytes) < 0 ||
	    take_field(&at, "pid", INT_MAX, &pid) < 0 ||
	    take_field(&at, "start_ns", UINT64_MAX, &start_ns) < 0 ||
	    take_field(&at, "seen_ns", UINT64_MAX, &seen_ns) < 0 || strncmp(at, "nodes ", 6) != 0 ||
	    place_set_parse_list(at + 6, &promise.nodes) < 0 || place_set_is_empty(&promise.nodes))
		return -EINVAL;
	promise.booked_ns = booked_ns;
	promise.vcpus_centi = (uint32_t)vcpus_centi;
	promise.memory_bytes = memory_bytes;
	promise.pid = (int)pid;
	promise.start_ns = start_ns;
	promise.seen_ns = seen_ns;
	*ret_promise = promise;
	return 0;
}

static bool is_of_this_boot(const char *text, const char *boot_id)
{
	const size_t size = strlen(boot_id);

	return !strncmp(text, HEADING, strlen(HEADING)) &&
	       !strncmp(text + strlen(HEADING), boot_id, size) &&
	       text[strlen(HEADING) + size] == '\n';
}

int place_ledger_parse(const char *text, const char *boot_id, struct place_ledger *ret_ledger,
		       size_t *ret_n_damaged)
{
	_cleanup_free_ char *copy = strdup(text);
	struct place_ledger ledger = { .capacity = PLACE_LEDGER_MAX };
	char *rest = copy, *line;
	size_t n_damaged = 0;

	/* Touched as far as it is filled: a promise is a kilobyte. */
	ledger.promises = calloc(PLACE_LEDGER_MAX, sizeof(*ledger.promises));
	if (!copy || !ledger.promises) {
		free(ledger.promises);
		return -ENOMEM;
	}
	line = strsep(&rest, "\n");
	if (*text && strncmp(text, HEADING, strlen(HEADING)) != 0)
		n_damaged++;
	if (!is_of_this_boot(text, boot_id))
		rest = NULL;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (ledger.n < ledger.capacity &&
		    parse_promise(line, &ledger.promises[ledger.n]) == 0)
			ledger.n++;
		else
			n_damaged++;
	}
	*ret_n_damaged = n_damaged;
	*ret_ledger = ledger;
	return 0;
}

int place_ledger_load(struct place_host *host, struct place_ledger *ret_ledger)
{
	struct place_ledger ledger;
	size_t n_damaged;
	int r;

	r = -ENOENT;
	if (place_host_may_trust_kept(host))
		r = place_root_read(&host->root, &host->text, PLACE_LEDGER_PATH);
	if (r < 0 && r != -ENOENT)
		place_host_note(host, "/" PLACE_LEDGER_PATH ": %s: earlier answers do not count",
				strerror(-r));
	/* A NUL ends no file: what stands behind it counts too. */
	for (size_t i = 0; r == 0 && i < host->text.size; i++)
		if (host->text.data[i] == '\0')
			host->text.data[i] = '\n';
	r = place_ledger_parse(r < 0 ? "" : host->text.data, host->topology.boot_id, &ledger,
			       &n_damaged);
	if (r < 0)
		return r;
	if (n_damaged)
		place_host_note(host,
				"/" PLACE_LEDGER_PATH ": %zu lines left out: damaged, or too many",
				n_damaged);
	place_ledger_done(ret_ledger);
	*ret_ledger = ledger;
	return 0;
}

static void print_promise(FILE *file, const struct place_promise *promise, char *nodes)
{
	if (place_set_format(&promise->nodes, nodes, PLACE_SET_TEXT_MAX) < 0)
		return;
	fprintf(file,
		"booked_ns %llu vcpus_centi %u memory_bytes %llu pid %d start_ns %llu seen_ns %llu "
		"nodes %s\n",
		(unsigned long long)promise->booked_ns, promise->vcpus_centi,
		(unsigned long long)promise->memory_bytes, promise->pid,
		(unsigned long long)promise->start_ns, (unsigned long long)promise->seen_ns, nodes);
}

int place_ledger_format(const struct place_ledger *ledger, const char *boot_id,
			struct place_text *text)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);
	FILE *file;

	place_text_done(text);
	file = nodes ? open_memstream(&text->data, &text->size) : NULL;
	if (!file)
		return -ENOMEM;
	fprintf(file, HEADING "%s\n", boot_id);
	for (size_t i = 0; i < ledger->n; i++)
		print_promise(file, &ledger->promises[i], nodes);
	return place_text_close(text, file);
}

void place_ledger_done(struct place_ledger *ledger)
{
	free(ledger->promises);
	*ledger = (struct place_ledger){ 0 };
}
