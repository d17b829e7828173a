/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of guests: arrays in the order of their pids, which others read as they are, and
 * beside each row what the watch itself keeps. Rows come and go here and nowhere else.
 */
#include "observe/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "observe/watched.h"

static void entry_free(struct place_watch *watch, struct place_watched *entry)
{
	watch_file_done(watch, &entry->stat);
	watch_file_done(watch, &entry->status);
	watch_group_done(watch, entry);
	watch_vcpus_done(&entry->threads);
	free(entry->group_v2);
	free(entry->group_memory_v1);
	free(entry);
}

/* One piece of memory holds the rows of n_nodes too. */
static struct place_watched *entry_new(struct place_watch *watch, int pid)
{
	const size_t n_nodes = watch->topology->n_nodes;
	struct place_watched *entry;
	char path[32];

	entry = calloc(1, sizeof(*entry) + n_nodes * (3 * sizeof(uint64_t) + sizeof(uint32_t)));
	if (!entry)
		return NULL;
	entry->bytes = (uint64_t *)(entry + 1);
	entry->threads.weight = entry->bytes + n_nodes;
	entry->threads.added = entry->threads.weight + n_nodes;
	entry->run_permille = (uint32_t *)(entry->threads.added + n_nodes);
	entry->stat.fd = entry->status.fd = entry->numa_stat.fd = entry->hugetlb.fd = -1;
	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	if (watch_file_set(watch, &entry->stat, path) == 0) {
		snprintf(path, sizeof(path), "proc/%d/status", pid);
		if (watch_file_set(watch, &entry->status, path) == 0)
			return entry;
	}
	entry_free(watch, entry);
	return NULL;
}

static int fill_cpus(struct place_watch *watch)
{
	watch->node_of_cpu = malloc(PLACE_SET_MAX * sizeof(*watch->node_of_cpu));
	if (!watch->node_of_cpu)
		return -ENOMEM;
	for (size_t cpu = 0; cpu < PLACE_SET_MAX; cpu++)
		watch->node_of_cpu[cpu] = WATCH_NO_NODE;
	for (size_t i = 0; i < watch->topology->n_nodes; i++) {
		const struct place_set *cpus = &watch->topology->nodes[i].cpus;

		for (int cpu = place_set_next(cpus, 0); cpu >= 0;
		     cpu = place_set_next(cpus, (unsigned)cpu + 1))
			watch->node_of_cpu[cpu] = (uint16_t)i;
	}
	return 0;
}

int place_watch_init(struct place_watch *watch, const struct place_root *root,
		     const struct place_topology *topology, const struct place_watch_ops *ops)
{
	int r;

	*watch = (struct place_watch){
		.root = root,
		.topology = topology,
		.thread_reads = PLACE_WATCH_THREAD_READS,
		.is_complete = true,
	};
	if (ops)
		watch->ops = *ops;
	watch->proc.is_live = root->is_live;
	watch->proc.fd = place_root_openat(root, "proc", O_RDONLY | O_DIRECTORY);
	if (watch->proc.fd < 0)
		return watch->proc.fd;
	watch->entries_buffer = malloc(WATCH_DIR_BUFFER);
	watch->row = calloc(topology->n_nodes, sizeof(*watch->row));
	r = watch->entries_buffer && watch->row ? fill_cpus(watch) : -ENOMEM;
	if (r < 0) {
		place_watch_done(watch);
		return r;
	}
	(void)place_mounts_read(root, &watch->text, &watch->mounts);
	return 0;
}

void place_watch_done(struct place_watch *watch)
{
	for (size_t i = 0; i < watch->n; i++)
		entry_free(watch, watch->entries[i]);
	watch_scan_done(watch);
	free(watch->entries);
	free(watch->guests);
	free(watch->activities);
	free(watch->traits);
	free(watch->classes);
	free(watch->with_swap);
	free(watch->gone);
	free(watch->row);
	free(watch->node_of_cpu);
	free(watch->listed);
	place_text_done(&watch->text);
	*watch = (struct place_watch){ .proc.fd = -1 };
}

/* Where the pid is, or where it would be. */
static size_t find_place(const struct place_watch *watch, int pid)
{
	size_t from = 0, end = watch->n;

	while (from < end) {
		const size_t middle = from + (end - from) / 2;

		if (watch->guests[middle].pid < pid)
			from = middle + 1;
		else
			end = middle;
	}
	return from;
}

int place_watch_find(const struct place_watch *watch, int pid)
{
	const size_t i = find_place(watch, pid);

	return i < watch->n && watch->guests[i].pid == pid ? (int)i : -ENOENT;
}

unsigned place_watch_n_threads(const struct place_watch *watch, size_t i)
{
	return watch->entries[i]->n_threads;
}

static bool grow_array(void *array, size_t room, size_t size)
{
	void *larger = reallocarray(*(void **)array, room, size);

	if (larger)
		*(void **)array = larger;
	return larger;
}

static int reserve(struct place_watch *watch)
{
	const size_t room = watch->room ? watch->room + watch->room / 2 : 16;

	if (watch->n < watch->room)
		return 0;
	if (watch->n >= PLACE_GUESTS_MAX)
		return -ENOSPC;
	if (!grow_array(&watch->guests, room, sizeof(*watch->guests)) ||
	    !grow_array(&watch->activities, room, sizeof(*watch->activities)) ||
	    !grow_array(&watch->traits, room, sizeof(*watch->traits)) ||
	    !grow_array(&watch->classes, room, sizeof(*watch->classes)) ||
	    !grow_array(&watch->with_swap, room, sizeof(*watch->with_swap)) ||
	    !grow_array(&watch->entries, room, sizeof(struct place_watched *)))
		return -ENOMEM;
	watch->room = room;
	return 0;
}

#define MOVE_ROWS(array, to, from, n)                                                              \
	memmove(&(array)[to], &(array)[from], (n) * sizeof((array)[0]))

static void move_rows(struct place_watch *watch, size_t to, size_t from, size_t n)
{
	MOVE_ROWS(watch->guests, to, from, n);
	MOVE_ROWS(watch->activities, to, from, n);
	MOVE_ROWS(watch->traits, to, from, n);
	MOVE_ROWS(watch->classes, to, from, n);
	MOVE_ROWS(watch->with_swap, to, from, n);
	MOVE_ROWS(watch->entries, to, from, n);
}

int watch_insert(struct place_watch *watch, int pid)
{
	const size_t i = find_place(watch, pid);
	struct place_watched *entry;
	int r;

	r = reserve(watch);
	if (r < 0)
		return r;
	entry = entry_new(watch, pid);
	if (!entry)
		return -ENOMEM;
	move_rows(watch, i + 1, i, watch->n - i);
	watch->n++;
	watch->entries[i] = entry;
	watch->guests[i] = (struct place_guest){ .pid = pid };
	watch->activities[i] = (struct place_activity){ .bytes = entry->bytes,
							.run_permille = entry->run_permille };
	watch->traits[i] = 0;
	watch->with_swap[i] = false;
	watch->classes[i] = PLACE_CLASS_UNREADABLE;
	return (int)i;
}

static void tell_gone(struct place_watch *watch, const struct place_guest *guest)
{
	struct place_gone *gone;

	if (watch->n_gone == PLACE_GUESTS_MAX)
		return;
	if (watch->n_gone == watch->gone_room) {
		const size_t room = watch->gone_room ? watch->gone_room * 2 : 16;

		if (!grow_array(&watch->gone, room, sizeof(*watch->gone)))
			return;
		watch->gone_room = room;
	}
	gone = &watch->gone[watch->n_gone++];
	gone->pid = guest->pid;
	gone->start_ns = guest->start_ns;
	memcpy(gone->name, guest->name, sizeof(gone->name));
}

void watch_compact(struct place_watch *watch)
{
	size_t n = 0;

	for (size_t i = 0; i < watch->n; i++) {
		if (watch->entries[i]->is_gone) {
			tell_gone(watch, &watch->guests[i]);
			entry_free(watch, watch->entries[i]);
			continue;
		}
		if (n != i)
			move_rows(watch, n, i, 1);
		n++;
	}
	watch->n = n;
}

void watch_drop(struct place_watch *watch, size_t i)
{
	watch->entries[i]->is_gone = true;
	watch_compact(watch);
}
