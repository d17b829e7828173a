/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relief_host.h"

#include <string.h>

#include "arith.h"
#include "decide/model.h"

static struct {
	struct place_node_model models[HOST_NODES_MAX];
	struct place_node_sample raw[HOST_NODES_MAX];
	struct place_pressure_node nodes[HOST_NODES_MAX];
	uint64_t saved_free[HOST_NODES_MAX], saved_row[HOST_NODES_MAX];
	uint64_t rows[PLACE_RELIEF_ROWS * HOST_NODES_MAX];
	struct place_guest guests[HOST_GUESTS_MAX];
	struct place_activity activities[HOST_GUESTS_MAX];
	struct place_pressure pressures[HOST_GUESTS_MAX];
	enum place_risk risks[HOST_GUESTS_MAX];
} buffers;

struct place_relief_scratch relief_scratch = {
	.models = buffers.models,
	.raw = buffers.raw,
	.nodes = buffers.nodes,
	.saved_free = buffers.saved_free,
	.saved_row = buffers.saved_row,
	.rows = buffers.rows,
	.guests = buffers.guests,
	.activities = buffers.activities,
	.pressures = buffers.pressures,
	.risks = buffers.risks,
};

static void set_policies(struct relief_host *host)
{
	host->policy = (struct place_policy){ .count_reclaimable = true };
	host->move = (struct place_move_policy){
		.is_enabled = true,
		.remote_permille = 100,
		.locality_permille = 900,
		.busy_millicpu = 200,
		.payback_s = 60,
		.steps_max = 4,
	};
	host->stall =
		(struct place_stall){ .known = PLACE_STALL_SWAP, .swap_free_bytes = 8000 * MIB };
}

static void connect_inputs(struct relief_host *host)
{
	host->plan = (struct place_plan_input){
		.topology = &host->topology,
		.sample = &host->sample,
		.classes = host->classes,
		.traits = host->traits,
		.activities = host->activities,
		.held_until_ns = host->held_until_ns,
		.is_moving = host->is_moving,
		.may_steer = host->may_steer,
		.may_change_nodes = host->may_change_nodes,
		.is_wide = host->is_wide,
		.promises = host->promises,
		.policy = &host->policy,
		.move = &host->move,
		.now_ns = UINT64_C(1000000000000),
	};
	host->pressure = (struct place_pressure_input){
		.topology = &host->topology,
		.sample = &host->sample,
		.model = &host->model,
		.policy = &host->policy,
		.promises = host->promises,
		.activities = host->activities,
		.stall = &host->stall,
	};
	host->input = (struct place_relief_input){
		.plan = &host->plan,
		.pressure = &host->pressure,
		.nodes = host->pressure_nodes,
		.pressures = host->pressures,
		.is_growing = host->is_growing,
		.under_way = host->under_way,
	};
}

void relief_host_begin(struct relief_host *host, size_t n_nodes, unsigned id_step)
{
	host->topology = (struct place_topology){ .n_nodes = n_nodes,
						  .nodes = host->nodes,
						  .distance = host->distance };
	host->sample = (struct place_sample){ .n_nodes = n_nodes,
					      .nodes = host->raw,
					      .guests = host->guests };
	for (size_t i = 0; i < n_nodes; i++) {
		host->nodes[i] = (struct place_node){ .id = (unsigned)i * id_step };
		place_set_add(&host->topology.node_ids, host->nodes[i].id);
		for (size_t k = 0; k < n_nodes; k++)
			host->distance[i * n_nodes + k] =
				i == k ? PLACE_DISTANCE_LOCAL : PLACE_DISTANCE_REMOTE;
		host->raw[i] = (struct place_node_sample){
			.known = PLACE_NODE_TOTAL | PLACE_NODE_FREE | PLACE_NODE_RECLAIMABLE |
				 PLACE_NODE_RESERVE,
			.reserve_bytes = 100 * MIB,
		};
	}
	memset(host->promises, 0, sizeof(host->promises));
	set_policies(host);
	connect_inputs(host);
}

void relief_host_add_cpus(struct relief_host *host, size_t node, unsigned n)
{
	const unsigned first = place_set_count(&host->topology.cpus_online);

	for (unsigned cpu = first; cpu < first + n; cpu++)
		place_set_add(&host->nodes[node].cpus, cpu);
	place_set_or(&host->topology.cpus_online, &host->nodes[node].cpus);
	host->nodes[node].n_cpus = host->nodes[node].n_cores = n;
}

size_t relief_host_add_guest(struct relief_host *host, uint64_t memory_bytes)
{
	const size_t i = host->sample.n_guests++;

	host->guests[i] = (struct place_guest){
		.known = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT |
			 PLACE_GUEST_VCPUS | PLACE_GUEST_MEMS,
		.pid = 100 + (int)i,
		.start_ns = 1000 + i,
		.n_vcpus = 1,
		.memory_bytes = memory_bytes,
		.resident_bytes = memory_bytes,
	};
	memset(host->bytes[i], 0, sizeof(host->bytes[i]));
	memset(host->run_permille[i], 0, sizeof(host->run_permille[i]));
	host->activities[i] = (struct place_activity){
		.known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN | PLACE_ACTIVITY_REMOTE,
		.bytes = host->bytes[i],
		.run_permille = host->run_permille[i],
		.busy_millicpu = 1000,
	};
	host->classes[i] = PLACE_CLASS_FREE;
	host->traits[i] = 0;
	host->held_until_ns[i] = 0;
	host->is_moving[i] = host->is_wide[i] = host->is_growing[i] = false;
	host->may_steer[i] = host->may_change_nodes[i] = false;
	return i;
}

int relief_host_look(struct relief_host *host)
{
	int r;

	host->plan.n_promises = host->pressure.n_promises;
	r = place_model_build(&host->topology, &host->sample, host->promises, host->plan.n_promises,
			      &host->policy, host->models, &host->model);
	if (r < 0)
		return r;
	return place_pressure_find(&host->pressure, host->pressure_nodes, host->pressures);
}

int relief_host_plan(struct relief_host *host, struct place_plan *plan)
{
	static struct place_node_model models[HOST_NODES_MAX];
	static uint64_t taken_bytes[HOST_NODES_MAX], traffic[HOST_GUESTS_MAX];
	static struct place_candidate candidates[HOST_NODES_MAX];
	static enum place_reason reasons[HOST_NODES_MAX];
	static enum place_fate fates[HOST_GUESTS_MAX];
	struct place_plan_scratch scratch = {
		.nodes = models,
		.taken_bytes = taken_bytes,
		.traffic = traffic,
		.advise = { .n_nodes = host->topology.n_nodes,
			    .candidates = candidates,
			    .reasons = reasons },
	};

	plan->fates = fates;
	return place_plan_make(&host->plan, &scratch, plan);
}

bool relief_host_do(struct relief_host *host, const struct place_step *step)
{
	const size_t i = (size_t)(step->pid - 100);
	const size_t to = place_topology_index(&host->topology, step->to_node);
	uint64_t left = step->bytes;

	if (i >= host->sample.n_guests || to == host->topology.n_nodes)
		return false;
	for (size_t k = 0; k < host->topology.n_nodes; k++) {
		const uint64_t n = place_least(host->bytes[i][k], left);
		struct place_node_sample *raw = &host->raw[to];

		if (k == to || place_set_has(&step->keep, host->nodes[k].id))
			continue;
		if (place_add(raw->free_bytes, raw->reclaimable_bytes) < n)
			return false;
		raw->reclaimable_bytes -= place_subtract(n, raw->free_bytes);
		raw->free_bytes = place_subtract(raw->free_bytes, n);
		host->raw[k].free_bytes += n;
		host->bytes[i][k] -= n;
		host->bytes[i][to] += n;
		left -= n;
	}
	if (step->changes_nodes) {
		host->guests[i].mems = (struct place_set){ 0 };
		place_set_add(&host->guests[i].mems, step->to_node);
	}
	return left == 0;
}
