/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A place per process: who hung there, for how long he is left alone, and the child that hung. */
#include "hung.h"

#include "arith.h"
#include "child.h"

#define NS_PER_S UINT64_C(1000000000)
/*
 * A guest that takes its memory at its start, or a host that is busy, holds a look up for seconds,
 * and nobody is warned of that guest meanwhile.
 */
#define WAIT_LEAST_NS (3 * NS_PER_S)
#define WAIT_MOST_NS (60 * NS_PER_S)
/*
 * Looks that come back in between forgive nothing, or who makes each second one hang would hold up
 * the others all the time. Forgiven after so long without one that hangs, a process is looked at in
 * vain no more than once in a minute in the long run, whenever it likes to begin anew.
 */
#define FORGET_NS (300 * NS_PER_S)

/*
 * A killed child may stay, hung in the kernel, for as long as the process likes that it looked at.
 * Its place is not given away before: there is one such child per process, and no more than places.
 */
static bool is_taken(const struct hung_place *place)
{
	return place->pid && child_is_there(place->child);
}

/* The place of that pid, or one that is free, or else the oldest whose child has gone. */
static struct hung_place *find_place(struct hung *hung, int pid)
{
	struct hung_place *best = NULL;

	for (size_t i = 0; i < HUNG_MAX; i++) {
		struct hung_place *place = &hung->places[i];

		if (place->pid == pid)
			return place;
		if (!is_taken(place) && (!best || place->until_ns < best->until_ns))
			best = place;
	}
	return best;
}

static const struct hung_place *find(const struct hung *hung, int pid)
{
	for (size_t i = 0; i < HUNG_MAX; i++)
		if (hung->places[i].pid == pid)
			return &hung->places[i];
	return NULL;
}

static uint64_t next_wait_ns(const struct hung_place *place, int pid, uint64_t now_ns)
{
	if (place->pid != pid || now_ns >= place->until_ns + FORGET_NS)
		return WAIT_LEAST_NS;
	return place_least(place->wait_ns * 2, WAIT_MOST_NS);
}

void hung_add(struct hung *hung, int pid, pid_t child, uint64_t now_ns)
{
	struct hung_place *place = find_place(hung, pid);
	uint64_t wait_ns;

	if (!place)
		return;
	wait_ns = next_wait_ns(place, pid, now_ns);
	*place = (struct hung_place){
		.pid = pid,
		.child = child,
		.wait_ns = wait_ns,
		.until_ns = now_ns + wait_ns,
	};
}

bool hung_is_left_alone(const struct hung *hung, int pid, uint64_t now_ns)
{
	const struct hung_place *place = find(hung, pid);

	return place && (now_ns < place->until_ns || is_taken(place));
}

bool hung_is_due(const struct hung *hung, int pid, uint64_t looked_ns, uint64_t now_ns)
{
	const struct hung_place *place = find(hung, pid);

	return place && place->wait_ns < WAIT_MOST_NS && looked_ns < place->until_ns &&
	       now_ns >= place->until_ns && !is_taken(place);
}

uint64_t hung_next_ns(const struct hung *hung, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (size_t i = 0; i < HUNG_MAX; i++) {
		const struct hung_place *place = &hung->places[i];

		if (place->wait_ns < WAIT_MOST_NS && place->until_ns > now_ns)
			next_ns = place_least(next_ns, place->until_ns);
	}
	return next_ns;
}

bool hung_has_room(const struct hung *hung)
{
	for (size_t i = 0; i < HUNG_MAX; i++)
		if (!is_taken(&hung->places[i]))
			return true;
	return false;
}
