/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The buffers of a turn. For cycle.c alone. */
#pragma once

#include "cycle.h"

/* For the nodes as they are now. Returns: 0 or -ENOMEM. */
int cycle_scratch_resize(struct cycle *cycle);
void cycle_scratch_done(struct cycle *cycle);

/*
 * Brings what is remembered into the order of the watch, and makes place for an entry per guest
 * in all arrays. While the watch begins anew nobody is forgotten: who is not in it yet comes behind
 * the others. Returns: 0 or -ENOMEM.
 */
int cycle_align_memories(struct cycle *cycle);
void cycle_memories_done(struct cycle *cycle);
