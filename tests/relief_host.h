/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A made-up host for who makes room: tests fill it by hand and by chance, a bench to the brim. */
#pragma once

#include "decide/relief.h"

#define MIB (UINT64_C(1) << 20)
#define HOST_NODES_MAX 32
#define HOST_GUESTS_MAX 1000
#define HOST_PROMISES_MAX 8
#define HOST_UNDER_WAY_MAX 2

/* How many promises there are is said in `pressure`, how many moves under way in `input`. */
struct relief_host {
	struct place_topology topology;
	struct place_node nodes[HOST_NODES_MAX];
	uint8_t distance[HOST_NODES_MAX * HOST_NODES_MAX];
	struct place_sample sample;
	struct place_node_sample raw[HOST_NODES_MAX];
	struct place_guest guests[HOST_GUESTS_MAX];
	enum place_class classes[HOST_GUESTS_MAX];
	unsigned traits[HOST_GUESTS_MAX];
	struct place_activity activities[HOST_GUESTS_MAX];
	uint64_t bytes[HOST_GUESTS_MAX][HOST_NODES_MAX];
	uint32_t run_permille[HOST_GUESTS_MAX][HOST_NODES_MAX];
	uint64_t held_until_ns[HOST_GUESTS_MAX];
	bool is_moving[HOST_GUESTS_MAX], is_wide[HOST_GUESTS_MAX], is_growing[HOST_GUESTS_MAX];
	bool may_steer[HOST_GUESTS_MAX], may_change_nodes[HOST_GUESTS_MAX];
	struct place_promise promises[HOST_PROMISES_MAX];
	struct place_step under_way[HOST_UNDER_WAY_MAX];
	struct place_policy policy;
	struct place_move_policy move;
	struct place_stall stall;
	/* What is asked about all of it, and what relief_host_look() finds. */
	struct place_plan_input plan;
	struct place_pressure_input pressure;
	struct place_relief_input input;
	struct place_model model;
	struct place_node_model models[HOST_NODES_MAX];
	struct place_pressure_node pressure_nodes[HOST_NODES_MAX];
	struct place_pressure pressures[HOST_GUESTS_MAX];
};

/* For any of them. */
extern struct place_relief_scratch relief_scratch;

/* Nodes 0, id_step, ... with neither CPUs nor memory, but a reserve of 100 MiB each; no guests. */
void relief_host_begin(struct relief_host *host, size_t n_nodes, unsigned id_step);

/* The next n of the host. */
void relief_host_add_cpus(struct relief_host *host, size_t node, unsigned n);

/*
 * A guest with a vCPU, busy, that has taken all of its memory. Where that lies, where it runs, and
 * what it is allowed is left to the caller. Returns: its index; its pid is 100 more.
 */
size_t relief_host_add_guest(struct relief_host *host, uint64_t memory_bytes);

/* The model and the pressure on the guests as they are. Returns: 0 or -errno. */
int relief_host_look(struct relief_host *host);

/* The ordinary plan; its fates stand until the next one. Returns: 0 or -errno. */
int relief_host_plan(struct relief_host *host, struct place_plan *plan);

/*
 * The step's memory goes where it is to, in place of page cache where need be, and a guest that
 * changes nodes has the new one. Returns: whether there was so much of it, and room for it.
 */
bool relief_host_do(struct relief_host *host, const struct place_step *step);
