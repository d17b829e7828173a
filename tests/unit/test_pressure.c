/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may come to harm: each verdict has its case, then random hosts against what can be counted
 * out by hand or by trying all sets of nodes, then facts that are missing and numbers that are
 * nonsense.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/model.h"
#include "decide/pressure.h"

#define MIB (UINT64_C(1) << 20)
#define N_NODES 4
#define GUESTS_MAX 8
#define PAGE_2M (2 * MIB)

static struct place_topology topology;
static struct place_node nodes[N_NODES];
static uint8_t distance[N_NODES * N_NODES];
static struct place_sample sample;
static struct place_node_sample raw[N_NODES];
static struct place_guest guests[GUESTS_MAX];
static struct place_activity activities[GUESTS_MAX];
static uint64_t bytes[GUESTS_MAX][N_NODES];
static struct place_policy policy;
static struct place_promise promises[2];
static struct place_model model;
static struct place_node_model models[N_NODES];
static struct place_stall stall;
static struct place_pressure_input input;
static struct place_pressure_node scratch[N_NODES];
static struct place_pressure found[GUESTS_MAX];

static struct place_set set_of(const char *list)
{
	struct place_set set;

	assert_return_code(place_set_parse_list(list, &set), 0);
	return set;
}

/* Two nodes, 0 and 2, with room for 1000 MiB each, swap for as much, and no guest. */
static int begin(void **state)
{
	(void)state;
	memset(raw, 0, sizeof(raw));
	memset(guests, 0, sizeof(guests));
	memset(activities, 0, sizeof(activities));
	memset(bytes, 0, sizeof(bytes));
	memset(promises, 0, sizeof(promises));
	for (unsigned i = 0; i < N_NODES; i++) {
		nodes[i] = (struct place_node){ .id = i * 2, .n_cpus = 1, .n_cores = 1 };
		place_set_add(&nodes[i].cpus, i);
		raw[i] = (struct place_node_sample){
			.known = PLACE_NODE_TOTAL | PLACE_NODE_FREE | PLACE_NODE_RECLAIMABLE |
				 PLACE_NODE_RESERVE | PLACE_NODE_POOLS,
			.total_bytes = 4000 * MIB,
			.free_bytes = 900 * MIB,
			.reclaimable_bytes = 200 * MIB,
			.reserve_bytes = 100 * MIB,
		};
	}
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		activities[i] = (struct place_activity){ .bytes = bytes[i] };
	topology = (struct place_topology){ .n_nodes = 2, .nodes = nodes, .distance = distance };
	sample = (struct place_sample){ .n_nodes = 2, .nodes = raw, .guests = guests };
	policy = (struct place_policy){ .count_reclaimable = true };
	input = (struct place_pressure_input){
		.topology = &topology,
		.sample = &sample,
		.model = &model,
		.policy = &policy,
		.promises = promises,
		.activities = activities,
		.stall = &stall,
	};
	stall = (struct place_stall){ .known = PLACE_STALL_SWAP,
				      .swap_free_bytes = 1000 * MIB,
				      .n_surplus = 2,
				      .surplus = { { PAGE_2M, 0 }, { 1024 * MIB, 0 } } };
	return 0;
}

static struct place_guest *add(enum place_bind bind, const char *mems, uint64_t memory_mib,
			       uint64_t resident_mib)
{
	struct place_guest *guest = &guests[sample.n_guests];

	*guest = (struct place_guest){
		.known = PLACE_GUEST_MEMS | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT,
		.pid = 1000 + (int)sample.n_guests++,
		.memory_bytes = memory_mib * MIB,
		.resident_bytes = resident_mib * MIB,
		.bind = bind,
		.mems = set_of(mems),
	};
	return guest;
}

static void lives_on(size_t guest, size_t node, uint64_t mib)
{
	activities[guest].known |= PLACE_ACTIVITY_BYTES;
	bytes[guest][node] = mib * MIB;
}

static void find(void)
{
	assert_return_code(place_model_build(&topology, &sample, promises, input.n_promises,
					     &policy, models, &model),
			   0);
	memset(found, 0x5a, sizeof(found));
	assert_return_code(place_pressure_find(&input, scratch, found), 0);
	for (size_t i = 0; i < sample.n_guests; i++) {
		assert_true(found[i].risk < PLACE_RISK_COUNT);
		assert_true(found[i].neighbours_bytes <= found[i].room_bytes);
		assert_true(found[i].short_bytes <= found[i].growth_bytes);
		assert_true(found[i].growth_bytes <= guests[i].swapped_bytes ||
			    found[i].growth_bytes <= found[i].limit_bytes ||
			    found[i].growth_bytes - found[i].limit_bytes <=
				    policy.guest_overhead_bytes);
	}
}

static enum place_risk risk(void)
{
	find();
	return found[0].risk;
}

/* ---- verdicts ----------------------------------------------------------------------------- */

static void test_confined(void **state)
{
	const enum place_bind binds[] = { PLACE_BIND_STRICT, PLACE_BIND_CPUSET };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(NULL);
		add(binds[i], "2", 1500, 500);
		assert_int_equal(risk(), PLACE_RISK_NONE);
		assert_int_equal(found[0].remedy, PLACE_REMEDY_NONE);
		/* Noise: less than a MiB. */
		guests[0].memory_bytes += MIB - 1;
		assert_int_equal(risk(), PLACE_RISK_NONE);
		guests[0].memory_bytes++;
		assert_int_equal(risk(), PLACE_RISK_SWAP);
		assert_int_equal(found[0].remedy, PLACE_REMEDY_MODE);
		assert_int_equal(found[0].limit_bytes, 1501 * MIB);
		assert_int_equal(found[0].growth_bytes, 1001 * MIB);
		assert_int_equal(found[0].room_bytes, 1000 * MIB);
		assert_int_equal(found[0].neighbours_bytes, 0);
		assert_int_equal(found[0].short_bytes, MIB);
		assert_int_equal(found[0].elsewhere_bytes, 1000 * MIB);
		assert_true(found[0].has_better);
		assert_int_equal(found[0].better_node, 0);
		assert_false(found[0].is_home);
	}
}

static void test_swap(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 1500, 400);
	stall.swap_free_bytes = 100 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	stall.swap_free_bytes--;
	assert_int_equal(risk(), PLACE_RISK_KILL);
	stall.known = 0;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	input.stall = NULL;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	/* Two nodes that are short share the swap. */
	input.stall = &stall;
	stall.known = PLACE_STALL_SWAP;
	stall.swap_free_bytes = 150 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	add(PLACE_BIND_STRICT, "2", 1100, 0);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	assert_int_equal(found[1].risk, PLACE_RISK_KILL);
	stall.swap_free_bytes = 200 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[1].risk, PLACE_RISK_SWAP);
}

/* What lacks room and is in swap already is not to find place in swap a second time. */
static void test_swapped_already(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 2000, 700)->swapped_bytes = 300 * MIB;
	raw[0].free_bytes = 100 * MIB; /* of 200: the reserve has the rest */
	stall.swap_free_bytes = 799 * MIB;
	assert_int_equal(risk(), PLACE_RISK_KILL); /* 1300 may come, 200 find room */
	stall.swap_free_bytes = 800 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	guests[0].swapped_bytes = 0;
	assert_int_equal(risk(), PLACE_RISK_KILL);
	/* It has as much as it may, its QEMU's own included; and yet swap has some of it. */
	guests[0].resident_bytes = 2000 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[0].swapped_bytes = 201 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].short_bytes, MIB);
	/* And its neighbours' growth is still there. */
	add(PLACE_BIND_STRICT, "0", 200, 0);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].short_bytes, 201 * MIB);
}

static void limit_swap(size_t guest, uint64_t limit_bytes)
{
	guests[guest].known |= PLACE_GUEST_SWAP_LIMIT;
	guests[guest].swap_limit_bytes = limit_bytes;
}

/* Groups that may not swap: there is swap, and it helps nobody. */
static void test_swap_limit(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 1200, 100); /* 1100 may come, 1000 find room */
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	limit_swap(0, 99 * MIB);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	assert_true(found[0].is_unswappable);
	limit_swap(0, 100 * MIB);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_false(found[0].is_unswappable);
	limit_swap(0, 0);
	assert_int_equal(risk(), PLACE_RISK_KILL);

	/* A neighbour there may be swapped in its place, one elsewhere may not. */
	add(PLACE_BIND_STRICT, "0", 100, 100);
	lives_on(1, 0, 100);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	lives_on(1, 0, 99);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	bytes[1][0] = 0;
	lives_on(1, 1, 100);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	lives_on(1, 0, 100);
	limit_swap(1, 50 * MIB);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	/* Where it lies is not known: it is not said to be there, and not that it is not. */
	limit_swap(1, UINT64_MAX);
	activities[1].known = 0;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
}

static void cell_on(unsigned node, uint64_t mib)
{
	guests[0].is_split = true;
	guests[0].parts[guests[0].n_parts++] =
		(struct place_part){ .node = node, .bytes = mib * MIB };
}

/* Cells that are bound to one node each: that the others' nodes have room is no help. */
static void test_cells(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0,2", 1600, 400);
	cell_on(0, 1300);
	cell_on(2, 300);
	lives_on(0, 0, 200);
	lives_on(0, 1, 200);
	assert_int_equal(risk(), PLACE_RISK_NONE); /* samples: it is not known how old */
	assert_false(found[0].is_by_cell);
	activities[0].bytes_source = PLACE_BYTES_CGROUP;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_true(found[0].is_by_cell);
	assert_int_equal(found[0].short_bytes, 100 * MIB); /* 1100 more, and 1000 */
	assert_int_equal(found[0].short_node, 0);
	lives_on(0, 0, 300);
	guests[0].resident_bytes = 500 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);

	/* The other one, and by a neighbour's promise. */
	add(PLACE_BIND_STRICT, "2", 950, 0);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].short_node, 2);
	assert_int_equal(found[0].short_bytes, 50 * MIB);

	/* What is ballooned away, or was plugged in, is of no known node. */
	guests[0].known |= PLACE_GUEST_BALLOON;
	guests[0].balloon_bytes = 1599 * MIB;
	find();
	assert_false(found[0].is_by_cell);
}

/* What QEMUs need beside their guests' memory comes with it: grown ones take no more of it. */
static void test_overhead(void **state)
{
	(void)state;
	policy.guest_overhead_bytes = 100 * MIB;
	add(PLACE_BIND_STRICT, "0", 1000, 0);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].short_bytes, 100 * MIB);
	guests[0].memory_bytes = 900 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[0].resident_bytes = 450 * MIB;
	find();
	assert_int_equal(found[0].growth_bytes, 500 * MIB);
	guests[0].resident_bytes = 900 * MIB;
	find();
	assert_int_equal(found[0].growth_bytes, 0);

	/* Four that have all of theirs, and advice keeps 60 for each of them. */
	guests[0].resident_bytes = 0;
	for (unsigned i = 0; i < 4; i++)
		add(PLACE_BIND_STRICT, "0", 200, 240);
	assert_int_equal(risk(), PLACE_RISK_NONE);
	assert_int_equal(found[0].neighbours_bytes, 0);
	guests[1].resident_bytes = 100 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].neighbours_bytes, 150 * MIB);
	assert_int_equal(found[0].short_bytes, 150 * MIB);
}

static void test_balloon(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 3000, 500);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	guests[0].known |= PLACE_GUEST_BALLOON;
	guests[0].balloon_bytes = 1500 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[0].balloon_bytes = 1600 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	/* Never more than it has. */
	guests[0].balloon_bytes = UINT64_MAX;
	guests[0].memory_bytes = 1400 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	assert_int_equal(found[0].growth_bytes, 900 * MIB);
}

static void test_neighbours(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 600, 0);
	add(PLACE_BIND_STRICT, "0", 500, 100);
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[1].memory_bytes = 600 * MIB;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].neighbours_bytes, 500 * MIB);
	assert_int_equal(found[0].short_bytes, 100 * MIB);
	/* What a neighbour may take elsewhere presses by what lies there. */
	guests[1].mems = set_of("0,2");
	assert_int_equal(risk(), PLACE_RISK_NONE);
	assert_int_equal(found[1].risk, PLACE_RISK_NONE);
	guests[1].bind = PLACE_BIND_NONE;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	/* A neighbour that prefers this node takes from it first. */
	guests[1].bind = PLACE_BIND_PREFERRED;
	guests[1].mems = set_of("0");
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[1].risk, PLACE_RISK_LOCALITY);
	assert_int_equal(found[1].short_bytes, 100 * MIB);
}

static void test_promises(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 600, 0);
	promises[0] = (struct place_promise){ .memory_bytes = 500 * MIB, .nodes = set_of("0") };
	assert_int_equal(risk(), PLACE_RISK_NONE);
	input.n_promises = 1;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_int_equal(found[0].neighbours_bytes, 500 * MIB);
	/* Taken up: its guest counts instead. */
	promises[0].pid = 4711;
	assert_int_equal(risk(), PLACE_RISK_NONE);
}

/* Another node that is full takes nothing from this one. */
static void test_overcommitted_elsewhere(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0,2", 900, 0);
	add(PLACE_BIND_STRICT, "0", 3000, 0);
	find();
	assert_int_equal(found[0].risk, PLACE_RISK_NONE);
	assert_int_equal(found[1].risk, PLACE_RISK_KILL);
	assert_int_equal(found[0].room_bytes, 2000 * MIB);
	assert_int_equal(found[0].neighbours_bytes, 1000 * MIB);
	guests[0].memory_bytes = 1100 * MIB;
	find();
	assert_int_equal(found[0].risk, PLACE_RISK_KILL);
	assert_int_equal(found[0].short_bytes, 100 * MIB);
	assert_int_equal(found[0].remedy, PLACE_REMEDY_ROOM);
	assert_false(found[0].has_better);
}

static void test_locality(void **state)
{
	(void)state;
	stall.swap_free_bytes = 0;
	add(PLACE_BIND_PREFERRED, "0", 1600, 400);
	assert_int_equal(risk(), PLACE_RISK_NONE);
	assert_int_equal(found[0].short_bytes, 200 * MIB);
	guests[0].memory_bytes = 1700 * MIB;
	assert_int_equal(risk(), PLACE_RISK_LOCALITY);
	assert_int_equal(found[0].remedy, PLACE_REMEDY_MODE);
	/* Interleaved: each node takes its part. */
	guests[0].bind = PLACE_BIND_INTERLEAVE;
	guests[0].mems = set_of("0,2");
	assert_int_equal(risk(), PLACE_RISK_NONE);
	raw[0].free_bytes = 100 * MIB;
	assert_int_equal(risk(), PLACE_RISK_LOCALITY);
	assert_int_equal(found[0].short_bytes, 450 * MIB);
	/* Without a policy: the node where it lies. */
	guests[0].bind = PLACE_BIND_NONE;
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
	lives_on(0, 1, 400);
	assert_int_equal(risk(), PLACE_RISK_LOCALITY);
	assert_true(found[0].is_home);
	assert_int_equal(found[0].home_node, 2);
	assert_int_equal(found[0].room_bytes, 1000 * MIB);
	/* Shares are rounded down to a byte. */
	assert_int_equal(found[0].short_bytes / MIB, 300);
	guests[0].memory_bytes = 1000 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
}

static void allow(size_t guest, const char *nodes_list)
{
	const struct place_set set = set_of(nodes_list);

	place_nodes_from_set(&set, &guests[guest].allowed);
	guests[guest].known |= PLACE_GUEST_ALLOWED;
}

/* Policies that would let it go elsewhere, in a cpuset that does not. */
static void test_confined_by_cpuset(void **state)
{
	const enum place_bind binds[] = { PLACE_BIND_PREFERRED, PLACE_BIND_INTERLEAVE };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(NULL);
		topology.n_nodes = sample.n_nodes = 3;
		add(binds[i], "0", 2100, 100); /* 2000 to come, and 1000 on each node */
		allow(0, "0,2");
		assert_int_equal(risk(), PLACE_RISK_NONE);
		assert_true(place_pressure_may_be_confined(&guests[0]));
		assert_true(place_pressure_may_be_confined_to(&guests[0], 2));
		assert_false(place_pressure_may_be_confined_to(&guests[0], 4));
		guests[0].memory_bytes += MIB;
		assert_int_equal(risk(), PLACE_RISK_SWAP);
		assert_true(found[0].is_by_cpuset);
		assert_int_equal(found[0].short_bytes, MIB);
		assert_int_equal(found[0].room_bytes, 2000 * MIB);
		assert_int_equal(found[0].better_node, 4);
		stall.swap_free_bytes = 0;
		assert_int_equal(risk(), PLACE_RISK_KILL);
		/* Far from that, it is told what others are. */
		guests[0].memory_bytes = 1900 * MIB;
		assert_int_equal(risk(), PLACE_RISK_LOCALITY);
		assert_false(found[0].is_by_cpuset);
		assert_int_equal(found[0].short_bytes, 800 * MIB);
		assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &found[0]),
				 PLACE_RISK_LOCALITY);
		/* Not as far as the hysteresis wants it. */
		guests[0].memory_bytes = 2090 * MIB;
		assert_int_equal(risk(), PLACE_RISK_NONE);
		assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &found[0]),
				 PLACE_RISK_SWAP);
		/* What is not known of one of its nodes, is not known of the guest. */
		raw[1].known &= ~(unsigned)PLACE_NODE_FREE;
		assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
		/* With no such cpuset it may go to the third node. */
		raw[1].known |= PLACE_NODE_FREE;
		guests[0].known &= ~(unsigned)PLACE_GUEST_ALLOWED;
		guests[0].memory_bytes = 2101 * MIB;
		assert_int_equal(risk(), PLACE_RISK_LOCALITY);
		assert_false(place_pressure_may_be_confined(&guests[0]));
	}
}

/* Others on its nodes may be swapped in its place, those beyond them not. */
static void test_swap_limit_in_a_cpuset(void **state)
{
	(void)state;
	topology.n_nodes = sample.n_nodes = 3;
	add(PLACE_BIND_PREFERRED, "0", 2200, 100);
	allow(0, "0,2");
	limit_swap(0, 0);
	add(PLACE_BIND_STRICT, "2", 100, 100);
	lives_on(1, 1, 100);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	bytes[1][1] = 0;
	lives_on(1, 2, 100);
	assert_int_equal(risk(), PLACE_RISK_KILL);
	assert_true(found[0].is_unswappable);
}

static void test_pools(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		raw[i].n_pools = 2;
		raw[i].pools[0] = (struct place_pool){ PAGE_2M, 600, 500, 0 };
		raw[i].pools[1] = (struct place_pool){ 1024 * MIB, 4, 4, 0 };
	}
	add(PLACE_BIND_STRICT, "0", 1200, 0);
	guests[0].hugepage_bytes = PAGE_2M;
	guests[0].resident_pool_bytes = 200 * MIB;
	guests[0].resident_bytes = 50 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	/* Swap does not help where a pool is empty, nor does a pool of another size. */
	guests[0].memory_bytes = 1202 * MIB;
	assert_int_equal(risk(), PLACE_RISK_KILL);
	assert_int_equal(found[0].remedy, PLACE_REMEDY_POOL);
	assert_true(found[0].is_pool);
	assert_int_equal(found[0].short_bytes, 2 * MIB);
	assert_int_equal(found[0].better_node, 2);
	/* Pages that may be made beyond the pool, or that are not known: not to be said. */
	stall.surplus[0].pages = 1;
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
	stall.surplus[0] = (struct place_surplus){ .page_bytes = 4711 };
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
	stall.surplus[0] = (struct place_surplus){ .page_bytes = PAGE_2M };
	/* Neighbours with pages of this size count, others do not. */
	guests[0].memory_bytes = 700 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	add(PLACE_BIND_STRICT, "0", 1024, 0);
	guests[1].hugepage_bytes = 1024 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[1].hugepage_bytes = PAGE_2M;
	assert_int_equal(risk(), PLACE_RISK_KILL);
	assert_int_equal(found[0].neighbours_bytes, 1000 * MIB);
	/* Without a policy the next pool serves. */
	guests[0].bind = PLACE_BIND_PREFERRED;
	assert_int_equal(risk(), PLACE_RISK_LOCALITY);
	raw[0].known &= ~(unsigned)PLACE_NODE_POOLS;
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
}

static void test_promised_pools(void **state)
{
	(void)state;
	raw[0].n_pools = 1;
	raw[0].pools[0] = (struct place_pool){ PAGE_2M, 600, 500, 0 };
	add(PLACE_BIND_STRICT, "0", 900, 0);
	guests[0].hugepage_bytes = PAGE_2M;
	promises[0] = (struct place_promise){ .memory_bytes = 500 * MIB, .nodes = set_of("0") };
	input.n_promises = 1;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	policy.hugepages = PLACE_HUGEPAGES_ALWAYS;
	assert_int_equal(risk(), PLACE_RISK_KILL);
	promises[0].pid = 4712;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	promises[0].pid = 0;
	/* Of which size would it be? */
	raw[1].n_pools = 1;
	raw[1].pools[0] = (struct place_pool){ 1024 * MIB, 1, 1, 0 };
	assert_int_equal(risk(), PLACE_RISK_NONE);
}

/* Nobody knows whether it will take huge pages, and there are enough of them for it. */
static void test_promise_that_pools_hold(void **state)
{
	(void)state;
	raw[0].n_pools = 1;
	raw[0].pools[0] = (struct place_pool){ PAGE_2M, 600, 500, 0 };
	policy.guest_overhead_bytes = 50 * MIB;
	add(PLACE_BIND_STRICT, "0", 600, 100);
	promises[0] = (struct place_promise){ .memory_bytes = 1000 * MIB, .nodes = set_of("0") };
	input.n_promises = 1;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	/* What its QEMU needs is plain memory all the same. */
	assert_int_equal(found[0].neighbours_bytes, 50 * MIB);
	assert_int_equal(place_pressure_promise(&input, scratch, &promises[0]), 0);
	/* Not beside a guest that is promised some of them, or another that may be, */
	raw[0].pools[0].free_pages--;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	assert_true(place_pressure_promise(&input, scratch, &promises[0]) > 0);
	raw[0].pools[0].free_pages++;
	add(PLACE_BIND_STRICT, "0", 2, 0)->hugepage_bytes = PAGE_2M;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	sample.n_guests--;
	promises[1] = (struct place_promise){ .memory_bytes = 2 * MIB, .nodes = set_of("0,2") };
	input.n_promises = 2;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	input.n_promises = 1;
	/* nor if guests never take any; nor is it said of nodes that are none. */
	policy.hugepages = PLACE_HUGEPAGES_NEVER;
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	policy.hugepages = PLACE_HUGEPAGES_EITHER;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	promises[0].nodes = set_of("77");
	(void)risk();
	assert_int_equal(scratch[0].pooled_bytes, 0);
}

static void test_nearness(void **state)
{
	const enum place_nearness nearness[] = { PLACE_NEARNESS_CLOSE, PLACE_NEARNESS_SWAP };

	(void)state;
	input.nearness = nearness;
	add(PLACE_BIND_STRICT, "0", 100, 0);
	find();
	assert_int_equal(found[0].nearness, PLACE_NEARNESS_CLOSE);
	guests[0].mems = set_of("0,2");
	find();
	assert_int_equal(found[0].nearness, PLACE_NEARNESS_SWAP);
}

/* ---- what is not known -------------------------------------------------------------------- */

static void test_unknown(void **state)
{
	const unsigned facts[] = { PLACE_GUEST_MEMS, PLACE_GUEST_MEMORY, PLACE_GUEST_RESIDENT };

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		begin(NULL);
		add(PLACE_BIND_STRICT, "0", 3000, 0)->known &= ~facts[i];
		assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
	}
	begin(NULL);
	add(PLACE_BIND_STRICT, "0,2", 3000, 0);
	assert_int_equal(risk(), PLACE_RISK_SWAP);
	raw[1].known &= ~(unsigned)PLACE_NODE_FREE;
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
	/* A node that is not its own may be unknown. */
	guests[0].mems = set_of("0");
	assert_int_equal(risk(), PLACE_RISK_KILL);
	/* Page cache that is not known may be the room that is short, but not the one that is
	 * there. */
	raw[0].known &= ~(unsigned)PLACE_NODE_RECLAIMABLE;
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
	guests[0].memory_bytes = 700 * MIB;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	/* Nodes that are not there. */
	guests[0].mems = set_of("1,9");
	assert_int_equal(risk(), PLACE_RISK_UNKNOWN);
}

/* A neighbour of whom it is not known what it has may have all of it already. */
static void test_doubtful_neighbour(void **state)
{
	(void)state;
	add(PLACE_BIND_STRICT, "0", 600, 0);
	add(PLACE_BIND_STRICT, "0", 3000, 0)->known &= ~(unsigned)PLACE_GUEST_RESIDENT;
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[1].mems = set_of("0,2");
	assert_int_equal(risk(), PLACE_RISK_NONE);
	guests[1].known |= PLACE_GUEST_RESIDENT;
	assert_int_equal(risk(), PLACE_RISK_KILL);
}

static void test_nothing(void **state)
{
	(void)state;
	find();
	sample.n_nodes = 1;
	assert_int_equal(place_pressure_find(&input, scratch, found), -EINVAL);
	sample.n_nodes = 2;
	/* All that it may take it has: nothing more to fear, whatever is left. */
	raw[0].free_bytes = raw[0].reclaimable_bytes = 0;
	add(PLACE_BIND_STRICT, "0", 500, 600);
	assert_int_equal(risk(), PLACE_RISK_NONE);
}

/* ---- random hosts ------------------------------------------------------------------------- */

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % below;
}

static void random_nodes(void)
{
	begin(NULL);
	topology.n_nodes = sample.n_nodes = 1 + draw(N_NODES);
	for (size_t i = 0; i < sample.n_nodes; i++) {
		raw[i].free_bytes = draw(3000) * MIB;
		raw[i].reclaimable_bytes = draw(500) * MIB;
	}
}

static uint64_t room_of(size_t node)
{
	const uint64_t there = raw[node].free_bytes + raw[node].reclaimable_bytes;

	return there > raw[node].reserve_bytes ? there - raw[node].reserve_bytes : 0;
}

static uint64_t growth_of(size_t guest)
{
	return guests[guest].memory_bytes > guests[guest].resident_bytes ?
		       guests[guest].memory_bytes - guests[guest].resident_bytes :
		       0;
}

/* Guests on one node each: what is short can be counted on fingers. */
static void test_random_single(void **state)
{
	size_t n_short = 0, n_fit = 0;

	(void)state;
	for (seed = 1; seed < 20000; seed++) {
		uint64_t grows[N_NODES] = { 0 };
		size_t at[GUESTS_MAX], n_guests;
		const uint64_t start = seed;

		random_nodes();
		n_guests = 1 + draw(GUESTS_MAX);
		for (size_t i = 0; i < n_guests; i++) {
			char list[8];

			at[i] = draw(sample.n_nodes);
			snprintf(list, sizeof(list), "%u", nodes[at[i]].id);
			add(PLACE_BIND_STRICT, list, draw(2000), draw(2000));
			grows[at[i]] += growth_of(i);
		}
		find();
		for (size_t i = 0; i < n_guests; i++) {
			const uint64_t room = room_of(at[i]), grow = growth_of(i);
			const uint64_t lacks = grows[at[i]] > room ? grows[at[i]] - room : 0;
			const uint64_t is_short = lacks < grow ? lacks : grow;

			if (found[i].short_bytes != is_short ||
			    (found[i].risk >= PLACE_RISK_SWAP) != (is_short > 0))
				fail_msg("seed %zu, guest %zu", (size_t)start, i);
			n_short += is_short > 0;
			n_fit += !is_short;
		}
		seed = start;
	}
	assert_true(n_short > 10000 && n_fit > 10000);
}

/* Of some set of nodes more may be taken than it has, by guests that have no other: all sets. */
static bool is_any_set_short(unsigned *ret_set)
{
	for (unsigned set = 1; set < 1U << sample.n_nodes; set++) {
		uint64_t room = 0, grows = 0;

		for (size_t i = 0; i < sample.n_nodes; i++)
			room += set >> i & 1 ? room_of(i) : 0;
		for (size_t k = 0; k < sample.n_guests; k++) {
			bool is_inside = true;

			for (size_t i = 0; i < sample.n_nodes; i++)
				if (place_set_has(&guests[k].mems, nodes[i].id) && !(set >> i & 1))
					is_inside = false;
			grows += is_inside ? growth_of(k) : 0;
		}
		*ret_set = set;
		if (grows >= room + sample.n_guests * MIB)
			return true;
	}
	return false;
}

/* Where harm is certain once all have grown, somebody is warned; and the order does not matter. */
static void test_random_sets(void **state)
{
	size_t n_short = 0, n_calm = 0;

	(void)state;
	for (seed = 1; seed < 20000; seed++) {
		const uint64_t start = seed;
		enum place_risk worst = PLACE_RISK_UNKNOWN;
		struct place_pressure before[GUESTS_MAX];
		size_t n_guests;
		unsigned set;

		random_nodes();
		n_guests = 1 + draw(GUESTS_MAX);
		for (size_t i = 0; i < n_guests; i++) {
			add(PLACE_BIND_CPUSET, "", draw(2000), draw(1000));
			for (size_t k = 0; k < sample.n_nodes; k++)
				if (draw(2))
					place_set_add(&guests[i].mems, nodes[k].id);
			place_set_add(&guests[i].mems, nodes[draw(sample.n_nodes)].id);
		}
		find();
		for (size_t i = 0; i < n_guests; i++)
			worst = found[i].risk > worst ? found[i].risk : worst;
		if (is_any_set_short(&set)) {
			n_short++;
			if (worst < PLACE_RISK_SWAP)
				fail_msg("seed %zu: set %x", (size_t)start, set);
		} else if (worst < PLACE_RISK_SWAP) {
			n_calm++;
		}
		memcpy(before, found, sizeof(before));
		for (size_t i = 0; i < n_guests / 2; i++) {
			const struct place_guest guest = guests[i];

			guests[i] = guests[n_guests - 1 - i];
			guests[n_guests - 1 - i] = guest;
		}
		find();
		for (size_t i = 0; i < n_guests; i++)
			if (memcmp(&found[i], &before[n_guests - 1 - i], sizeof(found[i])) != 0)
				fail_msg("seed %zu: order matters to guest %zu", (size_t)start, i);
		seed = start;
	}
	assert_true(n_short > 1000 && n_calm > 1000);
}

/* Whatever is read: no figure wraps. find() looks at the figures. */
static void test_nonsense(void **state)
{
	static const uint64_t odd[] = {
		0, 1, 4096, MIB, UINT64_C(1) << 40, UINT64_C(1) << 62, UINT64_MAX - 4096, UINT64_MAX
	};
	const size_t n_odd = sizeof(odd) / sizeof(odd[0]);

	(void)state;
	for (seed = 1; seed < 20000; seed++) {
		const uint64_t start = seed;

		random_nodes();
		for (size_t i = 0; i < sample.n_nodes; i++) {
			raw[i].known = (unsigned)draw(32);
			raw[i].total_bytes = odd[draw(n_odd)];
			raw[i].free_bytes = odd[draw(n_odd)];
			raw[i].reclaimable_bytes = odd[draw(n_odd)];
			raw[i].reserve_bytes = odd[draw(n_odd)];
			raw[i].n_pools = draw(PLACE_POOLS_MAX + 1);
			for (size_t k = 0; k < raw[i].n_pools; k++)
				raw[i].pools[k] =
					(struct place_pool){ odd[draw(n_odd)], odd[draw(n_odd)],
							     odd[draw(n_odd)], odd[draw(n_odd)] };
		}
		for (size_t i = 0; i < GUESTS_MAX; i++) {
			struct place_guest *guest = add((enum place_bind)draw(PLACE_BIND_COUNT),
							draw(2) ? "0,2" : "0-8", 0, 0);

			guest->known = (unsigned)draw(1024);
			guest->memory_bytes = odd[draw(n_odd)];
			guest->resident_bytes = odd[draw(n_odd)];
			guest->resident_pool_bytes = odd[draw(n_odd)];
			guest->balloon_bytes = odd[draw(n_odd)];
			guest->hugepage_bytes = draw(2) ? 0 : odd[draw(n_odd)];
			guest->is_split = draw(2);
			lives_on(i, draw(N_NODES), draw(2));
		}
		policy.guest_overhead_bytes = odd[draw(n_odd)];
		stall.swap_free_bytes = odd[draw(n_odd)];
		find();
		seed = start;
	}
}

/* ---- hysteresis --------------------------------------------------------------------------- */

static void test_settle(void **state)
{
	struct place_pressure now = { .risk = PLACE_RISK_SWAP,
				      .limit_bytes = 6400 * MIB,
				      .growth_bytes = 3000 * MIB,
				      .spare_bytes = UINT64_MAX };

	(void)state;
	assert_int_equal(place_pressure_settle(PLACE_RISK_UNKNOWN, &now), PLACE_RISK_SWAP);
	now.risk = PLACE_RISK_UNKNOWN;
	assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &now), PLACE_RISK_SWAP);
	now.risk = PLACE_RISK_NONE;
	now.spare_bytes = 200 * MIB - 1;
	assert_int_equal(place_pressure_settle(PLACE_RISK_UNKNOWN, &now), PLACE_RISK_NONE);
	assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &now), PLACE_RISK_SWAP);
	now.spare_bytes++;
	assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &now), PLACE_RISK_NONE);
	now.spare_bytes = 0;
	now.growth_bytes = 100 * MIB;
	assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &now), PLACE_RISK_NONE);
	now.growth_bytes = 3000 * MIB;
	now.risk = PLACE_RISK_KILL;
	assert_int_equal(place_pressure_settle(PLACE_RISK_SWAP, &now), PLACE_RISK_KILL);
}

/* A page more or less on a node that is just full changes the risk each time, and the settled one
 * once. */
static void test_no_flapping(void **state)
{
	enum place_risk settled = PLACE_RISK_UNKNOWN, before;
	size_t n_changes = 0, n_raw = 0;

	(void)state;
	add(PLACE_BIND_STRICT, "0", 2000, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		const enum place_risk last = found[0].risk;

		raw[0].free_bytes = 899 * MIB + (i % 2 ? 4096 : 0);
		before = settled;
		settled = place_pressure_settle(before, (risk(), &found[0]));
		n_changes += settled != before;
		n_raw += i && found[0].risk != last;
	}
	assert_true(n_raw > 900);
	assert_int_equal(n_changes, 1);
	raw[0].free_bytes = 1000 * MIB;
	assert_int_equal(place_pressure_settle(settled, (risk(), &found[0])), PLACE_RISK_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_confined, begin),
		cmocka_unit_test_setup(test_swap, begin),
		cmocka_unit_test_setup(test_swapped_already, begin),
		cmocka_unit_test_setup(test_swap_limit, begin),
		cmocka_unit_test_setup(test_cells, begin),
		cmocka_unit_test_setup(test_overhead, begin),
		cmocka_unit_test_setup(test_balloon, begin),
		cmocka_unit_test_setup(test_neighbours, begin),
		cmocka_unit_test_setup(test_promises, begin),
		cmocka_unit_test_setup(test_overcommitted_elsewhere, begin),
		cmocka_unit_test_setup(test_locality, begin),
		cmocka_unit_test_setup(test_confined_by_cpuset, begin),
		cmocka_unit_test_setup(test_swap_limit_in_a_cpuset, begin),
		cmocka_unit_test_setup(test_pools, begin),
		cmocka_unit_test_setup(test_promised_pools, begin),
		cmocka_unit_test_setup(test_promise_that_pools_hold, begin),
		cmocka_unit_test_setup(test_nearness, begin),
		cmocka_unit_test_setup(test_unknown, begin),
		cmocka_unit_test_setup(test_doubtful_neighbour, begin),
		cmocka_unit_test_setup(test_nothing, begin),
		cmocka_unit_test_setup(test_random_single, begin),
		cmocka_unit_test_setup(test_random_sets, begin),
		cmocka_unit_test_setup(test_nonsense, begin),
		cmocka_unit_test_setup(test_settle, begin),
		cmocka_unit_test_setup(test_no_flapping, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
