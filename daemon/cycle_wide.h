/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of cycle_wide*.c share: guests that are placed by their cells. */
#pragma once

#include "cycle_parts.h"

/* Whether guest i has cells, and nobody has said where all of it belongs. */
bool cycle_may_be_wide(const struct cycle *cycle, size_t i);

/* ---- cycle_wide_look.c ---- */

/* Asks for a look at its cells; when it comes back they are given their nodes. */
void cycle_look_at_cells(struct cycle *cycle, struct wide_guest *guest, size_t i);

/* ---- cycle_wide_move.c ---- */

/* After a look: which cells' memory is to be moved; none where that does not pay. */
void cycle_mark_due_cells(const struct cycle *cycle, struct wide_guest *guest, size_t i);

/* Of the cells whose memory is to be moved the one that goes next, or NULL. */
struct wide_cell *cycle_find_due_cell(const struct cycle *cycle, struct wide_guest *guest);

/* Moves that one, where this host may be moved on now. Behind the last of them comes a look. */
void cycle_move_next_cell(struct cycle *cycle, struct wide_guest *guest, size_t i);

/* ---- cycle_wide_sort.c ---- */

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
