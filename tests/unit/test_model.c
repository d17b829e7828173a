/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a node can give: who is eligible, what is reserved and promised and where, what CPUs
 * are spoken for; and that nonsense from a kernel neither wraps nor hides a node.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/model.h"

#define GIB (UINT64_C(1) << 30)
#define NODES 4

static struct place_node nodes[NODES];
static struct place_node_sample samples[NODES];
static uint8_t distance[NODES * NODES];
static struct place_guest guests[4];
static struct place_promise promises[2];
static struct place_topology topology;
static struct place_sample sample;
static struct place_policy policy;
static struct place_node_model models[NODES];

/* Four nodes of 8 CPUs and 4 cores, 64 GiB of which half is free. */
static int reset(void **state)
{
	(void)state;
	memset(guests, 0, sizeof(guests));
	memset(promises, 0, sizeof(promises));
	memset(distance, 20, sizeof(distance));
	policy = (struct place_policy){ .hugepages = PLACE_HUGEPAGES_NEVER };
	topology =
		(struct place_topology){ .n_nodes = NODES, .nodes = nodes, .distance = distance };
	sample = (struct place_sample){
		.n_nodes = NODES, .nodes = samples, .guests = guests, .guests_complete = true
	};
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i] = (struct place_node){ .id = i * 8, .n_cpus = 8, .n_cores = 4 };
		for (unsigned cpu = 0; cpu < 8; cpu++)
			place_set_add(&nodes[i].cpus, i * 8 + cpu);
		place_set_or(&topology.cpus_online, &nodes[i].cpus);
		samples[i] =
			(struct place_node_sample){ .known = PLACE_NODE_TOTAL | PLACE_NODE_FREE |
							     PLACE_NODE_RECLAIMABLE |
							     PLACE_NODE_RESERVE | PLACE_NODE_POOLS,
						    .total_bytes = 64 * GIB,
						    .free_bytes = 32 * GIB,
						    .reclaimable_bytes = 8 * GIB };
	}
	return 0;
}

static void build(size_t n_promises)
{
	struct place_model model;

	assert_int_equal(place_model_build(&topology, &sample, promises, n_promises, &policy,
					   models, &model),
			 0);
	assert_ptr_equal(model.nodes, models);
	assert_int_equal(model.n_nodes, topology.n_nodes);
}

static struct place_guest *add_guest(uint64_t gib, const char *mems)
{
	struct place_guest *guest = &guests[sample.n_guests++];

	guest->known =
		PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT | PLACE_GUEST_MEMS | PLACE_GUEST_VCPUS;
	guest->memory_bytes = gib * GIB;
	guest->n_vcpus = 4;
	guest->bind = PLACE_BIND_STRICT;
	assert_int_equal(place_set_parse_list(mems, &guest->mems), 0);
	return guest;
}

static uint64_t sum_promised(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NODES; i++)
		sum += models[i].promised_bytes;
	return sum;
}

static void test_eligible(void **state)
{
	(void)state;
	nodes[1].cpus = (struct place_set){ 0 };
	nodes[1].n_cpus = 0;
	samples[2].total_bytes = samples[2].free_bytes = 0;
	samples[3].known &= ~(unsigned)PLACE_NODE_FREE;
	build(0);
	assert_true(models[0].flags & PLACE_NODE_ELIGIBLE);
	assert_false(models[1].flags &
		     (PLACE_NODE_ELIGIBLE | PLACE_NODE_OVERFLOW | PLACE_NODE_HAS_CPUS));
	assert_false(models[2].flags & (PLACE_NODE_ELIGIBLE | PLACE_NODE_HAS_MEMORY));
	assert_true(models[2].flags & PLACE_NODE_MEMORY_KNOWN);
	assert_false(models[3].flags & (PLACE_NODE_ELIGIBLE | PLACE_NODE_MEMORY_KNOWN));
	policy.memory_only_nodes = PLACE_MEMORY_ONLY_OVERFLOW;
	build(0);
	assert_true(models[1].flags & PLACE_NODE_OVERFLOW);
	assert_false(models[1].flags & PLACE_NODE_ELIGIBLE);
	assert_false(models[0].flags & PLACE_NODE_OVERFLOW);
}

static void test_confined(void **state)
{
	(void)state;
	sample.confine.have_mems = sample.confine.have_cpus = true;
	assert_int_equal(place_set_parse_list("0,16,24", &sample.confine.mems), 0);
	assert_int_equal(place_set_parse_list("0-3,8-23", &sample.confine.cpus), 0);
	assert_int_equal(place_set_parse_list("0-1,16-23", &policy.reserved_cpus), 0);
	policy.memory_only_nodes = PLACE_MEMORY_ONLY_OVERFLOW;
	build(0);
	assert_int_equal(models[0].n_cpus, 2);
	assert_true(models[0].flags & PLACE_NODE_ELIGIBLE);
	assert_int_equal(models[0].capacity_millicpu, 1000);
	assert_false(models[1].flags & (PLACE_NODE_ALLOWED | PLACE_NODE_ELIGIBLE));
	/* All its CPUs are reserved: that does not make it a memory-only node. */
	assert_false(models[2].flags & (PLACE_NODE_ELIGIBLE | PLACE_NODE_OVERFLOW));
	assert_int_equal(models[3].n_cpus, 0);
}

static void test_capacity(void **state)
{
	(void)state;
	policy.smt_percent = 20;
	nodes[1].n_cores = 0;
	nodes[2].n_cores = 99;
	build(0);
	assert_int_equal(models[0].capacity_millicpu, 4800);
	assert_int_equal(models[1].capacity_millicpu, 8000);
	assert_int_equal(models[2].capacity_millicpu, 8000);
}

static void test_usable(void **state)
{
	(void)state;
	samples[1].reserve_bytes = GIB;
	policy.reserve_permille = 125;
	build(0);
	assert_int_equal(models[0].usable_bytes, 24 * GIB);
	policy.count_reclaimable = true;
	policy.reserve_permille = 0;
	build(0);
	assert_int_equal(models[0].usable_bytes, 40 * GIB);
	assert_int_equal(models[1].usable_bytes, 39 * GIB);
	samples[0].known &= ~(unsigned)PLACE_NODE_RECLAIMABLE;
	build(0);
	assert_int_equal(models[0].usable_bytes, 32 * GIB);
}

static void test_nonsense(void **state)
{
	(void)state;
	policy.count_reclaimable = true;
	policy.reserve_permille = 1000;
	samples[0].free_bytes = samples[0].reclaimable_bytes = UINT64_MAX;
	samples[1].total_bytes = UINT64_MAX;
	samples[2].free_bytes = 80 * GIB;
	samples[3].n_pools = 9;
	for (unsigned i = 0; i < PLACE_POOLS_MAX; i++)
		samples[3].pools[i] = (struct place_pool){ UINT64_MAX, 1, UINT64_MAX, 0 };
	add_guest(1, "0,8,16,24")->memory_bytes = UINT64_MAX;
	add_guest(1, "8")->memory_bytes = UINT64_MAX;
	build(0);
	assert_int_equal(models[1].usable_bytes, 0);
	assert_int_equal(models[1].promised_bytes, UINT64_MAX);
	assert_int_equal(models[3].pool_bytes, UINT64_MAX);
	assert_true(models[0].flags & PLACE_NODE_ELIGIBLE);
	assert_true(models[2].usable_bytes <= 80 * GIB);
}

static void test_untouched(void **state)
{
	struct place_guest *guest = add_guest(8, "8");

	(void)state;
	policy.guest_overhead_bytes = GIB;
	guest->resident_bytes = 3 * GIB;
	build(0);
	assert_int_equal(models[1].promised_bytes, 6 * GIB);
	guest->known |= PLACE_GUEST_BALLOON;
	guest->balloon_bytes = 4 * GIB;
	build(0);
	assert_int_equal(models[1].promised_bytes, 2 * GIB);
	guest->resident_bytes = 20 * GIB;
	build(0);
	assert_int_equal(models[1].promised_bytes, 0);
	guest->known &= ~(unsigned)(PLACE_GUEST_RESIDENT | PLACE_GUEST_BALLOON);
	build(0);
	assert_int_equal(models[1].promised_bytes, 9 * GIB);
	assert_int_equal(models[1].usable_bytes, 23 * GIB);
	guest->known &= ~(unsigned)PLACE_GUEST_MEMORY;
	build(0);
	assert_int_equal(sum_promised(), 0);
}

static void test_shared_goes_where_room_is(void **state)
{
	(void)state;
	/* Node 0 is spoken for by a guest that can be nowhere else. */
	add_guest(4, "0,8");
	add_guest(32, "0");
	build(0);
	assert_int_equal(models[0].promised_bytes, 32 * GIB);
	assert_int_equal(models[1].promised_bytes, 4 * GIB);
}

static void test_shares_add_up(void **state)
{
	(void)state;
	add_guest(1, "0,8,16")->memory_bytes = 10 * GIB + 7;
	samples[0].free_bytes = 7 * GIB + 1;
	samples[1].free_bytes = 13 * GIB + 11;
	build(0);
	assert_int_equal(sum_promised(), 10 * GIB + 7);
	assert_true(models[0].promised_bytes < models[1].promised_bytes);
	assert_true(models[1].promised_bytes < models[2].promised_bytes);
	assert_int_equal(models[3].promised_bytes, 0);
}

static void test_unbound_is_everywhere(void **state)
{
	struct place_guest *guest = add_guest(8, "0");

	(void)state;
	guest->bind = PLACE_BIND_NONE;
	build(0);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(models[i].promised_bytes, 2 * GIB);
	guest->bind = PLACE_BIND_STRICT;
	guest->known &= ~(unsigned)PLACE_GUEST_MEMS;
	build(0);
	assert_int_equal(models[3].promised_bytes, 2 * GIB);
}

static void test_interleaved_is_even(void **state)
{
	(void)state;
	add_guest(8, "0,8")->bind = PLACE_BIND_INTERLEAVE;
	samples[0].free_bytes = 5 * GIB;
	build(0);
	assert_int_equal(models[0].promised_bytes, 4 * GIB);
	assert_int_equal(models[1].promised_bytes, 4 * GIB);
}

static void test_nothing_left_anywhere(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NODES; i++)
		samples[i].free_bytes = 0;
	add_guest(8, "0,8");
	build(0);
	assert_int_equal(sum_promised(), 8 * GIB);
}

/* Cells bound to a node each: what is left to touch is not where most is free. */
static void test_split(void **state)
{
	struct place_guest *guest = add_guest(8, "0,8");

	(void)state;
	guest->bind = PLACE_BIND_STRICT;
	samples[0].free_bytes = 40 * GIB;
	samples[1].free_bytes = 8 * GIB;
	build(0);
	assert_true(models[0].promised_bytes > 6 * GIB);
	guest->is_split = true;
	build(0);
	assert_int_equal(models[0].promised_bytes, 4 * GIB);
	assert_int_equal(models[1].promised_bytes, 4 * GIB);
}

static void test_hugepages(void **state)
{
	struct place_guest *guest = add_guest(8, "8");

	(void)state;
	samples[1].n_pools = 2;
	samples[1].pools[0] = (struct place_pool){ 2 << 20, 8192, 8192, 0 };
	samples[1].pools[1] = (struct place_pool){ GIB, 4, 2, 0 };
	policy.guest_overhead_bytes = GIB;
	guest->hugepage_bytes = 2 << 20;
	guest->resident_pool_bytes = 3 * GIB;
	guest->resident_bytes = GIB / 4;
	build(0);
	assert_int_equal(models[1].pool_bytes, 11 * GIB);
	assert_int_equal(models[1].promised_bytes, GIB / 4 * 3);
	samples[1].known &= ~(unsigned)PLACE_NODE_POOLS;
	build(0);
	assert_int_equal(models[1].pool_bytes, 0);
}

static void test_promises(void **state)
{
	(void)state;
	samples[1].n_pools = 1;
	samples[1].pools[0] = (struct place_pool){ GIB, 10, 10, 0 };
	policy.guest_overhead_bytes = GIB;
	promises[0].memory_bytes = 4 * GIB;
	promises[0].vcpus_centi = 250;
	place_set_add(&promises[0].nodes, 8);
	promises[1] = promises[0];
	promises[1].pid = 7;
	build(2);
	assert_int_equal(models[1].promised_bytes, 5 * GIB);
	assert_int_equal(models[1].pool_bytes, 10 * GIB);
	assert_int_equal(models[1].committed_millicpu, 2500);
	policy.hugepages = PLACE_HUGEPAGES_EITHER;
	build(2);
	assert_int_equal(models[1].promised_bytes, 5 * GIB);
	assert_int_equal(models[1].pool_bytes, 6 * GIB);
	policy.hugepages = PLACE_HUGEPAGES_ALWAYS;
	build(2);
	assert_int_equal(models[1].promised_bytes, GIB);
	assert_int_equal(models[1].pool_bytes, 6 * GIB);
}

static void test_committed(void **state)
{
	struct place_guest *guest = add_guest(1, "0");

	(void)state;
	build(0);
	assert_int_equal(models[0].committed_millicpu, 4000);
	guest->known |= PLACE_GUEST_LOAD;
	build(0);
	assert_int_equal(models[0].committed_millicpu, 1000);
	guest->load_millicpu = 1100;
	build(0);
	assert_int_equal(models[0].committed_millicpu, 2000);
	guest->load_millicpu = 1900;
	build(0);
	assert_int_equal(models[0].committed_millicpu, 2000);
	guest->load_millicpu = UINT64_MAX;
	build(0);
	assert_int_equal(models[0].committed_millicpu, 4000);
}

static void test_committed_follows_cpus(void **state)
{
	struct place_guest *guest = add_guest(1, "0");

	(void)state;
	guest->known |= PLACE_GUEST_CPUS;
	assert_int_equal(place_set_parse_list("6-7,8-13", &guest->cpus), 0);
	build(0);
	assert_int_equal(models[0].committed_millicpu, 1000);
	assert_int_equal(models[1].committed_millicpu, 3000);
	/* Free to run anywhere: everywhere a share, wherever its memory is. */
	guest->cpus = topology.cpus_online;
	build(0);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(models[i].committed_millicpu, 1000);
	/* An emulator pinned out of the way, and CPUs that are in no node any more: by the memory.
	 */
	assert_int_equal(place_set_parse_list("8-13", &guest->cpus), 0);
	build(0);
	assert_int_equal(models[0].committed_millicpu, 4000);
	assert_int_equal(models[1].committed_millicpu, 0);
	guest->cpus = (struct place_set){ 0 };
	place_set_add(&guest->cpus, 8000);
	build(0);
	assert_int_equal(models[0].committed_millicpu, 4000);
	guest->bind = PLACE_BIND_NONE;
	build(0);
	assert_int_equal(models[3].committed_millicpu, 1000);
}

/* numa=fake: the nodes share their CPUs, and so the guest's. */
static void test_overlapping_cpus(void **state)
{
	struct place_guest *guest = add_guest(1, "0");

	(void)state;
	topology.n_nodes = sample.n_nodes = 2;
	nodes[1].cpus = topology.cpus_online = nodes[0].cpus;
	guest->known |= PLACE_GUEST_CPUS;
	assert_int_equal(place_set_parse_list("0-3", &guest->cpus), 0);
	build(0);
	assert_int_equal(models[0].committed_millicpu, 2000);
	assert_int_equal(models[1].committed_millicpu, 2000);
	assert_int_equal(models[1].n_cpus, 8);
}

static void test_not_this_topology(void **state)
{
	struct place_model model = { .n_nodes = 99 };

	(void)state;
	sample.n_nodes = 3;
	assert_int_equal(place_model_build(&topology, &sample, NULL, 0, &policy, models, &model),
			 -EINVAL);
	topology.n_nodes = sample.n_nodes = PLACE_SET_MAX + 1;
	assert_int_equal(place_model_build(&topology, &sample, NULL, 0, &policy, models, &model),
			 -EINVAL);
	assert_int_equal(model.n_nodes, 99);
	topology.n_nodes = sample.n_nodes = 0;
	assert_int_equal(place_model_build(&topology, &sample, NULL, 0, &policy, models, &model),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_eligible, reset),
		cmocka_unit_test_setup(test_confined, reset),
		cmocka_unit_test_setup(test_capacity, reset),
		cmocka_unit_test_setup(test_usable, reset),
		cmocka_unit_test_setup(test_nonsense, reset),
		cmocka_unit_test_setup(test_untouched, reset),
		cmocka_unit_test_setup(test_shared_goes_where_room_is, reset),
		cmocka_unit_test_setup(test_shares_add_up, reset),
		cmocka_unit_test_setup(test_unbound_is_everywhere, reset),
		cmocka_unit_test_setup(test_interleaved_is_even, reset),
		cmocka_unit_test_setup(test_nothing_left_anywhere, reset),
		cmocka_unit_test_setup(test_split, reset),
		cmocka_unit_test_setup(test_hugepages, reset),
		cmocka_unit_test_setup(test_promises, reset),
		cmocka_unit_test_setup(test_committed, reset),
		cmocka_unit_test_setup(test_committed_follows_cpus, reset),
		cmocka_unit_test_setup(test_overlapping_cpus, reset),
		cmocka_unit_test_setup(test_not_this_topology, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
