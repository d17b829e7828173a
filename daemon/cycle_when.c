/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the next turn is: soon while something happens, and not as often as anybody likes. */
#include "cycle_parts.h"

#include "arith.h"

/* A crowd of new processes is looked at in as many jobs as it takes, so far apart. */
#define CROWD_US 500000
/* The first word on it comes sooner: after a window of observe/watch_refresh.c. */
#define NEW_US 220000
/* Who opened QEMU's file is looked for so long, each second. */
#define OPENED_FOR_NS (10 * NS_PER_S)
/*
 * Anybody can begin processes all the time that look new. Turns sooner than after a second are ten
 * at once, and then one for each second that goes by.
 */
#define QUICK_TURN_NS NS_PER_S
#define QUICK_FOR_NS (10 * QUICK_TURN_NS)
#define QUICK_BELOW_NS (900 * NS_PER_MS)

void cycle_turn_in(struct cycle *cycle, uint64_t us)
{
	(void)sd_event_source_set_time_relative(cycle->timer, us);
	(void)sd_event_source_set_enabled(cycle->timer, SD_EVENT_ONESHOT);
}

void cycle_turn_soon(struct cycle *cycle, uint64_t us)
{
	uint64_t now_us, next_us;

	if (sd_event_now(cycle->event, CLOCK_MONOTONIC, &now_us) < 0 ||
	    sd_event_source_get_time(cycle->timer, &next_us) < 0 || next_us > now_us + us)
		cycle_turn_in(cycle, us);
}

/* How soon a turn may be that is wanted so soon. */
static uint64_t soon_us(struct cycle *cycle, uint64_t us)
{
	const bool is_spent = cycle->quick_ns + QUICK_TURN_NS > cycle_now_ns(cycle);

	return is_spent && us < CYCLE_LEARNING_US ? CYCLE_LEARNING_US : us;
}

void cycle_turn_now(struct cycle *cycle)
{
	cycle_turn_soon(cycle, soon_us(cycle, 0));
}

/* Who is left alone for a short time is looked at when it is over. */
static void turn_for_hung(struct cycle *cycle)
{
	const uint64_t now = cycle_now_ns(cycle);
	const uint64_t next = hung_next_ns(&cycle->looks.hung, now);

	if (next != UINT64_MAX)
		cycle_turn_soon(cycle, place_most((next - now) / 1000 + 1, CYCLE_LEARNING_US));
}

void cycle_turn_sooner(struct cycle *cycle)
{
	const bool is_near = cycle->is_new || cycle->is_relieving;

	if (cycle->is_hurried || is_near || cycle->is_learning)
		cycle_turn_soon(cycle, cycle->is_hurried ? soon_us(cycle, CYCLE_AFTER_MOVE_US) :
				       is_near		 ? soon_us(cycle, NEW_US) :
							   CYCLE_LEARNING_US);
	turn_for_hung(cycle);
}

void cycle_count_turn(struct cycle *cycle)
{
	const uint64_t now = cycle_now_ns(cycle);

	if (now > QUICK_FOR_NS && cycle->quick_ns < now - QUICK_FOR_NS)
		cycle->quick_ns = now - QUICK_FOR_NS;
	cycle->n_closely = cycle->n_news = 0;
	if (cycle->n_turns++ && now < cycle->turned_ns + QUICK_BELOW_NS)
		cycle->quick_ns += QUICK_TURN_NS;
	/* Moves that end ask for turns as well: what they owe is paid back some day. */
	if (cycle->quick_ns > now + QUICK_FOR_NS)
		cycle->quick_ns = now + QUICK_FOR_NS;
	cycle->turned_ns = now;
}

void cycle_set_next_turn(struct cycle *cycle)
{
	const uint64_t s =
		cycle->is_quick ? cycle->settings->interval_min_s : cycle->settings->interval_max_s;
	const bool is_near = cycle->is_new || cycle->is_relieving;

	cycle_turn_in(cycle, cycle->is_hurried	? soon_us(cycle, CYCLE_AFTER_MOVE_US) :
			     is_near		? soon_us(cycle, NEW_US) :
			     cycle->is_crowded	? soon_us(cycle, CROWD_US) :
			     cycle->is_learning ? CYCLE_LEARNING_US :
						  s * 1000000);
	turn_for_hung(cycle);
}

bool cycle_is_opened(const struct cycle *cycle)
{
	return cycle->opened_ns && cycle->refreshed_ns < cycle->opened_ns + OPENED_FOR_NS;
}

bool cycle_is_unknown_since(const struct cycle *cycle, uint64_t ns)
{
	for (size_t i = 0; i < cycle->watch.n; i++)
		if (cycle->plan.fates[i] == PLACE_FATE_UNKNOWN &&
		    cycle->refreshed_ns < cycle->memories[i].seen_ns + ns)
			return true;
	return false;
}
