/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reduces a topology, a sample and the ledger to figures per node: who may be in an answer,
 * how much memory is left there, and how many CPUs are spoken for. It decides nothing, and it
 * must give the same figures for the same guests in any order.
 */
#include "decide/model.h"

#include <errno.h>

#include "arith.h"

/*
 * An idle guest may wake up: it never counts for less than a quarter of its vCPUs. Load is
 * rounded up to such quarters too, so that the drift between two samples changes no answer.
 */
#define CPU_STEPS 4
/* A node's share of something is never derived from more than this; sums of 8192 stay exact. */
#define WEIGHT_MAX (UINT64_C(1) << 50)

struct build {
	const struct place_topology *topology;
	const struct place_sample *sample;
	const struct place_policy *policy;
	struct place_node_model *nodes;
	size_t n_nodes;
	size_t without; /* this guest is not counted */
	/* What may be anywhere is added up first, and spread once. */
	uint64_t loose_bytes;
	uint64_t loose_pool_bytes;
	uint64_t loose_millicpu;
	unsigned n_node_words; /* of all nodes together, empty ones in between included */
	/* Which words of the CPU set that is being spread are not empty; all where not listed. */
	unsigned n_words;
	unsigned words[PLACE_SET_WORDS];
};

/* What somebody holds of the host. */
struct claim {
	const struct place_set *mems; /* NULL: anywhere */
	const struct place_set *cpus; /* NULL: anywhere in mems */
	bool is_even;		      /* interleaved */
	uint64_t plain_bytes;
	uint64_t pool_bytes;
	uint64_t millicpu;
};

/* ---- the nodes alone ---------------------------------------------------------------------- */

static void find_words(struct place_node_model *node, const struct place_set *cpus)
{
	node->first_word = PLACE_SET_WORDS;
	node->end_word = 0;
	for (unsigned i = 0; i < PLACE_SET_WORDS; i++) {
		if (!cpus->words[i])
			continue;
		node->first_word = node->first_word < i ? node->first_word : i;
		node->end_word = i + 1;
	}
}

static unsigned count_common(const struct place_node_model *node, const struct place_set *cpus,
			     const struct place_set *with)
{
	unsigned count = 0;

	for (unsigned i = node->first_word; i < node->end_word; i++) {
		uint64_t word = cpus->words[i] & with->words[i];

		if (word)
			count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

static unsigned count_usable_cpus(const struct build *build, const struct place_node_model *node,
				  const struct place_set *cpus)
{
	const struct place_confine *confine = &build->sample->confine;
	unsigned count = 0;

	for (unsigned i = node->first_word; i < node->end_word; i++) {
		uint64_t word = cpus->words[i] & ~build->policy->reserved_cpus.words[i];

		if (confine->have_cpus)
			word &= confine->cpus.words[i];
		if (word)
			count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

static void fill_cpus(struct build *build, size_t i)
{
	const struct place_node *from = &build->topology->nodes[i];
	struct place_node_model *node = &build->nodes[i];
	unsigned all, cores = from->n_cores;
	uint64_t capacity;

	find_words(node, &from->cpus);
	if (node->end_word)
		build->n_node_words += node->end_word - node->first_word;
	all = count_common(node, &from->cpus, &from->cpus);
	node->n_cpus = count_usable_cpus(build, node, &from->cpus);
	if (!all)
		return;
	if (!cores || cores > all)
		cores = all;
	capacity = (uint64_t)cores * 1000 +
		   (uint64_t)(all - cores) * place_least(build->policy->smt_percent, 100) * 10;
	node->capacity_millicpu = capacity * node->n_cpus / all;
}

/* A guest takes its pages from one pool: what two sizes have together is of no use to it. */
static uint64_t largest_pool(const struct place_node_sample *from)
{
	uint64_t most = 0;

	if (!(from->known & PLACE_NODE_POOLS))
		return 0;
	for (size_t i = 0; i < from->n_pools && i < PLACE_POOLS_MAX; i++)
		most = place_most(
			most, place_multiply(from->pools[i].free_pages, from->pools[i].page_bytes));
	return most;
}

static void fill_memory(const struct build *build, size_t i)
{
	const struct place_node_sample *from = &build->sample->nodes[i];
	struct place_node_model *node = &build->nodes[i];
	uint64_t margin;

	if (from->known & PLACE_NODE_TOTAL)
		node->total_bytes = from->total_bytes;
	if (from->known & PLACE_NODE_FREE)
		node->free_bytes = from->free_bytes;
	if ((from->known & PLACE_NODE_RECLAIMABLE) && build->policy->count_reclaimable)
		node->reclaimable_bytes = from->reclaimable_bytes;
	if (from->known & PLACE_NODE_RESERVE)
		node->reserve_bytes = from->reserve_bytes;
	margin = place_scale(node->total_bytes, build->policy->reserve_permille, 1000);
	node->reserve_bytes = place_most(node->reserve_bytes, margin);
	node->pool_bytes = largest_pool(from);
	node->left_bytes = place_subtract(place_add(node->free_bytes, node->reclaimable_bytes),
					  node->reserve_bytes);
	if (from->known & PLACE_NODE_FREE)
		node->flags |= PLACE_NODE_MEMORY_KNOWN;
	if (node->total_bytes || node->free_bytes)
		node->flags |= PLACE_NODE_HAS_MEMORY;
}

static void fill_flags(const struct build *build, size_t i)
{
	const unsigned fit = PLACE_NODE_HAS_MEMORY | PLACE_NODE_MEMORY_KNOWN | PLACE_NODE_ALLOWED;
	const struct place_confine *confine = &build->sample->confine;
	struct place_node_model *node = &build->nodes[i];

	if (node->n_cpus)
		node->flags |= PLACE_NODE_HAS_CPUS;
	if (!confine->have_mems || place_set_has(&confine->mems, node->id))
		node->flags |= PLACE_NODE_ALLOWED;
	if ((node->flags & fit) != fit)
		return;
	if (node->n_cpus)
		node->flags |= PLACE_NODE_ELIGIBLE;
	else if (place_set_is_empty(&build->topology->nodes[i].cpus) &&
		 build->policy->memory_only_nodes == PLACE_MEMORY_ONLY_OVERFLOW)
		node->flags |= PLACE_NODE_OVERFLOW;
}

/* ---- spreading ---------------------------------------------------------------------------- */

/* Makes the weights so small that a product with their sum fits 64 bits; returns that sum. */
static uint64_t shrink_weights(struct build *build)
{
	uint64_t sum = 0, shrunk = 0;
	unsigned shift = 0;

	for (size_t i = 0; i < build->n_nodes; i++)
		sum += build->nodes[i].weight;
	while (sum >> shift >> 32)
		shift++;
	if (!shift)
		return sum;
	for (size_t i = 0; i < build->n_nodes; i++) {
		build->nodes[i].weight >>= shift;
		shrunk += build->nodes[i].weight;
	}
	return shrunk;
}

/*
 * Adds `amount` to a field of the nodes in proportion to their weights. The parts add up to
 * the amount exactly: each is the difference of two rounded running sums.
 */
static void spread(struct build *build, uint64_t amount, size_t field)
{
	uint64_t sum = amount ? shrink_weights(build) : 0, whole, rest, running = 0, given = 0;

	if (!sum)
		return;
	whole = amount / sum;
	rest = amount % sum;
	for (size_t i = 0; i < build->n_nodes; i++) {
		uint64_t weight = build->nodes[i].weight, running_share;
		uint64_t *value = (uint64_t *)((char *)&build->nodes[i] + field);

		if (!weight)
			continue;
		running += weight;
		running_share = rest * running / sum;
		*value = place_add(*value, whole * weight + running_share - given);
		given = running_share;
	}
}

static bool is_source(const struct build *build, size_t i, const struct place_set *mems)
{
	return (build->nodes[i].flags & PLACE_NODE_HAS_MEMORY) &&
	       (!mems || place_set_has(mems, build->nodes[i].id));
}

/* The only node that the memory can come from; n_nodes where there are several or none. */
static size_t only_source(const struct build *build, const struct place_set *mems, size_t *ret_n)
{
	size_t only = build->n_nodes, n = 0;

	for (size_t i = 0; i < build->n_nodes; i++) {
		if (!is_source(build, i, mems))
			continue;
		only = i;
		n++;
	}
	*ret_n = n;
	return n == 1 ? only : build->n_nodes;
}

static uint64_t weigh_left(const struct place_node_model *node)
{
	return place_least(node->left_bytes, WEIGHT_MAX);
}

static uint64_t weigh_pool(const struct place_node_model *node)
{
	return place_least(node->pool_bytes, WEIGHT_MAX);
}

static uint64_t weigh_even(const struct place_node_model *node)
{
	(void)node;
	return 1;
}

static void spread_memory(struct build *build, const struct place_set *mems, uint64_t amount,
			  uint64_t (*weigh)(const struct place_node_model *node), size_t field)
{
	uint64_t sum = 0;

	if (!amount)
		return;
	for (size_t i = 0; i < build->n_nodes; i++) {
		struct place_node_model *node = &build->nodes[i];

		node->weight = is_source(build, i, mems) ? weigh(node) : 0;
		sum += node->weight;
	}
	/* Where nothing is left at all, it comes from anywhere. */
	for (size_t i = 0; !sum && i < build->n_nodes; i++)
		build->nodes[i].weight = is_source(build, i, mems);
	spread(build, amount, field);
}

/* ---- claims ------------------------------------------------------------------------------- */

static uint64_t guest_millicpu(const struct place_guest *guest)
{
	bool have_vcpus = guest->known & PLACE_GUEST_VCPUS;
	uint64_t vcpus = have_vcpus && guest->n_vcpus ? guest->n_vcpus : 1;
	uint64_t step = vcpus * 1000 / CPU_STEPS, steps;

	if (!(guest->known & PLACE_GUEST_LOAD))
		return vcpus * 1000;
	steps = guest->load_millicpu / step + (guest->load_millicpu % step != 0);
	steps = place_most(steps, 1);
	/* QEMU's own threads add to it, but what exceeds the vCPUs does not last. */
	return step * (have_vcpus ? place_least(steps, CPU_STEPS) : steps);
}

void place_model_guest_claim(const struct place_policy *policy, const struct place_guest *guest,
			     uint64_t *ret_plain_bytes, uint64_t *ret_pool_bytes)
{
	uint64_t overhead = policy->guest_overhead_bytes;
	uint64_t ram = guest->memory_bytes;
	bool have_resident = guest->known & PLACE_GUEST_RESIDENT;
	uint64_t resident = have_resident ? guest->resident_bytes : 0;
	uint64_t resident_pool = have_resident ? guest->resident_pool_bytes : 0;

	*ret_plain_bytes = *ret_pool_bytes = 0;
	if (!(guest->known & PLACE_GUEST_MEMORY))
		return;
	if (guest->known & PLACE_GUEST_BALLOON)
		ram = place_least(ram, guest->balloon_bytes);
	if (guest->hugepage_bytes) {
		*ret_pool_bytes = place_subtract(ram, resident_pool);
		*ret_plain_bytes = place_subtract(overhead, resident);
	} else {
		*ret_plain_bytes = place_subtract(place_add(ram, overhead), resident);
	}
}

static struct claim claim_of_guest(const struct build *build, const struct place_guest *guest)
{
	bool is_bound = guest->known & PLACE_GUEST_MEMS && guest->bind != PLACE_BIND_NONE;
	struct claim claim = {
		.mems = is_bound ? &guest->mems : NULL,
		.cpus = guest->known & PLACE_GUEST_CPUS ? &guest->cpus : NULL,
		.is_even = guest->bind == PLACE_BIND_INTERLEAVE || guest->is_split,
		.millicpu = guest_millicpu(guest),
	};

	place_model_guest_claim(build->policy, guest, &claim.plain_bytes, &claim.pool_bytes);
	return claim;
}

static struct claim claim_of_promise(const struct build *build, const struct place_promise *promise)
{
	uint64_t overhead = promise->memory_bytes ? build->policy->guest_overhead_bytes : 0;
	uint64_t with_overhead = place_add(promise->memory_bytes, overhead);
	struct claim claim = {
		.mems = &promise->nodes,
		.millicpu = (uint64_t)promise->vcpus_centi * 10,
	};

	switch (build->policy->hugepages) {
	case PLACE_HUGEPAGES_NEVER:
		claim.plain_bytes = with_overhead;
		break;
	case PLACE_HUGEPAGES_ALWAYS:
		claim.plain_bytes = overhead;
		claim.pool_bytes = promise->memory_bytes;
		break;
	case PLACE_HUGEPAGES_EITHER:
	default:
		claim.plain_bytes = with_overhead;
		claim.pool_bytes = promise->memory_bytes;
		break;
	}
	return claim;
}

/* What can come from one node only, from all nodes alike, or evenly from several. */
static void charge_fixed_memory(struct build *build, const struct claim *claim)
{
	size_t n, only;

	if (!claim->plain_bytes && !claim->pool_bytes)
		return;
	only = only_source(build, claim->mems, &n);
	if (!claim->mems || !n) {
		build->loose_bytes = place_add(build->loose_bytes, claim->plain_bytes);
		build->loose_pool_bytes = place_add(build->loose_pool_bytes, claim->pool_bytes);
	} else if (n == 1) {
		struct place_node_model *node = &build->nodes[only];

		node->promised_bytes = place_add(node->promised_bytes, claim->plain_bytes);
		node->pool_promised_bytes = place_add(node->pool_promised_bytes, claim->pool_bytes);
	} else if (claim->is_even) {
		spread_memory(build, claim->mems, claim->plain_bytes, weigh_even,
			      offsetof(struct place_node_model, promised_bytes));
		spread_memory(build, claim->mems, claim->pool_bytes, weigh_even,
			      offsetof(struct place_node_model, pool_promised_bytes));
	}
}

/* What may come from several nodes, by what those have left after all of the above. */
static void charge_shared_memory(struct build *build, const struct claim *claim)
{
	size_t n;

	if (!claim->mems || claim->is_even || (!claim->plain_bytes && !claim->pool_bytes))
		return;
	(void)only_source(build, claim->mems, &n);
	if (n < 2)
		return;
	spread_memory(build, claim->mems, claim->plain_bytes, weigh_left,
		      offsetof(struct place_node_model, promised_bytes));
	spread_memory(build, claim->mems, claim->pool_bytes, weigh_pool,
		      offsetof(struct place_node_model, pool_promised_bytes));
}

/* Worth its while only where the nodes have more words than the set that is walked for it. */
static void list_words(struct build *build, const struct place_set *cpus)
{
	build->n_words = PLACE_SET_WORDS;
	if (build->n_node_words <= PLACE_SET_WORDS)
		return;
	build->n_words = 0;
	for (unsigned i = 0; i < PLACE_SET_WORDS; i++)
		if (cpus->words[i])
			build->words[build->n_words++] = i;
}

/* Guests have few words of CPUs; a node's siblings may lie far apart. Walk what is shorter. */
static unsigned count_claimed(const struct build *build, size_t i, const struct place_set *claimed)
{
	const struct place_node_model *node = &build->nodes[i];
	const struct place_set *cpus = &build->topology->nodes[i].cpus;
	unsigned count = 0;

	if (build->n_words + node->first_word > node->end_word)
		return count_common(node, cpus, claimed);
	for (unsigned k = 0; k < build->n_words; k++) {
		uint64_t word = cpus->words[build->words[k]] & claimed->words[build->words[k]];

		if (word)
			count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

/*
 * The CPUs are the emulator thread's. Where none of them is beside the memory, it has been pinned
 * out of the vCPUs' way, and those run where the memory is.
 */
static bool are_cpus_elsewhere(const struct build *build, const struct claim *claim)
{
	if (!claim->cpus || !claim->mems)
		return false;
	for (size_t i = 0; i < build->n_nodes; i++)
		if (place_set_has(claim->mems, build->nodes[i].id) &&
		    count_claimed(build, i, claim->cpus))
			return false;
	return true;
}

static uint64_t weigh_cpus(const struct build *build, size_t i, const struct claim *claim)
{
	const struct place_node_model *node = &build->nodes[i];

	if (claim->cpus)
		return count_claimed(build, i, claim->cpus);
	if (claim->mems)
		return place_set_has(claim->mems, node->id) ? node->n_cpus : 0;
	return node->n_cpus;
}

static void charge_cpu(struct build *build, const struct claim *claim)
{
	const struct place_set *online = &build->topology->cpus_online;
	struct claim at = { .mems = claim->mems, .cpus = claim->cpus };
	uint64_t sum = 0;
	bool is_loose;

	if (at.cpus)
		list_words(build, at.cpus);
	if (are_cpus_elsewhere(build, &at))
		at.cpus = NULL;
	is_loose = at.cpus ? place_set_is_subset(online, at.cpus) : !at.mems;
	for (size_t i = 0; !is_loose && i < build->n_nodes; i++) {
		build->nodes[i].weight = weigh_cpus(build, i, &at);
		sum += build->nodes[i].weight;
	}
	if (sum)
		spread(build, claim->millicpu,
		       offsetof(struct place_node_model, committed_millicpu));
	else
		build->loose_millicpu = place_add(build->loose_millicpu, claim->millicpu);
}

static void charge_fixed(struct build *build, const struct claim *claim)
{
	charge_fixed_memory(build, claim);
	charge_cpu(build, claim);
}

static void for_each_claim(struct build *build, const struct place_promise *promises,
			   size_t n_promises,
			   void (*charge)(struct build *build, const struct claim *claim))
{
	for (size_t i = 0; i < build->sample->n_guests; i++) {
		struct claim claim;

		if (i == build->without)
			continue;
		claim = claim_of_guest(build, &build->sample->guests[i]);
		charge(build, &claim);
	}
	for (size_t i = 0; i < n_promises; i++) {
		struct claim claim;

		/* Its guest is charged instead. */
		if (promises[i].pid)
			continue;
		claim = claim_of_promise(build, &promises[i]);
		charge(build, &claim);
	}
}

static void settle_left(struct build *build)
{
	for (size_t i = 0; i < build->n_nodes; i++) {
		struct place_node_model *node = &build->nodes[i];

		node->left_bytes = place_subtract(node->left_bytes, node->promised_bytes);
		node->pool_bytes = place_subtract(node->pool_bytes, node->pool_promised_bytes);
	}
}

static void charge_loose(struct build *build)
{
	const struct claim anywhere = { 0 };

	spread_memory(build, NULL, build->loose_bytes, weigh_left,
		      offsetof(struct place_node_model, promised_bytes));
	spread_memory(build, NULL, build->loose_pool_bytes, weigh_pool,
		      offsetof(struct place_node_model, pool_promised_bytes));
	for (size_t i = 0; i < build->n_nodes; i++)
		build->nodes[i].weight = weigh_cpus(build, i, &anywhere);
	spread(build, build->loose_millicpu, offsetof(struct place_node_model, committed_millicpu));
}

static void fill_results(const struct build *build, size_t i)
{
	struct place_node_model *node = &build->nodes[i];
	uint64_t taken = place_add(node->reserve_bytes, node->promised_bytes);

	node->usable_bytes =
		place_subtract(place_add(node->free_bytes, node->reclaimable_bytes), taken);
	node->pool_bytes =
		place_subtract(largest_pool(&build->sample->nodes[i]), node->pool_promised_bytes);
}

int place_model_build_without(const struct place_topology *topology,
			      const struct place_sample *sample, size_t without,
			      const struct place_promise *promises, size_t n_promises,
			      const struct place_policy *policy, struct place_node_model *nodes,
			      struct place_model *ret_model)
{
	struct build build = { .topology = topology,
			       .sample = sample,
			       .policy = policy,
			       .nodes = nodes,
			       .n_nodes = topology->n_nodes,
			       .without = without };

	if (sample->n_nodes != topology->n_nodes || topology->n_nodes > PLACE_SET_MAX)
		return -EINVAL;
	for (size_t i = 0; i < build.n_nodes; i++) {
		nodes[i] = (struct place_node_model){ .id = topology->nodes[i].id };
		fill_cpus(&build, i);
		fill_memory(&build, i);
		fill_flags(&build, i);
	}
	for_each_claim(&build, promises, n_promises, charge_fixed);
	settle_left(&build);
	for_each_claim(&build, promises, n_promises, charge_shared_memory);
	charge_loose(&build);
	for (size_t i = 0; i < build.n_nodes; i++)
		fill_results(&build, i);
	*ret_model = (struct place_model){ .n_nodes = build.n_nodes,
					   .nodes = nodes,
					   .distance = topology->distance,
					   .now_ns = sample->taken_ns };
	return 0;
}

int place_model_build(const struct place_topology *topology, const struct place_sample *sample,
		      const struct place_promise *promises, size_t n_promises,
		      const struct place_policy *policy, struct place_node_model *nodes,
		      struct place_model *ret_model)
{
	return place_model_build_without(topology, sample, SIZE_MAX, promises, n_promises, policy,
					 nodes, ret_model);
}
