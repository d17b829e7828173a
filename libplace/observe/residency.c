/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sampler: strata, a small generator, counts per node. */
#include "observe/residency.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "observe/facts.h"
#include "observe/numa_maps.h"

/*
 * Pages per call. The kernel takes the mmap lock per 16 of them (mm/migrate.c
 * DO_PAGES_STAT_CHUNK_NR, 6.18), so the size matters to nobody but us: 512 pointers and answers
 * are 6 KiB of stack.
 */
#define CHUNK 512

/* numa_maps costs 1.0 ms for 128 MiB, 4096 samples 1.1 (performance measured 2026-11). */
#define NUMA_MAPS_MOST (UINT64_C(128) << 20)

struct sampler {
	const struct place_topology *topology;
	place_residency_ask ask;
	void *data;
	uint64_t random;
	uint64_t *counts; /* by index of the node, of the range that is being sampled */
	uint64_t n_asked;
	uint64_t n_present;
	size_t n; /* in the chunk */
	void *pages[CHUNK];
	int status[CHUNK];
};

/* splitmix64 (Steele and others, 2014): every seed gives a full period. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Below `bound`, by the high half of a product: no loop, and a bias of bound / 2^64. */
static uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)next_random(state) * bound >> 64);
}

/* Ids are the indices on most machines. */
static size_t find_node(const struct place_topology *topology, int id)
{
	const size_t guess = (size_t)id;

	if (guess < topology->n_nodes && topology->nodes[guess].id == (unsigned)id)
		return guess;
	for (size_t i = 0; i < topology->n_nodes; i++)
		if (topology->nodes[i].id == (unsigned)id)
			return i;
	return topology->n_nodes;
}

static int flush(struct sampler *sampler)
{
	int r;

	if (!sampler->n)
		return 0;
	memset(sampler->status, 0xff, sampler->n * sizeof(sampler->status[0]));
	r = sampler->ask(sampler->data, sampler->n, sampler->pages, sampler->status);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sampler->n; i++) {
		size_t node;

		if (sampler->status[i] < 0)
			continue;
		node = find_node(sampler->topology, sampler->status[i]);
		if (node == sampler->topology->n_nodes)
			continue;
		sampler->counts[node]++;
		sampler->n_present++;
	}
	sampler->n_asked += sampler->n;
	sampler->n = 0;
	return 0;
}

static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)((unsigned __int128)a * b / c);
}

/* One random page of each stratum; strata that hold one page are no more random. */
static int sample_range(struct sampler *sampler, const struct place_range *range, uint64_t n_strata)
{
	const uint64_t n_pages = (range->end - range->start) / range->page_bytes;
	uint64_t from = 0;
	int r;

	for (uint64_t i = 0; i < n_strata; i++) {
		const uint64_t to = scale(i + 1, n_pages, n_strata);
		const uint64_t page = from + random_below(&sampler->random, to - from);

		sampler->pages[sampler->n++] =
			(void *)(uintptr_t)(range->start + page * range->page_bytes);
		from = to;
		if (sampler->n < CHUNK)
			continue;
		r = flush(sampler);
		if (r < 0)
			return r;
	}
	return flush(sampler);
}

static int sample_ranges(struct sampler *sampler, const struct place_ranges *ranges,
			 size_t n_samples, uint64_t *bytes, bool *ret_is_exact)
{
	*ret_is_exact = true;
	for (size_t i = 0; i < ranges->n; i++) {
		const struct place_range *range = &ranges->list[i];
		const uint64_t size = range->end - range->start;
		const uint64_t n_pages = size / range->page_bytes;
		uint64_t n_strata = scale(size, n_samples, ranges->bytes) + 1;
		int r;

		if (n_strata >= n_pages)
			n_strata = n_pages;
		else
			*ret_is_exact = false;
		memset(sampler->counts, 0, sampler->topology->n_nodes * sizeof(sampler->counts[0]));
		r = sample_range(sampler, range, n_strata);
		if (r < 0)
			return r;
		for (size_t j = 0; j < sampler->topology->n_nodes; j++)
			bytes[j] += scale(sampler->counts[j], size, n_strata);
	}
	return 0;
}

static uint64_t square_root(uint64_t number)
{
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root + bit) * (root + bit) <= number)
			root += bit;
	return root;
}

/* In permille: 2.576 * sqrt(p * (1000 - p) / n), p of the node whose share is nearest to half. */
static unsigned find_error(const uint64_t *bytes, size_t n_nodes, uint64_t all_bytes,
			   uint64_t n_present)
{
	uint64_t most = 0;

	if (!n_present || !all_bytes)
		return 1000;
	for (size_t i = 0; i < n_nodes; i++) {
		const uint64_t p = scale(bytes[i], 1000, all_bytes);

		if (p <= 1000 && p * (1000 - p) > most)
			most = p * (1000 - p);
	}
	/* Rounded up: 2.576 squared is 6.636. */
	most = square_root(most * 6636 / n_present / 1000) + 1;
	return most > 1000 ? 1000 : (unsigned)most;
}

static uint64_t sum_bytes(const uint64_t *bytes, size_t n_nodes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n_nodes; i++)
		sum += bytes[i];
	return sum;
}

int place_residency_sample(const struct place_ranges *ranges, const struct place_topology *topology,
			   size_t n_samples, uint64_t seed, place_residency_ask ask, void *data,
			   uint64_t *bytes, struct place_residency *ret_residency)
{
	_cleanup_free_ uint64_t *counts = calloc(topology->n_nodes, sizeof(*counts));
	_cleanup_free_ struct sampler *sampler = calloc(1, sizeof(*sampler));
	struct place_residency residency = { 0 };
	bool is_exact;
	int r;

	if (!ranges->n || !ranges->bytes || !n_samples)
		return -EINVAL;
	if (!counts || !sampler)
		return -ENOMEM;
	*sampler = (struct sampler){
		.topology = topology,
		.ask = ask,
		.data = data,
		.random = seed,
		.counts = counts,
	};
	memset(bytes, 0, topology->n_nodes * sizeof(*bytes));
	r = sample_ranges(sampler, ranges, n_samples, bytes, &is_exact);
	if (r < 0)
		return r;
	residency.n_asked = sampler->n_asked;
	residency.n_present = sampler->n_present;
	residency.present_bytes = sum_bytes(bytes, topology->n_nodes);
	residency.error_permille = is_exact ?
					   0 :
					   find_error(bytes, topology->n_nodes,
						      residency.present_bytes, residency.n_present);
	*ret_residency = residency;
	return 0;
}

static bool is_same(const struct place_root *root, struct place_text *text,
		    const struct place_guest *guest)
{
	uint64_t cpu_time_ns, start_ns;

	return place_root_readf(root, text, "proc/%d/stat", guest->pid) == 0 &&
	       place_facts_parse_stat(text->data, &cpu_time_ns, &start_ns) == 0 &&
	       start_ns == guest->start_ns;
}

static int read_numa_maps(const struct place_root *root, struct place_text *text,
			  const struct place_topology *topology, const struct place_ranges *ranges,
			  const struct place_guest *guest, uint64_t *bytes,
			  struct place_residency *ret_residency)
{
	int r;

	r = place_root_readf(root, text, "proc/%d/numa_maps", guest->pid);
	if (r < 0)
		return r;
	memset(bytes, 0, topology->n_nodes * sizeof(*bytes));
	*ret_residency = (struct place_residency){
		.present_bytes = place_numa_maps_sum(text->data, ranges, topology, bytes),
	};
	return 0;
}

int place_residency_read(const struct place_root *root, struct place_text *text,
			 const struct place_topology *topology, const struct place_mounts *mounts,
			 const struct place_guest *guest, bool is_guest, size_t n_samples,
			 uint64_t seed, place_residency_ask ask, void *data, uint64_t *bytes,
			 struct place_residency *ret_residency)
{
	_cleanup_free_ struct place_ranges *ranges = malloc(sizeof(*ranges));
	int r;

	if (!ranges)
		return -ENOMEM;
	if (!is_same(root, text, guest))
		return -ESRCH;
	r = place_ranges_read(root, text, mounts, guest, is_guest, ranges);
	if (r < 0)
		return r;
	r = -ENOENT;
	if (ranges->bytes <= NUMA_MAPS_MOST)
		r = read_numa_maps(root, text, topology, ranges, guest, bytes, ret_residency);
	if (r < 0)
		r = place_residency_sample(ranges, topology, n_samples, seed, ask, data, bytes,
					   ret_residency);
	if (r == 0 && !is_same(root, text, guest))
		r = -ESRCH;
	return r;
}
