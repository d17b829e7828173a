/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fewest, nearest nodes that hold something together. Candidates are kept in order of
 * room, so that what the next r of them can hold bounds what any r of them can, and most sets
 * are never looked at. No recursion deeper than a set is large, no time that grows beyond
 * candidates x set size x a constant.
 */
#include "decide/search.h"

#include "arith.h"
#include "decide/score.h"

#define EXACT_CANDIDATES_MAX 64 /* a set is a word of bits then */
#define SEEDS_MAX 64		/* starts of the growing search, all nodes up to that many */
#define SEEDS_LARGE 4		/* ... and a few spread over all nodes beyond */
#define SWAPS_MAX 200000	/* exchanges looked at, over all seeds: some 2 ms */

struct search {
	const struct place_model *model;
	struct place_candidate *candidates;
	size_t n;
	uint64_t room;
	uint64_t centicpu;
	uint64_t cpu_most; /* of one candidate */
	size_t n_swaps;
};

/* A set, complete or on the way; smaller distance and larger room are better. */
struct set {
	size_t n;
	uint64_t room;
	uint64_t centicpu;
	uint64_t distance;
	uint64_t ids; /* bit per candidate in ascending order of id; 0 in the growing search */
};

static uint64_t distance(const struct search *search, size_t a, size_t b)
{
	return place_score_distance(search->model, search->candidates[a].index,
				    search->candidates[b].index);
}

static bool holds(const struct search *search, const struct set *set)
{
	return set->room >= search->room && set->centicpu >= search->centicpu;
}

/* The lowest ids are those of the set that has the lowest id in which the two differ. */
static bool is_lower(uint64_t a, uint64_t b)
{
	uint64_t differ = a ^ b;

	return a & differ & (~differ + 1);
}

static bool is_better(const struct set *a, const struct set *b)
{
	if (a->n != b->n)
		return a->n < b->n;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	if (a->room != b->room)
		return a->room > b->room;
	return is_lower(a->ids, b->ids);
}

/* ---- order -------------------------------------------------------------------------------- */

static bool has_more_room(const struct place_candidate *a, const struct place_candidate *b)
{
	return a->room != b->room ? a->room > b->room : a->index < b->index;
}

static bool has_more_cpus(const struct place_candidate *a, const struct place_candidate *b)
{
	return a->centicpu != b->centicpu ? a->centicpu > b->centicpu : a->index < b->index;
}

/* A shell sort: the C library's qsort allocates. */
static void sort(struct place_candidate *candidates, size_t n,
		 bool (*is_first)(const struct place_candidate *a, const struct place_candidate *b))
{
	size_t gap = 1;

	while (gap < n / 3)
		gap = gap * 3 + 1;
	for (; gap; gap /= 3) {
		for (size_t i = gap; i < n; i++) {
			struct place_candidate moved = candidates[i];
			size_t at = i;

			for (; at >= gap && is_first(&moved, &candidates[at - gap]); at -= gap)
				candidates[at] = candidates[at - gap];
			candidates[at] = moved;
		}
	}
}

/* Puts candidates in order of room; returns the least size that a set can have. */
static size_t prepare(struct search *search)
{
	struct place_candidate *candidates = search->candidates;
	uint64_t room = 0, cpu = 0;
	size_t least = 1, cpu_least = 1;

	sort(candidates, search->n, has_more_cpus);
	search->cpu_most = candidates[0].centicpu;
	for (size_t i = 0; i < search->n && cpu < search->centicpu; i++) {
		cpu += candidates[i].centicpu;
		cpu_least = i + 1;
	}
	sort(candidates, search->n, has_more_room);
	for (size_t i = 0; i < search->n; i++) {
		if (room < search->room)
			least = i + 1;
		room += candidates[i].room;
		candidates[i].room_sum = room;
		candidates[i].is_chosen = false;
		candidates[i].is_best = false;
	}
	return least > cpu_least ? least : cpu_least;
}

/* ---- all sets of a size ------------------------------------------------------------------- */

struct exact {
	struct search *search;
	uint64_t bits[EXACT_CANDIDATES_MAX]; /* of each candidate in a set's ids */
	size_t chosen[EXACT_CANDIDATES_MAX];
	size_t best_chosen[EXACT_CANDIDATES_MAX];
	size_t size;
	bool is_found;
	struct set best;
};

/* How many sets of `size` there are, or limit + 1 where they are more. */
static uint64_t count_sets(size_t n, size_t size, uint64_t limit)
{
	uint64_t count = 1;

	if (size > n - size)
		size = n - size;
	for (size_t i = 1; i <= size; i++) {
		count = count * (n - size + i) / i;
		if (count > limit)
			return limit + 1;
	}
	return count;
}

static void keep_exact(struct exact *exact, const struct set *set)
{
	if (!holds(exact->search, set) || (exact->is_found && !is_better(set, &exact->best)))
		return;
	exact->is_found = true;
	exact->best = *set;
	for (size_t i = 0; i < set->n; i++)
		exact->best_chosen[i] = exact->chosen[i];
}

static struct set with_candidate(const struct exact *exact, const struct set *set, size_t i)
{
	const struct place_candidate *candidate = &exact->search->candidates[i];
	struct set wider = *set;

	for (size_t j = 0; j < set->n; j++)
		wider.distance += distance(exact->search, exact->chosen[j], i);
	wider.distance += candidate->base;
	wider.room += candidate->room;
	wider.centicpu += candidate->centicpu;
	wider.ids |= exact->bits[i];
	wider.n++;
	return wider;
}

/* Adds each candidate from `from` on to the set, and the rest of its size behind that one. */
static void extend(struct exact *exact, const struct set *set, size_t from)
{
	const struct search *search = exact->search;
	size_t missing = exact->size - set->n;

	if (!missing) {
		keep_exact(exact, set);
		return;
	}
	if (set->centicpu + missing * search->cpu_most < search->centicpu)
		return;
	for (size_t i = from; i + missing <= search->n; i++) {
		uint64_t before = i ? search->candidates[i - 1].room_sum : 0;
		struct set wider;

		if (set->room + search->candidates[i + missing - 1].room_sum - before <
		    search->room)
			break;
		wider = with_candidate(exact, set, i);
		if (exact->is_found && wider.distance > exact->best.distance)
			continue;
		exact->chosen[set->n] = i;
		extend(exact, &wider, i + 1);
	}
}

static void number_bits(struct exact *exact)
{
	const struct search *search = exact->search;

	for (size_t i = 0; i < search->n; i++) {
		unsigned rank = 0;

		for (size_t j = 0; j < search->n; j++)
			rank += search->candidates[j].index < search->candidates[i].index;
		exact->bits[i] = UINT64_C(1) << rank;
	}
}

/* Returns: whether it could look at all sets of the least size that holds it, and marked one. */
static bool search_exactly(struct search *search, size_t least)
{
	struct exact exact = { .search = search };

	if (search->n > EXACT_CANDIDATES_MAX)
		return false;
	number_bits(&exact);
	for (exact.size = least; exact.size <= search->n; exact.size++) {
		const struct set none = { 0 };

		if (count_sets(search->n, exact.size, PLACE_SEARCH_SETS_MAX) >
		    PLACE_SEARCH_SETS_MAX)
			return false;
		extend(&exact, &none, 0);
		if (!exact.is_found)
			continue;
		for (size_t i = 0; i < exact.size; i++)
			search->candidates[exact.best_chosen[i]].is_best = true;
		return true;
	}
	return false;
}

/* ---- growing and swapping ----------------------------------------------------------------- */

static void choose(struct search *search, struct set *set, size_t chosen)
{
	struct place_candidate *candidate = &search->candidates[chosen];

	set->distance += candidate->reach;
	set->room += candidate->room;
	set->centicpu += candidate->centicpu;
	set->n++;
	candidate->is_chosen = true;
	for (size_t i = 0; i < search->n; i++)
		if (i != chosen)
			search->candidates[i].reach += distance(search, i, chosen);
}

static void drop(struct search *search, struct set *set, size_t dropped)
{
	struct place_candidate *candidate = &search->candidates[dropped];

	set->distance -= candidate->reach;
	set->room -= candidate->room;
	set->centicpu -= candidate->centicpu;
	set->n--;
	candidate->is_chosen = false;
	for (size_t i = 0; i < search->n; i++)
		if (i != dropped)
			search->candidates[i].reach -= distance(search, i, dropped);
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
static uint64_t gain(const struct search *search, const struct set *set,
		     const struct place_candidate *candidate)
{
	return part(candidate->room, place_subtract(search->room, set->room)) +
	       part(candidate->centicpu, place_subtract(search->centicpu, set->centicpu));
}

static bool gains_more(const struct search *search, const struct set *set,
		       const struct place_candidate *a, const struct place_candidate *b)
{
	uint64_t gain_a = gain(search, set, a), gain_b = gain(search, set, b);

	return gain_a != gain_b ? gain_a > gain_b : is_nearer(a, b);
}

/*
 * The nearest candidate with which a set of `size` can still hold it; where none is such, the
 * one that brings the set furthest. n where all are chosen.
 */
static size_t next_candidate(const struct search *search, const struct set *set, size_t size)
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
static void shed(struct search *search, struct set *set)
{
	for (size_t i = search->n; i-- && holds(search, set);) {
		const struct place_candidate *candidate = &search->candidates[i];

		if (candidate->is_chosen && set->room - candidate->room >= search->room &&
		    set->centicpu - candidate->centicpu >= search->centicpu)
			drop(search, set, i);
	}
}

static void grow(struct search *search, struct set *set, size_t seed, size_t size)
{
	for (size_t i = 0; i < search->n; i++) {
		search->candidates[i].reach = search->candidates[i].base;
		search->candidates[i].is_chosen = false;
	}
	*set = (struct set){ 0 };
	choose(search, set, seed);
	while ((set->n < size || !holds(search, set)) && set->n < search->n)
		choose(search, set, next_candidate(search, set, size));
	shed(search, set);
}

/* Exchanges one for another where that is nearer, or as near and roomier. */
static bool swap_once(struct search *search, struct set *set, size_t out, size_t in)
{
	const struct place_candidate *leaves = &search->candidates[out];
	const struct place_candidate *comes = &search->candidates[in];
	uint64_t before = leaves->reach, after = comes->reach - distance(search, in, out);

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

static bool improve_once(struct search *search, struct set *set)
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

static void search_growing(struct search *search, size_t least)
{
	size_t n_seeds = search->n <= SEEDS_MAX ? search->n : SEEDS_LARGE;
	struct set best = { 0 };

	for (size_t i = 0; i < n_seeds; i++) {
		struct set set;

		grow(search, &set, i * search->n / n_seeds, least);
		while (improve_once(search, &set))
			;
		if (i && !is_better(&set, &best))
			continue;
		best = set;
		for (size_t j = 0; j < search->n; j++)
			search->candidates[j].is_best = search->candidates[j].is_chosen;
	}
}

void place_search_set(const struct place_model *model, struct place_candidate *candidates, size_t n,
		      uint64_t room, uint64_t centicpu)
{
	struct search search = {
		.model = model, .candidates = candidates, .n = n, .room = room, .centicpu = centicpu
	};
	size_t least;

	if (!n)
		return;
	least = prepare(&search);
	if (!search_exactly(&search, least))
		search_growing(&search, least);
}
