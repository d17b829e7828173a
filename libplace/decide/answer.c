/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request from the ledger to the ledger. It only puts the steps in order; each of them is
 * decided elsewhere.
 */
#include "decide/answer.h"

#include "decide/model.h"
#include "decide/promise.h"

int place_answer(const struct place_topology *topology, const struct place_sample *sample,
		 const struct place_policy *policy, const struct place_request *request,
		 uint64_t now_ns, bool is_booked, struct place_ledger *ledger,
		 struct place_node_model *nodes, struct place_advise_scratch *scratch,
		 struct place_model *ret_model, struct place_advice *ret_advice)
{
	bool has_taken_over = false;
	size_t n;
	int r;

	ledger->n = place_promises_settle(ledger->promises, ledger->n, sample, policy, now_ns);
	for (;;) {
		r = place_model_build(topology, sample, ledger->promises, ledger->n, policy, nodes,
				      ret_model);
		if (r < 0)
			return r;
		r = place_advise(ret_model, policy, request, scratch, ret_advice);
		if (r < 0)
			return r;
		if (!is_booked || has_taken_over || ret_advice->verdict == PLACE_VERDICT_ONE_NODE)
			break;
		n = place_promises_take_over(ledger->promises, ledger->n, request, now_ns);
		if (n == ledger->n)
			break;
		ledger->n = n;
		has_taken_over = true;
	}
	if (!is_booked || (ret_advice->verdict == PLACE_VERDICT_NO_ROOM && !has_taken_over))
		return 0;
	return place_promise_add(ledger->promises, ledger->n, ledger->capacity, request,
				 &ret_advice->nodes, now_ns, &ledger->n);
}
