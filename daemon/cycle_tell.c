/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a turn to the log: guests that came, went or changed, moves that were decided. What was
 * said of a guest is kept in its memory, so that nothing is said twice; numad's tables are made
 * for each turn where somebody asked for them.
 */
#include "cycle_tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "cycle_parts.h"
#include "decide/model.h"
#include "decide/reason.h"
#include "host/cleanup.h"
#include "tell/event.h"
#include "tell/numad_log.h"
#include "tell/numad_tables.h"

void cycle_tell_trouble(const char *note)
{
	event(LOG_WARNING, EVENT_TROUBLE, KV("note", note));
}

void cycle_tell_rescan(const struct place_topology *topology)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);

	if (nodes && place_set_format(&topology->node_ids, nodes, PLACE_SET_TEXT_MAX) >= 0)
		event(LOG_NOTICE, EVENT_RESCAN, KV("nodes", nodes));
}

static const char *name_of(const struct place_guest *guest)
{
	return guest->known & PLACE_GUEST_NAME ? guest->name : NULL;
}

/* numad's lines name the command, not the guest. Takes no lock that a guest could hold. */
static const char *comm_of(struct cycle *cycle, int pid)
{
	struct place_text *text = &cycle->host->text;

	if (place_root_readf(&cycle->host->root, text, "proc/%d/comm", pid) < 0 || !text->size)
		return "unknown";
	if (text->data[text->size - 1] == '\n')
		text->data[text->size - 1] = '\0';
	return text->data;
}

static void tell_gone(struct cycle *cycle)
{
	struct place_watch *watch = &cycle->watch;

	for (size_t i = 0; i < watch->n_gone; i++)
		event(LOG_INFO, EVENT_GUEST_GONE, KV_U64("pid", (uint64_t)watch->gone[i].pid),
		      KV("guest", watch->gone[i].name[0] ? watch->gone[i].name : NULL));
	watch->n_gone = 0;
}

/* Fates change with every breath of a guest; worth a line is what stands in the way of a move. */
static bool is_news(enum place_fate fate)
{
	return fate == PLACE_FATE_NO_ROOM || fate == PLACE_FATE_NOT_WORTH;
}

static void tell_guest(struct cycle *cycle, size_t i)
{
	const struct place_guest *guest = &cycle->watch.guests[i];
	const enum place_class class = cycle->watch.classes[i];
	const enum place_fate fate = cycle->plan.fates[i];
	struct cycle_memory *memory = &cycle->memories[i];

	if (memory->class_told != class) {
		event(LOG_INFO, memory->is_told ? EVENT_GUEST_CHANGED : EVENT_GUEST_SEEN,
		      KV_U64("pid", (uint64_t)guest->pid), KV("guest", name_of(guest)),
		      KV("class", place_class_word(class)),
		      KV_U64("memory_mib", guest->memory_bytes >> 20));
		memory->is_told = true;
		memory->class_told = class;
	}
	/* Who waits for his turn has the verdict that he had. */
	if (fate == memory->fate_told || fate == PLACE_FATE_WAITING)
		return;
	if (is_news(fate))
		event(LOG_INFO, EVENT_GUEST_CHANGED, KV_U64("pid", (uint64_t)guest->pid),
		      KV("guest", name_of(guest)), KV("verdict", place_fate_word(fate)),
		      KV("reason", place_fate_text(fate)),
		      KV_U64("remote_permille", cycle->watch.activities[i].remote_permille));
	memory->fate_told = fate;
}

/* A guest's name, its pid, or the size of a promise, into `text` where it is not a name. */
static const char *for_whom(const struct cycle *cycle, const struct place_step *step, char *text,
			    size_t size)
{
	const int i = step->for_pid ? place_watch_find(&cycle->watch, step->for_pid) : -1;

	if (i >= 0 && cycle->watch.guests[i].known & PLACE_GUEST_NAME)
		return cycle->watch.guests[i].name;
	if (step->for_pid)
		snprintf(text, size, "pid %d", step->for_pid);
	else if (step->for_bytes)
		snprintf(text, size, "promise of %" PRIu64 " MiB", step->for_bytes >> 20);
	else
		return NULL;
	return text;
}

/* What would be done, or is being done; numad's line for it is the one about advice. */
static void tell_step(struct cycle *cycle, const struct place_step *step)
{
	const int i = place_watch_find(&cycle->watch, step->pid);
	struct cycle_memory *memory = i < 0 ? NULL : &cycle->memories[i];
	struct place_set from = { 0 }, to = { 0 };
	char whom[48];

	if (!memory ||
	    (memory->fate_told == PLACE_FATE_MOVE && memory->to_node_told == step->to_node))
		return;
	memory->to_node_told = step->to_node;
	event(LOG_INFO, EVENT_PLAN, KV_U64("pid", (uint64_t)step->pid),
	      KV("guest", name_of(&cycle->watch.guests[i])), KV_U64("to", step->to_node),
	      KV_U64("bytes", step->bytes), KV_U64("remote_permille", step->remote_permille),
	      KV("evidence",
		 step->cause ? NULL : place_evidence_word(cycle->watch.activities[i].evidence)),
	      KV("cause", step->cause ? place_cause_word(step->cause) : NULL),
	      KV("for", for_whom(cycle, step, whom, sizeof(whom))),
	      KV("dry_run", cycle->is_dry_run ? "yes" : "no"));
	place_set_add(&to, step->to_node);
	for (size_t j = 0; j < cycle->host->topology.n_nodes; j++)
		if (cycle->watch.activities[i].bytes[j])
			place_set_add(&from, cycle->host->topology.nodes[j].id);
	if (numad_lines_show(LOG_NOTICE))
		numad_tell_advice(step->pid, comm_of(cycle, step->pid), &from, &to);
}

void cycle_tell_turn(struct cycle *cycle)
{
	tell_gone(cycle);
	for (size_t i = 0; i < cycle->relief.n_steps; i++)
		tell_step(cycle, &cycle->relief.steps[i]);
	for (size_t i = 0; i < cycle->plan.n_steps; i++)
		tell_step(cycle, &cycle->plan.steps[i]);
	for (size_t i = 0; i < cycle->watch.n; i++)
		tell_guest(cycle, i);
}

void cycle_tell_risks(struct cycle *cycle)
{
	risks_tell(&cycle->risks, cycle->watch.guests, cycle->watch.traits, cycle_risk_memory,
		   cycle, cycle->refreshed_ns);
}

/* numad's tables of this turn where somebody asked for them, and what an operator should know. */
void cycle_tell_host(struct cycle *cycle)
{
	const struct place_ledger *ledger = &cycle->advice.ledger;
	const uint64_t now_ns = cycle->refreshed_ns;
	const bool is_due = findings_are_due(&cycle->findings, now_ns);
	struct place_model model;
	struct findings_view view = {
		.topology = &cycle->host->topology,
		.sample = &cycle->sample,
		.nearness = cycle->risks.nearness,
		.now_ns = now_ns,
		.pooled = cycle->risks.nodes,
	};

	if (!is_due && !numad_lines_show(LOG_INFO))
		return;
	if (place_model_build(view.topology, view.sample, ledger->promises, ledger->n,
			      &cycle->policy, cycle->advice.nodes, &model) == 0)
		view.model = &model;
	if (is_due)
		findings_look(&cycle->findings, &cycle->host->root, &cycle->host->text, &view);
	numad_tables_write(view.topology, view.sample, view.model, cycle->watch.activities);
	numad_tables_scan(cycle->event, &cycle->host->root);
}
