/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which threads of a guest are its vCPUs: a list that is made anew now and then, and when its
 * threads change.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "host/text.h"
#include "observe/watched.h"

#define PASSES_MAX 32
/* Worker threads come and go: not a reason to list at once. */
#define PASSES_BEFORE_NEWS 4

/* A list of either kind, grown by half where it is too short. */
static int reserve(void *list, size_t *room, size_t n, size_t size)
{
	void *larger;

	if (n <= *room)
		return 0;
	n = n < 8 ? 8 : n + n / 2;
	larger = reallocarray(*(void **)list, n, size);
	if (!larger)
		return -ENOMEM;
	*(void **)list = larger;
	*room = n;
	return 0;
}

static const struct watch_thread *find_thread(const struct watch_threads *threads, int tid)
{
	size_t from = 0, end = threads->n;

	while (from < end) {
		const size_t middle = from + (end - from) / 2;

		if (threads->list[middle].tid == tid)
			return &threads->list[middle];
		if (threads->list[middle].tid < tid)
			from = middle + 1;
		else
			end = middle;
	}
	return NULL;
}

static int list_thread(struct place_watch *watch, const struct watch_threads *threads,
		       const struct place_root *tasks, int tid, size_t *n)
{
	const struct watch_thread *known = find_thread(threads, tid);
	struct place_procstat stat;
	int r;

	r = reserve(&watch->listed, &watch->listed_room, *n + 1, sizeof(*watch->listed));
	if (r < 0)
		return r;
	if (watch_thread_read(watch, tasks, tid, &stat) < 0)
		return 0;
	if (known && known->start_ticks != stat.start_ticks)
		known = NULL; /* another has its id */
	watch->listed[(*n)++] = (struct watch_listed){
		.thread = known ? *known :
				  (struct watch_thread){ .tid = tid,
							 .node = WATCH_NO_NODE,
							 .start_ticks = stat.start_ticks },
		.is_new = !known,
		.is_vcpu = place_comm_is_vcpu(stat.comm),
		.cpu = stat.processor,
		.cpu_ticks = stat.cpu_ticks,
	};
	return 0;
}

static bool is_before(const struct place_thread *a, const struct place_thread *b)
{
	return a->start_ns != b->start_ns ? a->start_ns < b->start_ns : a->tid < b->tid;
}

static void note_newest(struct watch_threads *threads, const struct watch_thread *listed)
{
	const struct place_thread thread = {
		.start_ns = place_ticks_to_ns(listed->start_ticks),
		.tid = listed->tid,
	};

	if (is_before(&threads->newest, &thread))
		threads->newest = thread;
}

/* Without threads named as vCPUs all of them count: no QEMU, or one without debug-threads. */
static int take_listed(struct place_watch *watch, struct watch_threads *threads, size_t n)
{
	size_t n_vcpus = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		n_vcpus += watch->listed[i].is_vcpu;
	r = reserve(&threads->list, &threads->room, n_vcpus ? n_vcpus : n, sizeof(*threads->list));
	if (r < 0)
		return r;
	threads->n = 0;
	threads->newest = (struct place_thread){ 0 };
	for (size_t i = 0; i < n; i++) {
		struct watch_listed *listed = &watch->listed[i];

		if (!listed->is_vcpu && n_vcpus)
			continue;
		watch_run_add(watch, threads, &listed->thread, listed->cpu, listed->cpu_ticks,
			      listed->is_new);
		threads->list[threads->n++] = listed->thread;
		note_newest(threads, &listed->thread);
	}
	return 0;
}

static int compare_tid(const void *a, const void *b)
{
	const struct watch_listed *first = a, *second = b;

	return (first->thread.tid > second->thread.tid) - (first->thread.tid < second->thread.tid);
}

/* The kernel lists them so (fs/proc/base.c next_tid()), a recording in any order. */
static void sort_listed(struct watch_listed *listed, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (listed[i - 1].thread.tid > listed[i].thread.tid) {
			qsort(listed, n, sizeof(*listed), compare_tid);
			return;
		}
}

int watch_vcpus_list(struct place_watch *watch, struct place_watched *entry,
		     const struct place_root *tasks)
{
	struct watch_threads *threads = &entry->threads;
	struct watch_dir dir = { .fd = tasks->fd, .buffer = watch->entries_buffer };
	const char *name;
	size_t n = 0;
	int r = 0;

	while (r == 0 && n < PLACE_WATCH_THREADS_MAX && (name = watch_dir_next(&dir))) {
		unsigned tid;

		if (place_text_unsigned(name, &tid) == 0 && tid <= INT_MAX)
			r = list_thread(watch, threads, tasks, (int)tid, &n);
	}
	if (r == 0) {
		sort_listed(watch->listed, n);
		r = take_listed(watch, threads, n);
	}
	threads->n_listed = r == 0 ? entry->n_threads : 0;
	threads->n_passes = 0;
	return r;
}

bool watch_vcpus_is_due(const struct place_watched *entry)
{
	const struct watch_threads *threads = &entry->threads;

	return !threads->n_listed || threads->n_passes >= PASSES_MAX ||
	       (threads->n_listed != entry->n_threads && threads->n_passes >= PASSES_BEFORE_NEWS);
}

bool place_watch_next_thread(const struct place_watch *watch, size_t i,
			     const struct place_thread *after, struct place_thread *ret_thread)
{
	const struct watch_threads *threads = &watch->entries[i]->threads;
	const struct place_thread from = *after; /* which may be ret_thread */
	bool has_found = false;

	if (!is_before(&from, &threads->newest))
		return false;
	for (size_t k = 0; k < threads->n; k++) {
		const struct place_thread thread = {
			.start_ns = place_ticks_to_ns(threads->list[k].start_ticks),
			.tid = threads->list[k].tid,
		};

		if (!is_before(&from, &thread) || (has_found && !is_before(&thread, ret_thread)))
			continue;
		*ret_thread = thread;
		has_found = true;
	}
	return has_found;
}

void watch_vcpus_done(struct watch_threads *threads)
{
	free(threads->list);
	threads->list = NULL;
	threads->n = threads->room = 0;
}
