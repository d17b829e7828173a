/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure rooms allocate nothing: here is where their buffers come from. */
#include "ask/inquiry.h"

#include <errno.h>
#include <stdlib.h>

#include "decide/answer.h"

/*
 * promise_ns: libvirt starts QEMU within a second of the answer; hooks, a TPM or a slow disk may
 * make it several. A longer time would hold room for starts that failed.
 * reserve_permille: what a host that runs for months grows by beside its guests; the kernel's
 * watermark alone is 2 to 3 permille.
 * guest_overhead_bytes: as much as numad leaves on a node. A bare QEMU 7.2 has 13 MiB beside the
 * guest's RAM (emulated host, 2026-11-21); displays, disks and page tables (1/512 of the RAM)
 * make it more.
 */
void place_policy_default(struct place_policy *ret_policy)
{
	*ret_policy = (struct place_policy){
		.memory_only_nodes = PLACE_MEMORY_ONLY_NEVER,
		.hugepages = PLACE_HUGEPAGES_EITHER,
		.count_reclaimable = true,
		.smt_percent = 20,
		.promise_ns = UINT64_C(30000000000),
		.reserve_permille = 10,
		.guest_overhead_bytes = UINT64_C(100) << 20,
	};
}

static int inquiry_alloc(size_t n_nodes, struct place_inquiry *inquiry)
{
	struct place_advise_scratch *scratch = &inquiry->scratch;

	inquiry->nodes = calloc(n_nodes, sizeof(*inquiry->nodes));
	scratch->candidates = calloc(n_nodes, sizeof(*scratch->candidates));
	scratch->reasons = calloc(n_nodes, sizeof(*scratch->reasons));
	scratch->n_nodes = n_nodes;
	return inquiry->nodes && scratch->candidates && scratch->reasons ? 0 : -ENOMEM;
}

int place_inquiry_run(const struct place_host *host, struct place_ledger *ledger,
		      const struct place_policy *policy, const struct place_request *request,
		      uint64_t now_ns, bool is_booked, struct place_inquiry *ret_inquiry)
{
	struct place_inquiry *inquiry = ret_inquiry;
	int r;

	*inquiry = (struct place_inquiry){ 0 };
	r = inquiry_alloc(host->topology.n_nodes, inquiry);
	if (r < 0)
		return r;
	return place_answer(&host->topology, &host->sample, policy, request, now_ns, is_booked,
			    ledger, inquiry->nodes, &inquiry->scratch, &inquiry->model,
			    &inquiry->advice);
}

void place_inquiry_done(struct place_inquiry *inquiry)
{
	free(inquiry->nodes);
	free(inquiry->scratch.candidates);
	free(inquiry->scratch.reasons);
	*inquiry = (struct place_inquiry){ 0 };
}
