/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others found out of a guest goes into its row: a look, a look that did not come back, a
 * migration that was noticed, and that what it did before says nothing any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decide/class.h"
#include "observe/watched.h"

/* All but what the first tier knows better than a look that took some time to come back. */
static void take_guest(struct place_guest *guest, const struct place_guest *look)
{
	const unsigned kept = guest->known & (PLACE_GUEST_LOAD | PLACE_GUEST_RESIDENT);
	const uint64_t cpu_time_ns = guest->cpu_time_ns, load_millicpu = guest->load_millicpu;
	const uint64_t plain_bytes = guest->resident_bytes, pool_bytes = guest->resident_pool_bytes;

	*guest = *look;
	guest->known |= kept;
	if (cpu_time_ns > guest->cpu_time_ns)
		guest->cpu_time_ns = cpu_time_ns;
	if (kept & PLACE_GUEST_LOAD)
		guest->load_millicpu = load_millicpu;
	if (kept & PLACE_GUEST_RESIDENT) {
		guest->resident_bytes = plain_bytes;
		guest->resident_pool_bytes = pool_bytes;
	}
}

/* Text that is the same stays: most looks find nothing new. Returns: 0, 1 it is new, -ENOMEM. */
static int set_text(char **at, const char *text)
{
	char *copy;

	if (*at && !strcmp(*at, text))
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 1;
}

static int set_groups(struct place_watch *watch, size_t i, const struct place_look *look)
{
	struct place_watched *entry = watch->entries[i];
	const int v2 = set_text(&entry->group_v2, look->group_v2);
	const int v1 = set_text(&entry->group_memory_v1, look->group_memory_v1);

	if (v2 < 0 || v1 < 0)
		return -ENOMEM;
	if (v2 || v1 || entry->group == WATCH_GROUP_NONE)
		watch_group_find(watch, i);
	return 0;
}

/* The row of this very process, new or old. */
static int find_or_insert(struct place_watch *watch, int pid, uint64_t start_ns, bool have_start)
{
	const int i = place_watch_find(watch, pid);

	if (i >= 0 && have_start && (watch->guests[i].known & PLACE_GUEST_START) &&
	    watch->guests[i].start_ns != start_ns)
		watch_drop(watch, (size_t)i);
	else if (i >= 0)
		return i;
	return watch_insert(watch, pid);
}

/* A process that scans have seen before is known for as long. */
static void begin_times(struct place_watch *watch, size_t i, const struct place_guest *guest)
{
	const struct watch_time *earlier = watch_find_earlier(watch, guest->pid, guest->start_ns);

	if (!earlier || !(guest->known & PLACE_GUEST_START))
		return;
	watch->entries[i]->times[0] = *earlier;
	watch->entries[i]->n_times = 1;
}

static uint64_t sum_of(const struct place_set *set)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < PLACE_SET_WORDS; i++)
		sum = (sum ^ set->words[i]) * UINT64_C(0x9e3779b97f4a7c15) + (sum >> 29);
	return sum;
}

/* A pin that is new: of a guest that is nearly idle, where it ran before would stand for long. */
static void note_pins(struct place_watch *watch, size_t i, const struct place_look *look)
{
	struct place_watched *entry = watch->entries[i];
	const uint64_t pins = sum_of(&look->vcpu_cpus);

	if (entry->pins && pins && entry->pins != pins && watch->classes[i] == PLACE_CLASS_PINNED)
		watch_run_forget(watch, i);
	entry->pins = pins;
}

int place_watch_adopt(struct place_watch *watch, const struct place_look *look, uint64_t now_ns)
{
	const struct place_guest *guest = &look->guest;
	bool is_new;
	int i, r;

	if (!look->is_guest) {
		i = place_watch_find(watch, guest->pid);
		if (i >= 0)
			watch_drop(watch, (size_t)i);
		return -ESRCH;
	}
	i = find_or_insert(watch, guest->pid, guest->start_ns, guest->known & PLACE_GUEST_START);
	if (i < 0)
		return i;
	is_new = !watch->entries[i]->n_times;
	if (is_new)
		begin_times(watch, (size_t)i, guest);
	take_guest(&watch->guests[i], guest);
	watch->traits[i] = look->traits;
	watch->classes[i] = place_class_of(&watch->guests[i], look->traits);
	note_pins(watch, (size_t)i, look);
	r = watch_refresh_stat(watch, (size_t)i, now_ns);
	if (r == 0)
		r = set_groups(watch, (size_t)i, look);
	if (r < 0) {
		watch_drop(watch, (size_t)i);
		return r;
	}
	watch_group_refresh(watch, (size_t)i, now_ns);
	if (is_new)
		watch_threads_expect(watch, (size_t)i);
	return i;
}

void place_watch_set_migrating(struct place_watch *watch, int pid, uint64_t start_ns)
{
	const int i = place_watch_find(watch, pid);

	if (i < 0 || watch->guests[i].start_ns != start_ns)
		return;
	watch->traits[i] |= PLACE_TRAIT_MIGRATING;
	watch->classes[i] = place_class_of(&watch->guests[i], watch->traits[i]);
}

void place_watch_set_mems(struct place_watch *watch, int pid, uint64_t start_ns,
			  const struct place_set *nodes)
{
	const int i = place_watch_find(watch, pid);
	struct place_guest *guest = i < 0 ? NULL : &watch->guests[i];

	if (!guest || guest->start_ns != start_ns)
		return;
	guest->mems = *nodes;
	/* Of the cells' policies the kernel made this one node, too. */
	guest->n_parts = 0;
	if (guest->known & PLACE_GUEST_ALLOWED)
		place_nodes_from_set(nodes, &guest->allowed);
}

void place_watch_begin_anew(struct place_watch *watch, size_t i, uint64_t now_ns)
{
	watch->entries[i]->n_times = 0;
	watch->activities[i].known &= ~(unsigned)(PLACE_ACTIVITY_RUN | PLACE_ACTIVITY_BRIEF);
	/* The first moment of the new window; who is gone is found by the next refresh. */
	(void)watch_refresh_stat(watch, i, now_ns);
	watch_threads_expect(watch, i);
}

int place_watch_set_unreadable(struct place_watch *watch, int pid, uint64_t now_ns)
{
	const int i = find_or_insert(watch, pid, 0, false);
	int r;

	if (i < 0)
		return i;
	watch->classes[i] = PLACE_CLASS_UNREADABLE;
	r = watch_refresh_stat(watch, (size_t)i, now_ns);
	if (r < 0) {
		watch_drop(watch, (size_t)i);
		return r;
	}
	return i;
}
