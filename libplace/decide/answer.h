/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request from the ledger to the ledger: settle, model, advise, book. The daemon and the
 * program without a daemon answer through this one function, so that both answer alike.
 */
#pragma once

#include "decide/advise.h"
#include "flow.h"

/*
 * Answers a request and, where `is_booked`, books it. The ledger is settled in any case. Where
 * no single node would be the answer, the one promise that this request is probably the second
 * attempt of is given up first (place_promises_take_over()); a request that is not booked gives
 * up nothing. What nothing holds (PLACE_VERDICT_NO_ROOM) was not promised, and is not booked.
 *
 * `nodes` and the scratch have one entry per node of the topology. *ret_model is what the
 * answer was made from.
 *
 * Returns: 0 or -errno. -ENOSPC: the answer is good (*ret_advice is filled), but the ledger is
 * full and it is not booked. On any other error *ret_advice and *ret_model mean nothing.
 * Errors: those of place_model_build() and place_advise().
 */
int place_answer(const struct place_topology *topology, const struct place_sample *sample,
		 const struct place_policy *policy, const struct place_request *request,
		 uint64_t now_ns, bool is_booked, struct place_ledger *ledger,
		 struct place_node_model *nodes, struct place_advise_scratch *scratch,
		 struct place_model *ret_model, struct place_advice *ret_advice);
