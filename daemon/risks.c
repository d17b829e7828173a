/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Observes, decides and tells; what it keeps of single guests is the caller's. */
#include "risks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "decide/nearness.h"
#include "decide/reason.h"
#include "observe/reclaim.h"
#include "tell/event.h"
#include "tell/risk.h"

#define NS_PER_S UINT64_C(1000000000)
#define STAYS_SAID_NS (3600 * NS_PER_S)
/* Below the limit of their kind (tell/event.c), with some left for other findings. */
#define WINDOW_NS (10 * NS_PER_S)
#define LINES_PER_WINDOW 30

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
	const uint64_t n_said = risks->n_said;

	risks_done(risks);
	risks->n_said = n_said;
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

int risks_find(struct risks *risks, struct place_pressure_input *input,
	       struct risk_memory *(*memory_of)(size_t i, void *data), void *data)
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

/* ---- telling ------------------------------------------------------------------------------ */

/* FNV-1a, by words: to notice other nodes, not to tell adversaries apart. */
static uint64_t digest(const struct place_set *set)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < PLACE_SET_WORDS; i++)
		hash = (hash ^ set->words[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool has_place(struct risks *risks, uint64_t now_ns)
{
	if (!risks->window_ns || now_ns >= risks->window_ns + WINDOW_NS) {
		risks->window_ns = now_ns;
		risks->n_in_window = 0;
	}
	return risks->n_in_window++ < LINES_PER_WINDOW;
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

void risks_tell(struct risks *risks, const struct place_guest *guest, size_t i,
		struct risk_memory *memory, uint64_t now_ns)
{
	const struct place_pressure *pressure = &risks->pressures[i];
	const enum place_risk risk = memory->settled;
	uint64_t nodes;
	bool is_new;

	if (risk < PLACE_RISK_LOCALITY) {
		if (memory->is_standing && has_place(risks, now_ns)) {
			say_end(guest, pressure);
			memory->is_standing = false;
		}
		return;
	}
	/* Where a guest without a policy lives changes with each move: that is no news. */
	nodes = pressure->is_home ? 0 : digest(&guest->mems);
	is_new = risk > memory->told || nodes != memory->told_nodes ||
		 now_ns > memory->told_ns + STAYS_SAID_NS;
	if (is_new) {
		if (!has_place(risks, now_ns))
			return;
		say(risks, guest, pressure, risk);
		memory->is_standing = true;
		memory->told = risk;
		memory->told_nodes = nodes;
	}
	/* After its end was said it is as if it had gone, and is said again in its time. */
	if (memory->is_standing && risk >= memory->told)
		memory->told_ns = now_ns;
}

size_t risks_count(const struct risks *risks, enum place_risk risk)
{
	size_t n = 0;

	for (size_t i = 0; i < risks->n; i++)
		n += risks->settled[i] == risk;
	return n;
}
