/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where vCPUs run: a bounded number of thread files per cycle, guest after guest. What a thread
 * used since it was read last counts for the node where it is now, or half for that where it was
 * before. The list of a guest's vCPUs is made anew now and then, and when its threads change.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "observe/watched.h"

#define NS_PER_S UINT64_C(1000000000)
#define PASSES_MAX 32
/* Worker threads come and go: not a reason to list at once. */
#define PASSES_BEFORE_NEWS 4
/* Half of what is known fades in so long: residency x run is judged over several cycles. */
#define FADE_NS (20 * NS_PER_S)
/* Of what a thread did before it was seen first, no more than this counts. */
#define FIRST_TICKS_MAX 100
/* Weights are ticks times this, so that fading does not round them away. */
#define WEIGHT_PER_TICK 1024
#define ROTATE_GAP_NS NS_PER_S

/* A folder of threads, as a root of its own: what lies in it leads nowhere else. */
static int open_tasks(const struct place_watch *watch, int pid, struct place_root *tasks)
{
	char path[32];

	snprintf(path, sizeof(path), "proc/%d/task", pid);
	tasks->fd = place_root_openat(watch->root, path, O_RDONLY | O_DIRECTORY);
	tasks->is_live = watch->root->is_live;
	return tasks->fd < 0 ? tasks->fd : 0;
}

static int read_thread(struct place_watch *watch, const struct place_root *tasks, int tid,
		       struct place_procstat *stat)
{
	_cleanup_close_ int fd = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/stat", tid);
	fd = place_root_openat(tasks, path, O_RDONLY | O_NONBLOCK);
	watch->counts.thread_reads++;
	if (fd < 0)
		return fd;
	r = watch_read_fd(watch, fd);
	return r < 0 ? r : place_procstat_parse(watch->text.data, stat);
}

static uint16_t node_of(const struct place_watch *watch, unsigned cpu)
{
	return cpu < PLACE_SET_MAX ? watch->node_of_cpu[cpu] : WATCH_NO_NODE;
}

/* What a thread did since it was read last. */
static void account(uint64_t *added, struct watch_thread *thread, uint16_t node, uint64_t cpu_ticks,
		    bool is_new)
{
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
	added[node] += ticks * (WEIGHT_PER_TICK / 2) + is_new;
	added[thread->node] += ticks * (WEIGHT_PER_TICK / 2);
	thread->node = node;
}

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
	if (read_thread(watch, tasks, tid, &stat) < 0)
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
		.node = node_of(watch, stat.processor),
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
		account(threads->added, &listed->thread, listed->node, listed->cpu_ticks,
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

static int list_threads(struct place_watch *watch, struct place_watched *entry,
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

static bool is_list_due(const struct place_watched *entry)
{
	const struct watch_threads *threads = &entry->threads;

	return !threads->n_listed || threads->n_passes >= PASSES_MAX ||
	       (threads->n_listed != entry->n_threads && threads->n_passes >= PASSES_BEFORE_NEWS);
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

static void finish_pass(struct place_watch *watch, size_t i, uint64_t now_ns)
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

/*
 * Reads on where this guest's turn was left. Returns the files that may still be read; 0 with
 * `next` not at the beginning: to be gone on with in the next cycle.
 */
static unsigned visit(struct place_watch *watch, size_t i, unsigned budget, uint64_t now_ns)
{
	struct place_watched *entry = watch->entries[i];
	struct watch_threads *threads = &entry->threads;
	struct place_root tasks;
	struct place_procstat stat;

	threads->is_expected = false;
	if (open_tasks(watch, watch->guests[i].pid, &tasks) < 0)
		return budget - 1;
	if (!threads->next && is_list_due(entry)) {
		const uint64_t before = watch->counts.thread_reads;
		uint64_t spent;

		if (list_threads(watch, entry, &tasks) == 0)
			finish_pass(watch, i, now_ns);
		spent = watch->counts.thread_reads - before;
		budget = spent < budget ? budget - (unsigned)spent : 0;
	} else {
		for (; budget && threads->next < threads->n; threads->next++, budget--) {
			struct watch_thread *thread = &threads->list[threads->next];
			const int r = read_thread(watch, &tasks, thread->tid, &stat);

			if (r == 0)
				account(threads->added, thread, node_of(watch, stat.processor),
					stat.cpu_ticks, false);
			else if (r == -ENOENT || r == -ESRCH)
				threads->n_listed = 0; /* list them anew */
		}
		if (threads->next == threads->n)
			finish_pass(watch, i, now_ns);
	}
	close(tasks.fd);
	return budget;
}

void watch_threads_expect(struct place_watch *watch, size_t i)
{
	watch->entries[i]->threads.is_expected = true;
	watch->has_newcomers = true;
}

/* Whose budget that is: the rotation stands where it was. Returns: what is left of it. */
static unsigned visit_newcomers(struct place_watch *watch, unsigned budget, uint64_t now_ns)
{
	if (!watch->has_newcomers)
		return budget;
	watch->has_newcomers = false;
	for (size_t i = 0; i < watch->n; i++) {
		if (!watch->entries[i]->threads.is_expected)
			continue;
		if (!budget) {
			watch->has_newcomers = true;
			break;
		}
		budget = visit(watch, i, budget, now_ns);
	}
	return budget;
}

void place_watch_begin(struct place_watch *watch, uint64_t now_ns)
{
	(void)visit_newcomers(watch, watch->thread_reads, now_ns);
}

static void rotate(struct place_watch *watch, unsigned budget, uint64_t now_ns)
{
	size_t at = 0;

	while (at < watch->n && watch->guests[at].pid < watch->rotate_pid)
		at++;
	for (size_t visited = 0; visited < watch->n && budget; visited++) {
		at %= watch->n;
		budget = visit(watch, at, budget, now_ns);
		if (watch->entries[at]->threads.next)
			break;
		at++;
	}
	watch->rotate_pid = watch->guests[at % watch->n].pid;
}

void watch_threads_rotate(struct place_watch *watch, uint64_t now_ns)
{
	const unsigned for_newcomers = watch->thread_reads / 2;
	const unsigned left = visit_newcomers(watch, for_newcomers, now_ns);

	if (!watch->n || (watch->rotated_ns && now_ns < watch->rotated_ns + ROTATE_GAP_NS))
		return;
	watch->rotated_ns = now_ns;
	rotate(watch, watch->thread_reads - for_newcomers + left, now_ns);
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

void watch_threads_done(struct watch_threads *threads)
{
	free(threads->list);
	threads->list = NULL;
	threads->n = threads->room = 0;
}
