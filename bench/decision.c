/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a decision takes: settle the ledger, build the model, advise, book. Hosts of 2 to
 * 1024 nodes with 10 and 1000 guests, a quarter of them on several nodes, 32 promises open,
 * and requests of all sizes. Each row is set beside one copy of the guests' structs, which is
 * about the least that looking at them all can cost.
 *
 * Exit status: 1 where the limit (1 ms at 32 nodes and 1000 guests, 99 of 100) is missed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tests/random.h"
#include "decide/answer.h"

#define NODES_MAX 1024
#define GUESTS_MAX 1000
#define PROMISES 32
#define NODE_CPUS 8
#define GIB (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000000000)
#define LIMIT_NS 1000000

struct host {
	struct place_topology topology;
	struct place_sample sample;
	struct place_policy policy;
	struct place_node *nodes;
	struct place_node_sample *node_samples;
	struct place_guest *guests, *copy;
	uint8_t *distance;
	struct place_promise promises[PROMISES], ledger[PROMISES + 1];
	struct place_node_model *models;
	struct place_candidate *candidates;
	enum place_reason *reasons;
};

static void *allocate(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory)
		abort();
	return memory;
}

static void make_nodes(struct host *host, unsigned n_nodes, uint64_t *random)
{
	for (unsigned i = 0; i < n_nodes; i++) {
		struct place_node *node = &host->nodes[i];

		node->id = i;
		node->n_cpus = NODE_CPUS;
		node->n_cores = NODE_CPUS / 2;
		node->cpus = (struct place_set){ 0 };
		/* Siblings lie in the second half of the numbers, as on x86. */
		for (unsigned cpu = 0; cpu < NODE_CPUS; cpu++)
			place_set_add(&node->cpus, i * NODE_CPUS / 2 + cpu / 2 +
							   cpu % 2 * n_nodes * NODE_CPUS / 2);
		place_set_or(&host->topology.cpus_online, &node->cpus);
		host->node_samples[i].known = PLACE_NODE_TOTAL | PLACE_NODE_FREE;
		host->node_samples[i].total_bytes = 256 * GIB;
		host->node_samples[i].free_bytes = (32 + below(random, 224)) * GIB;
		for (unsigned j = 0; j < n_nodes; j++)
			host->distance[i * n_nodes + j] = i == j ? 10 :
							  i / 4 == j / 4 ?
								   12 :
								   (uint8_t)(20 + (i ^ j) % 12);
	}
}

static void make_guest(struct host *host, struct place_guest *guest, int pid, uint64_t *random)
{
	unsigned n_nodes = (unsigned)host->topology.n_nodes, n = below(random, 4) ? 1 : 2;

	memset(guest, 0, sizeof(*guest));
	guest->known = PLACE_GUEST_VCPUS | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT |
		       PLACE_GUEST_MEMS | PLACE_GUEST_CPUS | PLACE_GUEST_START | PLACE_GUEST_LOAD;
	guest->pid = pid;
	guest->start_ns = below(random, 1000) * SECOND;
	guest->n_vcpus = 1 + below(random, 8);
	guest->load_millicpu = below(random, 4000);
	guest->memory_bytes = (1 + below(random, 4)) * GIB;
	guest->resident_bytes = guest->memory_bytes - below(random, 512) * (GIB / 1024);
	guest->bind = PLACE_BIND_STRICT;
	for (unsigned first = below(random, n_nodes), k = 0; k < n; k++) {
		const struct place_node *node = &host->nodes[(first + k) % n_nodes];

		place_set_add(&guest->mems, node->id);
		place_set_or(&guest->cpus, &node->cpus);
	}
}

static void make_host(struct host *host, unsigned n_nodes, unsigned n_guests)
{
	uint64_t random = 88172645463325252u + n_nodes * 1000 + n_guests;

	memset(host, 0, sizeof(*host));
	host->nodes = allocate(n_nodes, sizeof(*host->nodes));
	host->node_samples = allocate(n_nodes, sizeof(*host->node_samples));
	host->guests = allocate(n_guests, sizeof(*host->guests));
	host->copy = allocate(n_guests, sizeof(*host->copy));
	host->distance = allocate((size_t)n_nodes * n_nodes, 1);
	host->models = allocate(n_nodes, sizeof(*host->models));
	host->candidates = allocate(n_nodes, sizeof(*host->candidates));
	host->reasons = allocate(n_nodes, sizeof(*host->reasons));
	host->topology = (struct place_topology){ .n_nodes = n_nodes,
						  .nodes = host->nodes,
						  .distance = host->distance };
	make_nodes(host, n_nodes, &random);
	for (unsigned i = 0; i < n_guests; i++)
		make_guest(host, &host->guests[i], (int)(1000 + i * 3), &random);
	host->sample = (struct place_sample){ .n_nodes = n_nodes,
					      .nodes = host->node_samples,
					      .n_guests = n_guests,
					      .guests = host->guests,
					      .guests_complete = true };
	host->policy = (struct place_policy){ .smt_percent = 20,
					      .promise_ns = 60 * SECOND,
					      .reserve_permille = 5,
					      .guest_overhead_bytes = GIB / 4 };
	for (unsigned i = 0; i < PROMISES; i++) {
		host->promises[i].booked_ns = 990 * SECOND;
		host->promises[i].vcpus_centi = 400;
		host->promises[i].memory_bytes = 2 * GIB;
		place_set_add(&host->promises[i].nodes, below(&random, n_nodes));
	}
}

static void free_host(struct host *host)
{
	free(host->nodes);
	free(host->node_samples);
	free(host->guests);
	free(host->copy);
	free(host->distance);
	free(host->models);
	free(host->candidates);
	free(host->reasons);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* Small requests, requests of a few nodes, of half the host, and of more than there is. */
static struct place_request make_request(const struct host *host, uint64_t *random)
{
	unsigned n = (unsigned)host->topology.n_nodes;

	switch (below(random, 4)) {
	case 0:
		return (struct place_request){ 400, 8 * GIB };
	case 1:
		return (struct place_request){ 1200, (200 + below(random, 600)) * GIB };
	case 2:
		return (struct place_request){ n * 300, n * 60 * GIB };
	default:
		return (struct place_request){ 100000000, n * 400 * GIB };
	}
}

static uint64_t time_decision(struct host *host, uint64_t *random)
{
	struct place_request request = make_request(host, random);
	struct place_ledger ledger = { host->ledger, PROMISES, PROMISES + 1 };
	struct place_advise_scratch scratch = { host->topology.n_nodes, host->candidates,
						host->reasons };
	struct place_model model;
	struct place_advice advice;
	uint64_t begun;

	memcpy(host->ledger, host->promises, sizeof(host->promises));
	begun = now_ns();
	if (place_answer(&host->topology, &host->sample, &host->policy, &request, 1000 * SECOND,
			 true, &ledger, host->models, &scratch, &model, &advice) < 0)
		abort();
	return now_ns() - begun;
}

static uint64_t time_copy(struct host *host)
{
	uint64_t begun = now_ns();

	memcpy(host->copy, host->guests, host->sample.n_guests * sizeof(*host->guests));
	__asm__ volatile("" : : "r"(host->copy) : "memory");
	return now_ns() - begun;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Returns the 99th percentile. */
static uint64_t print_row(unsigned n_nodes, unsigned n_guests, size_t n_rounds)
{
	static struct host host;
	uint64_t *times = allocate(n_rounds, sizeof(*times)),
		 *copies = allocate(21, sizeof(*copies));
	uint64_t random = 1, p99;

	make_host(&host, n_nodes, n_guests);
	(void)time_decision(&host, &random);
	(void)time_copy(&host);
	for (size_t i = 0; i < n_rounds; i++)
		times[i] = time_decision(&host, &random);
	for (size_t i = 0; i < 21; i++)
		copies[i] = time_copy(&host);
	qsort(times, n_rounds, sizeof(*times), compare);
	qsort(copies, 21, sizeof(*copies), compare);
	p99 = times[n_rounds * 99 / 100];
	printf("%5u %6u  %9.1f %9.1f %9.1f  %9.1f %7.1f\n", n_nodes, n_guests,
	       (double)times[n_rounds / 2] / 1e3, (double)p99 / 1e3,
	       (double)times[n_rounds - 1] / 1e3, (double)copies[10] / 1e3,
	       (double)times[n_rounds / 2] / (double)(copies[10] ? copies[10] : 1));
	free_host(&host);
	free(times);
	free(copies);
	return p99;
}

int main(int argc, char **argv)
{
	static const unsigned nodes[] = { 2, 8, 32, 64, NODES_MAX };
	static const unsigned guests[] = { 10, GUESTS_MAX };
	bool is_quick = argc == 2 && !strcmp(argv[1], "--quick");
	uint64_t p99 = 0;

	if (argc > 1 && !is_quick) {
		fprintf(stderr, "usage: decision [--quick]\n");
		return 2;
	}
	printf("nodes guests  median us    p99 us    max us  copying us   ratio\n");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		for (size_t j = 0; j < sizeof(guests) / sizeof(guests[0]); j++) {
			size_t n_rounds =
				(nodes[i] == NODES_MAX ? 100u : 2000u) / (is_quick ? 5 : 1);
			uint64_t row = print_row(nodes[i], guests[j], n_rounds);

			if (nodes[i] == 32 && guests[j] == GUESTS_MAX)
				p99 = row;
		}
	}
	printf("32 nodes, 1000 guests: %" PRIu64 " us of at most %d: %s\n", p99 / 1000,
	       LIMIT_NS / 1000, p99 <= LIMIT_NS ? "met" : "MISSED");
	return p99 <= LIMIT_NS ? 0 : 1;
}
