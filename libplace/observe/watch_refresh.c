/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first tier: CPU time and identity of each guest here, memory in watch_group.c, threads. */
#include <errno.h>
#include <string.h>

#include "arith.h"
#include "observe/watched.h"

#define NS_PER_S UINT64_C(1000000000)
/*
 * What a guest did in the second between two questions is no load to decide by; and ticks of
 * 10 ms must not matter.
 */
#define LOAD_WINDOW_NS (10 * NS_PER_S)
#define BUSY_WINDOW_LEAST_NS (1 * NS_PER_S)
#define TIMES_GAP_NS (4 * NS_PER_S)
/*
 * A first word on a guest comes sooner: from a window of so many ticks, and no more than it did in
 * all of its life, which must be that long. A burst is no load.
 */
#define BRIEF_WINDOW_NS (NS_PER_S / 5)
#define BRIEF_LIFE_NS (2 * NS_PER_S)
/* Who has grown by more than that share in less than TIMES_GAP_NS only begins to allocate. */
#define GROWTH_SHARE 8

/* The newest moment that is old enough for a load, else the oldest that tells anything. */
static const struct watch_time *find_earlier(const struct place_watched *entry, uint64_t now_ns)
{
	const struct watch_time *earlier = NULL;

	for (unsigned i = 0; i < entry->n_times; i++) {
		const struct watch_time *time = &entry->times[i];

		if (now_ns < time->at_ns + BUSY_WINDOW_LEAST_NS)
			continue;
		earlier = time;
		if (now_ns >= time->at_ns + LOAD_WINDOW_NS)
			break;
	}
	return earlier;
}

/* The oldest moment, while none is old enough for find_earlier(). */
static const struct watch_time *find_brief(const struct place_watched *entry, uint64_t now_ns)
{
	const struct watch_time *oldest = entry->n_times ? &entry->times[entry->n_times - 1] : NULL;

	return oldest && now_ns >= oldest->at_ns + BRIEF_WINDOW_NS ? oldest : NULL;
}

static void push_time(struct place_watched *entry, const struct watch_time *time)
{
	if (entry->n_times && time->at_ns < entry->times[0].at_ns + TIMES_GAP_NS)
		return;
	if (entry->n_times < WATCH_TIMES)
		entry->n_times++;
	memmove(&entry->times[1], &entry->times[0], (entry->n_times - 1) * sizeof(entry->times[0]));
	entry->times[0] = *time;
}

/* Filling its memory, it has no place yet that it could be brought back to. */
static bool only_begins(const struct watch_time *earlier, const struct watch_time *now)
{
	return now->at_ns < earlier->at_ns + TIMES_GAP_NS &&
	       now->resident_pages >
		       earlier->resident_pages + earlier->resident_pages / GROWTH_SHARE;
}

static uint64_t busy_since(const struct watch_time *earlier, const struct watch_time *now)
{
	return place_scale(place_subtract(now->cpu_time_ns, earlier->cpu_time_ns), 1000,
			   now->at_ns - earlier->at_ns);
}

/* Of a guest that nothing is known of yet. */
static void compute_brief_load(struct place_watch *watch, size_t i, const struct watch_time *now)
{
	const struct watch_time *earlier = find_brief(watch->entries[i], now->at_ns);
	const struct watch_time birth = { .at_ns = watch->guests[i].start_ns };
	struct place_activity *activity = &watch->activities[i];

	if (!earlier || now->at_ns < birth.at_ns + BRIEF_LIFE_NS || only_begins(earlier, now))
		return;
	activity->busy_millicpu = place_least(busy_since(earlier, now), busy_since(&birth, now));
	activity->known |= PLACE_ACTIVITY_BRIEF;
	if (watch->entries[i]->threads.n_passes)
		activity->known |= PLACE_ACTIVITY_RUN;
}

/* Until the window is long enough the guest keeps the load that the look found. */
static void compute_load(struct place_watch *watch, size_t i, const struct watch_time *now)
{
	const struct watch_time *earlier = find_earlier(watch->entries[i], now->at_ns);
	struct place_activity *activity = &watch->activities[i];
	struct place_guest *guest = &watch->guests[i];

	if (!earlier) {
		compute_brief_load(watch, i, now);
		return;
	}
	if (now->cpu_time_ns < earlier->cpu_time_ns)
		return;
	activity->busy_millicpu = busy_since(earlier, now);
	if (watch->entries[i]->threads.n_passes &&
	    ((activity->known & PLACE_ACTIVITY_RUN) || !only_begins(earlier, now))) {
		activity->known |= PLACE_ACTIVITY_RUN;
		activity->known &= ~(unsigned)PLACE_ACTIVITY_BRIEF;
	}
	/* Idle until it is here, or throttled until it is gone: of its load that says nothing. */
	if (watch->traits[i] & PLACE_TRAIT_MIGRATING) {
		guest->known &= ~(unsigned)PLACE_GUEST_LOAD;
		return;
	}
	if (now->at_ns - earlier->at_ns < LOAD_WINDOW_NS)
		return;
	guest->load_millicpu = activity->busy_millicpu;
	guest->known |= PLACE_GUEST_LOAD;
}

/*
 * A zombie holds nothing any more, unless only its first thread ended. A program that was
 * replaced has another command name (fs/exec.c begin_new_exec()); so has one that just renamed
 * itself, which costs us the look at its program.
 */
static bool is_same_process(struct place_watch *watch, size_t i, const struct place_procstat *stat)
{
	struct place_watched *entry = watch->entries[i];
	const struct place_guest *guest = &watch->guests[i];

	if (stat->state == 'X' || (stat->state == 'Z' && stat->n_threads <= 1))
		return false;
	if ((guest->known & PLACE_GUEST_START) &&
	    guest->start_ns != place_ticks_to_ns(stat->start_ticks))
		return false;
	if (!strcmp(entry->comm, stat->comm))
		return true;
	if (entry->comm[0] && !(watch->traits[i] & PLACE_TRAIT_INCLUDED) &&
	    !watch_is_guest(watch, guest->pid))
		return false;
	memcpy(entry->comm, stat->comm, sizeof(entry->comm));
	return true;
}

int watch_refresh_stat(struct place_watch *watch, size_t i, uint64_t now_ns)
{
	struct place_watched *entry = watch->entries[i];
	struct place_guest *guest = &watch->guests[i];
	struct place_procstat stat;
	struct watch_time now;
	int r;

	r = watch_file_read(watch, &entry->stat);
	if (r == -ESRCH || r == -ENOENT)
		return -ESRCH;
	/* Neither -EMFILE nor a damaged recording says anything about the guest. */
	if (r < 0 || place_procstat_parse(watch->text.data, &stat) < 0)
		return 0;
	if (!is_same_process(watch, i, &stat))
		return -ESRCH;
	entry->n_threads = stat.n_threads;
	guest->start_ns = place_ticks_to_ns(stat.start_ticks);
	guest->cpu_time_ns = place_ticks_to_ns(stat.cpu_ticks);
	guest->known |= PLACE_GUEST_START;
	now = (struct watch_time){ .at_ns = now_ns,
				   .cpu_time_ns = guest->cpu_time_ns,
				   .resident_pages = stat.resident_pages };
	compute_load(watch, i, &now);
	push_time(entry, &now);
	return 0;
}

int place_watch_refresh(struct place_watch *watch, uint64_t now_ns)
{
	bool is_any_gone = false;

	for (size_t i = 0; i < watch->n; i++) {
		if (watch_refresh_stat(watch, i, now_ns) < 0) {
			watch->entries[i]->is_gone = true;
			is_any_gone = true;
			continue;
		}
		watch_group_refresh(watch, i, now_ns);
	}
	if (is_any_gone)
		watch_compact(watch);
	watch_threads_rotate(watch, now_ns);
	watch->refreshed_ns = now_ns;
	watch->counts.refreshes++;
	return 0;
}
