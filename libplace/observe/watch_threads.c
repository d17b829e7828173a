/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose threads are read in a cycle: a bounded number of files, guest after guest, and who is new
 * before the others. Which threads those are is in watch_vcpus.c, what follows in watch_run.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "observe/watched.h"

#define NS_PER_S UINT64_C(1000000000)
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

int watch_thread_read(struct place_watch *watch, const struct place_root *tasks, int tid,
		      struct place_procstat *ret_stat)
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
	return r < 0 ? r : place_procstat_parse(watch->text.data, ret_stat);
}

/* Makes the list anew, which reads all of them. Returns: what is left of the budget. */
static unsigned list_anew(struct place_watch *watch, size_t i, const struct place_root *tasks,
			  unsigned budget, uint64_t now_ns)
{
	const uint64_t before = watch->counts.thread_reads;
	uint64_t spent;

	if (watch_vcpus_list(watch, watch->entries[i], tasks) == 0)
		watch_run_finish(watch, i, now_ns);
	spent = watch->counts.thread_reads - before;
	return spent < budget ? budget - (unsigned)spent : 0;
}

/* Reads those in the list, on from where its turn was left. Returns: what is left of the budget. */
static unsigned read_on(struct place_watch *watch, size_t i, const struct place_root *tasks,
			unsigned budget, uint64_t now_ns)
{
	struct watch_threads *threads = &watch->entries[i]->threads;

	for (; budget && threads->next < threads->n; threads->next++, budget--) {
		struct watch_thread *thread = &threads->list[threads->next];
		struct place_procstat stat;
		const int r = watch_thread_read(watch, tasks, thread->tid, &stat);

		if (r == 0)
			watch_run_add(watch, threads, thread, stat.processor, stat.cpu_ticks,
				      false);
		else if (r == -ENOENT || r == -ESRCH)
			threads->n_listed = 0; /* list them anew */
	}
	if (threads->next == threads->n)
		watch_run_finish(watch, i, now_ns);
	return budget;
}

/*
 * This guest's turn, or the rest of it. Returns: the files that may still be read; 0 with `next`
 * not at the beginning: to be gone on with in the next cycle.
 */
static unsigned visit(struct place_watch *watch, size_t i, unsigned budget, uint64_t now_ns)
{
	struct place_watched *entry = watch->entries[i];
	struct place_root tasks;

	entry->threads.is_expected = false;
	if (open_tasks(watch, watch->guests[i].pid, &tasks) < 0)
		return budget - 1;
	if (!entry->threads.next && watch_vcpus_is_due(entry))
		budget = list_anew(watch, i, &tasks, budget, now_ns);
	else
		budget = read_on(watch, i, &tasks, budget, now_ns);
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
