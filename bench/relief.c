/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long it takes to find who makes room, at 32 nodes and 1000 guests: where nobody is short,
 * where a neighbour helps, and where many are short and nobody can help. Medians of 200.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../tests/relief_host.h"

#define NODES 32
#define GUESTS 1000
#define ROUNDS 200

enum situation { CALM, HELPED, NO_HELP };

static const char *const words[] = { "nobody is short", "one is helped", "nobody can help" };

static struct relief_host host;

static void make_guest(enum situation situation)
{
	const size_t i = relief_host_add_guest(&host, 1000 * MIB);
	const size_t node = i % NODES;
	/* Every fourth is confined to its node; on node 0 one of them lacks something. */
	const bool is_confined = i / NODES % 4 == 0;

	host.guests[i].n_vcpus = 2;
	if (i == 0)
		host.guests[i].resident_bytes = 500 * MIB;
	if (is_confined) {
		host.classes[i] = PLACE_CLASS_STATIC;
		host.guests[i].bind = PLACE_BIND_STRICT;
		place_set_add(&host.guests[i].mems, host.nodes[node].id);
	} else {
		place_set_or(&host.guests[i].mems, &host.topology.node_ids);
	}
	host.bytes[i][node] = host.guests[i].resident_bytes;
	host.run_permille[i][node] = 1000;
	host.may_steer[i] = !is_confined && situation != NO_HELP;
}

static void make_host(enum situation situation)
{
	relief_host_begin(&host, NODES, 1);
	host.stall.swap_free_bytes = UINT64_MAX / 2;
	for (size_t i = 0; i < NODES; i++) {
		relief_host_add_cpus(&host, i, 128);
		host.nodes[i].n_cores = 64;
		host.raw[i].total_bytes = 64000 * MIB;
		host.raw[i].free_bytes = 4000 * MIB;
	}
	host.raw[0].free_bytes = (situation == CALM ? 1000 : 300) * MIB;
	for (size_t i = 0; i < GUESTS; i++)
		make_guest(situation);
	if (situation != NO_HELP)
		return;
	/* On each other node somebody is short as well. */
	for (size_t i = 1; i < NODES; i++) {
		const size_t guest = i + NODES;

		host.guests[guest].bind = PLACE_BIND_STRICT;
		host.guests[guest].mems = (struct place_set){ 0 };
		place_set_add(&host.guests[guest].mems, host.nodes[i].id);
		place_set_add(&host.guests[guest].mems, host.nodes[i % (NODES - 1) + 1].id);
		host.guests[guest].memory_bytes = 7700 * MIB;
	}
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int measure(enum situation situation)
{
	static double us[ROUNDS];
	struct place_relief relief;

	make_host(situation);
	if (relief_host_look(&host) < 0)
		return -1;
	for (size_t i = 0; i < ROUNDS; i++) {
		const double begin = now_us();

		if (place_relief_find(&host.input, &relief_scratch, &relief) < 0)
			return -1;
		us[i] = now_us() - begin;
	}
	qsort(us, ROUNDS, sizeof(us[0]), compare);
	printf("%-16s %6zu steps %10.1f us, at most %10.1f us\n", words[situation], relief.n_steps,
	       us[ROUNDS / 2], us[ROUNDS - 1]);
	return (situation == HELPED) == (relief.n_steps > 0) ? 0 : -1;
}

int main(void)
{
	static struct place_relief_vain vain[GUESTS];

	relief_scratch.vain = vain;
	return measure(CALM) < 0 || measure(HELPED) < 0 || measure(NO_HELP) < 0;
}
