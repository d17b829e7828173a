/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that migrate, in or out: they are held by their class, looked at often meanwhile, and when
 * it is over decided upon anew, as if they had just come. doc/decisions/0018-migration.md
 */
#include "cycle_parts.h"

/* A guest that says so for longer than this is no reason for a turn each second any more. */
#define CLOSELY_FOR_NS (600 * NS_PER_S)
#define CLOSELY_NS (900 * NS_PER_MS)
#define LATER_NS (5 * NS_PER_S)
/* Nor is one that begins anew all the time: that time is counted from the first in so long. */
#define CLOSELY_AGAIN_NS (3600 * NS_PER_S)
/* What it does is learned with turns of a second. */
#define AFTERWARDS_FOR_NS (10 * NS_PER_S)

void cycle_begin_migration(const struct cycle *cycle, struct cycle_memory *memory)
{
	const uint64_t now = cycle->refreshed_ns;

	if (memory->migrating_ns)
		return;
	memory->migrating_ns = now;
	if (!memory->closely_ns || now >= memory->closely_ns + CLOSELY_AGAIN_NS)
		memory->closely_ns = now;
}

/*
 * What was known of it is of a guest that stood still, was throttled, or was about to leave. What
 * is held against it goes once in a hold-off: a user's QEMU calls its threads what it likes.
 */
static void release(struct cycle *cycle, size_t i)
{
	struct cycle_memory *memory = &cycle->memories[i];
	struct wide_guest *wide = wide_find(&cycle->wide, memory->pid, memory->start_ns);
	const uint64_t again_ns = memory->released_ns + cycle->settings->holdoff_s * NS_PER_S;

	memory->migrating_ns = 0;
	place_watch_begin_anew(&cycle->watch, i, place_host_now_ns(cycle->host));
	if (memory->released_ns && cycle->refreshed_ns < again_ns)
		return;
	memory->released_ns = cycle->refreshed_ns;
	memory->held_until_ns = memory->stuck_until_ns = 0;
	memory->unsteerable_ns = memory->sampled_ns = 0;
	if (wide)
		wide->next_ns = 0;
}

void cycle_follow_migration(struct cycle *cycle, size_t i)
{
	struct cycle_memory *memory = &cycle->memories[i];

	switch (cycle->watch.classes[i]) {
	case PLACE_CLASS_MIGRATING:
		cycle_begin_migration(cycle, memory);
		break;
	case PLACE_CLASS_UNREADABLE: /* it may be at it still */
		break;
	case PLACE_CLASS_FREE:
	case PLACE_CLASS_AUTO:
	case PLACE_CLASS_STATIC:
	case PLACE_CLASS_PINNED:
	case PLACE_CLASS_INTERLEAVED:
	case PLACE_CLASS_DEVICE:
	case PLACE_CLASS_CONFIDENTIAL:
	case PLACE_CLASS_EXCLUDED:
	case PLACE_CLASS_COUNT:
		if (memory->migrating_ns)
			release(cycle, i);
		break;
	}
}

uint64_t cycle_migration_look_ns(const struct cycle *cycle, size_t i, uint64_t now)
{
	const struct cycle_memory *memory = &cycle->memories[i];

	if (!memory->migrating_ns)
		return UINT64_MAX;
	return now < memory->closely_ns + CLOSELY_FOR_NS ? CLOSELY_NS : LATER_NS;
}

enum cycle_pace cycle_migration_pace(const struct cycle *cycle)
{
	enum cycle_pace pace = CYCLE_PACE_ANY;

	for (size_t i = 0; i < cycle->watch.n; i++) {
		const struct cycle_memory *memory = &cycle->memories[i];
		const uint64_t now = cycle->refreshed_ns;

		if ((memory->migrating_ns && now < memory->closely_ns + CLOSELY_FOR_NS) ||
		    (memory->released_ns && now < memory->released_ns + AFTERWARDS_FOR_NS))
			return CYCLE_PACE_SECOND;
		if (memory->migrating_ns)
			pace = CYCLE_PACE_QUICK;
	}
	return pace;
}
