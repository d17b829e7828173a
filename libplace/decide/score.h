/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of two good answers is better. Only comparisons: what may be in an answer at all is
 * decided elsewhere. How the figures came about: doc/decisions/0003-advice-score.md.
 */
#pragma once

#include "flow.h"

/* A request, reduced to what is compared. */
struct place_need {
	uint64_t memory_bytes; /* with what QEMU needs beside the guest */
	uint64_t pool_bytes;   /* the same in hugepages: without that */
	uint64_t millicpu;     /* vCPUs asked for */
	uint64_t centicpu;     /* CPUs that an answer must have; less than asked where none has */
	bool from_pools;       /* the pools are the resource */
	bool prefer_both;      /* plain memory is, and a pool that holds it too is welcome */
};

/* What one node would be like with the guest in it. Smaller is better, field by field. */
struct place_score {
	unsigned is_short_of_cpu; /* 1: CPUs committed exceed those there by an eighth */
	uint64_t cost;		  /* the decision page says of what */
	unsigned is_pool_short;	  /* 1: plain memory would hold it, the pool would not */
	unsigned id;
};

/* Fractions of a node are counted in 1/1024. */
#define PLACE_SCORE_ONE UINT64_C(1024)

/* Returns: what the node has of the resource that the need is about, in bytes. */
uint64_t place_score_room(const struct place_node_model *node, const struct place_need *need);

/* Returns: the score of a guest put on this node alone. */
struct place_score place_score_node(const struct place_node_model *node,
				    const struct place_need *need);

/* Returns: below 0 where a is better, above 0 where b is; 0 only for the same node. */
int place_score_compare(const struct place_score *a, const struct place_score *b);

/* Returns: distance there and back; tables that are not symmetric exist. */
unsigned place_score_distance(const struct place_model *model, size_t a, size_t b);
