/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Remote access by inference: where a guest's memory lies, and where its vCPUs ran. */
#pragma once

#include "flow.h"

/*
 * The share of a guest's accesses that leave the node they come from, if it uses all of its
 * memory alike from all of its vCPUs: the chance that a byte drawn by where memory lies is on
 * another node than a moment drawn by where the vCPUs ran.
 *
 * How sure: for a guest whose memory lies on one node that holds however its accesses are spread;
 * for one that is split in halves it says little, since it may use each half from beside it.
 *
 * Returns: whether bytes and run_permille are both known, and there is any memory; the results
 * (permille) are untouched if not.
 */
bool place_remote_infer(const struct place_activity *activity, size_t n_nodes,
			unsigned *ret_remote_permille, unsigned *ret_sure_permille);
