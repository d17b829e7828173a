/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set that grows by the nearest node with which it can still hold what is asked, and is then
 * improved by exchanges. No time that grows beyond candidates x set size x a constant.
 */
#include "arith.h"
#include "decide/search_parts.h"

#define SEEDS_MAX 64	 /* starts of the growing search, all nodes up to that many */
#define SEEDS_LARGE 4	 /* ... and a few spread over all nodes beyond */
#define SWAPS_MAX 200000 /* exchanges looked at, over all seeds: some 2 ms */

static void choose(struct search *search, struct search_set *set, size_t chosen)
{
	struct place_candidate *candidate = &search->candidates[chosen];

	set->distance += candidate->reach;
	set->room += candidate->room;
	set->centicpu += candidate->centicpu;
	set->n++;
	candidate->is_chosen = true;
	for (size_t i = 0; i < search->n; i++)
		if (i != chosen)
			search->candidates[i].reach += search_distance(search, i, chosen);
}

static void drop(struct search *search, struct search_set *set, size_t dropped)
{
	struct place_candidate *candidate = &search->candidates[dropped];

	set->distance -= candidate->reach;
	set->room -= candidate->room;
	set->centicpu -= candidate->centicpu;
	set->n--;
	candidate->is_chosen = false;
	for (size_t i = 0; i < search->n; i++)
		if (i != dropped)
			search->candidates[i].reach -= search_distance(search, i, dropped);
}

/* What the n roomiest that are not chosen hold. */
static uint64_t most_room(const struct search *search, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; n && i < search->n; i++) {
		if (search->candidates[i].is_chosen)
			continue;
		sum += search->candidates[i].room;
		n--;
	}
	return sum;
}

static bool is_nearer(const struct place_candidate *a, const struct place_candidate *b)
{
	if (a->reach != b->reach)
		return a->reach < b->reach;
	return a->room != b->room ? a->room > b->room : a->index < b->index;
}

static uint64_t part(uint64_t have, uint64_t missing)
{
	return missing ? place_least(have, missing) * 1024 / missing : 0;
}

/* How much of what the set still lacks a candidate has, memory and CPUs counting alike. */
static uint64_t gain(const struct search *search, const struct search_set *set,
		     const struct place_candidate *candidate)
{
	return part(candidate->room, place_subtract(search->room, set->room)) +
	       part(candidate->centicpu, place_subtract(search->centicpu, set->centicpu));
}

static bool gains_more(const struct search *search, const struct search_set *set,
		       const struct place_candidate *a, const struct place_candidate *b)
{
	uint64_t gain_a = gain(search, set, a), gain_b = gain(search, set, b);

	return gain_a != gain_b ? gain_a > gain_b : is_nearer(a, b);
}

/*
 * The nearest candidate with which a set of `size` can still hold it; where none is such, the
 * one that brings the set furthest. n where all are chosen.
 */
static size_t next_candidate(const struct search *search, const struct search_set *set, size_t size)
{
	size_t missing = size > set->n ? size - set->n : 1;
	uint64_t others = most_room(search, missing - 1), all = most_room(search, missing);
	size_t best = search->n, any = search->n, rank = 0;

	for (size_t i = 0; i < search->n; i++) {
		const struct place_candidate *candidate = &search->candidates[i];
		uint64_t room, cpu;

		if (candidate->is_chosen)
			continue;
		room = rank++ < missing ? all : others + candidate->room;
		cpu = candidate->centicpu + (missing - 1) * search->cpu_most;
		if (any == search->n ||
		    gains_more(search, set, candidate, &search->candidates[any]))
			any = i;
		if (set->room + room < search->room || set->centicpu + cpu < search->centicpu)
			continue;
		if (best == search->n || is_nearer(candidate, &search->candidates[best]))
			best = i;
	}
	return best < search->n ? best : any;
}

/* Drops what the set holds it without: growing may have had to change its mind. */
static void shed(struct search *search, struct search_set *set)
{
	for (size_t i = search->n; i-- && search_holds(search, set);) {
		const struct place_candidate *candidate = &search->candidates[i];

		if (candidate->is_chosen && set->room - candidate->room >= search->room &&
		    set->centicpu - candidate->centicpu >= search->centicpu)
			drop(search, set, i);
	}
}

static void grow(struct search *search, struct search_set *set, size_t seed, size_t size)
{
	for (size_t i = 0; i < search->n; i++) {
		search->candidates[i].reach = search->candidates[i].base;
		search->candidates[i].is_chosen = false;
	}
	*set = (struct search_set){ 0 };
	choose(search, set, seed);
	while ((set->n < size || !search_holds(search, set)) && set->n < search->n)
		choose(search, set, next_candidate(search, set, size));
	shed(search, set);
}

/* Exchanges one for another where that is nearer, or as near and roomier. */
static bool swap_once(struct search *search, struct search_set *set, size_t out, size_t in)
{
	const struct place_candidate *leaves = &search->candidates[out];
	const struct place_candidate *comes = &search->candidates[in];
	uint64_t before = leaves->reach, after = comes->reach - search_distance(search, in, out);

	search->n_swaps++;
	if (after > before || (after == before && comes->room <= leaves->room))
		return false;
	if (set->room - leaves->room + comes->room < search->room ||
	    set->centicpu - leaves->centicpu + comes->centicpu < search->centicpu)
		return false;
	drop(search, set, out);
	choose(search, set, in);
	return true;
}

static bool improve_once(struct search *search, struct search_set *set)
{
	bool is_improved = false;

	for (size_t out = 0; out < search->n; out++) {
		for (size_t in = 0; in < search->n && search->candidates[out].is_chosen; in++) {
			if (search->n_swaps >= SWAPS_MAX)
				return false;
			if (!search->candidates[in].is_chosen)
				is_improved |= swap_once(search, set, out, in);
		}
	}
	return is_improved;
}

void search_by_growing(struct search *search, size_t least)
{
	size_t n_seeds = search->n <= SEEDS_MAX ? search->n : SEEDS_LARGE;
	struct search_set best = { 0 };

	for (size_t i = 0; i < n_seeds; i++) {
		struct search_set set;

		grow(search, &set, i * search->n / n_seeds, least);
		while (improve_once(search, &set))
			;
		if (i && !search_is_better(&set, &best))
			continue;
		best = set;
		for (size_t j = 0; j < search->n; j++)
			search->candidates[j].is_best = search->candidates[j].is_chosen;
	}
}
