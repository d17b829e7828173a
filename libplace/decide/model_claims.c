/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What guests and promises hold of the host, or will. */
#include "decide/model.h"
#include "decide/model_parts.h"

#include "arith.h"

/*
 * An idle guest may wake up: it never counts for less than a quarter of its vCPUs. Load is
 * rounded up to such quarters too, so that the drift between two samples changes no answer.
 */
#define CPU_STEPS 4

static uint64_t guest_millicpu(const struct place_guest *guest)
{
	bool have_vcpus = guest->known & PLACE_GUEST_VCPUS;
	uint64_t vcpus = have_vcpus && guest->n_vcpus ? guest->n_vcpus : 1;
	uint64_t step = vcpus * 1000 / CPU_STEPS, steps;

	if (!(guest->known & PLACE_GUEST_LOAD))
		return vcpus * 1000;
	steps = guest->load_millicpu / step + (guest->load_millicpu % step != 0);
	steps = place_most(steps, 1);
	/* QEMU's own threads add to it, but what exceeds the vCPUs does not last. */
	return step * (have_vcpus ? place_least(steps, CPU_STEPS) : steps);
}

void place_model_guest_claim(const struct place_policy *policy, const struct place_guest *guest,
			     uint64_t *ret_plain_bytes, uint64_t *ret_pool_bytes)
{
	uint64_t overhead = policy->guest_overhead_bytes;
	uint64_t ram = guest->memory_bytes;
	bool have_resident = guest->known & PLACE_GUEST_RESIDENT;
	uint64_t resident = have_resident ? guest->resident_bytes : 0;
	uint64_t resident_pool = have_resident ? guest->resident_pool_bytes : 0;

	*ret_plain_bytes = *ret_pool_bytes = 0;
	if (!(guest->known & PLACE_GUEST_MEMORY))
		return;
	if (guest->known & PLACE_GUEST_BALLOON)
		ram = place_least(ram, guest->balloon_bytes);
	if (guest->hugepage_bytes) {
		*ret_pool_bytes = place_subtract(ram, resident_pool);
		*ret_plain_bytes = place_subtract(overhead, resident);
	} else {
		*ret_plain_bytes = place_subtract(place_add(ram, overhead), resident);
	}
}

struct model_claim model_claim_of_guest(const struct model_build *build,
					const struct place_guest *guest)
{
	bool is_bound = guest->known & PLACE_GUEST_MEMS && guest->bind != PLACE_BIND_NONE;
	struct model_claim claim = {
		.mems = is_bound ? &guest->mems : NULL,
		.cpus = guest->known & PLACE_GUEST_CPUS ? &guest->cpus : NULL,
		.is_even = guest->bind == PLACE_BIND_INTERLEAVE || guest->is_split,
		.millicpu = guest_millicpu(guest),
	};

	place_model_guest_claim(build->policy, guest, &claim.plain_bytes, &claim.pool_bytes);
	return claim;
}

struct model_claim model_claim_of_promise(const struct model_build *build,
					  const struct place_promise *promise)
{
	uint64_t overhead = promise->memory_bytes ? build->policy->guest_overhead_bytes : 0;
	uint64_t with_overhead = place_add(promise->memory_bytes, overhead);
	struct model_claim claim = {
		.mems = &promise->nodes,
		.millicpu = (uint64_t)promise->vcpus_centi * 10,
	};

	switch (build->policy->hugepages) {
	case PLACE_HUGEPAGES_NEVER:
		claim.plain_bytes = with_overhead;
		break;
	case PLACE_HUGEPAGES_ALWAYS:
		claim.plain_bytes = overhead;
		claim.pool_bytes = promise->memory_bytes;
		break;
	case PLACE_HUGEPAGES_EITHER:
	default:
		claim.plain_bytes = with_overhead;
		claim.pool_bytes = promise->memory_bytes;
		break;
	}
	return claim;
}
