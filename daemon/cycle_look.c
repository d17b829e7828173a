/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is looked at more closely, and what is known of his remote accesses: the second tier. */
#include "cycle_parts.h"

#include "decide/remote.h"
#include "observe/evidence.h"

/* Each guest is looked at again so often: affinity, devices and migration change. */
#define LOOK_AGAIN_NS (30 * NS_PER_S)
/*
 * So often where a move must stop once its guest migrates, or where it may be given CPUs at any
 * moment: with each turn of that kind, and not with each look that comes back.
 */
#define LOOK_SOON_NS (900 * NS_PER_MS)
/* Who says that he is starting for longer than this is looked at as everybody is. */
#define STARTING_FOR_NS (600 * NS_PER_S)
#define LOOKS_AGAIN_PER_TURN 16
/* So old are samples at most, where they are what speaks for a guest: idle, busy, or suspect. */
#define SAMPLE_IDLE_NS (600 * NS_PER_S)
#define SAMPLE_BUSY_NS (60 * NS_PER_S)
#define SAMPLE_SUSPECT_NS (10 * NS_PER_S)

static bool is_suspect(const struct cycle *cycle, size_t i)
{
	const struct place_activity *activity = &cycle->watch.activities[i];

	return (activity->known & PLACE_ACTIVITY_REMOTE) &&
	       activity->remote_permille >= cycle->settings->suspect_permille &&
	       activity->busy_millicpu >= cycle->settings->busy_millicpu;
}

/*
 * What is inferred costs nothing, and tells who is worth a question to the sources that count:
 * those read a file per thread.
 */
void cycle_find_evidence(struct cycle *cycle, size_t i)
{
	struct place_activity *activity = &cycle->watch.activities[i];
	const struct place_evidence_ask ask = {
		.root = &cycle->host->root,
		.text = &cycle->host->text,
		.topology = &cycle->host->topology,
		.guest = &cycle->watch.guests[i],
		.activity = activity,
	};

	activity->known &= ~(unsigned)PLACE_ACTIVITY_REMOTE;
	if (!place_remote_infer(activity, cycle->host->topology.n_nodes, &activity->remote_permille,
				&activity->sure_permille))
		return;
	activity->known |= PLACE_ACTIVITY_REMOTE;
	activity->evidence = PLACE_EVIDENCE_RESIDENCY;
	if (is_suspect(cycle, i))
		(void)place_evidence_find(&ask, activity);
}

static uint64_t sample_again_ns(const struct cycle *cycle, size_t i)
{
	if (cycle->watch.activities[i].busy_millicpu < cycle->settings->busy_millicpu)
		return SAMPLE_IDLE_NS;
	return is_suspect(cycle, i) ? SAMPLE_SUSPECT_NS : SAMPLE_BUSY_NS;
}

/* The second tier is for those whose group does not say where their memory lies. */
static bool wants_sample(const struct cycle *cycle, size_t i, uint64_t now)
{
	const struct cycle_memory *memory = &cycle->memories[i];

	if (cycle->watch.classes[i] == PLACE_CLASS_UNREADABLE ||
	    cycle->watch.classes[i] == PLACE_CLASS_EXCLUDED ||
	    place_watch_has_own_group(&cycle->watch, i))
		return false;
	return !memory->sampled_ns || now >= memory->sampled_ns + sample_again_ns(cycle, i);
}

static uint64_t look_again_ns(const struct cycle *cycle, size_t i, uint64_t now)
{
	const bool is_starting = (cycle->watch.traits[i] & PLACE_TRAIT_STARTING) &&
				 now < cycle->memories[i].seen_ns + STARTING_FOR_NS;

	return cycle->is_moving[i] || is_starting ? LOOK_SOON_NS : LOOK_AGAIN_NS;
}

/* Who is looked at more closely: what is new was asked for by the scan. */
void cycle_look_closer(struct cycle *cycle)
{
	const uint64_t now = place_host_now_ns(cycle->host);
	size_t n_again = 0;

	for (size_t i = 0; i < cycle->watch.n; i++) {
		struct cycle_memory *memory = &cycle->memories[i];

		if (!memory->looked_ns)
			memory->looked_ns = now;
		if ((memory->is_look_due ||
		     now >= memory->looked_ns + look_again_ns(cycle, i, now)) &&
		    n_again < LOOKS_AGAIN_PER_TURN && looks_want(&cycle->looks, memory->pid) == 0) {
			memory->looked_ns = now;
			memory->is_look_due = false;
			n_again++;
		}
		if (wants_sample(cycle, i, now) && looks_want_sample(&cycle->looks, i) == 0)
			memory->sampled_ns = now;
	}
}
