/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who makes room, on random hosts: what was found is done, a step after the other, and then it is
 * looked at what has become of everybody. A failure names its seed; `test_relief_hosts SEED [N]`
 * runs N hosts from there on.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "../relief_host.h"
#include "decide/class.h"

#define NODES_MAX 6
#define GUESTS_MAX 14
#define PROMISES_MAX 2

static uint64_t first_seed = 1;
static uint64_t n_seeds = 20000;
static uint64_t seed; /* of the host at hand */

#define holds(fact)                                                                                \
	do                                                                                         \
		if (!(fact))                                                                       \
			fail_msg("seed %" PRIu64 ": " #fact, seed);                                \
	while (0)

/* How often something was seen: a test that sees nothing proves nothing. */
static struct {
	unsigned short_hosts, steps, parts, changes, growth, promises, kept_short, locality, plans;
	unsigned restrained;
} seen;

/* ---- hosts -------------------------------------------------------------------------------- */

static void make_nodes(struct relief_host *host, uint64_t *random)
{
	const unsigned n = 2 + below(random, NODES_MAX - 1);

	relief_host_begin(host, n, 3);
	for (unsigned i = 0; i < n; i++) {
		struct place_node_sample *raw = &host->raw[i];

		relief_host_add_cpus(host, i, one_in(random, 8) ? 0 : 2 + below(random, 8));
		raw->total_bytes = 8000 * MIB;
		raw->free_bytes = (100 + below(random, 3000)) * MIB;
		raw->reclaimable_bytes = one_in(random, 3) ? below(random, 500) * MIB : 0;
	}
}

static struct place_set random_nodes(const struct relief_host *host, uint64_t *random, bool is_one)
{
	const unsigned n = (unsigned)host->topology.n_nodes;
	struct place_set set = { 0 };

	place_set_add(&set, host->nodes[below(random, n)].id);
	for (unsigned i = 0; !is_one && i < n; i++)
		if (one_in(random, 3))
			place_set_add(&set, host->nodes[i].id);
	return set;
}

/* Its memory lies on its nodes, and most of it on one. */
static void spread(struct relief_host *host, size_t i, uint64_t *random)
{
	const struct place_guest *guest = &host->guests[i];
	const size_t n = host->topology.n_nodes;
	const size_t first = below(random, (unsigned)n);
	size_t home = n;

	for (size_t k = 0; k < n; k++) {
		const size_t at = (first + k) % n;

		if (!place_set_has(&guest->mems, host->nodes[at].id))
			continue;
		if (home == n)
			home = at;
		else if (one_in(random, 2))
			host->bytes[i][at] = guest->resident_bytes / 16;
	}
	for (size_t k = 0; k < n; k++)
		if (k != home)
			host->bytes[i][home] -= host->bytes[i][k];
	host->bytes[i][home] += guest->resident_bytes;
	host->run_permille[i][one_in(random, 4) ? below(random, (unsigned)n) : home] = 1000;
}

/* Its cpuset leaves it its nodes, and perhaps some more. */
static void keep_inside(const struct relief_host *host, struct place_guest *guest, uint64_t *random)
{
	struct place_set allowed = random_nodes(host, random, false);

	place_set_or(&allowed, &guest->mems);
	place_nodes_from_set(&allowed, &guest->allowed);
	guest->known |= PLACE_GUEST_ALLOWED;
}

static void make_guest(struct relief_host *host, uint64_t *random)
{
	static const enum place_bind binds[] = { PLACE_BIND_NONE,     PLACE_BIND_NONE,
						 PLACE_BIND_NONE,     PLACE_BIND_CPUSET,
						 PLACE_BIND_STRICT,   PLACE_BIND_INTERLEAVE,
						 PLACE_BIND_PREFERRED };
	const bool is_one = one_in(random, 2);
	const unsigned n_vcpus = 1 + below(random, 4);
	const size_t i = relief_host_add_guest(host, (64 + below(random, 2000)) * MIB);
	struct place_guest *guest = &host->guests[i];

	guest->n_vcpus = n_vcpus;
	guest->bind = binds[below(random, sizeof(binds) / sizeof(binds[0]))];
	guest->mems = guest->bind == PLACE_BIND_NONE ? host->topology.node_ids :
						       random_nodes(host, random, is_one);
	guest->is_split = guest->bind == PLACE_BIND_STRICT && one_in(random, 4);
	if (guest->bind >= PLACE_BIND_STRICT && one_in(random, 2))
		keep_inside(host, guest, random);
	if (one_in(random, 3))
		guest->resident_bytes = guest->memory_bytes / 16 * below(random, 17);
	host->traits[i] = one_in(random, 16) ? PLACE_TRAIT_STARTING : 0;
	host->traits[i] |= one_in(random, 2) ? PLACE_TRAIT_LIBVIRT : 0;
	host->traits[i] |= one_in(random, 16) ? PLACE_TRAIT_VFIO : 0;
	host->traits[i] |= one_in(random, 8) ? PLACE_TRAIT_PINNED : 0;
	if (guest->bind != PLACE_BIND_NONE)
		host->traits[i] |= one_in(random, 2) ? PLACE_TRAIT_ADVISED : PLACE_TRAIT_NODESET;
	host->classes[i] = place_class_of(guest, host->traits[i]);
	host->activities[i].busy_millicpu = one_in(random, 2) ? 0 : below(random, 4000);
	spread(host, i, random);
	host->held_until_ns[i] = one_in(random, 16) ? UINT64_MAX : 0;
	host->may_steer[i] = host->classes[i] == PLACE_CLASS_FREE &&
			     place_class_moves_cpus(host->classes[i], host->traits[i]);
	host->may_change_nodes[i] =
		place_class_changes_nodes(host->classes[i], guest, host->traits[i]);
	host->is_growing[i] = one_in(random, 4);
}

/* One guest is on its way already. */
static void begin_a_move(struct relief_host *host, uint64_t *random)
{
	const size_t i = below(random, (unsigned)host->sample.n_guests);
	const size_t to = below(random, (unsigned)host->topology.n_nodes);
	const uint64_t all = host->guests[i].resident_bytes;

	if (!place_set_has(&host->guests[i].mems, host->nodes[to].id) || !one_in(random, 4) ||
	    all > host->raw[to].free_bytes)
		return;
	host->is_moving[i] = true;
	host->under_way[0] = (struct place_step){ .pid = host->guests[i].pid,
						  .to_node = host->nodes[to].id,
						  .bytes = all - host->bytes[i][to] };
	host->input.n_under_way = 1;
}

static void make_host(struct relief_host *host)
{
	uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	unsigned n_guests, n_promises;

	for (int i = 0; i < 8; i++)
		(void)next_random(&random);
	make_nodes(host, &random);
	n_guests = 1 + below(&random, GUESTS_MAX);
	for (unsigned i = 0; i < n_guests; i++)
		make_guest(host, &random);
	n_promises = one_in(&random, 3) ? below(&random, PROMISES_MAX + 1) : 0;
	for (unsigned i = 0; i < n_promises; i++)
		host->promises[i] = (struct place_promise){
			.id = 1 + i,
			.memory_bytes = (64 + below(&random, 2000)) * MIB,
			.nodes = random_nodes(host, &random, true),
			.pid = one_in(&random, 4) ? 4711 : 0,
		};
	host->pressure.n_promises = n_promises;
	begin_a_move(host, &random);
	host->policy.guest_overhead_bytes = 10 * MIB;
	host->stall.swap_free_bytes = below(&random, 4000) * MIB;
}

static void look_at(struct relief_host *host)
{
	assert_return_code(relief_host_look(host), 0);
}

/* ---- what is done ------------------------------------------------------------------------- */

static size_t guest_of(const struct relief_host *host, const struct place_step *step)
{
	const size_t i = (size_t)(step->pid - 100);

	holds(i < host->sample.n_guests);
	return i;
}

/* Page cache is there for the plan; for who makes room that is looked at below. */
static void do_step(struct relief_host *host, const struct place_step *step)
{
	const size_t i = guest_of(host, step);

	holds(relief_host_do(host, step));
	if (!step->keeps_cpus && (host->may_steer[i] || step->changes_nodes)) {
		memset(host->run_permille[i], 0, sizeof(host->run_permille[i]));
		host->run_permille[i][step->to_node / 3] = 1000;
	}
}

static uint64_t sum_short(const struct relief_host *host)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < host->sample.n_guests; i++)
		if (host->pressures[i].risk >= PLACE_RISK_SWAP)
			sum += host->pressures[i].short_bytes;
	for (size_t i = 0; i < host->pressure.n_promises; i++)
		sum += place_pressure_promise(&host->pressure, host->pressure_nodes,
					      &host->promises[i]);
	return sum;
}

/* ---- what must hold ----------------------------------------------------------------------- */

/* Never outside of what it is allowed, and never who may not. */
static void check_allowed(const struct relief_host *host, const struct place_step *step)
{
	const size_t i = guest_of(host, step);
	const struct place_guest *guest = &host->guests[i];

	/* Of a guest that has taken nothing yet only its nodes change. */
	holds(step->bytes > 0 || step->changes_nodes);
	holds(place_class_moves_memory(host->classes[i]));
	holds(guest->bind != PLACE_BIND_INTERLEAVE && !guest->is_split);
	holds(!(host->is_moving[i] || host->held_until_ns[i] ||
		host->traits[i] & PLACE_TRAIT_STARTING));
	holds(step->to_node % 3 == 0 && step->to_node / 3 < host->topology.n_nodes);
	holds(host->nodes[step->to_node / 3].n_cpus > 0);
	if (step->changes_nodes) {
		holds(host->may_change_nodes[i]);
		holds(place_set_has(&guest->mems, step->from_node));
		holds(!(step->most_bytes));
	} else {
		holds(place_set_has(&guest->mems, step->to_node));
	}
	if (host->classes[i] == PLACE_CLASS_PINNED)
		holds(host->run_permille[i][step->to_node / 3] == 1000);
	holds(step->cause == PLACE_CAUSE_ARRIVAL || step->cause == PLACE_CAUSE_GROWTH);
	holds((step->for_pid != 0) != (step->for_bytes != 0));
	if (step->for_pid && place_plan_is_of_system(host->traits[i]))
		holds(place_plan_is_of_system(host->traits[step->for_pid - 100]) ||
		      host->is_growing[step->for_pid - 100]);
}

static void check_step(struct relief_host *host, const struct place_step *step)
{
	const size_t to = step->to_node / 3;
	const bool is_arrival = step->cause == PLACE_CAUSE_ARRIVAL;
	enum place_risk risks[GUESTS_MAX];
	uint64_t short_before, short_after;

	look_at(host);
	short_before = sum_short(host);
	for (size_t i = 0; i < host->sample.n_guests; i++)
		risks[i] = host->pressures[i].risk;
	do_step(host, step);
	/* Free, not page cache that somebody would have to drop. */
	holds(host->raw[to].free_bytes >= host->raw[to].reserve_bytes);
	look_at(host);
	short_after = sum_short(host);
	if (is_arrival)
		holds(short_after < short_before);
	else
		holds(!short_after);
	for (size_t i = 0; i < host->sample.n_guests; i++) {
		const enum place_risk is = host->pressures[i].risk;

		if (is > risks[i] && is > PLACE_RISK_NONE) {
			/* Locality, where that saved somebody. */
			holds(is == PLACE_RISK_LOCALITY && is_arrival);
			seen.locality++;
		}
	}
	seen.steps++;
	seen.parts += step->most_bytes > 0;
	seen.changes += step->changes_nodes;
	seen.growth += !is_arrival;
	seen.promises += step->for_bytes > 0;
}

static bool has_moved(const struct place_relief *relief, int pid)
{
	for (size_t n = 0; n < relief->n_steps; n++)
		if (relief->steps[n].pid == pid)
			return true;
	return false;
}

/* What the ordinary plan does then, with those who made room too, puts nobody back into want. */
static void check_plan(struct relief_host *host, const struct place_relief *relief)
{
	struct place_plan plan = { 0 };
	uint64_t short_before;
	size_t n_steps;

	for (size_t i = 0; i < host->sample.n_guests; i++) {
		const size_t n = host->topology.n_nodes;
		uint64_t all = 0, here = 0;

		for (size_t k = 0; k < n; k++) {
			all += host->bytes[i][k];
			here += host->run_permille[i][k] ? host->bytes[i][k] : 0;
		}
		host->activities[i].remote_permille =
			all ? (unsigned)((all - here) * 1000 / all) : 0;
	}
	look_at(host);
	short_before = sum_short(host);
	assert_return_code(relief_host_plan(host, &plan), 0);
	n_steps = plan.n_steps;
	assert_return_code(place_relief_restrain(&host->input, &relief_scratch, &plan), 0);
	seen.restrained += n_steps > plan.n_steps;
	for (size_t n = 0; n < plan.n_steps; n++) {
		do_step(host, &plan.steps[n]);
		seen.plans += has_moved(relief, plan.steps[n].pid);
	}
	look_at(host);
	holds(sum_short(host) <= short_before);
}

static void check_host(void)
{
	static struct place_node_sample raw[NODES_MAX];
	static struct place_guest guests[GUESTS_MAX];
	static uint64_t bytes[GUESTS_MAX][HOST_NODES_MAX];
	static struct relief_host host;
	struct place_relief relief;

	make_host(&host);
	memcpy(raw, host.raw, sizeof(raw));
	memcpy(guests, host.guests, sizeof(guests));
	memcpy(bytes, host.bytes, sizeof(bytes));
	look_at(&host);
	assert_return_code(place_relief_find(&host.input, &relief_scratch, &relief), 0);
	assert_memory_equal(host.raw, raw, sizeof(raw));
	assert_memory_equal(host.guests, guests, sizeof(guests));
	assert_memory_equal(host.bytes, bytes, sizeof(bytes));
	holds(relief.n_steps <= PLACE_STEPS_MAX);
	seen.short_hosts += sum_short(&host) > 0;
	if (host.input.n_under_way) {
		do_step(&host, &host.under_way[0]);
		host.input.n_under_way = 0;
	}
	for (size_t n = 0; n < relief.n_steps; n++) {
		for (size_t k = 0; k < n; k++)
			holds(relief.steps[n].pid != relief.steps[k].pid);
		check_allowed(&host, &relief.steps[n]);
		check_step(&host, &relief.steps[n]);
	}
	look_at(&host);
	seen.kept_short += sum_short(&host) > 0;
	if (relief.n_steps)
		check_plan(&host, &relief);
}

static void test_random_hosts(void **state)
{
	(void)state;
	for (seed = first_seed; seed < first_seed + n_seeds; seed++)
		check_host();
	if (n_seeds < 1000)
		return;
	/* What was never seen is not tested. */
	assert_true(seen.short_hosts > n_seeds / 10 && seen.kept_short < seen.short_hosts);
	assert_true(seen.steps > n_seeds / 20 && seen.parts > n_seeds / 200);
	assert_true(seen.changes > n_seeds / 200 && seen.growth > n_seeds / 1000);
	assert_true(seen.promises > n_seeds / 200 && seen.plans > n_seeds / 1000);
	assert_true(seen.locality > 0 && seen.restrained > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_hosts) };

	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10);
	if (argc > 1)
		n_seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
