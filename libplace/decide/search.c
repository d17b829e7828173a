/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the candidates in order of room, and searches exactly where that can be paid for. */
#include "decide/search.h"

#include "decide/score.h"
#include "decide/search_parts.h"

uint64_t search_distance(const struct search *search, size_t a, size_t b)
{
	return place_score_distance(search->model, search->candidates[a].index,
				    search->candidates[b].index);
}

bool search_holds(const struct search *search, const struct search_set *set)
{
	return set->room >= search->room && set->centicpu >= search->centicpu;
}

/* The lowest ids are those of the set that has the lowest id in which the two differ. */
static bool is_lower(uint64_t a, uint64_t b)
{
	uint64_t differ = a ^ b;

	return a & differ & (~differ + 1);
}

bool search_is_better(const struct search_set *a, const struct search_set *b)
{
	if (a->n != b->n)
		return a->n < b->n;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	if (a->room != b->room)
		return a->room > b->room;
	return is_lower(a->ids, b->ids);
}

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
	if (!search_all_sets(&search, least))
		search_by_growing(&search, least);
}
