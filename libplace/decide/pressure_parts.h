/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of pressure*.c share: whose growth lies where. */
#pragma once

#include "arith.h"
#include "decide/pressure.h"

/* Less than this is noise of reading one file after the other. */
#define NOISE_BYTES PLACE_MIB

/* In place of a page size: plain memory. */
#define PLAIN 0

/* How a claim is spread over nodes: the model's rule (model.c spread_memory()). */
struct tie {
	const struct place_set *mems; /* NULL: all */
	uint64_t page_bytes;	      /* of the pools that it is spread over, or PLAIN */
	bool is_even;
	uint64_t sum; /* of the weights */
};

static inline const struct place_activity *pressure_activity(
	const struct place_pressure_input *input, size_t guest)
{
	return input->activities ? &input->activities[guest] : NULL;
}

/* What a guest may have: less what is ballooned away. */
uint64_t pressure_limit(const struct place_guest *guest);

/*
 * Of plain memory, what a guest may take yet: its own, and its QEMU's share of the policy's
 * overhead.
 */
uint64_t pressure_growth(const struct place_pressure_input *input, const struct place_guest *guest);

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

/* Of all that lack room: whether swap takes that, PLACE_RISK_SWAP or PLACE_RISK_KILL. */
void pressure_settle_swap(const struct place_pressure_input *input,
			  struct place_pressure_node *nodes, struct place_pressure *pressures);
