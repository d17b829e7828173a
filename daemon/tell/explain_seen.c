/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was seen of a guest: its class and what that was found by, where its memory lies, where its
 * vCPUs run, and who says how much of its access is remote.
 */
#include <inttypes.h>

#include "decide/reason.h"
#include "host/cleanup.h"
#include "tell/explain.h"

static void say_class(const struct explain_subject *subject)
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

	explain_say(subject, "class", "%s: %s", place_class_word(subject->class),
		    place_class_text(subject->class));
	for (size_t i = 0; i < ELEMENTSOF(found); i++)
		if (subject->traits & found[i].trait)
			explain_say(subject, "found", "%s", found[i].text);
}

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
static void format_bytes(const struct explain_subject *subject, char *text, size_t size)
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

static void format_run(const struct explain_subject *subject, char *text, size_t size)
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

static void say_memory(const struct explain_subject *subject)
{
	const uint64_t now_ns = subject->view->now_ns, then_ns = subject->activity->bytes_ns;
	char text[EXPLAIN_SENTENCE_MAX / 2];

	if (!(subject->activity->known & PLACE_ACTIVITY_BYTES)) {
		explain_say(subject, "memory", "where its memory lies is not known yet");
		return;
	}
	format_bytes(subject, text, sizeof(text));
	explain_say(subject, "memory", "%s (%s, %" PRIu64 " s ago)", text,
		    source_text(subject->activity->bytes_source),
		    now_ns > then_ns ? (now_ns - then_ns) / 1000000000 : 0);
}

static void say_cpu(const struct explain_subject *subject)
{
	char text[EXPLAIN_SENTENCE_MAX / 2];

	if (!(subject->activity->known & PLACE_ACTIVITY_RUN)) {
		explain_say(subject, "cpu", "where its vCPUs run is not known yet");
		return;
	}
	format_run(subject, text, sizeof(text));
	explain_say(subject, "cpu", "uses %" PRIu64 ".%02" PRIu64 " CPUs%s",
		    subject->activity->busy_millicpu / 1000,
		    subject->activity->busy_millicpu % 1000 / 10, text);
}

static void say_evidence(const struct explain_subject *subject)
{
	const struct place_activity *activity = subject->activity;
	const char *source = "an unknown source";

	if (!(activity->known & PLACE_ACTIVITY_REMOTE)) {
		explain_say(subject, "evidence",
			    "nobody can say yet how much of its access is remote");
		return;
	}
	if (activity->evidence == PLACE_EVIDENCE_HINT_FAULTS)
		source = "counted by the kernel's NUMA balancing (hint_faults)";
	else if (activity->evidence == PLACE_EVIDENCE_RESIDENCY)
		source = "inferred from where its memory lies and where its vCPUs ran (residency)";
	explain_say(subject, "evidence", "%u.%u %% of its access is remote, %s; sure to %u %%",
		    activity->remote_permille / 10, activity->remote_permille % 10, source,
		    activity->sure_permille / 10);
}

void explain_seen(const struct explain_subject *subject)
{
	say_class(subject);
	say_memory(subject);
	say_cpu(subject);
	say_evidence(subject);
}
