/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may come to harm, from turn to turn: pressure (decide/pressure.h) of all guests, settled, and
 * what the log was told of it. One line per guest before harm, and another only when it changes.
 */
#pragma once

#include "decide/pressure.h"
#include "flow.h"
#include "host/root.h"

/* What is remembered of a guest; lies in what the turn remembers of it. */
struct risk_memory {
	enum place_risk settled;
	enum place_risk told; /* the worst of the last hour; UNKNOWN: nothing, or its end was */
	uint64_t told_ns;     /* when it was last as bad as that */
	uint64_t told_nodes;  /* a digest of its nodes then */
	uint64_t well_ns;     /* since when it is over, and that was not said; 0: it is not */
};

/* Of guest i. */
typedef struct risk_memory *risk_memory_of(size_t i, void *data);

struct risks {
	size_t n, room; /* guests */
	struct place_pressure *pressures;
	enum place_risk *settled;
	size_t n_nodes;
	struct place_pressure_node *nodes;
	struct place_reclaim *reclaims, *reclaims_before;
	enum place_nearness *nearness;
	struct place_stall stall, stall_before;
	uint64_t read_ns; /* the last reading of those; 0: none */
	uint64_t window_ns;
	unsigned n_in_window; /* lines said since then */
	uint64_t n_said;      /* lines about guests that may be swapped or killed */
};

/* For so many nodes, and nothing known of them. Returns: 0 or -ENOMEM. */
int risks_resize(struct risks *risks, size_t n_nodes);
void risks_done(struct risks *risks);

/* Reads what the kernel reclaims where the last reading is a second old. */
void risks_observe(struct risks *risks, const struct place_root *root, struct place_text *text,
		   const struct place_topology *topology, const struct place_sample *sample,
		   uint64_t now_ns);

/*
 * Finds the pressure on all guests of the input; nearness and what the host has are put into it.
 * Allocates only where there are more guests than ever before. Returns: 0; -EINVAL, -ENOMEM: nobody
 * is said to be at risk.
 */
int risks_find(struct risks *risks, struct place_pressure_input *input, risk_memory_of *memory_of,
	       void *data);

/*
 * Whose swapped_bytes bear on that: all that are bound to a node of one that may be swapped, or
 * killed for want of swap. Of others what swap has changes nothing.
 */
void risks_find_swapped(const struct risks *risks, const struct place_sample *sample,
			bool *ret_with_swap);

/*
 * Says what is new of all guests, after risks_find(): what matters most first, since more lines
 * than the log takes of their kind wait for a later turn.
 */
void risks_tell(struct risks *risks, const struct place_guest *guests, const unsigned *traits,
		risk_memory_of *memory_of, void *data, uint64_t now_ns);

/* How many guests are at that risk. */
size_t risks_count(const struct risks *risks, enum place_risk risk);
