/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What follows for a guest: what is done with it, where its next page comes from, what libvirt will
 * do, what may harm it, who makes room, and what stays as it is even where pages move.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "act/intent.h"
#include "decide/class.h"
#include "decide/reason.h"
#include "host/cleanup.h"
#include "tell/explain.h"
#include "tell/risk.h"

static void say_verdict(const struct explain_subject *subject)
{
	const bool moves_memory = place_class_moves_memory(subject->class);
	const bool moves_cpus = place_class_moves_cpus(subject->class, subject->traits);

	explain_say(subject, "verdict", "%s: %s", place_fate_word(subject->fate),
		    place_fate_text(subject->fate));
	if (!moves_memory && !moves_cpus)
		explain_say(subject, "verdict",
			    "nothing of a guest of class %s goes to another node",
			    place_class_word(subject->class));
	else if (!moves_memory)
		explain_say(subject, "verdict",
			    "its memory stays: only its CPUs may go to where most of it lies");
	else if (subject->fate == PLACE_FATE_CELLS && subject->class != PLACE_CLASS_PINNED)
		explain_say(subject, "verdict",
			    "its vCPUs are sorted by cell, inside the CPUs that they had: they get "
			    "all of them back when the daemon ends");
	else if (subject->class == PLACE_CLASS_AUTO)
		explain_say(subject, "verdict",
			    "its memory goes to where its vCPUs run; they go along only where its "
			    "nodes are changed to make room");
	else if (!moves_cpus)
		explain_say(subject, "verdict",
			    "only its memory may be moved: its CPUs were chosen by somebody else");
}

static void say_next_page(const struct explain_subject *subject)
{
	const struct place_guest *guest = subject->guest;
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);

	if (!(guest->known & PLACE_GUEST_MEMS) || !nodes ||
	    place_set_format(&guest->mems, nodes, PLACE_SET_TEXT_MAX) < 0) {
		explain_say(subject, "next_page",
			    "where its next page will come from is not known");
		return;
	}
	switch (guest->bind) {
	case PLACE_BIND_STRICT:
		explain_say(subject, "next_page",
			    "its next page comes from nodes %.200s only (policy bind): once they "
			    "are full it is killed, or swaps, however much is free elsewhere",
			    nodes);
		break;
	case PLACE_BIND_CPUSET:
		explain_say(subject, "next_page",
			    "its next page comes from the node of the CPU that touches it, within "
			    "nodes %.200s only (cpuset): once they are full it is killed, or swaps",
			    nodes);
		break;
	case PLACE_BIND_INTERLEAVE:
		explain_say(subject, "next_page", "its next pages come from nodes %.200s in turn",
			    nodes);
		break;
	case PLACE_BIND_PREFERRED:
		explain_say(subject, "next_page",
			    "its next page comes from nodes %.200s while they have room, then from "
			    "the nearest",
			    nodes);
		break;
	case PLACE_BIND_NONE:
	case PLACE_BIND_COUNT:
		explain_say(subject, "next_page",
			    "its next page comes from the node of the CPU that touches it, or else "
			    "from the nearest with room (nodes %.200s)",
			    nodes);
		break;
	}
}

/* Where its policy would let it go elsewhere, as the line before says. */
static void say_cpuset(const struct explain_subject *subject)
{
	const struct place_guest *guest = subject->guest;
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);
	struct place_set allowed;

	if (!(guest->known & PLACE_GUEST_ALLOWED) || !nodes ||
	    (guest->bind != PLACE_BIND_PREFERRED && guest->bind != PLACE_BIND_INTERLEAVE))
		return;
	place_nodes_to_set(&guest->allowed, &allowed);
	if (place_set_format(&allowed, nodes, PLACE_SET_TEXT_MAX) < 0)
		return;
	explain_say(subject, "next_page",
		    "its cpuset has nodes %.200s only: once they are full it is killed, or swaps",
		    nodes);
}

/* libvirt shows both what they have (vcpuinfo) and what it knows of (vcpupin). */
static void say_steered(const struct explain_subject *subject)
{
	const struct place_guest *guest = subject->guest;
	_cleanup_free_ char *cpus = malloc(PLACE_SET_TEXT_MAX);
	const struct intent *intent = NULL;

	if (subject->view->intents)
		intent = intents_find_whole(subject->view->intents, guest->pid, guest->start_ns);
	if (!intent || !cpus || place_set_format(&intent->given, cpus, PLACE_SET_TEXT_MAX) < 0)
		return;
	explain_say(subject, "next_page",
		    "its vCPUs were given CPUs %.200s, so that what they touch first comes from "
		    "there: virsh vcpuinfo shows those, vcpupin what libvirt knows; they get back "
		    "what they had when the daemon ends, or somebody chooses CPUs for it",
		    cpus);
}

static const struct intent *find_intent(const struct explain_subject *subject,
					enum intent_kind kind)
{
	const struct place_guest *guest = subject->guest;

	return subject->view->intents ?
		       intents_find(subject->view->intents, kind, guest->pid, guest->start_ns) :
		       NULL;
}

/* libvirt goes by its own record, whatever its groups have. */
static void say_libvirt(const struct explain_subject *subject)
{
	const struct intent *way = find_intent(subject, INTENT_MEMS);
	const struct intent *nodes = find_intent(subject, INTENT_NODES);

	if (way)
		explain_say(subject, "libvirt",
			    "its groups are on their way from node %d to node %d: until they are "
			    "there its next page may come from either",
			    place_set_next(&way->before, 0), place_set_next(&way->given, 0));
	if (nodes)
		explain_say(subject, "libvirt",
			    "it was given node %d and libvirt goes by node %d: a vCPU or I/O "
			    "thread that it adds begins there, and follows within a turn or two; "
			    "memory cannot be plugged in; numatune names the old node until the "
			    "guest is started again",
			    place_set_next(&nodes->given, 0), place_set_next(&nodes->before, 0));
	else if (subject->class == PLACE_CLASS_AUTO && !(subject->traits & PLACE_TRAIT_SLOTS))
		explain_say(subject, "libvirt",
			    "libvirt keeps the nodes that were advised at its start: whatever it "
			    "adds later (vCPUs, I/O threads, memory) begins there");
	if (place_class_changes_nodes(subject->class, subject->guest, subject->traits))
		explain_say(subject, "limits",
			    "it may be given another node: where its vCPUs are taken to one, "
			    "memory, groups and policy follow");
}

static void say_risk(const struct explain_subject *subject)
{
	const struct report_view *view = subject->view;
	struct risk_words words;

	if (!view->risks)
		return;
	if (view->risks[subject->i] < PLACE_RISK_LOCALITY) {
		explain_say(subject, "risk", "%s", place_risk_text(view->risks[subject->i]));
		return;
	}
	risk_describe(subject->guest, &view->pressures[subject->i], view->risks[subject->i],
		      &view->stall, &words);
	explain_say(subject, "risk", "%s", words.text);
	explain_say(subject, "remedy", "%s", words.remedy);
}

/* Who makes room for whom. */
static void say_room(const struct explain_subject *subject)
{
	const struct report_view *view = subject->view;

	for (size_t i = 0; i < view->n_moves; i++) {
		const struct report_move *move = &view->moves[i];
		const char *goes = move->end_ns ? "went" : "goes";

		if (move->cause == PLACE_CAUSE_LOCALITY)
			continue;
		if (move->pid == subject->guest->pid)
			explain_say(subject, "room", "memory of it %s to node %u %s: for %s", goes,
				    move->to_node, place_cause_text(move->cause), move->for_whom);
		else if (move->for_pid == subject->guest->pid)
			explain_say(subject, "room",
				    "memory of %s (pid %d) %s to node %u to make room for it",
				    move->name[0] ? move->name : "a neighbour", move->pid, goes,
				    move->to_node);
	}
}

/* Which node each of its cells has. */
static void say_cells(const struct explain_subject *subject)
{
	const struct report_view *view = subject->view;
	char sentence[EXPLAIN_SENTENCE_MAX / 2];

	for (size_t i = 0; i < view->n_cells; i++) {
		if (view->cells[i].pid != subject->guest->pid)
			continue;
		report_cell_sentence(&view->cells[i], sentence, sizeof(sentence));
		explain_say(subject, "cell", "%s", sentence);
	}
}

/* What stays as it is even where pages move. */
static void say_limits(const struct explain_subject *subject)
{
	const unsigned traits = subject->traits;

	if (traits & PLACE_TRAIT_SLOTS)
		explain_say(subject, "limits",
			    "libvirt would plug memory into the nodes that it knows: it is never "
			    "given other nodes");
	if (traits & PLACE_TRAIT_CELLS)
		explain_say(subject, "limits",
			    "its NUMA cells stay as they were made: the guest sees them");
	if (traits & PLACE_TRAIT_SHARED)
		explain_say(
			subject, "limits",
			"pages that other processes map as well move only with rights over them");
	if (subject->guest->known & PLACE_GUEST_MEMORY && subject->guest->hugepage_bytes)
		explain_say(subject, "limits",
			    "its pages of %" PRIu64
			    " KiB move only into free ones of the other node's pool",
			    subject->guest->hugepage_bytes >> 10);
}

void explain_outlook(const struct explain_subject *subject)
{
	say_verdict(subject);
	say_cells(subject);
	say_next_page(subject);
	say_cpuset(subject);
	say_steered(subject);
	say_libvirt(subject);
	say_risk(subject);
	say_room(subject);
	say_limits(subject);
}
