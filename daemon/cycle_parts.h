/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of cycle*.c share; others include cycle.h. */
#pragma once

#include "cycle.h"
#include "decide/model.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Who says how much of guest i's access is remote, into its activity. */
void cycle_find_evidence(struct cycle *cycle, size_t i);

/* Asks for looks at guests again, and for samples of those whose group says too little. */
void cycle_look_closer(struct cycle *cycle);

/* Whether the CPUs of guest i may go with its memory. */
bool cycle_may_steer(const struct cycle *cycle, size_t i);

/* Whether guest i may be given another node than the one that it is confined to. */
bool cycle_may_change_nodes(const struct cycle *cycle, size_t i);

/* Whether guest i is placed by its cells, and not by the plan. */
bool cycle_is_wide(struct cycle *cycle, size_t i);

/* What is remote of a guest that is placed by its cells, into its activity. */
void cycle_find_wide_evidence(struct cycle *cycle, size_t i);

/*
 * A node for each cell of guest i, as a look found them. guest->is_wide is false where that is not
 * for it. Returns: 0; -ENOSPC; -ENOMEM; -EINVAL.
 */
int cycle_sort_cells(struct cycle *cycle, size_t i, bool may_sort, struct wide_guest *guest,
		     const struct place_cells_look *look, const uint64_t *bytes);

/* Whether CPUs were given to cells of the guest that this look did not find. */
bool cycle_has_other_cells(const struct cycle *cycle, const struct wide_guest *guest,
			   const struct place_cells_look *look);

/* Each cell's vCPUs to its node. Returns: 0 or -errno: then they all have what they had before. */
int cycle_sort_cpus(struct cycle *cycle, size_t i, const struct wide_guest *guest,
		    const struct place_cells_look *look);

/* Looks at the cells of wide guests, and moves them. */
void cycle_act_wide(struct cycle *cycle);

/*
 * The host as it would be without guest i (place_model_build_without()), with the promises of now;
 * its nodes are the scratch's. Returns: 0 or -errno.
 */
int cycle_model_without(struct cycle *cycle, size_t i, struct place_model *ret_model);

/* What must stay free on a node for others than guest i. */
uint64_t cycle_reserve_on(struct cycle *cycle, size_t i, unsigned node);

/* Does what the plan says, where this host may be moved on. */
void cycle_act(struct cycle *cycle);
