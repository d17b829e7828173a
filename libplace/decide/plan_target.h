/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a guest would go. For plan.c alone, which asks who goes, and whether it pays. */
#pragma once

#include "decide/plan.h"

/* Its pages are held by a device, its CPUs by nobody: they may go to the memory. */
bool plan_moves_cpus_alone(const struct place_plan_input *input, size_t guest);

/*
 * Its home, or else the node that advice would name, were the guest asked for now.
 * Returns: PLACE_FATE_MOVE and the index of the node; or why there is none.
 */
enum place_fate plan_find_target(const struct place_plan_input *input, size_t guest,
				 struct place_plan_scratch *scratch, size_t *ret_target);

/*
 * Whether the node at that index is inside what the guest is allowed. Its cpuset holds for all:
 * move_pages() refuses the whole call. But some may get another one.
 */
bool plan_is_open(const struct place_plan_input *input, size_t guest, size_t node);

/* What would come to that node of what the guest has elsewhere: of a pool as much as is free there.
 */
uint64_t plan_bytes_to_go(const struct place_plan_input *input, size_t guest, size_t node);

/*
 * Outside of its nodes: they change with the step. Only who has one node gets such a target.
 */
void plan_name_old_node(const struct place_guest *facts, struct place_step *step);
