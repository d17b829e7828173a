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

static void push_time(struct place_watched *entry, uint64_t cpu_time_ns, uint64_t now_ns)
{
	if (entry->n_times && now_ns < entry->times[0].at_ns + TIMES_GAP_NS)
		return;
	if (entry->n_times < WATCH_TIMES)
		entry->n_times++;
	memmove(&entry->times[1], &entry->times[0], (entry->n_times - 1) * sizeof(entry->times[0]));
	entry->times[0] = (struct watch_time){ .at_ns = now_ns, .cpu_time_ns = cpu_time_ns };
}

/* Until the window is long enough the guest keeps the load that the look found. */
static void compute_load(struct place_watch *watch, size_t i, uint64_t now_ns)
{
	const struct watch_time *earlier = find_earlier(watch->entries[i], now_ns);
	struct place_activity *activity = &watch->activities[i];
	struct place_guest *guest = &watch->guests[i];
	uint64_t spent_ns;

	if (!earlier || guest->cpu_time_ns < earlier->cpu_time_ns)
		return;
	spent_ns = guest->cpu_time_ns - earlier->cpu_time_ns;
	activity->busy_millicpu = place_scale(spent_ns, 1000, now_ns - earlier->at_ns);
	if (watch->entries[i]->threads.n_passes)
		activity->known |= PLACE_ACTIVITY_RUN;
	if (now_ns - earlier->at_ns < LOAD_WINDOW_NS)
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
	compute_load(watch, i, now_ns);
	push_time(entry, guest->cpu_time_ns, now_ns);
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
