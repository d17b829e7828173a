/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much of the guests' memory ends on a single node, beside numad's published score, best
 * fit and others. Hosts are made so that everything fits: each node is cut into guests with
 * nothing left over, then the guests of all nodes arrive in random order, so the optimum is 1.
 *
 * "Ours" is the library itself, from ledger to ledger. The others see the same hosts; they may
 * use a node only where memory and free CPUs suffice, for that is how they were published. A
 * guest that is put on several nodes takes from each in proportion to what is free there.
 *
 * Exit status: 1 where a goal is missed. It prints what it measured and changes nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tests/random.h"
#include "decide/answer.h"

#define NODES_MAX 32
#define NODE_CPUS 32
#define NODE_MIB (128 * 1024)
#define NODE_GUESTS_MAX 24
#define GUESTS_MAX (NODES_MAX * NODE_GUESTS_MAX)
#define BATCH 16
#define SECOND UINT64_C(1000000000)

struct wish {
	unsigned vcpus;
	uint64_t mib;
};

/* ---- instances ---------------------------------------------------------------------------- */

/*
 * Cuts one node into guests of sizes that are sold; the last takes what is left. The mix and
 * the chance to end early were chosen so that numad's score, worst fit, best fit and balance
 * come out near the shares published for them (0.74 0.70 0.70 0.68 of the memory for numad).
 */
static unsigned cut_node(uint64_t *random, struct wish *wishes)
{
	static const unsigned cpu_sizes[] = { 1, 2, 2, 4, 4, 8, 8, 16 };
	static const unsigned gib_per_cpu[] = { 1, 2, 4, 4, 8, 8 };
	unsigned cpus = NODE_CPUS, gib = NODE_MIB / 1024, n = 0;

	while (n < NODE_GUESTS_MAX - 1) {
		unsigned vcpus = cpu_sizes[below(random, 8)];
		unsigned size = vcpus * gib_per_cpu[below(random, 6)];

		if (vcpus >= cpus || size >= gib) {
			if (below(random, 2))
				continue;
			break;
		}
		wishes[n++] = (struct wish){ vcpus, (uint64_t)size * 1024 };
		cpus -= vcpus;
		gib -= size;
	}
	wishes[n++] = (struct wish){ cpus, (uint64_t)gib * 1024 };
	return n;
}

static size_t make_wishes(uint64_t *random, unsigned n_nodes, struct wish *wishes)
{
	size_t n = 0;

	for (unsigned node = 0; node < n_nodes; node++)
		n += cut_node(random, &wishes[n]);
	for (size_t i = n; i > 1; i--) {
		size_t j = below(random, (unsigned)i);
		struct wish swapped = wishes[i - 1];

		wishes[i - 1] = wishes[j];
		wishes[j] = swapped;
	}
	return n;
}

/* ---- the host, and what placing does to it ------------------------------------------------ */

struct host {
	unsigned n_nodes;
	uint64_t free_mib[NODES_MAX];
	int64_t free_millicpu[NODES_MAX]; /* below 0 where more is committed than there is */
};

/*
 * Takes the memory in proportion to what is free, and the CPU evenly; what does not fit into
 * the answered nodes comes from the others. Returns whether all of it lies on one node, the
 * one that was answered.
 */
static bool settle_in(struct host *host, const struct wish *wish, uint32_t nodes)
{
	uint64_t free_mib = 0, left = wish->mib;
	unsigned n = (unsigned)__builtin_popcount(nodes), n_elsewhere = 0;

	for (unsigned i = 0; i < host->n_nodes; i++)
		if (nodes >> i & 1)
			free_mib += host->free_mib[i];
	for (unsigned i = 0; i < host->n_nodes; i++) {
		uint64_t share;

		if (!(nodes >> i & 1))
			continue;
		host->free_millicpu[i] -= (int64_t)wish->vcpus * 1000 / n;
		share = free_mib ? wish->mib * host->free_mib[i] / free_mib : 0;
		share = share < host->free_mib[i] ? share : host->free_mib[i];
		share = share < left ? share : left;
		host->free_mib[i] -= share;
		left -= share;
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; left && i < host->n_nodes; i++) {
			uint64_t share = host->free_mib[i] < left ? host->free_mib[i] : left;

			if (!pass && !(nodes >> i & 1))
				continue;
			host->free_mib[i] -= share;
			left -= share;
			n_elsewhere += pass && share;
		}
	}
	return n == 1 && !n_elsewhere;
}

/* ---- the others --------------------------------------------------------------------------- */

enum rule { RULE_NUMAD, RULE_WORST_FIT, RULE_BEST_FIT, RULE_BALANCE, RULE_COUNT };

static uint64_t free_centi(const struct host *host, unsigned i)
{
	return host->free_millicpu[i] > 10 ? (uint64_t)host->free_millicpu[i] / 10 : 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* numad 0.5, 20150602: as published, all remote distances alike. */
static uint32_t numad_answer(const struct host *host, const struct wish *wish)
{
	uint64_t magnitude[NODES_MAX] = { 0 }, cpus = (uint64_t)wish->vcpus * 100, mbs = wish->mib;
	uint32_t nodes = 0;

	for (unsigned i = 0; i < host->n_nodes; i++) {
		uint64_t mem = host->free_mib[i], cpu = free_centi(host, i);

		magnitude[i] = (10 * least(mem, mbs) + (mem > mbs ? 4 * (mem - mbs) : 0)) *
			       (6 * least(cpu, cpus) + (cpu > cpus ? cpu - cpus : 0));
	}
	while (__builtin_popcount(nodes) < (int)host->n_nodes && (!nodes || mbs || cpus)) {
		unsigned best = (unsigned)__builtin_ctz(~nodes);

		for (unsigned i = best + 1; i < host->n_nodes; i++)
			if (!(nodes >> i & 1) && magnitude[i] > magnitude[best])
				best = i;
		nodes |= UINT32_C(1) << best;
		if (host->free_mib[best] >= mbs + 100)
			mbs = 0;
		else
			mbs -= host->free_mib[best] - 100; /* wraps as it does there */
		cpus = free_centi(host, best) >= cpus ? 0 : cpus - free_centi(host, best);
	}
	return nodes;
}

static uint64_t cost(enum rule rule, const struct host *host, const struct wish *wish, unsigned i)
{
	uint64_t mem = (host->free_mib[i] - wish->mib) * 1024 / NODE_MIB;
	uint64_t cpu = ((uint64_t)host->free_millicpu[i] - (uint64_t)wish->vcpus * 1000) * 1024 /
		       (NODE_CPUS * 1000);

	switch (rule) {
	case RULE_WORST_FIT:
		return 4096 - mem - cpu;
	case RULE_BEST_FIT:
		return mem + cpu;
	case RULE_BALANCE:
		return mem > cpu ? mem - cpu : cpu - mem;
	case RULE_NUMAD:
	case RULE_COUNT:
	default:
		abort();
	}
}

/* The cheapest node on which memory and CPUs fit; else nodes by most memory until both do. */
static uint32_t rule_answer(enum rule rule, const struct host *host, const struct wish *wish)
{
	int64_t mib = (int64_t)wish->mib, millicpu = (int64_t)wish->vcpus * 1000;
	unsigned best = NODES_MAX;
	uint32_t nodes = 0;

	if (rule == RULE_NUMAD)
		return numad_answer(host, wish);
	for (unsigned i = 0; i < host->n_nodes; i++) {
		if (host->free_mib[i] < wish->mib || host->free_millicpu[i] < millicpu)
			continue;
		if (best == NODES_MAX || cost(rule, host, wish, i) < cost(rule, host, wish, best))
			best = i;
	}
	if (best < NODES_MAX)
		return UINT32_C(1) << best;
	while ((mib > 0 || millicpu > 0) && __builtin_popcount(nodes) < (int)host->n_nodes) {
		best = (unsigned)__builtin_ctz(~nodes);
		for (unsigned i = best + 1; i < host->n_nodes; i++)
			if (!(nodes >> i & 1) && host->free_mib[i] > host->free_mib[best])
				best = i;
		nodes |= UINT32_C(1) << best;
		mib -= (int64_t)host->free_mib[best];
		millicpu -= host->free_millicpu[best] > 0 ? host->free_millicpu[best] : 0;
	}
	return nodes;
}

/* ---- ours --------------------------------------------------------------------------------- */

struct ours {
	struct place_topology topology;
	struct place_sample sample;
	struct place_policy policy;
	struct place_ledger ledger;
	struct place_node nodes[NODES_MAX];
	uint8_t distance[NODES_MAX * NODES_MAX];
	struct place_node_sample node_samples[NODES_MAX];
	struct place_guest guests[GUESTS_MAX];
	struct place_promise promises[BATCH * 4];
	struct place_node_model models[NODES_MAX];
	struct place_candidate candidates[NODES_MAX];
	enum place_reason reasons[NODES_MAX];
};

static void ours_begin(struct ours *ours, unsigned n_nodes)
{
	memset(ours, 0, sizeof(*ours));
	ours->topology = (struct place_topology){ .n_nodes = n_nodes,
						  .nodes = ours->nodes,
						  .distance = ours->distance };
	for (unsigned i = 0; i < n_nodes; i++) {
		struct place_node *node = &ours->nodes[i];

		node->id = i;
		node->n_cpus = node->n_cores = NODE_CPUS;
		for (unsigned cpu = 0; cpu < NODE_CPUS; cpu++)
			place_set_add(&node->cpus, i * NODE_CPUS + cpu);
		place_set_or(&ours->topology.cpus_online, &node->cpus);
		place_set_add(&ours->topology.node_ids, i);
		for (unsigned j = 0; j < n_nodes; j++)
			ours->distance[i * n_nodes + j] = i == j ? 10 : 20;
		ours->node_samples[i].known = PLACE_NODE_TOTAL | PLACE_NODE_FREE;
		ours->node_samples[i].total_bytes = (uint64_t)NODE_MIB << 20;
	}
	ours->sample = (struct place_sample){ .n_nodes = n_nodes,
					      .nodes = ours->node_samples,
					      .guests = ours->guests,
					      .guests_complete = true };
	ours->policy = (struct place_policy){ .hugepages = PLACE_HUGEPAGES_NEVER,
					      .promise_ns = 60 * SECOND };
	ours->ledger = (struct place_ledger){ ours->promises, 0, BATCH * 4 };
}

static uint32_t ours_answer(struct ours *ours, const struct host *host, const struct wish *wish,
			    uint64_t now_ns, struct place_set *ret_nodes)
{
	struct place_request request = { wish->vcpus * 100, wish->mib << 20 };
	struct place_advise_scratch scratch = { NODES_MAX, ours->candidates, ours->reasons };
	struct place_model model;
	struct place_advice advice;
	uint32_t nodes = 0;

	for (unsigned i = 0; i < host->n_nodes; i++)
		ours->node_samples[i].free_bytes = host->free_mib[i] << 20;
	ours->sample.taken_ns = now_ns;
	if (place_answer(&ours->topology, &ours->sample, &ours->policy, &request, now_ns, true,
			 &ours->ledger, ours->models, &scratch, &model, &advice) < 0)
		abort();
	*ret_nodes = advice.nodes;
	for (unsigned i = 0; i < host->n_nodes; i++)
		if (place_set_has(&advice.nodes, i))
			nodes |= UINT32_C(1) << i;
	return nodes;
}

/* The guest has appeared, and has touched all its memory. */
static void ours_appear(struct ours *ours, const struct wish *wish, const struct place_set *nodes,
			uint64_t now_ns)
{
	struct place_guest *guest = &ours->guests[ours->sample.n_guests++];

	guest->known = PLACE_GUEST_VCPUS | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT |
		       PLACE_GUEST_MEMS | PLACE_GUEST_CPUS | PLACE_GUEST_START;
	guest->pid = (int)ours->sample.n_guests;
	guest->start_ns = now_ns;
	guest->n_vcpus = wish->vcpus;
	guest->memory_bytes = guest->resident_bytes = wish->mib << 20;
	guest->bind = PLACE_BIND_STRICT;
	guest->mems = *nodes;
	for (unsigned i = 0; i < ours->topology.n_nodes; i++)
		if (place_set_has(nodes, i))
			place_set_or(&guest->cpus, &ours->nodes[i].cpus);
}

/* ---- runs --------------------------------------------------------------------------------- */

#define OURS RULE_COUNT
#define COLUMNS (RULE_COUNT + 1)

struct tally {
	double whole_mib, all_mib;  /* memory on one node, and all */
	double over_cpus, all_cpus; /* vCPUs beyond what their nodes have, and all */
};

static struct ours ours;

/* All guests of one instance by one rule, `batch` of them before any has touched memory. */
static void run(unsigned column, unsigned n_nodes, const struct wish *wishes, size_t n,
		size_t batch, struct tally *tally)
{
	static struct place_set sets[BATCH];
	uint32_t answers[BATCH] = { 0 };
	struct host host = { .n_nodes = n_nodes };

	for (unsigned i = 0; i < n_nodes; i++) {
		host.free_mib[i] = NODE_MIB;
		host.free_millicpu[i] = NODE_CPUS * 1000;
	}
	if (column == OURS)
		ours_begin(&ours, n_nodes);
	for (size_t first = 0; first < n; first += batch) {
		size_t end = first + batch < n ? first + batch : n;
		uint64_t now_ns = (first + 1) * SECOND;

		for (size_t i = first; i < end; i++)
			answers[i - first] =
				column == OURS ? ours_answer(&ours, &host, &wishes[i], now_ns,
							     &sets[i - first]) :
						 rule_answer((enum rule)column, &host, &wishes[i]);
		for (size_t i = first; i < end; i++) {
			bool is_whole = settle_in(&host, &wishes[i], answers[i - first]);

			tally->all_mib += (double)wishes[i].mib;
			tally->whole_mib += is_whole ? (double)wishes[i].mib : 0;
			tally->all_cpus += wishes[i].vcpus;
			if (column == OURS)
				ours_appear(&ours, &wishes[i], &sets[i - first], now_ns);
		}
	}
	for (unsigned i = 0; i < n_nodes; i++)
		if (host.free_millicpu[i] < 0)
			tally->over_cpus -= (double)host.free_millicpu[i] / 1000;
}

static const char *const names[COLUMNS] = { "numad", "worst fit", "best fit", "balance", "placed" };

struct size {
	unsigned n_nodes;
	unsigned n_instances;
	double goal; /* least share of memory on one node, for ours */
};

static const struct size sizes[] = {
	{ 2, 3000, 0.90 },
	{ 4, 2000, 0.88 },
	{ 8, 1000, 0.88 },
	{ 32, 250, 0.90 },
};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
/* What may be lost where nothing is touched yet between BATCH answers. */
#define BOOT_LOSS_MAX 0.01

static void measure(const struct size *size, uint64_t seed, unsigned divide,
		    struct tally tally[COLUMNS][2])
{
	static struct wish wishes[GUESTS_MAX];
	time_t begun = time(NULL);
	unsigned n_instances = size->n_instances / divide;

	for (unsigned k = 0; k < n_instances; k++) {
		uint64_t random = (seed * 1000003 + size->n_nodes) * 1000003 + k + 1;
		size_t n;

		/* Neighbouring seeds give neighbouring numbers at first. */
		for (unsigned i = 0; i < 20; i++)
			next_random(&random);
		n = make_wishes(&random, size->n_nodes, wishes);
		for (unsigned c = 0; c < COLUMNS; c++) {
			run(c, size->n_nodes, wishes, n, 1, &tally[c][0]);
			run(c, size->n_nodes, wishes, n, BATCH, &tally[c][1]);
		}
		if (time(NULL) > begun + 2) {
			begun = time(NULL);
			fprintf(stderr, "%u nodes: %u of %u hosts\n", size->n_nodes, k + 1,
				n_instances);
		}
	}
}

static double whole(const struct tally *tally)
{
	return tally->whole_mib / tally->all_mib;
}

/* One row of each table; returns whether the goals are met. */
static bool print_row(const struct size *size, struct tally tally[COLUMNS][2], unsigned table)
{
	const struct tally *ours_fresh = &tally[OURS][0], *ours_boot = &tally[OURS][1];
	bool is_met = true;

	printf("%5u", size->n_nodes);
	for (unsigned c = 0; c < COLUMNS; c++)
		printf("  %9.3f", table == 2 ? tally[c][0].over_cpus / tally[c][0].all_cpus :
					       whole(&tally[c][table]));
	if (table == 0)
		is_met = whole(ours_fresh) >= size->goal;
	else if (table == 1)
		is_met = whole(ours_boot) >= whole(ours_fresh) - BOOT_LOSS_MAX;
	if (table == 0)
		printf("  %9.3f  %9.2f  %s", 1.0, size->goal, is_met ? "met" : "MISSED");
	else if (table == 1)
		printf("  %9.3f  %9.3f  %s", 1.0, whole(ours_fresh) - BOOT_LOSS_MAX,
		       is_met ? "met" : "MISSED");
	printf("\n");
	return is_met;
}

static bool print_tables(struct tally tallies[SIZES][COLUMNS][2])
{
	static const char *const titles[] = {
		"share of memory on one node, each guest touches its memory before the next asks",
		"the same, 16 ask before any touches its memory",
		"vCPUs beyond what their nodes have, of all (first table's runs)",
	};
	bool is_met = true;

	for (unsigned table = 0; table < 3; table++) {
		printf("\n%s\nnodes", titles[table]);
		for (unsigned c = 0; c < COLUMNS; c++)
			printf("  %9s", names[c]);
		printf(table < 2 ? "    optimum       goal\n" : "\n");
		for (size_t s = 0; s < SIZES; s++)
			is_met &= print_row(&sizes[s], tallies[s], table);
	}
	return is_met;
}

int main(int argc, char **argv)
{
	static struct tally tallies[SIZES][COLUMNS][2];
	uint64_t seed = 1;
	unsigned divide = 1;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			divide = 4;
		} else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
			seed = strtoull(argv[++i], NULL, 10);
		} else {
			fprintf(stderr, "usage: packing [--quick] [--seed N]\n");
			return 2;
		}
	}
	printf("seed %" PRIu64 ", hosts of each size:", seed);
	for (size_t s = 0; s < SIZES; s++)
		printf(" %u", sizes[s].n_instances / divide);
	printf("; node: %d CPUs, %d GiB\n", NODE_CPUS, NODE_MIB / 1024);
	for (size_t s = 0; s < SIZES; s++)
		measure(&sizes[s], seed, divide, tallies[s]);
	return print_tables(tallies) ? 0 : 1;
}
