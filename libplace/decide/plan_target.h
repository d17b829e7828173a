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
