/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Observes, decides and tells; what it keeps of single guests is the caller's. */
#include "risks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "decide/nearness.h"
#include "decide/plan.h"
#include "decide/reason.h"
#include "observe/reclaim.h"
#include "tell/event.h"
#include "tell/risk.h"

#define NS_PER_S UINT64_C(1000000000)
#define STAYS_SAID_NS (3600 * NS_PER_S)
/* So long it must be well before the end is said: what comes and goes is no line each time. */
#define WELL_FOR_NS (300 * NS_PER_S)
/*
 * Below the limit of their kind (tell/event.c), with some left for other findings. The last ten are
 * for the system's guests in danger alone: anybody can start as many as he likes that seem to be.
 */
#define WINDOW_NS (10 * NS_PER_S)
#define LINES_PER_WINDOW 30
#define LINES_FOR_ALL 20

void risks_done(struct risks *risks)
{
	free(risks->pressures);
	free(risks->settled);
	free(risks->nodes);
	free(risks->reclaims);
	free(risks->reclaims_before);
	free(risks->nearness);
	*risks = (struct risks){ 0 };
}

int risks_resize(struct risks *risks, size_t n_nodes)
{
	const struct risks before = *risks;

	risks_done(risks);
	/* What the log has taken it has taken, whatever nodes there are. */
	risks->n_said = before.n_said;
	risks->window_ns = before.window_ns;
	risks->n_in_window = before.n_in_window;
	risks->nodes = calloc(n_nodes, sizeof(*risks->nodes));
	risks->reclaims = calloc(n_nodes, sizeof(*risks->reclaims));
	risks->reclaims_before = calloc(n_nodes, sizeof(*risks->reclaims_before));
	risks->nearness = calloc(n_nodes, sizeof(*risks->nearness));
	if (!risks->nodes || !risks->reclaims || !risks->reclaims_before || !risks->nearness) {
		risks_done(risks);
		return -ENOMEM;
	}
	risks->n_nodes = n_nodes;
	return 0;
}

void risks_observe(struct risks *risks, const struct place_root *root, struct place_text *text,
		   const struct place_topology *topology, const struct place_sample *sample,
		   uint64_t now_ns)
{
	struct place_reclaim *before = risks->reclaims_before;

	if (topology->n_nodes != risks->n_nodes || sample->n_nodes != risks->n_nodes ||
	    (risks->read_ns && now_ns < risks->read_ns + NS_PER_S))
		return;
	risks->reclaims_before = risks->reclaims;
	risks->reclaims = before;
	risks->stall_before = risks->stall;
	place_reclaim_read(root, text, topology, sample, risks->reclaims, &risks->stall);
	for (size_t i = 0; i < risks->n_nodes; i++) {
		const struct place_nearness_input input = {
			.node = &sample->nodes[i],
			.before = &risks->reclaims_before[i],
			.now = &risks->reclaims[i],
			.stall_before = &risks->stall_before,
			.stall_now = &risks->stall,
		};

		risks->nearness[i] = place_nearness_of(&input);
	}
	risks->read_ns = now_ns;
}

static int reserve(struct risks *risks, size_t n)
{
	const size_t room = n + n / 2 + 16;
	struct place_pressure *pressures;
	enum place_risk *settled;

	if (n <= risks->room)
		return 0;
	pressures = reallocarray(risks->pressures, room, sizeof(*pressures));
	if (pressures)
		risks->pressures = pressures;
	settled = reallocarray(risks->settled, room, sizeof(*settled));
	if (settled)
		risks->settled = settled;
	if (!pressures || !settled)
		return -ENOMEM;
	risks->room = room;
	return 0;
}

int risks_find(struct risks *risks, struct place_pressure_input *input, risk_memory_of *memory_of,
	       void *data)
{
	const size_t n = input->sample->n_guests;
	int r;

	risks->n = 0;
	if (input->topology->n_nodes != risks->n_nodes)
		return -EINVAL;
	input->nearness = risks->nearness;
	input->stall = &risks->stall;
	r = reserve(risks, n);
	if (r == 0)
		r = place_pressure_find(input, risks->nodes, risks->pressures);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct risk_memory *memory = memory_of(i, data);

		memory->settled = place_pressure_settle(memory->settled, &risks->pressures[i]);
		risks->settled[i] = memory->settled;
	}
	risks->n = n;
	return 0;
}

void risks_find_swapped(const struct risks *risks, const struct place_sample *sample,
			bool *ret_with_swap)
{
	struct place_set nodes = { 0 }, its;
	bool is_any = false;

	for (size_t i = 0; i < risks->n; i++) {
		if (risks->settled[i] < PLACE_RISK_SWAP || risks->pressures[i].is_pool)
			continue;
		its = sample->guests[i].mems;
		if (risks->pressures[i].is_by_cpuset)
			place_nodes_to_set(&sample->guests[i].allowed, &its);
		place_set_or(&nodes, &its);
		is_any = true;
	}
	for (size_t i = 0; i < risks->n; i++)
		ret_with_swap[i] = is_any && sample->guests[i].bind != PLACE_BIND_NONE &&
				   place_set_intersects(&sample->guests[i].mems, &nodes);
}

/* ---- telling ------------------------------------------------------------------------------ */

/* FNV-1a, by words: to notice other nodes, not to tell adversaries apart. */
static uint64_t digest(const struct place_set *set)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		hash = (hash ^ set->words[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/*
 * Who is told of first where there is not place for all: harm before its end, and both before what
 * harms nobody; of each the system's guests before those that anybody may start.
 */
enum turn {
	TURN_SYSTEM_KILL,
	TURN_SYSTEM_SWAP,
	TURN_SYSTEM_OVER,
	TURN_KILL,
	TURN_SWAP,
	TURN_OVER,
	TURN_SYSTEM_LOCALITY,
	TURN_LOCALITY,
	TURN_COUNT,
};

static enum turn turn_of(enum place_risk risk, bool is_of_system)
{
	switch (risk) {
	case PLACE_RISK_KILL:
		return is_of_system ? TURN_SYSTEM_KILL : TURN_KILL;
	case PLACE_RISK_SWAP:
		return is_of_system ? TURN_SYSTEM_SWAP : TURN_SWAP;
	case PLACE_RISK_LOCALITY:
		return is_of_system ? TURN_SYSTEM_LOCALITY : TURN_LOCALITY;
	case PLACE_RISK_UNKNOWN:
	case PLACE_RISK_NONE:
	case PLACE_RISK_COUNT:
		break;
	}
	return is_of_system ? TURN_SYSTEM_OVER : TURN_OVER;
}

static bool has_place(struct risks *risks, enum turn turn, uint64_t now_ns)
{
	const unsigned most = turn <= TURN_SYSTEM_SWAP ? LINES_PER_WINDOW : LINES_FOR_ALL;

	if (!risks->window_ns || now_ns >= risks->window_ns + WINDOW_NS) {
		risks->window_ns = now_ns;
		risks->n_in_window = 0;
	}
	if (risks->n_in_window >= most)
		return false;
	risks->n_in_window++;
	return true;
}

static void say(struct risks *risks, const struct place_guest *guest,
		const struct place_pressure *pressure, enum place_risk risk)
{
	struct risk_words words;

	risk_describe(guest, pressure, risk, &risks->stall, &words);
	event(risk >= PLACE_RISK_SWAP ? LOG_WARNING : LOG_NOTICE, EVENT_FINDING,
	      KV("what", words.what), KV("subject", words.subject),
	      KV_U64("pid", (uint64_t)guest->pid), KV("nodes", words.nodes),
	      KV_U64("growth_bytes", pressure->growth_bytes),
	      KV_U64("room_bytes", pressure->room_bytes),
	      KV_U64("neighbours_bytes", pressure->neighbours_bytes),
	      KV_U64("short_bytes", pressure->short_bytes), KV("text", words.text),
	      KV("remedy", words.remedy));
	risks->n_said += risk >= PLACE_RISK_SWAP;
}

static void say_end(const struct place_guest *guest, const struct place_pressure *pressure)
{
	event(LOG_NOTICE, EVENT_FINDING, KV("what", "risk_over"),
	      KV_U64("pid", (uint64_t)guest->pid),
	      KV("subject", guest->known & PLACE_GUEST_NAME ? guest->name : NULL),
	      KV_U64("growth_bytes", pressure->growth_bytes),
	      KV_U64("room_bytes", pressure->room_bytes), KV("text", "its nodes hold it again"));
}

/* What comes back before the end was said is no news, what comes afterwards is. */
static void tell_end(struct risks *risks, enum turn turn, const struct place_guest *guest,
		     const struct place_pressure *pressure, struct risk_memory *memory,
		     uint64_t now_ns)
{
	if (memory->told < PLACE_RISK_LOCALITY)
		return;
	if (!memory->well_ns)
		memory->well_ns = now_ns;
	if (now_ns < memory->well_ns + WELL_FOR_NS || !has_place(risks, turn, now_ns))
		return;
	say_end(guest, pressure);
	memory->told = PLACE_RISK_UNKNOWN;
	memory->well_ns = 0;
}

static void tell(struct risks *risks, enum turn turn, const struct place_guest *guest,
		 const struct place_pressure *pressure, struct risk_memory *memory, uint64_t now_ns)
{
	const enum place_risk risk = memory->settled;
	uint64_t nodes;

	if (risk < PLACE_RISK_LOCALITY) {
		tell_end(risks, turn, guest, pressure, memory, now_ns);
		return;
	}
	memory->well_ns = 0;
	/* Where a guest without a policy lives changes with each move: that is no news. */
	nodes = pressure->is_home ? 0 : digest(&guest->mems);
	if (risk > memory->told || nodes != memory->told_nodes ||
	    now_ns > memory->told_ns + STAYS_SAID_NS) {
		if (!has_place(risks, turn, now_ns))
			return;
		say(risks, guest, pressure, risk);
		memory->told = risk;
		memory->told_nodes = nodes;
	}
	if (risk >= memory->told)
		memory->told_ns = now_ns;
}

void risks_tell(struct risks *risks, const struct place_guest *guests, const unsigned *traits,
		risk_memory_of *memory_of, void *data, uint64_t now_ns)
{
	for (enum turn turn = 0; turn < TURN_COUNT; turn++)
		for (size_t i = 0; i < risks->n; i++)
			if (turn_of(risks->settled[i], place_plan_is_of_system(traits[i])) == turn)
				tell(risks, turn, &guests[i], &risks->pressures[i],
				     memory_of(i, data), now_ns);
}

size_t risks_count(const struct risks *risks, enum place_risk risk)
{
	size_t n = 0;

	for (size_t i = 0; i < risks->n; i++)
		n += risks->settled[i] == risk;
	return n;
}
