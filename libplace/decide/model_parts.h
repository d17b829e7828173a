/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the model share: model_nodes.c fills the nodes, model_claims.c says what guests
 * and promises hold, model.c charges it, model_spread.c divides it among nodes. Pure, as all of
 * decide/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"

struct model_build {
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
struct model_claim {
	const struct place_set *mems; /* NULL: anywhere */
	const struct place_set *cpus; /* NULL: anywhere in mems */
	bool is_even;		      /* interleaved */
	uint64_t plain_bytes;
	uint64_t pool_bytes;
	uint64_t millicpu;
};

/* Fills node i of build->nodes as it is before anybody is charged. */
void model_fill_node(struct model_build *build, size_t i);

/* CPUs that are in both; `cpus` are those of the node. */
unsigned model_count_common(const struct place_node_model *node, const struct place_set *cpus,
			    const struct place_set *with);

struct model_claim model_claim_of_guest(const struct model_build *build,
					const struct place_guest *guest);
struct model_claim model_claim_of_promise(const struct model_build *build,
					  const struct place_promise *promise);

/*
 * Adds `amount` to a field of the nodes (its offset) in proportion to their weights, and makes
 * those smaller where sums would not fit. The parts add up to the amount exactly: each is the
 * difference of two rounded running sums.
 */
void model_spread(struct model_build *build, uint64_t amount, size_t field);

/* The only node that the memory can come from; n_nodes where there are several or none. */
size_t model_only_source(const struct model_build *build, const struct place_set *mems,
			 size_t *ret_n);

uint64_t model_weigh_left(const struct place_node_model *node);
uint64_t model_weigh_pool(const struct place_node_model *node);
uint64_t model_weigh_even(const struct place_node_model *node);

/* The same over those of mems (NULL: all) that have memory, by a weight of each. */
void model_spread_memory(struct model_build *build, const struct place_set *mems, uint64_t amount,
			 uint64_t (*weigh)(const struct place_node_model *node), size_t field);
