/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random hosts of up to eight nodes against a referee that looks at every set of nodes. It
 * shares no code with the advice: it works out from the topology and the sample what a node
 * can hold. A failure names its seed; `test_referee SEED [N]` runs N hosts from there on.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "decide/advise.h"
#include "decide/model.h"

#define NODES_MAX 8
#define GUESTS_MAX 6
#define PROMISES_MAX 4
#define GIB (UINT64_C(1) << 30)
#define SETS (1u << NODES_MAX)

static uint64_t first_seed = 1;
static uint64_t n_seeds = 20000;

struct host {
	struct place_topology topology;
	struct place_sample sample;
	struct place_policy policy;
	struct place_request request;
	struct place_node nodes[NODES_MAX];
	uint8_t distance[NODES_MAX * NODES_MAX];
	struct place_node_sample node_samples[NODES_MAX];
	struct place_guest guests[GUESTS_MAX];
	struct place_promise promises[PROMISES_MAX];
	size_t n_promises;
};

struct answer {
	struct place_node_model models[NODES_MAX];
	struct place_candidate candidates[NODES_MAX];
	enum place_reason reasons[NODES_MAX];
	struct place_advice advice;
};

/* ---- hosts -------------------------------------------------------------------------------- */

static void make_node(struct host *host, size_t i, unsigned *id, unsigned *cpu, uint64_t *random)
{
	struct place_node *node = &host->nodes[i];
	struct place_node_sample *sample = &host->node_samples[i];

	*id += one_in(random, 4) ? 1 + below(random, 60) : 1;
	node->id = *id;
	node->n_cpus = one_in(random, 8) ? 0 : 1 + below(random, 16);
	node->n_cores = node->n_cpus;
	for (unsigned k = 0; k < node->n_cpus; k++)
		place_set_add(&node->cpus, (*cpu)++);
	sample->known = PLACE_NODE_TOTAL | PLACE_NODE_FREE | PLACE_NODE_RESERVE;
	if (!one_in(random, 8))
		sample->total_bytes = (8 + below(random, 120)) * GIB;
	sample->free_bytes = sample->total_bytes / 64 * below(random, 65);
	sample->reserve_bytes = sample->total_bytes / 1024;
	place_set_add(&host->topology.node_ids, node->id);
	place_set_or(&host->topology.cpus_online, &node->cpus);
}

static void make_distances(struct host *host, uint64_t *random)
{
	size_t n = host->topology.n_nodes;
	bool is_asymmetric = one_in(random, 3), is_flat = one_in(random, 3);

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			uint8_t value = is_flat ? 20 : (uint8_t)(11 + below(random, 4) * 7);

			if (i == j)
				value = 10;
			else if (j < i && !is_asymmetric)
				value = host->distance[j * n + i];
			host->distance[i * n + j] = value;
		}
	}
}

/* Guests and promises of one node each, so that the referee need not know how to spread. */
static void make_claims(struct host *host, uint64_t *random)
{
	unsigned n_nodes = (unsigned)host->topology.n_nodes;

	host->sample.n_guests = below(random, GUESTS_MAX + 1);
	for (size_t i = 0; i < host->sample.n_guests; i++) {
		struct place_guest *guest = &host->guests[i];
		const struct place_node *node = &host->nodes[below(random, n_nodes)];

		guest->known = PLACE_GUEST_VCPUS | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT |
			       PLACE_GUEST_MEMS | PLACE_GUEST_CPUS;
		guest->pid = (int)i + 100;
		guest->n_vcpus = 1 + below(random, 8);
		guest->memory_bytes = (1 + below(random, 16)) * GIB;
		guest->resident_bytes = guest->memory_bytes / 4 * below(random, 6);
		guest->bind = PLACE_BIND_STRICT;
		place_set_add(&guest->mems, node->id);
		guest->cpus = node->cpus;
	}
	host->n_promises = below(random, PROMISES_MAX + 1);
	for (size_t i = 0; i < host->n_promises; i++) {
		struct place_promise *promise = &host->promises[i];

		promise->vcpus_centi = below(random, 8) * 100;
		promise->memory_bytes = below(random, 16) * GIB;
		place_set_add(&promise->nodes, host->nodes[below(random, n_nodes)].id);
	}
}

static void make_confine(struct host *host, uint64_t *random)
{
	struct place_confine *confine = &host->sample.confine;

	confine->have_mems = one_in(random, 5);
	confine->have_cpus = one_in(random, 5);
	for (size_t i = 0; i < host->topology.n_nodes; i++)
		if (!one_in(random, 4))
			place_set_add(&confine->mems, host->nodes[i].id);
	for (unsigned cpu = 0; cpu < 16 * NODES_MAX; cpu++)
		if (!one_in(random, 4))
			place_set_add(&confine->cpus, cpu);
}

static void make_host(struct host *host, uint64_t seed)
{
	uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	unsigned id = below(&random, 3), cpu = 0;

	memset(host, 0, sizeof(*host));
	host->topology.n_nodes = 1 + below(&random, NODES_MAX);
	for (size_t i = 0; i < host->topology.n_nodes; i++)
		make_node(host, i, &id, &cpu, &random);
	host->topology.nodes = host->nodes;
	host->topology.distance = host->distance;
	make_distances(host, &random);
	host->sample.n_nodes = host->topology.n_nodes;
	host->sample.nodes = host->node_samples;
	host->sample.guests = host->guests;
	host->sample.guests_complete = true;
	make_claims(host, &random);
	make_confine(host, &random);
	host->policy.hugepages = PLACE_HUGEPAGES_NEVER;
	host->policy.smt_percent = 20;
	host->request.vcpus_centi = below(&random, 40) * 100;
	host->request.memory_bytes = below(&random, one_in(&random, 3) ? 400 : 100) * GIB;
}

static void ask(const struct host *host, struct answer *answer)
{
	struct place_advise_scratch scratch = { NODES_MAX, answer->candidates, answer->reasons };
	struct place_model model;

	assert_int_equal(place_model_build(&host->topology, &host->sample, host->promises,
					   host->n_promises, &host->policy, answer->models, &model),
			 0);
	assert_int_equal(
		place_advise(&model, &host->policy, &host->request, &scratch, &answer->advice), 0);
}

/* ---- the referee -------------------------------------------------------------------------- */

struct figures {
	bool is_eligible[NODES_MAX];
	uint64_t usable[NODES_MAX];
	unsigned n_cpus[NODES_MAX];
};

static void work_out(const struct host *host, struct figures *figures)
{
	const struct place_confine *confine = &host->sample.confine;

	for (size_t i = 0; i < host->topology.n_nodes; i++) {
		const struct place_node *node = &host->nodes[i];
		const struct place_node_sample *sample = &host->node_samples[i];
		uint64_t taken = sample->reserve_bytes;

		figures->n_cpus[i] = 0;
		for (unsigned cpu = 0; cpu < 16 * NODES_MAX; cpu++)
			figures->n_cpus[i] +=
				place_set_has(&node->cpus, cpu) &&
				(!confine->have_cpus || place_set_has(&confine->cpus, cpu));
		for (size_t g = 0; g < host->sample.n_guests; g++) {
			const struct place_guest *guest = &host->guests[g];

			if (place_set_has(&guest->mems, node->id) &&
			    guest->memory_bytes > guest->resident_bytes && sample->total_bytes)
				taken += guest->memory_bytes - guest->resident_bytes;
		}
		for (size_t p = 0; p < host->n_promises; p++)
			if (place_set_has(&host->promises[p].nodes, node->id))
				taken += host->promises[p].memory_bytes;
		figures->usable[i] = sample->free_bytes > taken ? sample->free_bytes - taken : 0;
		figures->is_eligible[i] =
			figures->n_cpus[i] && sample->total_bytes &&
			(!confine->have_mems || place_set_has(&confine->mems, node->id));
	}
}

/* Memory that was promised from a memory-less node comes from anywhere: no such host here. */
static bool is_simple(const struct host *host)
{
	for (size_t i = 0; i < host->topology.n_nodes; i++) {
		if (host->node_samples[i].total_bytes)
			continue;
		for (size_t g = 0; g < host->sample.n_guests; g++)
			if (place_set_has(&host->guests[g].mems, host->nodes[i].id))
				return false;
		for (size_t p = 0; p < host->n_promises; p++)
			if (place_set_has(&host->promises[p].nodes, host->nodes[i].id))
				return false;
	}
	return true;
}

struct verdict {
	bool holds;
	unsigned n;
	unsigned distance;
	uint64_t room;
};

static struct verdict judge(const struct host *host, const struct figures *figures, unsigned set,
			    unsigned n_cpus_all)
{
	size_t n = host->topology.n_nodes;
	unsigned n_cpus = 0, needed = (host->request.vcpus_centi + 99) / 100;
	struct verdict verdict = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (!(set >> i & 1))
			continue;
		if (!figures->is_eligible[i])
			return (struct verdict){ 0 };
		verdict.n++;
		verdict.room += figures->usable[i];
		n_cpus += figures->n_cpus[i];
		for (size_t j = 0; j < n; j++)
			if (j != i && (set >> j & 1))
				verdict.distance += host->distance[i * n + j];
	}
	needed = needed < n_cpus_all ? needed : n_cpus_all;
	verdict.holds = verdict.n && verdict.room >= host->request.memory_bytes && n_cpus >= needed;
	return verdict;
}

static unsigned mask_of(const struct host *host, const struct place_set *nodes)
{
	unsigned mask = 0;

	for (size_t i = 0; i < host->topology.n_nodes; i++)
		mask |= (unsigned)place_set_has(nodes, host->nodes[i].id) << i;
	return mask;
}

/* Whether set a, which holds it, is worth more than set b, which does too. */
static bool is_better(const struct verdict *a, const struct verdict *b)
{
	if (a->n != b->n)
		return a->n < b->n;
	if (a->n == 1)
		return false;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	return a->room > b->room;
}

static void check_against_referee(const struct host *host, const struct answer *answer,
				  uint64_t seed)
{
	unsigned n_cpus_all = 0, given = mask_of(host, &answer->advice.nodes);
	struct figures figures;
	struct verdict ours;

	work_out(host, &figures);
	for (size_t i = 0; i < host->topology.n_nodes; i++)
		n_cpus_all += figures.is_eligible[i] ? figures.n_cpus[i] : 0;
	ours = judge(host, &figures, given, n_cpus_all);
	for (unsigned set = 1; set < 1u << host->topology.n_nodes; set++) {
		struct verdict other = judge(host, &figures, set, n_cpus_all);

		if (other.holds && (!ours.holds || is_better(&other, &ours)))
			fail_msg("seed %" PRIu64 ": answered mask %#x, better is %#x", seed, given,
				 set);
	}
	if (ours.holds != (answer->advice.verdict == PLACE_VERDICT_ONE_NODE ||
			   answer->advice.verdict == PLACE_VERDICT_SEVERAL))
		fail_msg("seed %" PRIu64 ": wrong verdict %d", seed, (int)answer->advice.verdict);
}

static void test_referee(void **state)
{
	unsigned n_judged = 0;

	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
		struct host host;
		struct answer answer;

		make_host(&host, seed);
		if (!is_simple(&host))
			continue;
		ask(&host, &answer);
		check_against_referee(&host, &answer, seed);
		n_judged++;
	}
	assert_true(n_seeds < 100 || n_judged > n_seeds / 4);
}

/* ---- what holds for every host ------------------------------------------------------------ */

static void check_shape(const struct host *host, const struct answer *answer, uint64_t seed)
{
	const struct place_advice *advice = &answer->advice;
	bool is_blind = advice->verdict == PLACE_VERDICT_BLIND, has_cpus = false;

	if (place_set_is_empty(&advice->nodes))
		fail_msg("seed %" PRIu64 ": empty", seed);
	if (!place_set_is_subset(&advice->nodes, &host->topology.node_ids))
		fail_msg("seed %" PRIu64 ": names a node that is not there", seed);
	for (size_t i = 0; i < host->topology.n_nodes; i++) {
		const struct place_node_model *node = &answer->models[i];
		bool is_chosen = place_set_has(&advice->nodes, node->id);

		has_cpus |= is_chosen && node->n_cpus;
		if (is_chosen && !is_blind && !(node->flags & PLACE_NODE_ELIGIBLE))
			fail_msg("seed %" PRIu64 ": node %u is not eligible", seed, node->id);
		if (is_chosen != (answer->reasons[i] <= PLACE_REASON_CHOSEN_NO_ROOM))
			fail_msg("seed %" PRIu64 ": node %u: wrong reason", seed, node->id);
	}
	if (!is_blind && !has_cpus)
		fail_msg("seed %" PRIu64 ": no CPU", seed);
}

static void expect_same(const struct answer *a, const struct answer *b, uint64_t seed,
			const char *what)
{
	if (!place_set_equal(&a->advice.nodes, &b->advice.nodes) ||
	    a->advice.verdict != b->advice.verdict)
		fail_msg("seed %" PRIu64 ": %s changes the answer", seed, what);
}

static void double_sizes(struct host *host)
{
	for (size_t i = 0; i < host->topology.n_nodes; i++) {
		host->node_samples[i].total_bytes *= 2;
		host->node_samples[i].free_bytes *= 2;
		host->node_samples[i].reserve_bytes *= 2;
	}
	for (size_t i = 0; i < host->sample.n_guests; i++) {
		host->guests[i].memory_bytes *= 2;
		host->guests[i].resident_bytes *= 2;
	}
	for (size_t i = 0; i < host->n_promises; i++)
		host->promises[i].memory_bytes *= 2;
	host->request.memory_bytes *= 2;
}

/* Some guests and promises of several nodes, for what need not be worked out by hand. */
static void widen_claims(struct host *host, uint64_t seed)
{
	uint64_t random = seed * 977 + 5;

	for (size_t i = 0; i < host->sample.n_guests; i++) {
		if (one_in(&random, 2))
			place_set_or(&host->guests[i].mems, &host->topology.node_ids);
		host->guests[i].bind = (enum place_bind)below(&random, PLACE_BIND_COUNT);
	}
	for (size_t i = 0; i < host->n_promises; i++)
		if (one_in(&random, 2))
			place_set_add(&host->promises[i].nodes, host->nodes[0].id);
	host->policy.memory_only_nodes =
		one_in(&random, 2) ? PLACE_MEMORY_ONLY_OVERFLOW : PLACE_MEMORY_ONLY_NEVER;
}

static void reverse_claims(struct host *host)
{
	for (size_t i = 0, j = host->sample.n_guests; i + 1 < j; i++) {
		struct place_guest swapped = host->guests[i];

		host->guests[i] = host->guests[--j];
		host->guests[j] = swapped;
	}
	for (size_t i = 0, j = host->n_promises; i + 1 < j; i++) {
		struct place_promise swapped = host->promises[i];

		host->promises[i] = host->promises[--j];
		host->promises[j] = swapped;
	}
}

static void test_shape(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
		struct host host;
		struct answer answer;

		make_host(&host, seed);
		ask(&host, &answer);
		check_shape(&host, &answer, seed);
	}
}

static void test_same_choice(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
		struct host host;
		struct answer first, again, shuffled, doubled;

		make_host(&host, seed);
		widen_claims(&host, seed);
		ask(&host, &first);
		memset(&again, 0xa5, sizeof(again));
		ask(&host, &again);
		expect_same(&first, &again, seed, "asking again");
		reverse_claims(&host);
		ask(&host, &shuffled);
		expect_same(&first, &shuffled, seed, "the order of guests");
		double_sizes(&host);
		ask(&host, &doubled);
		expect_same(&first, &doubled, seed, "doubling all sizes");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_referee),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_same_choice),
	};

	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10);
	if (argc > 1)
		n_seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
