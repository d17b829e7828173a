/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All sets of a size. Candidates are in order of room, so that what the next r of them can hold
 * bounds what any r of them can, and most sets are never looked at. No recursion deeper than a set
 * is large.
 */
#include "decide/search_parts.h"

#define EXACT_CANDIDATES_MAX 64 /* a set is a word of bits then */

struct exact {
	struct search *search;
	uint64_t bits[EXACT_CANDIDATES_MAX]; /* of each candidate in a set's ids */
	size_t chosen[EXACT_CANDIDATES_MAX];
	size_t best_chosen[EXACT_CANDIDATES_MAX];
	size_t size;
	bool is_found;
	struct search_set best;
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

static void keep_exact(struct exact *exact, const struct search_set *set)
{
	if (!search_holds(exact->search, set) ||
	    (exact->is_found && !search_is_better(set, &exact->best)))
		return;
	exact->is_found = true;
	exact->best = *set;
	for (size_t i = 0; i < set->n; i++)
		exact->best_chosen[i] = exact->chosen[i];
}

static struct search_set with_candidate(const struct exact *exact, const struct search_set *set,
					size_t i)
{
	const struct place_candidate *candidate = &exact->search->candidates[i];
	struct search_set wider = *set;

	for (size_t j = 0; j < set->n; j++)
		wider.distance += search_distance(exact->search, exact->chosen[j], i);
	wider.distance += candidate->base;
	wider.room += candidate->room;
	wider.centicpu += candidate->centicpu;
	wider.ids |= exact->bits[i];
	wider.n++;
	return wider;
}

/* Adds each candidate from `from` on to the set, and the rest of its size behind that one. */
static void extend(struct exact *exact, const struct search_set *set, size_t from)
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
		struct search_set wider;

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

bool search_all_sets(struct search *search, size_t least)
{
	struct exact exact = { .search = search };

	if (search->n > EXACT_CANDIDATES_MAX)
		return false;
	number_bits(&exact);
	for (exact.size = least; exact.size <= search->n; exact.size++) {
		const struct search_set none = { 0 };

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
