/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two ways of searching share: search_exact.c looks at all sets, search_grow.c cannot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide/search.h"

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
struct search_set {
	size_t n;
	uint64_t room;
	uint64_t centicpu;
	uint64_t distance;
	uint64_t ids; /* bit per candidate in ascending order of id; 0 in the growing search */
};

uint64_t search_distance(const struct search *search, size_t a, size_t b);
bool search_holds(const struct search *search, const struct search_set *set);
/* Fewer nodes, nearer, roomier, lower ids: in this order. */
bool search_is_better(const struct search_set *a, const struct search_set *b);

/* Returns: whether it could look at all sets of the least size that holds it, and marked one. */
bool search_all_sets(struct search *search, size_t least);

/* Marks the best that growing from several seeds and exchanging single nodes finds. */
void search_by_growing(struct search *search, size_t least);
