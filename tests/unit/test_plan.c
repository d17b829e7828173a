/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who moves: on a host of two and of four nodes with guests made by hand. Each verdict has its
 * case, and what must never be planned has one too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/class.h"
#include "decide/plan.h"
#include "decide/remote.h"

#define GIB (UINT64_C(1) << 30)
#define S_NS UINT64_C(1000000000)
#define N_NODES 4
#define N_GUESTS 3

/* Four nodes of 32 GiB and 8 CPUs, empty but for the guests of 8 GiB and 4 vCPUs. */
struct world {
	struct place_topology topology;
	struct place_node nodes[N_NODES];
	uint8_t distance[N_NODES * N_NODES];
	struct place_sample sample;
	struct place_node_sample node_samples[N_NODES];
	struct place_guest guests[N_GUESTS];
	enum place_class classes[N_GUESTS];
	unsigned traits[N_GUESTS];
	struct place_activity activities[N_GUESTS];
	uint64_t bytes[N_GUESTS][N_NODES];
	uint32_t run_permille[N_GUESTS][N_NODES];
	uint64_t held_until_ns[N_GUESTS];
	bool is_moving[N_GUESTS];
	bool may_steer[N_GUESTS], is_wide[N_GUESTS];
	uint64_t coming_bytes[N_NODES];
	bool may_change_nodes[N_GUESTS];
	bool steers_devices;
	struct place_policy policy;
	struct place_move_policy move;
	struct place_plan_input input;
	struct place_plan_scratch scratch;
	struct place_node_model models[N_NODES];
	uint64_t taken_bytes[N_NODES];
	uint64_t traffic[N_GUESTS];
	struct place_candidate candidates[N_NODES];
	enum place_reason reasons[N_NODES];
	enum place_fate fates[N_GUESTS];
	struct place_plan plan;
};

static struct world world;

static void make_nodes(void)
{
	for (unsigned i = 0; i < N_NODES; i++) {
		world.nodes[i] = (struct place_node){ .id = i * 2, .n_cpus = 8, .n_cores = 8 };
		for (unsigned cpu = 0; cpu < 8; cpu++) {
			place_set_add(&world.nodes[i].cpus, i * 8 + cpu);
			place_set_add(&world.topology.cpus_online, i * 8 + cpu);
		}
		place_set_add(&world.topology.node_ids, i * 2);
		for (unsigned j = 0; j < N_NODES; j++)
			world.distance[i * N_NODES + j] = i == j ? 10 : 20;
		world.node_samples[i] = (struct place_node_sample){
			.known = PLACE_NODE_TOTAL | PLACE_NODE_FREE,
			.total_bytes = 32 * GIB,
			.free_bytes = 32 * GIB,
		};
	}
}

/* All its memory on node `at`, all its vCPUs on node `runs`. */
static void put_guest(size_t i, unsigned at, unsigned runs)
{
	world.guests[i] = (struct place_guest){
		.known = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_VCPUS |
			 PLACE_GUEST_RESIDENT,
		.pid = 100 + (int)i,
		.start_ns = 1000 + i,
		.n_vcpus = 4,
		.memory_bytes = 8 * GIB,
		.resident_bytes = 8 * GIB,
	};
	memset(world.bytes[i], 0, sizeof(world.bytes[i]));
	memset(world.run_permille[i], 0, sizeof(world.run_permille[i]));
	world.bytes[i][at] = 8 * GIB;
	world.run_permille[i][runs] = 1000;
	world.node_samples[at].free_bytes -= 8 * GIB;
	world.activities[i] = (struct place_activity){
		.known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN | PLACE_ACTIVITY_REMOTE,
		.bytes = world.bytes[i],
		.run_permille = world.run_permille[i],
		.busy_millicpu = 4000,
		.remote_permille = at == runs ? 0 : 1000,
	};
	world.classes[i] = PLACE_CLASS_FREE;
}

static int set_up(void **state)
{
	(void)state;
	world = (struct world){ 0 };
	make_nodes();
	world.topology.n_nodes = world.sample.n_nodes = N_NODES;
	world.topology.nodes = world.nodes;
	world.topology.distance = world.distance;
	world.sample.nodes = world.node_samples;
	world.sample.guests = world.guests;
	world.policy = (struct place_policy){ .smt_percent = 20 };
	world.move = (struct place_move_policy){
		.is_enabled = true,
		.remote_permille = 100,
		.locality_permille = 900,
		.busy_millicpu = 200,
		.payback_s = 60,
		.steps_max = 1,
	};
	world.scratch = (struct place_plan_scratch){
		.nodes = world.models,
		.taken_bytes = world.taken_bytes,
		.traffic = world.traffic,
		.advise = { .n_nodes = N_NODES,
			    .candidates = world.candidates,
			    .reasons = world.reasons },
	};
	world.plan.fates = world.fates;
	for (unsigned i = 0; i < N_GUESTS; i++)
		put_guest(i, i, i);
	return 0;
}

static void make_plan(void)
{
	world.sample.n_guests = N_GUESTS;
	for (size_t i = 0; i < N_GUESTS; i++)
		world.may_steer[i] =
			world.classes[i] == PLACE_CLASS_FREE ||
			(world.classes[i] == PLACE_CLASS_DEVICE && world.steers_devices);
	world.input = (struct place_plan_input){
		.topology = &world.topology,
		.sample = &world.sample,
		.classes = world.classes,
		.traits = world.traits,
		.activities = world.activities,
		.held_until_ns = world.held_until_ns,
		.is_moving = world.is_moving,
		.may_steer = world.may_steer,
		.is_wide = world.is_wide,
		.coming_bytes = world.coming_bytes,
		.may_change_nodes = world.may_change_nodes,
		.policy = &world.policy,
		.move = &world.move,
		.now_ns = 1000 * S_NS,
	};
	assert_int_equal(place_plan_make(&world.input, &world.scratch, &world.plan), 0);
}

static void test_nothing_moves_on_a_tidy_host(void **state)
{
	(void)state;
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	for (size_t i = 0; i < N_GUESTS; i++)
		assert_int_equal(world.fates[i], PLACE_FATE_LOCAL);
}

static void test_most_traffic_goes_first(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	put_guest(2, 0, 3);
	world.activities[2].busy_millicpu = 4001;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].pid, 102);
	assert_int_equal(world.plan.steps[0].start_ns, 1002);
	assert_int_equal(world.plan.steps[0].remote_permille, 1000);
	assert_int_equal(world.fates[2], PLACE_FATE_MOVE);
	assert_int_equal(world.fates[1], PLACE_FATE_WAITING);
	assert_int_equal(world.fates[0], PLACE_FATE_LOCAL);
}

/* Cells that are bound each in its own way: gathered on no node, and no CPUs either. */
static void test_bound_cell_by_cell_stays(void **state)
{
	static const enum place_class classes[] = { PLACE_CLASS_STATIC, PLACE_CLASS_PINNED,
						    PLACE_CLASS_INTERLEAVED, PLACE_CLASS_DEVICE };

	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		set_up(NULL);
		put_guest(1, 0, 3);
		world.classes[1] = classes[i];
		world.move.merges_interleaved = world.steers_devices = true;
		world.guests[1].known |= PLACE_GUEST_MEMS;
		world.guests[1].bind = PLACE_BIND_STRICT;
		place_set_add(&world.guests[1].mems, 0);
		place_set_add(&world.guests[1].mems, 6);
		make_plan();
		assert_int_equal(world.fates[1], PLACE_FATE_MOVE);
		world.guests[1].is_split = true;
		make_plan();
		assert_int_equal(world.plan.n_steps, 0);
		assert_int_equal(world.fates[1], PLACE_FATE_CLASS);
	}
}

/* Placed by its cells: busy, remote, and nothing for the plan. */
static void test_wide_guests_are_not_planned(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.is_wide[1] = true;
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	assert_int_equal(world.fates[1], PLACE_FATE_CELLS);
	world.move.is_enabled = false;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_PAUSED);
	world.activities[1].busy_millicpu = 1;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_IDLE);
}

/* Whoever starts a guest of his own can make it as busy as he likes. */
static void test_guests_of_the_system_go_first(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	put_guest(2, 0, 3);
	world.activities[2].busy_millicpu = 4001;
	world.traits[1] = PLACE_TRAIT_LIBVIRT;
	world.traits[2] = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_SESSION;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].pid, 101);
	world.traits[2] = 0;
	make_plan();
	assert_int_equal(world.plan.steps[0].pid, 101);
	world.traits[2] = PLACE_TRAIT_LIBVIRT;
	make_plan();
	assert_int_equal(world.plan.steps[0].pid, 102);
}

static void test_who_only_begins_waits(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.traits[1] = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_STARTING;
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	assert_int_equal(world.fates[1], PLACE_FATE_UNKNOWN);
}

#define CROWD 40

/*
 * Many with much traffic that cannot move, and the last one, with less, that can. Returns: how many
 * plans it takes until it is in one.
 */
static unsigned plan_crowd(const unsigned traits[CROWD])
{
	uint32_t split[N_NODES] = { 0, 0, 500, 500 };
	struct place_guest guests[CROWD];
	struct place_activity activities[CROWD];
	enum place_class classes[CROWD];
	enum place_fate fates[CROWD];
	bool is_moving[CROWD] = { false }, may_steer[CROWD] = { false },
	     may_change_nodes[CROWD] = { false };
	uint64_t held_until_ns[CROWD] = { 0 }, traffic[CROWD];
	unsigned n_plans = 0;

	put_guest(0, 0, 3);
	for (int i = 0; i < CROWD; i++) {
		guests[i] = world.guests[0];
		activities[i] = world.activities[0];
		guests[i].pid = 100 + i;
		classes[i] = PLACE_CLASS_PINNED;
		guests[i].memory_bytes = guests[i].resident_bytes = GIB / 8;
		/* Their vCPUs are split, but for those of the last. */
		if (i < CROWD - 1)
			activities[i].run_permille = split;
		activities[i].busy_millicpu = i < CROWD - 1 ? 4000 : 3000;
	}
	make_plan();
	world.sample.guests = guests;
	world.sample.n_guests = CROWD;
	world.input.classes = classes;
	world.input.traits = traits;
	world.input.activities = activities;
	world.input.held_until_ns = held_until_ns;
	world.input.is_moving = is_moving;
	world.input.may_steer = may_steer;
	world.input.may_change_nodes = may_change_nodes;
	world.scratch.traffic = traffic;
	world.plan.fates = fates;
	world.plan.n_steps = 0;
	while (!world.plan.n_steps && n_plans++ < CROWD)
		assert_int_equal(place_plan_make(&world.input, &world.scratch, &world.plan), 0);
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].pid, 100 + CROWD - 1);
	return n_plans;
}

/* Whoever starts such guests must not hold up the rest. */
static void test_a_crowd_holds_up_nobody(void **state)
{
	unsigned traits[CROWD] = { 0 };

	(void)state;
	/* Eight in turn, beside the eight with most traffic. */
	assert_in_range(plan_crowd(traits), 2, CROWD / 8);
	/* The first of the system is the first of all. */
	traits[CROWD - 1] = PLACE_TRAIT_LIBVIRT;
	set_up(NULL);
	assert_int_equal(plan_crowd(traits), 1);
	/* Of the system's 20 four come in turn at least. */
	for (unsigned i = 1; i < CROWD; i += 2)
		traits[i] = PLACE_TRAIT_LIBVIRT;
	set_up(NULL);
	assert_in_range(plan_crowd(traits), 2, CROWD / 2 / 4);
	/* Nor do they keep a user's waiting for good. */
	for (unsigned i = 0; i < CROWD; i++)
		traits[i] = i < CROWD / 2 ? PLACE_TRAIT_LIBVIRT : 0;
	set_up(NULL);
	assert_in_range(plan_crowd(traits), 2, CROWD / 4);
}

static void test_equal_guests_go_by_uuid(void **state)
{
	(void)state;
	put_guest(0, 0, 3);
	put_guest(1, 0, 3);
	memcpy(world.guests[0].uuid, "b", 2);
	memcpy(world.guests[1].uuid, "a", 2);
	make_plan();
	assert_int_equal(world.plan.steps[0].pid, 101);
}

/* Its vCPUs run on node id 6 and stay there: memory follows them, whatever advice would like. */
static void test_memory_follows_pinned_cpus(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.classes[1] = PLACE_CLASS_PINNED;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 6);
	assert_int_equal(world.plan.steps[0].bytes, 8 * GIB);
}

static void test_never_outside_of_its_nodes(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.classes[1] = PLACE_CLASS_STATIC;
	world.guests[1].known |= PLACE_GUEST_MEMS;
	world.guests[1].bind = PLACE_BIND_STRICT;
	place_set_add(&world.guests[1].mems, 0);
	place_set_add(&world.guests[1].mems, 2);
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	assert_int_equal(world.fates[1], PLACE_FATE_NO_BETTER);
}

/* Advised onto the first node and confined there; somebody took its vCPUs to the last. */
static void put_advised(size_t i, enum place_bind bind)
{
	put_guest(i, 0, 3);
	world.classes[i] = PLACE_CLASS_AUTO;
	world.guests[i].known |= PLACE_GUEST_MEMS;
	world.guests[i].bind = bind;
	place_set_add(&world.guests[i].mems, world.nodes[0].id);
	world.may_change_nodes[i] = place_class_changes_nodes(
		world.classes[i], &world.guests[i], PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_ADVISED);
}

static void test_an_advised_guest_changes_nodes(void **state)
{
	static const enum place_bind binds[] = { PLACE_BIND_STRICT, PLACE_BIND_CPUSET };

	(void)state;
	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
		set_up(NULL);
		put_advised(1, binds[i]);
		make_plan();
		assert_int_equal(world.plan.n_steps, 1);
		assert_int_equal(world.plan.steps[0].to_node, 6);
		assert_true(world.plan.steps[0].changes_nodes);
		assert_int_equal(world.plan.steps[0].from_node, 0);
		assert_int_equal(world.plan.steps[0].bytes, 8 * GIB);
		/* What an earlier change left is to be done first. */
		world.may_change_nodes[1] = false;
		make_plan();
		assert_int_equal(world.plan.n_steps, 0);
		assert_int_equal(world.fates[1], PLACE_FATE_NO_BETTER);
	}
	/* Inside of what it has, nothing of its groups changes. */
	place_set_add(&world.guests[1].mems, 6);
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_false(world.plan.steps[0].changes_nodes);
}

/* No room there, or its vCPUs everywhere: it stays, and so do its groups. */
static void test_an_advised_guest_stays(void **state)
{
	(void)state;
	put_advised(1, PLACE_BIND_STRICT);
	world.node_samples[3].free_bytes = 7 * GIB;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_NO_ROOM);
	set_up(NULL);
	put_advised(1, PLACE_BIND_STRICT);
	world.run_permille[1][3] = world.run_permille[1][2] = 500;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_NO_BETTER);
}

/* Pages of a pool go into free pages of the other node's pool, of their size. */
static void test_pools_hold_it_or_it_stays(void **state)
{
	static const struct {
		uint64_t page_bytes, free_pages;
		enum place_fate fate;
	} cases[] = {
		{ GIB / 512, 4096, PLACE_FATE_MOVE },
		{ GIB / 512, 4095, PLACE_FATE_NO_BETTER },
		{ GIB, 8, PLACE_FATE_NO_BETTER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up(NULL);
		put_advised(1, PLACE_BIND_STRICT);
		world.guests[1].hugepage_bytes = GIB / 512;
		world.guests[1].resident_pool_bytes = 8 * GIB;
		world.node_samples[3].known |= PLACE_NODE_POOLS;
		world.node_samples[3].n_pools = 1;
		world.node_samples[3].pools[0] = (struct place_pool){
			.page_bytes = cases[i].page_bytes,
			.total_pages = cases[i].free_pages,
			.free_pages = cases[i].free_pages,
		};
		make_plan();
		if (world.fates[1] != cases[i].fate)
			fail_msg("case %zu: %d", i, (int)world.fates[1]);
	}
}

static void put_pool(unsigned node, uint64_t free_pages)
{
	world.node_samples[node].known |= PLACE_NODE_POOLS;
	world.node_samples[node].n_pools = 1;
	world.node_samples[node].pools[0] = (struct place_pool){
		.page_bytes = GIB / 512,
		.total_pages = 4096 + free_pages,
		.free_pages = free_pages,
	};
}

/* All of its memory from the first node's pool, which is full, its vCPUs on the last one. */
static void put_pool_guest(size_t i)
{
	put_guest(i, 0, 3);
	world.guests[i].hugepage_bytes = GIB / 512;
	world.guests[i].resident_pool_bytes = 8 * GIB;
	world.guests[i].resident_bytes = 0;
	put_pool(0, 0);
}

/* Nodes that are mostly pool have little plain memory: that is nothing to it. */
static void test_cpus_go_to_the_pages_of_a_pool(void **state)
{
	(void)state;
	put_pool_guest(1);
	world.node_samples[0].free_bytes = GIB;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 0);
	/* Even where some of it lies elsewhere and cannot come. */
	world.bytes[1][0] = 7 * GIB;
	world.bytes[1][1] = GIB;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 0);
}

/* Only where its pages can come: plain memory is no room for them, whatever binds it. */
static void test_pages_of_a_pool_go_to_a_pool(void **state)
{
	(void)state;
	for (unsigned pinned = 0; pinned < 2; pinned++)
		for (unsigned short_pages = 0; short_pages < 2; short_pages++) {
			set_up(NULL);
			put_pool_guest(1);
			put_pool(3, 4096 - short_pages);
			/* That is of plain memory. */
			world.policy.guest_overhead_bytes = GIB / 8;
			world.classes[1] = pinned ? PLACE_CLASS_PINNED : PLACE_CLASS_FREE;
			/* The first node has no CPUs left for it. */
			put_guest(0, 0, 0);
			put_guest(2, 0, 0);
			for (size_t i = 0; i < N_GUESTS; i += 2) {
				world.guests[i].known |= PLACE_GUEST_CPUS;
				world.guests[i].cpus = world.nodes[0].cpus;
			}
			world.node_samples[3].free_bytes = GIB;
			make_plan();
			assert_int_equal(world.plan.n_steps, !short_pages || !pinned);
			if (!world.plan.n_steps)
				continue;
			assert_int_equal(world.plan.steps[0].to_node, short_pages ? 0 : 6);
			assert_int_equal(world.plan.steps[0].bytes, short_pages ? 0 : 8 * GIB);
		}
}

/* Free, and somebody's who has reserved it and not touched it. */
static void test_reserved_pages_of_a_pool(void **state)
{
	(void)state;
	for (unsigned withheld = 0; withheld < 2; withheld++) {
		set_up(NULL);
		put_pool_guest(1);
		put_pool(3, 4096);
		world.node_samples[3].pools[0].withheld_pages = withheld;
		/* The first node has no CPUs left for it. */
		put_guest(0, 0, 0);
		put_guest(2, 0, 0);
		for (size_t i = 0; i < N_GUESTS; i += 2) {
			world.guests[i].known |= PLACE_GUEST_CPUS;
			world.guests[i].cpus = world.nodes[0].cpus;
		}
		make_plan();
		assert_int_equal(world.plan.n_steps, 1);
		assert_int_equal(world.plan.steps[0].to_node, withheld ? 0 : 6);
	}
}

/* What cannot come is not tried again and again. */
static void test_as_much_of_a_pool_as_comes(void **state)
{
	(void)state;
	put_pool_guest(1);
	world.bytes[1][0] = 5 * GIB;
	world.bytes[1][1] = 3 * GIB;
	world.run_permille[1][3] = 0;
	world.run_permille[1][0] = 1000;
	world.activities[1].remote_permille = 375;
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	assert_int_equal(world.fates[1], PLACE_FATE_NO_BETTER);
	put_pool(0, 1024);
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 2 * GIB);
}

/* Memory on the first node, vCPUs on the last: they go to it, and no byte moves. */
static void test_cpus_go_to_the_memory(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 0);
	/* Two guests of four busy vCPUs each have its eight CPUs already. */
	put_guest(2, 0, 0);
	put_guest(0, 0, 0);
	for (size_t i = 0; i < N_GUESTS; i += 2) {
		world.guests[i].known |= PLACE_GUEST_CPUS;
		world.guests[i].cpus = world.nodes[0].cpus;
	}
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_not_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 8 * GIB);
}

/* A device holds its pages: the vCPUs go to them, or nothing is done. */
static void test_device_guests_move_cpus_alone(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.bytes[1][1] = GIB;
	world.classes[1] = PLACE_CLASS_DEVICE;
	world.steers_devices = true;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 0);
	/* No CPU is left there. */
	world.guests[1].n_vcpus = 9;
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	assert_int_equal(world.fates[1], PLACE_FATE_CLASS);
	world.guests[1].n_vcpus = 4;
	world.steers_devices = false;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_CLASS);
}

/* What is to be left beside a guest that comes is not asked of a node where it is. */
static void test_cpus_go_to_a_nearly_full_node(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.move.utilization_percent = 85;
	world.policy.guest_overhead_bytes = GIB / 8;
	world.node_samples[0].free_bytes = 0;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 0);
	/* What lies elsewhere must fit as well. */
	world.bytes[1][1] = GIB;
	world.bytes[1][0] = 7 * GIB;
	make_plan();
	assert_int_not_equal(world.plan.steps[0].to_node, 0);
	world.node_samples[0].free_bytes = 2 * GIB; /* an eighth of one is promised */
	make_plan();
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, GIB);
	/* And what it will still take. */
	world.guests[1].memory_bytes = 9 * GIB;
	make_plan();
	assert_int_not_equal(world.plan.steps[0].to_node, 0);
	/* But for memory that stays where it is: only CPUs go. */
	world.classes[1] = PLACE_CLASS_DEVICE;
	world.steers_devices = true;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.plan.steps[0].to_node, 0);
	assert_int_equal(world.plan.steps[0].bytes, 0);
}

static void test_split_cpus_of_others_are_no_home(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.classes[1] = PLACE_CLASS_AUTO;
	world.run_permille[1][3] = 500;
	world.run_permille[1][2] = 500;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_NO_BETTER);
}

static void test_room_after_the_reserve(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.classes[1] = PLACE_CLASS_PINNED;
	world.node_samples[3].free_bytes = 8 * GIB;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_MOVE);
	world.policy.reserve_permille = 1;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_NO_ROOM);
	assert_int_equal(world.plan.n_steps, 0);
}

/* 8 GiB at 80 % want 10; a guest takes no less than it has, whatever -u says. */
static void test_room_to_grow(void **state)
{
	static const struct {
		unsigned percent;
		uint64_t free_bytes;
		enum place_fate fate;
	} cases[] = {
		{ 0, 8 * GIB, PLACE_FATE_MOVE },   { 100, 8 * GIB, PLACE_FATE_MOVE },
		{ 130, 8 * GIB, PLACE_FATE_MOVE }, { 130, 8 * GIB - 1, PLACE_FATE_NO_ROOM },
		{ 80, 10 * GIB, PLACE_FATE_MOVE }, { 80, 10 * GIB - 1, PLACE_FATE_NO_ROOM },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up(NULL);
		put_guest(1, 0, 3);
		world.classes[1] = PLACE_CLASS_PINNED;
		world.node_samples[3].free_bytes = cases[i].free_bytes;
		world.move.utilization_percent = cases[i].percent;
		make_plan();
		if (world.fates[1] != cases[i].fate)
			fail_msg("case %zu: %d", i, (int)world.fates[1]);
	}
}

/* numad's -K 0; their vCPUs stay where they are. */
static void test_interleaved_may_be_gathered(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	world.classes[1] = PLACE_CLASS_INTERLEAVED;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_CLASS);
	world.move.merges_interleaved = true;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_MOVE);
	assert_int_equal(world.plan.steps[0].to_node, world.nodes[3].id);
}

/* Two that would fill the same node: the second finds it taken. */
static void test_steps_do_not_share_room(void **state)
{
	(void)state;
	world.move.steps_max = 2;
	for (size_t i = 1; i < 3; i++) {
		put_guest(i, 0, 3);
		world.classes[i] = PLACE_CLASS_PINNED;
	}
	world.node_samples[3].free_bytes = 12 * GIB;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
	assert_int_equal(world.fates[1], PLACE_FATE_MOVE);
	assert_int_equal(world.fates[2], PLACE_FATE_NO_ROOM);
	world.node_samples[3].free_bytes = 17 * GIB;
	make_plan();
	assert_int_equal(world.plan.n_steps, 2);
	/* Nor with moves that are under way. */
	world.coming_bytes[3] = 2 * GIB;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
}

static void test_what_keeps_a_guest_where_it_is(void **state)
{
	static const enum place_class unmovable[] = {
		PLACE_CLASS_INTERLEAVED,  PLACE_CLASS_MIGRATING,  PLACE_CLASS_DEVICE,
		PLACE_CLASS_CONFIDENTIAL, PLACE_CLASS_UNREADABLE, PLACE_CLASS_EXCLUDED,
	};

	(void)state;
	put_guest(1, 0, 3);
	for (size_t i = 0; i < sizeof(unmovable) / sizeof(unmovable[0]); i++) {
		world.classes[1] = unmovable[i];
		make_plan();
		assert_int_equal(world.fates[1], PLACE_FATE_CLASS);
		assert_int_equal(world.plan.n_steps, 0);
	}
	world.classes[1] = PLACE_CLASS_FREE;
	world.activities[1].busy_millicpu = 199;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_IDLE);
	world.activities[1].busy_millicpu = 4000;
	world.activities[1].remote_permille = 99;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_LOCAL);
	world.activities[1].remote_permille = 1000;
	world.held_until_ns[1] = 1000 * S_NS + 1;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_HELD_OFF);
	world.held_until_ns[1] = 1000 * S_NS;
	world.is_moving[1] = true;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_MOVING);
	world.is_moving[1] = false;
	world.move.is_enabled = false;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_PAUSED);
	assert_int_equal(world.plan.n_steps, 0);
}

/* Unknown is not zero: each fact that is missing leaves the guest alone. */
static void test_unknown_is_never_moved(void **state)
{
	static const unsigned facts[] = { PLACE_ACTIVITY_BYTES, PLACE_ACTIVITY_RUN,
					  PLACE_ACTIVITY_REMOTE };

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		put_guest(1, 0, 3);
		world.activities[1].known &= ~facts[i];
		make_plan();
		assert_int_equal(world.fates[1], PLACE_FATE_UNKNOWN);
	}
	put_guest(1, 0, 3);
	world.guests[1].known &= ~(unsigned)PLACE_GUEST_START;
	make_plan();
	assert_int_equal(world.fates[1], PLACE_FATE_UNKNOWN);
	assert_int_equal(world.plan.n_steps, 0);
}

/* A move that is made where another is at work takes that one's place. */
/* A moment's CPUs are no home; but where they go along it does not matter where they are. */
static void test_a_brief_word(void **state)
{
	(void)state;
	put_guest(0, 0, 1);
	world.activities[0].known |= PLACE_ACTIVITY_BRIEF;
	make_plan();
	assert_int_equal(world.fates[0], PLACE_FATE_MOVE);
	world.classes[0] = PLACE_CLASS_PINNED;
	make_plan();
	assert_int_equal(world.fates[0], PLACE_FATE_UNKNOWN);
	assert_int_equal(world.plan.n_steps, 0);
}

static void test_moves_at_the_same_time(void **state)
{
	(void)state;
	put_guest(1, 0, 3);
	put_guest(2, 0, 3);
	world.is_moving[2] = true;
	make_plan();
	assert_int_equal(world.plan.n_steps, 0);
	assert_int_equal(world.fates[1], PLACE_FATE_WAITING);
	world.move.steps_max = 2;
	make_plan();
	assert_int_equal(world.plan.n_steps, 1);
}

static void test_pays(void **state)
{
	const struct place_move_policy move = { .payback_s = 60 };

	(void)state;
	/* One CPU, all remote, wastes 0.2 CPU: 12 s in a minute, and 20 GiB take 12.3 s. */
	assert_true(place_plan_pays(&move, 19 * GIB, 1000, 1000));
	assert_false(place_plan_pays(&move, 20 * GIB, 1000, 1000));
	assert_false(place_plan_pays(&move, 19 * GIB, 500, 1000));
	assert_true(place_plan_pays(&move, 19 * GIB, 500, 2000));
	assert_false(place_plan_pays(&move, UINT64_MAX, 1000, 1000));
	assert_false(place_plan_pays(&move, 0, 0, 1000));
}

static void test_remote_is_inferred(void **state)
{
	uint64_t bytes[2] = { GIB, 0 };
	uint32_t run_permille[2] = { 0, 1000 };
	struct place_activity activity = { .known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN,
					   .bytes = bytes,
					   .run_permille = run_permille };
	unsigned remote = 7, sure = 7;

	(void)state;
	assert_true(place_remote_infer(&activity, 2, &remote, &sure));
	assert_int_equal(remote, 1000);
	assert_int_equal(sure, 900);
	bytes[1] = GIB;
	assert_true(place_remote_infer(&activity, 2, &remote, &sure));
	assert_int_equal(remote, 500);
	assert_int_equal(sure, 300);
	bytes[0] = 0;
	assert_true(place_remote_infer(&activity, 2, &remote, &sure));
	assert_int_equal(remote, 0);
	bytes[1] = 0;
	remote = 7;
	assert_false(place_remote_infer(&activity, 2, &remote, &sure));
	bytes[0] = GIB;
	activity.known = PLACE_ACTIVITY_BYTES;
	assert_false(place_remote_infer(&activity, 2, &remote, &sure));
	assert_int_equal(remote, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_moves_on_a_tidy_host, set_up),
		cmocka_unit_test_setup(test_most_traffic_goes_first, set_up),
		cmocka_unit_test_setup(test_bound_cell_by_cell_stays, set_up),
		cmocka_unit_test_setup(test_wide_guests_are_not_planned, set_up),
		cmocka_unit_test_setup(test_guests_of_the_system_go_first, set_up),
		cmocka_unit_test_setup(test_who_only_begins_waits, set_up),
		cmocka_unit_test_setup(test_equal_guests_go_by_uuid, set_up),
		cmocka_unit_test_setup(test_memory_follows_pinned_cpus, set_up),
		cmocka_unit_test_setup(test_never_outside_of_its_nodes, set_up),
		cmocka_unit_test_setup(test_an_advised_guest_changes_nodes, set_up),
		cmocka_unit_test_setup(test_an_advised_guest_stays, set_up),
		cmocka_unit_test_setup(test_pools_hold_it_or_it_stays, set_up),
		cmocka_unit_test_setup(test_cpus_go_to_the_pages_of_a_pool, set_up),
		cmocka_unit_test_setup(test_pages_of_a_pool_go_to_a_pool, set_up),
		cmocka_unit_test_setup(test_reserved_pages_of_a_pool, set_up),
		cmocka_unit_test_setup(test_as_much_of_a_pool_as_comes, set_up),
		cmocka_unit_test_setup(test_cpus_go_to_the_memory, set_up),
		cmocka_unit_test_setup(test_device_guests_move_cpus_alone, set_up),
		cmocka_unit_test_setup(test_cpus_go_to_a_nearly_full_node, set_up),
		cmocka_unit_test_setup(test_split_cpus_of_others_are_no_home, set_up),
		cmocka_unit_test_setup(test_room_after_the_reserve, set_up),
		cmocka_unit_test_setup(test_room_to_grow, set_up),
		cmocka_unit_test_setup(test_interleaved_may_be_gathered, set_up),
		cmocka_unit_test_setup(test_steps_do_not_share_room, set_up),
		cmocka_unit_test_setup(test_what_keeps_a_guest_where_it_is, set_up),
		cmocka_unit_test_setup(test_unknown_is_never_moved, set_up),
		cmocka_unit_test_setup(test_a_brief_word, set_up),
		cmocka_unit_test_setup(test_moves_at_the_same_time, set_up),
		cmocka_unit_test_setup(test_a_crowd_holds_up_nobody, set_up),
		cmocka_unit_test(test_pays),
		cmocka_unit_test(test_remote_is_inferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
