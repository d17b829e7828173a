/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sampler: strata, a small generator, counts per node. */
#include "observe/residency.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"
#include "host/cleanup.h"

/*
 * Pages per call. The kernel takes the mmap lock per 16 of them (mm/migrate.c
 * DO_PAGES_STAT_CHUNK_NR, 6.18), so the size matters to nobody but us: 512 pointers and answers
 * are 6 KiB of stack.
 */
#define CHUNK 512

/*
 * Samples in a row take every residue of the page number modulo this once: pages that are
 * interleaved over 2, 4, .. nodes are then counted as evenly as they lie.
 */
#define RESIDUES 64

struct sampler {
	const struct place_topology *topology;
	const struct place_residency_how *how;
	int pid;
	uint64_t random;
	uint64_t *counts; /* by index of the node, of the range that is being sampled */
	uint64_t n_asked;
	uint64_t n_present;
	uint8_t residues[RESIDUES]; /* in random order, made anew when all were taken */
	size_t n_residues;	    /* that are left */
	size_t n;		    /* in the chunk */
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

static uint64_t next_residue(struct sampler *sampler)
{
	uint8_t *residues = sampler->residues;

	if (!sampler->n_residues) {
		for (size_t i = 0; i < RESIDUES; i++) {
			const size_t at = random_below(&sampler->random, i + 1);

			residues[i] = residues[at];
			residues[at] = (uint8_t)i;
		}
		sampler->n_residues = RESIDUES;
	}
	return residues[--sampler->n_residues];
}

/*
 * A random page of the stratum from..to: of those with the next residue where each has as good a
 * chance, else any. Strata are seldom multiples of the modulus, so what is over is drawn for first.
 */
static uint64_t draw_page(struct sampler *sampler, uint64_t from, uint64_t to)
{
	const uint64_t n_pages = to - from, page = random_below(&sampler->random, n_pages);
	uint64_t modulus = RESIDUES;

	while (modulus > n_pages)
		modulus /= 2;
	if (page >= n_pages / modulus * modulus)
		return from + page;
	return from + page / modulus * modulus +
	       (next_residue(sampler) + RESIDUES - from % RESIDUES) % modulus;
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
	r = sampler->how->ask(sampler->how->data, sampler->pid, sampler->n, sampler->pages,
			      sampler->status);
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

/* One random page of each stratum; strata that hold one page are no more random. */
static int sample_range(struct sampler *sampler, const struct place_range *range, uint64_t n_strata)
{
	const uint64_t n_pages = (range->end - range->start) / range->page_bytes;
	uint64_t from = 0;
	int r;

	for (uint64_t i = 0; i < n_strata; i++) {
		const uint64_t to = place_scale(i + 1, n_pages, n_strata);
		const uint64_t page = draw_page(sampler, from, to);

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
			 uint64_t *bytes, bool *ret_is_exact)
{
	*ret_is_exact = true;
	for (size_t i = 0; i < ranges->n; i++) {
		const struct place_range *range = &ranges->list[i];
		const uint64_t size = range->end - range->start;
		const uint64_t n_pages = size / range->page_bytes;
		uint64_t n_strata = place_scale(size, sampler->how->n_samples, ranges->bytes) + 1;
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
			bytes[j] += place_scale(sampler->counts[j], size, n_strata);
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
		const uint64_t p = place_scale(bytes[i], 1000, all_bytes);

		if (p <= 1000 && p * (1000 - p) > most)
			most = p * (1000 - p);
	}
	/* Rounded up: 2.576 squared is 6.636. */
	most = square_root(most * 6636 / n_present / 1000) + 1;
	return most > 1000 ? 1000 : (unsigned)most;
}

int place_residency_sample(const struct place_ranges *ranges, const struct place_topology *topology,
			   int pid, const struct place_residency_how *how, uint64_t *bytes,
			   struct place_residency *ret_residency)
{
	_cleanup_free_ uint64_t *counts = calloc(topology->n_nodes, sizeof(*counts));
	_cleanup_free_ struct sampler *sampler = calloc(1, sizeof(*sampler));
	struct place_residency residency = { 0 };
	bool is_exact;
	int r;

	if (!ranges->n || !ranges->bytes || !how->n_samples)
		return -EINVAL;
	if (!counts || !sampler)
		return -ENOMEM;
	*sampler = (struct sampler){
		.topology = topology,
		.how = how,
		.pid = pid,
		.random = how->seed,
		.counts = counts,
	};
	memset(bytes, 0, topology->n_nodes * sizeof(*bytes));
	r = sample_ranges(sampler, ranges, bytes, &is_exact);
	if (r < 0)
		return r;
	residency.n_asked = sampler->n_asked;
	residency.n_present = sampler->n_present;
	residency.present_bytes = place_sum(bytes, topology->n_nodes);
	residency.error_permille = is_exact ?
					   0 :
					   find_error(bytes, topology->n_nodes,
						      residency.present_bytes, residency.n_present);
	*ret_residency = residency;
	return 0;
}
