/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is looked at more closely, and what is known of his remote accesses: the second tier. */
#include "cycle_parts.h"

#include "decide/remote.h"
#include "observe/evidence.h"

/* Each guest is looked at again so often: affinity, devices and migration change. */
#define LOOK_AGAIN_NS (30 * NS_PER_S)
/*
 * But where there are hundreds no more often than this, all together: a look and what is decided
 * upon it take 0.2 ms of a host with 1000 guests (bench/steady).
 */
#define LOOKS_APART_NS (120 * NS_PER_MS)
/*
 * So often where a move must stop once its guest migrates, or where it may be given CPUs at any
 * moment: with each turn of that kind, and not with each look that comes back.
 */
#define LOOK_SOON_NS (900 * NS_PER_MS)
/* Who says that he is starting for longer than this is looked at as everybody is. */
#define STARTING_FOR_NS (600 * NS_PER_S)
#define LOOKS_AGAIN_PER_TURN 16
/*
 * Anybody can begin guests that say they start or come in. Of those who are watched closely so many
 * are looked at in a turn, with all jobs that it brings about; and of those who have more threads
 * than before, which may be a migration's, so many, each after some seconds at the soonest: most
 * are workers that come and go.
 */
#define LOOKS_CLOSELY_PER_TURN 64
#define LOOKS_NEWS_PER_TURN 4
#define NEWS_AGAIN_NS (3 * NS_PER_S)
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
 * Each decision asks so many of them, some 10 us for each thread; for others what was said last
 * stands, for long enough that all have their turn.
 */
#define COUNTED_AT_ONCE 8
#define COUNTED_FOR_NS (60 * NS_PER_S)
#define COUNTED_EACH_NS (4 * NS_PER_S)

static void ask_those_that_count(struct cycle *cycle, size_t i,
				 const struct place_evidence_ask *ask)
{
	struct place_activity *activity = &cycle->watch.activities[i];
	struct cycle_memory *memory = &cycle->memories[i];

	if (cycle->n_counted < COUNTED_AT_ONCE) {
		cycle->n_counted++;
		cycle->counted_pid = memory->pid;
		(void)place_evidence_find(ask, activity);
		memory->counted = activity->evidence;
		memory->counted_permille = activity->remote_permille;
		memory->counted_sure_permille = activity->sure_permille;
		memory->counted_ns = cycle->refreshed_ns;
	} else if (memory->counted_ns && memory->counted != PLACE_EVIDENCE_RESIDENCY &&
		   memory->counted != PLACE_EVIDENCE_NONE &&
		   cycle->refreshed_ns <
			   memory->counted_ns + COUNTED_FOR_NS + cycle->watch.n * COUNTED_EACH_NS) {
		activity->remote_permille = memory->counted_permille;
		activity->sure_permille = memory->counted_sure_permille;
		activity->evidence = memory->counted;
	}
}

/*
 * What is inferred costs nothing, and tells who is worth a question to the sources that count:
 * those read a file per thread.
 */
static void find_evidence(struct cycle *cycle, size_t i)
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
		ask_those_that_count(cycle, i, &ask);
}

/* Behind whom the last turn came to, so that all of them have their turn. */
static size_t first_to_count(const struct cycle *cycle)
{
	size_t i = 0;

	while (i < cycle->watch.n && cycle->watch.guests[i].pid <= cycle->counted_pid)
		i++;
	return i;
}

void cycle_find_all_evidence(struct cycle *cycle)
{
	const size_t n = cycle->watch.n, first = first_to_count(cycle);

	cycle->n_counted = 0;
	for (size_t k = 0; k < n; k++) {
		const size_t i = (first + k) % n;

		cycle_follow_migration(cycle, i);
		find_evidence(cycle, i);
		cycle_find_wide_evidence(cycle, i);
	}
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

/* How old a look at it may be while it moves, starts or migrates; UINT64_MAX: it does neither. */
static uint64_t closely_ns(const struct cycle *cycle, size_t i, uint64_t now)
{
	const bool is_starting = (cycle->watch.traits[i] & PLACE_TRAIT_STARTING) &&
				 now < cycle->memories[i].seen_ns + STARTING_FOR_NS;

	return cycle->is_moving[i] || is_starting ? LOOK_SOON_NS :
						    cycle_migration_look_ns(cycle, i, now);
}

uint64_t cycle_look_again_ns(size_t n_guests)
{
	const uint64_t ns = n_guests * LOOKS_APART_NS;

	return ns > LOOK_AGAIN_NS ? ns : LOOK_AGAIN_NS;
}

/* Whether it is looked at now, and who has paid for that. */
static bool is_look_due(struct cycle *cycle, size_t i, uint64_t now, unsigned **ret_budget)
{
	const struct cycle_memory *memory = &cycle->memories[i];
	const uint64_t age_ns = now - memory->looked_ns;

	*ret_budget = NULL;
	if (memory->is_look_due || age_ns >= cycle_look_again_ns(cycle->watch.n) ||
	    (cycle->watch.classes[i] == PLACE_CLASS_UNREADABLE &&
	     hung_is_due(&cycle->looks.hung, memory->pid, memory->looked_ns, now)))
		return true;
	if (age_ns >= closely_ns(cycle, i, now)) {
		*ret_budget = &cycle->n_closely;
		return cycle->n_closely < LOOKS_CLOSELY_PER_TURN;
	}
	*ret_budget = &cycle->n_news;
	return memory->n_threads && place_watch_n_threads(&cycle->watch, i) > memory->n_threads &&
	       age_ns >= NEWS_AGAIN_NS && cycle->n_news < LOOKS_NEWS_PER_TURN;
}

static void note_look(struct cycle *cycle, size_t i, uint64_t now)
{
	struct cycle_memory *memory = &cycle->memories[i];

	memory->looked_ns = now;
	memory->n_threads = place_watch_n_threads(&cycle->watch, i);
	memory->is_look_due = false;
}

/*
 * Who is looked at more closely: what is new was asked for by the scan. In turn, where there are
 * more than may be asked for at once.
 */
void cycle_look_closer(struct cycle *cycle)
{
	const uint64_t now = place_host_now_ns(cycle->host);
	size_t n_again = 0, from = 0;
	unsigned *budget;

	while (from < cycle->watch.n && cycle->watch.guests[from].pid <= cycle->looked_pid)
		from++;
	for (size_t n = 0; n < cycle->watch.n; n++) {
		const size_t i = (from + n) % cycle->watch.n;
		struct cycle_memory *memory = &cycle->memories[i];

		if (!memory->looked_ns)
			note_look(cycle, i, now);
		if (is_look_due(cycle, i, now, &budget) && n_again < LOOKS_AGAIN_PER_TURN &&
		    looks_want(&cycle->looks, memory->pid) == 0) {
			note_look(cycle, i, now);
			cycle->looked_pid = memory->pid;
			n_again++;
			if (budget)
				++*budget;
		}
		if (wants_sample(cycle, i, now) && looks_want_sample(&cycle->looks, i) == 0)
			memory->sampled_ns = now;
	}
}
