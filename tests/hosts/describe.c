/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints what libplace reads of a host as one JSON object: topology, node memory, guests,
 * notes. For tests that hold it against something else, and for `bench/reading`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "observe/ledger.h"
#include "observe/sample.h"

static void print_set(const char *key, const struct place_set *set)
{
	_cleanup_free_ char *text = malloc(PLACE_SET_TEXT_MAX);

	if (text && place_set_format(set, text, PLACE_SET_TEXT_MAX) >= 0)
		printf("\"%s\": \"%s\", ", key, text);
}

static void print_string(const char *key, const char *raw)
{
	char text[4 * PLACE_NOTE_SIZE];

	/* \xNN is no JSON: the backslash is doubled. */
	place_text_escape(raw, text, sizeof(text));
	printf("\"%s\": \"", key);
	for (const char *at = text; *at; at++)
		printf(*at == '\\' ? "\\\\" : "%c", *at);
	printf("\"");
}

static void print_number(const char *key, bool is_known, uint64_t number)
{
	if (is_known)
		printf("\"%s\": %" PRIu64 ", ", key, number);
	else
		printf("\"%s\": null, ", key);
}

static void print_distance(const struct place_topology *topology, size_t i)
{
	printf("\"distance\": [");
	for (size_t j = 0; topology->have_distance && j < topology->n_nodes; j++)
		printf("%s%u", j ? ", " : "", topology->distance[i * topology->n_nodes + j]);
	printf("]");
}

static void print_pools(const struct place_node_sample *sample)
{
	printf("\"pools\": {");
	for (size_t j = 0; j < sample->n_pools; j++)
		printf("%s\"%" PRIu64 "\": [%" PRIu64 ", %" PRIu64 "]", j ? ", " : "",
		       sample->pools[j].page_bytes / 1024, sample->pools[j].total_pages,
		       sample->pools[j].free_pages);
	printf("}, ");
}

static void print_nodes(const struct place_host *host)
{
	const struct place_topology *topology = &host->topology;

	printf("\"nodes\": [");
	for (size_t i = 0; i < topology->n_nodes; i++) {
		const struct place_node *node = &topology->nodes[i];
		const struct place_node_sample *sample = &host->sample.nodes[i];

		printf("%s\n {\"id\": %u, ", i ? "," : "", node->id);
		print_set("cpus", &node->cpus);
		printf("\"n_cpus\": %u, \"n_cores\": %u, ", node->n_cpus, node->n_cores);
		print_number("total_bytes", sample->known & PLACE_NODE_TOTAL, sample->total_bytes);
		print_number("free_bytes", sample->known & PLACE_NODE_FREE, sample->free_bytes);
		print_number("reclaimable_bytes", sample->known & PLACE_NODE_RECLAIMABLE,
			     sample->reclaimable_bytes);
		print_number("reserve_bytes", sample->known & PLACE_NODE_RESERVE,
			     sample->reserve_bytes);
		print_pools(sample);
		print_distance(topology, i);
		printf("}");
	}
	printf("],\n");
}

/* Which of its memory comes from one node alone. */
static void print_parts(const struct place_guest *guest)
{
	printf("\"parts\": {");
	for (size_t i = 0; i < guest->n_parts; i++)
		printf("%s\"%u\": %" PRIu64, i ? ", " : "", guest->parts[i].node,
		       guest->parts[i].bytes);
	printf("}, ");
}

static void print_guests(const struct place_sample *sample)
{
	static const char *const binds[PLACE_BIND_COUNT] = {
		[PLACE_BIND_NONE] = "none",	      [PLACE_BIND_CPUSET] = "cpuset",
		[PLACE_BIND_STRICT] = "strict",	      [PLACE_BIND_INTERLEAVE] = "interleave",
		[PLACE_BIND_PREFERRED] = "preferred",
	};

	printf("\"guests\": [");
	for (size_t i = 0; i < sample->n_guests; i++) {
		const struct place_guest *guest = &sample->guests[i];
		const unsigned known = guest->known;

		printf("%s\n {\"pid\": %d, \"bind\": \"%s\", ", i ? "," : "", guest->pid,
		       binds[guest->bind]);
		print_string("name", guest->name);
		printf(", ");
		print_string("uuid", guest->uuid);
		printf(", ");
		print_number("vcpus", known & PLACE_GUEST_VCPUS, guest->n_vcpus);
		print_number("memory_bytes", known & PLACE_GUEST_MEMORY, guest->memory_bytes);
		print_number("resident_bytes", known & PLACE_GUEST_RESIDENT, guest->resident_bytes);
		print_number("resident_pool_bytes", known & PLACE_GUEST_RESIDENT,
			     guest->resident_pool_bytes);
		print_number("balloon_bytes", known & PLACE_GUEST_BALLOON, guest->balloon_bytes);
		print_number("load_millicpu", known & PLACE_GUEST_LOAD, guest->load_millicpu);
		print_number("start_ns", known & PLACE_GUEST_START, guest->start_ns);
		print_set("mems", &guest->mems);
		print_set("cpus", &guest->cpus);
		print_parts(guest);
		printf("\"hugepage_bytes\": %" PRIu64 "}", guest->hugepage_bytes);
	}
	printf("],\n");
}

static void print_host(const struct place_host *host)
{
	printf("{");
	print_set("node_ids", &host->topology.node_ids);
	print_set("cpus_online", &host->topology.cpus_online);
	print_set("cpus_isolated", &host->topology.cpus_isolated);
	printf("\"have_distance\": %s, \"have_cores\": %s, \"is_flat\": %s,\n",
	       host->topology.have_distance ? "true" : "false",
	       host->topology.have_cores ? "true" : "false",
	       host->topology.is_flat ? "true" : "false");
	if (host->sample.confine.have_mems)
		print_set("confine_mems", &host->sample.confine.mems);
	if (host->sample.confine.have_cpus)
		print_set("confine_cpus", &host->sample.confine.cpus);
	print_nodes(host);
	print_guests(&host->sample);
	printf("\"notes\": [");
	for (size_t i = 0; i < host->n_notes; i++) {
		printf("%s{", i ? ", " : "");
		print_string("note", host->notes[i]);
		printf("}");
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	struct place_ledger ledger = { 0 };
	struct place_host host;
	int r;

	if (argc != 2) {
		fprintf(stderr, "Usage: describe DIR\n");
		return EXIT_FAILURE;
	}
	r = place_host_init(argv[1], &host);
	if (r == 0) {
		r = place_host_read_topology(&host, false);
		if (r == 0)
			r = place_host_take_sample(&host, false);
		if (r == 0)
			r = place_ledger_load(&host, &ledger);
		if (r == 0)
			print_host(&host);
		place_ledger_done(&ledger);
		place_host_done(&host);
	}
	if (r < 0)
		fprintf(stderr, "describe: %s: %s\n", argv[1], strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
