/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two passes over /proc/PID/task: names of all threads, then affinities of those that matter. */
#include "observe/tasks.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "observe/procstat.h"

/* Making a vCPU takes CPU time too: some ticks of 10 ms, of the thread that is made. */
#define CREATION_TICKS 5

struct task {
	unsigned id;
	bool is_vcpu;
	bool is_main;
	uint64_t cpu_ticks;
};

struct walk {
	struct task *list;
	size_t n;
	size_t room;
	bool is_complete;
};

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/*
 * Old: migration/{migration,multifd,savevm,postcopy-ram}.c, 1.x to 9.0. New: "mig/src/main",
 * "mig/dst/recv_3", "mig/snapshot" (migration/migration.h, 9.1 to 10.2); "mig/dirtyrate" only
 * counts. A dump is read by "dump_thread" (dump/dump.c, 2.6 to 10.2) where it is detached, as
 * libvirt's are.
 */
bool place_task_is_migration(const char *comm)
{
	static const char *const whole[] = { "dump_thread",    "migration",	  "live_migration",
					     "bg_snapshot",    "return path",	  "source return p",
					     "postcopy/fault", "postcopy/listen", "postcopy/preem",
					     "fault-fast",     "COLO incoming",	  "fault-default" };

	if (begins_with(comm, "mig/"))
		return !begins_with(comm, "mig/dirtyrate");
	if (begins_with(comm, "multifdsend_") || begins_with(comm, "multifdrecv_") ||
	    begins_with(comm, "multifd-tls-"))
		return true;
	for (size_t i = 0; i < ELEMENTSOF(whole); i++)
		if (!strcmp(comm, whole[i]))
			return true;
	return false;
}

enum place_affinity place_affinity_judge(const struct place_set *cpus,
					 const struct place_topology *topology,
					 const struct place_set *usable)
{
	bool leaves_out = false;

	if (!place_set_intersects(cpus, usable))
		return PLACE_AFFINITY_NARROW;
	for (size_t i = 0; i < topology->n_nodes; i++) {
		const struct place_set *all = &topology->nodes[i].cpus;
		struct place_set here = *all;

		place_set_and(&here, usable);
		if (place_set_is_subset(&here, cpus))
			continue;
		if (place_set_intersects(cpus, all))
			return PLACE_AFFINITY_NARROW;
		leaves_out = true;
	}
	return leaves_out ? PLACE_AFFINITY_NODES : PLACE_AFFINITY_ALL;
}

static int add_task(unsigned id, void *data)
{
	struct walk *walk = data;

	if (walk->n == PLACE_TASKS_MAX) {
		walk->is_complete = false;
		return 0;
	}
	if (walk->n == walk->room) {
		const size_t room = walk->room ? walk->room * 2 : 32;
		struct task *list = reallocarray(walk->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		walk->list = list;
		walk->room = room;
	}
	walk->list[walk->n++] = (struct task){ .id = id };
	return 0;
}

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ESRCH;
}

static void read_name(const struct place_root *root, struct place_text *text, int pid,
		      bool have_names, struct task *task, struct place_tasks *tasks)
{
	struct place_procstat stat;
	int r;

	r = place_root_readf(root, text, "proc/%d/task/%u/stat", pid, task->id);
	if (r == 0)
		r = place_procstat_parse(text->data, &stat);
	if (r < 0) {
		if (!is_gone(r))
			tasks->is_complete = false;
		return;
	}
	task->cpu_ticks = stat.cpu_ticks;
	task->is_main = task->id == (unsigned)pid;
	if (!have_names)
		return;
	task->is_vcpu = place_comm_is_vcpu(stat.comm);
	tasks->have_vcpus |= task->is_vcpu;
	tasks->is_migrating |= place_task_is_migration(stat.comm);
}

static void read_affinity(const struct place_root *root, struct place_text *text, char *list,
			  const struct place_topology *topology, const struct place_set *usable,
			  int pid, unsigned id, struct place_tasks *tasks)
{
	enum place_affinity affinity;
	struct place_set cpus;
	int r;

	r = place_root_readf(root, text, "proc/%d/task/%u/status", pid, id);
	if (r == 0)
		r = place_text_find_word(text->data, "Cpus_allowed_list:", list,
					 PLACE_SET_TEXT_MAX);
	if (r == 0)
		r = place_set_parse_list(list, &cpus);
	if (r < 0) {
		if (!is_gone(r))
			tasks->is_complete = false;
		return;
	}
	place_set_and(&cpus, &topology->cpus_online);
	place_set_or(&tasks->vcpu_cpus, &cpus);
	affinity = place_affinity_judge(&cpus, topology, usable);
	if (affinity > tasks->affinity)
		tasks->affinity = affinity;
}

static int read_threads(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, const struct place_set *usable,
			int pid, bool have_names, struct walk *walk, struct place_tasks *tasks)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < walk->n; i++)
		read_name(root, text, pid, have_names, &walk->list[i], tasks);
	for (size_t i = 0; i < walk->n; i++) {
		const struct task *task = &walk->list[i];

		if (tasks->have_vcpus ? !task->is_vcpu : have_names && task->is_main)
			continue;
		tasks->vcpus_have_run |= task->cpu_ticks > CREATION_TICKS;
		read_affinity(root, text, list, topology, usable, pid, task->id, tasks);
	}
	return 0;
}

int place_tasks_read(const struct place_root *root, struct place_text *text,
		     const struct place_topology *topology, const struct place_set *usable, int pid,
		     bool have_names, struct place_tasks *ret_tasks)
{
	struct walk walk = { .is_complete = true };
	struct place_tasks tasks = { 0 };
	char path[32];
	int r;

	snprintf(path, sizeof(path), "proc/%d/task", pid);
	r = place_root_each_id(root, path, "", add_task, &walk);
	tasks.is_complete = walk.is_complete;
	if (r == 0)
		r = read_threads(root, text, topology, usable, pid, have_names, &walk, &tasks);
	free(walk.list);
	if (r == 0)
		*ret_tasks = tasks;
	return r;
}
