/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why something happens to a guest, or nothing: in sentences, each about one topic. They say
 * what was seen, who says so and how sure that is, and what follows; never more than is known.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "act/intent.h"
#include "decide/class.h"
#include "decide/reason.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "tell/report.h"
#include "tell/risk.h"

#define SENTENCE_MAX 768

/* A guest and all that is known of it, for the functions below. */
struct subject {
	const struct report_view *view;
	const struct place_guest *guest;
	const struct place_activity *activity;
	unsigned traits;
	enum place_class class;
	enum place_fate fate;
	FILE *out;
};

static void __attribute__((format(printf, 3, 4)))
say(const struct subject *subject, const char *topic, const char *format, ...)
{
	char sentence[SENTENCE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	fprintf(subject->out, "because");
	report_text(subject->out, "topic", topic);
	report_text(subject->out, "text", sentence);
	fputc('\n', subject->out);
}

/* ---- what it is ---------------------------------------------------------------------- */

static void say_class(const struct subject *subject)
{
	static const struct {
		unsigned trait;
		const char *text;
	} found[] = {
		{ PLACE_TRAIT_LIBVIRT, "libvirt runs it" },
		{ PLACE_TRAIT_ADVISED, "libvirt's record says that its nodes were advised" },
		{ PLACE_TRAIT_NODESET, "its nodes were fixed by configuration or policy" },
		{ PLACE_TRAIT_CONFINED, "its vCPU threads are kept on some of the nodes" },
		{ PLACE_TRAIT_PINNED, "a vCPU thread may use less than the CPUs of a node" },
		{ PLACE_TRAIT_MIGRATING, "it migrates, or waits for its memory to come in" },
		{ PLACE_TRAIT_VFIO, "a device was given to it: the device holds its pages" },
		{ PLACE_TRAIT_CONFIDENTIAL, "its memory is encrypted or private" },
		{ PLACE_TRAIT_SLOTS, "memory can be plugged into it" },
		{ PLACE_TRAIT_CELLS, "it has NUMA cells of its own" },
		{ PLACE_TRAIT_SHARED, "other processes map its memory" },
		{ PLACE_TRAIT_EXCLUDED, "a setting or an order excludes it" },
		{ PLACE_TRAIT_INCLUDED, "it is no QEMU, but was asked for" },
		{ PLACE_TRAIT_STARTING, "libvirt is still starting it" },
		{ PLACE_TRAIT_SESSION, "its libvirt is a user's own" },
		{ PLACE_TRAIT_PARTIAL, "some of it could not be looked at" },
	};

	say(subject, "class", "%s: %s", place_class_word(subject->class),
	    place_class_text(subject->class));
	for (size_t i = 0; i < ELEMENTSOF(found); i++)
		if (subject->traits & found[i].trait)
			say(subject, "found", "%s", found[i].text);
}

/* ---- what it does -------------------------------------------------------------------- */

static const char *source_text(enum place_bytes_source source)
{
	switch (source) {
	case PLACE_BYTES_CGROUP:
		return "exact, from memory.numa_stat of its own group";
	case PLACE_BYTES_SAMPLES:
		return "estimated from random pages";
	case PLACE_BYTES_NONE:
	case PLACE_BYTES_COUNT:
		break;
	}
	return "from an unknown source";
}

/* "3072 MiB on node 0, 12 MiB on node 2", nodes with nothing left out. */
static void format_bytes(const struct subject *subject, char *text, size_t size)
{
	const struct place_topology *topology = subject->view->topology;
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < topology->n_nodes && at < size; i++)
		if (subject->activity->bytes[i] >> 20)
			at += (size_t)snprintf(text + at, size - at, "%s%" PRIu64 " MiB on node %u",
					       at ? ", " : "", subject->activity->bytes[i] >> 20,
					       topology->nodes[i].id);
	if (at == 0)
		snprintf(text, size, "less than a MiB on any node");
}

static void format_run(const struct subject *subject, char *text, size_t size)
{
	const struct place_topology *topology = subject->view->topology;
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < topology->n_nodes && at < size; i++)
		if (subject->activity->run_permille[i] >= 10)
			at += (size_t)snprintf(text + at, size - at, ", %" PRIu32 " %% on node %u",
					       subject->activity->run_permille[i] / 10,
					       topology->nodes[i].id);
}

static void say_memory(const struct subject *subject)
{
	const uint64_t now_ns = subject->view->now_ns, then_ns = subject->activity->bytes_ns;
	char text[SENTENCE_MAX / 2];

	if (!(subject->activity->known & PLACE_ACTIVITY_BYTES)) {
		say(subject, "memory", "where its memory lies is not known yet");
		return;
	}
	format_bytes(subject, text, sizeof(text));
	say(subject, "memory", "%s (%s, %" PRIu64 " s ago)", text,
	    source_text(subject->activity->bytes_source),
	    now_ns > then_ns ? (now_ns - then_ns) / 1000000000 : 0);
}

static void say_cpu(const struct subject *subject)
{
	char text[SENTENCE_MAX / 2];

	if (!(subject->activity->known & PLACE_ACTIVITY_RUN)) {
		say(subject, "cpu", "where its vCPUs run is not known yet");
		return;
	}
	format_run(subject, text, sizeof(text));
	say(subject, "cpu", "uses %" PRIu64 ".%02" PRIu64 " CPUs%s",
	    subject->activity->busy_millicpu / 1000, subject->activity->busy_millicpu % 1000 / 10,
	    text);
}

static void say_evidence(const struct subject *subject)
{
	const struct place_activity *activity = subject->activity;
	const char *source = "an unknown source";

	if (!(activity->known & PLACE_ACTIVITY_REMOTE)) {
		say(subject, "evidence", "nobody can say yet how much of its access is remote");
		return;
	}
	if (activity->evidence == PLACE_EVIDENCE_HINT_FAULTS)
		source = "counted by the kernel's NUMA balancing (hint_faults)";
	else if (activity->evidence == PLACE_EVIDENCE_RESIDENCY)
		source = "inferred from where its memory lies and where its vCPUs ran (residency)";
	say(subject, "evidence", "%u.%u %% of its access is remote, %s; sure to %u %%",
	    activity->remote_permille / 10, activity->remote_permille % 10, source,
	    activity->sure_permille / 10);
}

/* ---- what follows -------------------------------------------------------------------- */

static void say_verdict(const struct subject *subject)
{
	const bool moves_memory = place_class_moves_memory(subject->class);
	const bool moves_cpus = place_class_moves_cpus(subject->class, subject->traits);

	say(subject, "verdict", "%s: %s", place_fate_word(subject->fate),
	    place_fate_text(subject->fate));
	if (!moves_memory && !moves_cpus)
		say(subject, "verdict", "nothing of a guest of class %s goes to another node",
		    place_class_word(subject->class));
	else if (!moves_memory)
		say(subject, "verdict",
		    "its memory stays: only its CPUs may go to where most of it lies");
	else if (subject->fate == PLACE_FATE_CELLS && subject->class != PLACE_CLASS_PINNED)
		say(subject, "verdict",
		    "its vCPUs are sorted by cell, inside the CPUs that they had: they get all of "
		    "them back when the daemon ends");
	else if (!moves_cpus)
		say(subject, "verdict",
		    "only its memory may be moved: its CPUs were chosen by somebody else");
}

static void say_next_page(const struct subject *subject)
{
	const struct place_guest *guest = subject->guest;
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);

	if (!(guest->known & PLACE_GUEST_MEMS) || !nodes ||
	    place_set_format(&guest->mems, nodes, PLACE_SET_TEXT_MAX) < 0) {
		say(subject, "next_page", "where its next page will come from is not known");
		return;
	}
	switch (guest->bind) {
	case PLACE_BIND_STRICT:
		say(subject, "next_page",
		    "its next page comes from nodes %.200s only (policy bind): once they are full "
		    "it "
		    "is killed, or swaps, however much is free elsewhere",
		    nodes);
		break;
	case PLACE_BIND_CPUSET:
		say(subject, "next_page",
		    "its next page comes from the node of the CPU that touches it, within nodes "
		    "%.200s only (cpuset): once they are full it is killed, or swaps",
		    nodes);
		break;
	case PLACE_BIND_INTERLEAVE:
		say(subject, "next_page", "its next pages come from nodes %.200s in turn", nodes);
		break;
	case PLACE_BIND_PREFERRED:
		say(subject, "next_page",
		    "its next page comes from nodes %.200s while they have room, then from the "
		    "nearest",
		    nodes);
		break;
	case PLACE_BIND_NONE:
	case PLACE_BIND_COUNT:
		say(subject, "next_page",
		    "its next page comes from the node of the CPU that touches it, or else from "
		    "the "
		    "nearest with room (nodes %.200s)",
		    nodes);
		break;
	}
}

static const struct intent *find_intent(const struct subject *subject, enum intent_kind kind)
{
	const struct place_guest *guest = subject->guest;

	return subject->view->intents ?
		       intents_find(subject->view->intents, kind, guest->pid, guest->start_ns) :
		       NULL;
}

/* libvirt goes by its own record, whatever its groups have. */
static void say_libvirt(const struct subject *subject)
{
	const struct intent *way = find_intent(subject, INTENT_MEMS);
	const struct intent *nodes = find_intent(subject, INTENT_NODES);

	if (way)
		say(subject, "libvirt",
		    "its groups are on their way from node %d to node %d: until they are there its "
		    "next "
		    "page may come from either",
		    place_set_next(&way->before, 0), place_set_next(&way->given, 0));
	if (nodes)
		say(subject, "libvirt",
		    "it was given node %d and libvirt goes by node %d: a vCPU or I/O thread that "
		    "it adds "
		    "begins there, and follows within a turn or two; memory cannot be plugged in; "
		    "numatune "
		    "names the old node until the guest is started again",
		    place_set_next(&nodes->given, 0), place_set_next(&nodes->before, 0));
	else if (subject->class == PLACE_CLASS_AUTO && !(subject->traits & PLACE_TRAIT_SLOTS))
		say(subject, "libvirt",
		    "libvirt keeps the nodes that were advised at its start: whatever it adds "
		    "later "
		    "(vCPUs, I/O threads, memory) begins there");
	if (place_class_changes_nodes(subject->class, subject->guest, subject->traits))
		say(subject, "limits",
		    "it may be given another node: where its vCPUs are taken to one, memory, "
		    "groups and "
		    "policy follow");
}

static void say_risk(const struct subject *subject, size_t i)
{
	const struct report_view *view = subject->view;
	struct risk_words words;

	if (!view->risks)
		return;
	if (view->risks[i] < PLACE_RISK_LOCALITY) {
		say(subject, "risk", "%s", place_risk_text(view->risks[i]));
		return;
	}
	risk_describe(subject->guest, &view->pressures[i], view->risks[i], &view->stall, &words);
	say(subject, "risk", "%s", words.text);
	say(subject, "remedy", "%s", words.remedy);
}

/* Which node each of its cells has. */
static void say_cells(const struct subject *subject)
{
	const struct report_view *view = subject->view;
	char sentence[SENTENCE_MAX / 2];

	for (size_t i = 0; i < view->n_cells; i++) {
		if (view->cells[i].pid != subject->guest->pid)
			continue;
		report_cell_sentence(&view->cells[i], sentence, sizeof(sentence));
		say(subject, "cell", "%s", sentence);
	}
}

/* What stays as it is even where pages move. */
static void say_limits(const struct subject *subject)
{
	const unsigned traits = subject->traits;

	if (traits & PLACE_TRAIT_SLOTS)
		say(subject, "limits",
		    "libvirt would plug memory into the nodes that it knows: it is never given "
		    "other nodes");
	if (traits & PLACE_TRAIT_CELLS)
		say(subject, "limits",
		    "its NUMA cells stay as they were made: the guest sees them");
	if (traits & PLACE_TRAIT_SHARED)
		say(subject, "limits",
		    "pages that other processes map as well move only with rights over them");
	if (subject->guest->known & PLACE_GUEST_MEMORY && subject->guest->hugepage_bytes)
		say(subject, "limits",
		    "its pages of %" PRIu64
		    " KiB move only into free ones of the other node's pool",
		    subject->guest->hugepage_bytes >> 10);
}

static void explain_one(const struct report_view *view, size_t i, FILE *out)
{
	const struct subject subject = {
		.view = view,
		.guest = &view->sample->guests[i],
		.activity = &view->activities[i],
		.traits = view->traits[i],
		.class = view->classes[i],
		.fate = view->fates[i],
		.out = out,
	};

	report_guest_line(view, i, out);
	for (size_t j = 0; j < view->n_cells; j++)
		if (view->cells[j].pid == subject.guest->pid)
			report_cell_line(&view->cells[j], out);
	for (size_t j = 0; j < view->n_moves; j++)
		if (view->moves[j].pid == subject.guest->pid)
			report_move_line(view, &view->moves[j], out);
	say_class(&subject);
	say_memory(&subject);
	say_cpu(&subject);
	say_evidence(&subject);
	say_verdict(&subject);
	say_cells(&subject);
	say_next_page(&subject);
	say_libvirt(&subject);
	say_risk(&subject, i);
	say_limits(&subject);
}

/* A number is a pid first: no guest can take that from another one by its name. */
static bool is_meant(const struct place_guest *guest, const char *who, bool is_pid, unsigned pid)
{
	if (is_pid)
		return guest->pid > 0 && (unsigned)guest->pid == pid;
	return (guest->known & PLACE_GUEST_NAME && !strcmp(guest->name, who)) ||
	       (guest->known & PLACE_GUEST_UUID && !strcasecmp(guest->uuid, who));
}

static size_t explain_meant(const struct report_view *view, const char *who, bool is_pid,
			    unsigned pid, FILE *out)
{
	size_t n = 0;

	for (size_t i = 0; i < view->sample->n_guests; i++)
		if (is_meant(&view->sample->guests[i], who, is_pid, pid)) {
			explain_one(view, i, out);
			n++;
		}
	return n;
}

int report_explain(const struct report_view *view, const char *who, FILE *out)
{
	unsigned pid = 0;
	const bool is_number = place_text_unsigned(who, &pid) == 0;

	if (is_number && explain_meant(view, who, true, pid, out))
		return 0;
	return explain_meant(view, who, false, 0, out) ? 0 : -ENOENT;
}
