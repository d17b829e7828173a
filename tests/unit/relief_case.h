/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host of four nodes for the tests of who makes room: a guest that is short, and neighbours. */
#pragma once

#include "../relief_host.h"

#define N_NODES 4
/* The distance that is left to the risk: a 32nd of a guest of 1000 MiB. */
#define MARGIN_MIB 31

/* Nodes 0, 2, 4 and 6 of 4000 MiB and 8 CPUs each. */
extern struct relief_host host;
extern struct place_relief relief;

struct place_set set_of(const char *list);

/* A guest of that size that has all of it on a node, busy, with its vCPUs there. */
size_t add(enum place_class class, enum place_bind bind, const char *mems, uint64_t memory_mib,
	   unsigned node);

/* Of class free, on node 0. */
size_t add_free(uint64_t memory_mib);

/* One that libvirt advised: it may change its only node. */
size_t add_auto(uint64_t memory_mib, uint64_t resident_mib, unsigned node);

/* What is nobody's here takes all but so much of a node, after its reserve. */
void fill_node(size_t node, uint64_t left_mib);

/* Guest 0: strict on node 0, 1000 MiB, and nothing of it there yet. */
int begin(void **state);

/* The model and the pressure on the guests as they are. */
void find_pressures(void);

/* The same, and who makes room: into `relief`. Returns: how many steps. */
size_t find(void);

/* Finds one step: of guest i, so much to that node, for guest 0. */
void assert_only(size_t i, unsigned to_node, uint64_t mib);

/* The guests lie where the steps bring them. */
void do_steps(const struct place_step *steps, size_t n);
