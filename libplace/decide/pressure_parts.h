/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of pressure*.c share: whose growth lies where. */
#pragma once

#include "decide/pressure.h"

/* In place of a page size: plain memory. */
#define PLAIN 0

/* How a claim is spread over nodes: the model's rule (model.c spread_memory()). */
struct tie {
	const struct place_set *mems; /* NULL: all */
	uint64_t page_bytes;	      /* of the pools that it is spread over, or PLAIN */
	bool is_even;
	uint64_t sum; /* of the weights */
};

struct tie pressure_tie(const struct place_pressure_input *input, const struct place_guest *guest,
			uint64_t page_bytes);

/* The part of `amount` that is charged to node i. */
uint64_t pressure_share(const struct place_pressure_input *input, const struct tie *tie,
			uint64_t amount, size_t i);

/* Room and promises of all nodes. */
void pressure_fill_nodes(const struct place_pressure_input *input,
			 struct place_pressure_node *nodes);

/* Room of node i and what is promised of it, of plain memory or of the pool of that page size. */
void pressure_weigh_node(const struct place_pressure_input *input,
			 const struct place_pressure_node *nodes, size_t i, uint64_t page_bytes,
			 uint64_t *ret_room, uint64_t *ret_promised);
