/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * On which nodes a guest's vCPUs run. What a thread used since it was read last counts for the node
 * where it is now, or half for that where it was before; what was known before fades.
 */
#include <string.h>

#include "observe/watched.h"

#define NS_PER_S UINT64_C(1000000000)
/* Half of what is known fades in so long: residency x run is judged over several cycles. */
#define FADE_NS (20 * NS_PER_S)
/* Of what a thread did before it was seen first, no more than this counts. */
#define FIRST_TICKS_MAX 100
/* Weights are ticks times this, so that fading does not round them away. */
#define WEIGHT_PER_TICK 1024

static uint16_t node_of(const struct place_watch *watch, unsigned cpu)
{
	return cpu < PLACE_SET_MAX ? watch->node_of_cpu[cpu] : WATCH_NO_NODE;
}

void watch_run_add(const struct place_watch *watch, struct watch_threads *threads,
		   struct watch_thread *thread, unsigned cpu, uint64_t cpu_ticks, bool is_new)
{
	const uint16_t node = node_of(watch, cpu);
	uint64_t ticks = 0;

	if (is_new)
		ticks = cpu_ticks < FIRST_TICKS_MAX ? cpu_ticks : FIRST_TICKS_MAX;
	else if (cpu_ticks > thread->cpu_ticks)
		ticks = cpu_ticks - thread->cpu_ticks;
	thread->cpu_ticks = cpu_ticks;
	if (node == WATCH_NO_NODE)
		return;
	if (thread->node == WATCH_NO_NODE)
		thread->node = node;
	/* One that is new and has done nothing is somewhere all the same. */
	threads->added[node] += ticks * (WEIGHT_PER_TICK / 2) + is_new;
	threads->added[thread->node] += ticks * (WEIGHT_PER_TICK / 2);
	thread->node = node;
}

/* What was known fades as time goes by; in a guest that does nothing it stands. */
static void fold_added(struct watch_threads *threads, size_t n_nodes, uint64_t now_ns)
{
	const uint64_t ms = now_ns > threads->added_ns ? (now_ns - threads->added_ns) / 1000000 : 0;
	const uint64_t fade_ms = FADE_NS / 1000000;

	threads->added_ns = now_ns;
	for (size_t i = 0; i < n_nodes; i++) {
		threads->weight[i] = (uint64_t)((unsigned __int128)threads->weight[i] * fade_ms /
						(fade_ms + ms)) +
				     threads->added[i];
		threads->added[i] = 0;
	}
}

static unsigned __int128 sum_up(const uint64_t *row, size_t n)
{
	unsigned __int128 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += row[i];
	return sum;
}

void watch_run_finish(struct place_watch *watch, size_t i, uint64_t now_ns)
{
	struct place_watched *entry = watch->entries[i];
	struct watch_threads *threads = &entry->threads;
	const size_t n_nodes = watch->topology->n_nodes;
	unsigned __int128 sum;

	threads->next = 0;
	threads->n_passes++;
	if (!sum_up(threads->added, n_nodes))
		return;
	fold_added(threads, n_nodes, now_ns);
	sum = sum_up(threads->weight, n_nodes);
	for (size_t node = 0; node < n_nodes; node++)
		entry->run_permille[node] =
			(uint32_t)((unsigned __int128)threads->weight[node] * 1000 / sum);
	/* How busy it is may be known before. */
	if (watch->activities[i].known & PLACE_ACTIVITY_BRIEF)
		watch->activities[i].known |= PLACE_ACTIVITY_RUN;
}

void watch_run_forget(struct place_watch *watch, size_t i)
{
	struct place_watched *entry = watch->entries[i];
	const size_t n = watch->topology->n_nodes;

	memset(entry->threads.weight, 0, n * sizeof(*entry->threads.weight));
	memset(entry->threads.added, 0, n * sizeof(*entry->threads.added));
	memset(entry->run_permille, 0, n * sizeof(*entry->run_permille));
	entry->threads.next = 0;
	watch_threads_expect(watch, i);
}
