/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/cgroup_cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/cgroup.h"
#include "host/cleanup.h"
#include "host/text.h"

struct group {
	char path[PLACE_GROUP_PATH_MAX];
	struct place_set allowed; /* what a thread may use that nobody pinned narrower */
	bool is_ours;
};

struct walk {
	struct act *act;
	const struct place_root *root;
	struct place_text *text;
	const struct place_mounts *mounts;
	const struct cgroup_cpus *cpus;
	const struct place_set *only_mems;
	const char *record; /* libvirt's */
	int pid;
	struct group *list;
	size_t n, room;
};

/* ---- whose it is --------------------------------------------------------------------------- */

/* libvirt's record has an element for each thread that was pinned; its groups are named by them. */
static bool is_pinned(const struct walk *walk, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char element[64];
	unsigned number;

	if (!strcmp(name, "emulator"))
		snprintf(element, sizeof(element), "<emulatorpin ");
	else if (!strncmp(name, "vcpu", 4) && place_text_unsigned(name + 4, &number) == 0)
		snprintf(element, sizeof(element), "<vcpupin vcpu='%u'", number);
	else if (!strncmp(name, "iothread", 8) && place_text_unsigned(name + 8, &number) == 0)
		snprintf(element, sizeof(element), "<iothreadpin iothread='%u'", number);
	else
		return true; /* nothing that libvirt made */
	return strstr(walk->record, element) != NULL;
}

static int read_set(const struct walk *walk, const char *path, const char *name,
		    struct place_set *ret_set)
{
	return cgroup_read_set(walk->root, walk->text, walk->mounts, path, name, ret_set);
}

static bool is_ours(const struct walk *walk, struct group *group)
{
	const bool is_v2 = !walk->mounts->cpuset_v1[0];
	struct place_set set;

	if (is_pinned(walk, group->path) || read_set(walk, group->path, "cpuset.cpus", &set) < 0 ||
	    !place_set_equal(&set, walk->cpus->from))
		return false;
	/* The host may keep CPUs of a node for itself. */
	group->allowed = set;
	if (read_set(walk, group->path, is_v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus",
		     &set) == 0)
		place_set_and(&group->allowed, &set);
	return !walk->only_mems || (read_set(walk, group->path, "cpuset.mems", &set) == 0 &&
				    place_set_equal(&set, walk->only_mems));
}

/* ---- threads and their groups -------------------------------------------------------------- */

static struct group *find(const struct walk *walk, const char *path)
{
	for (size_t i = 0; i < walk->n; i++)
		if (strcmp(walk->list[i].path, path) == 0)
			return &walk->list[i];
	return NULL;
}

static struct group *add(struct walk *walk, const char *path)
{
	struct group *group;

	if (walk->n == walk->room) {
		const size_t room = walk->room ? walk->room * 2 : 16;
		struct group *list = realloc(walk->list, room * sizeof(*list));

		if (!list)
			return NULL;
		walk->list = list;
		walk->room = room;
	}
	group = &walk->list[walk->n++];
	*group = (struct group){ 0 };
	strcpy(group->path, path);
	group->is_ours = is_ours(walk, group);
	return group;
}

static int find_group(struct walk *walk, unsigned tid, char path[PLACE_GROUP_PATH_MAX])
{
	return cgroup_of_thread(walk->root, walk->text, walk->mounts, walk->pid, tid, path);
}

static int look_at_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	char path[PLACE_GROUP_PATH_MAX];
	struct place_set cpus;
	struct group *group;

	if (find_group(walk, tid, path) < 0)
		return 0;
	group = find(walk, path);
	if (!group)
		group = add(walk, path);
	if (!group)
		return -ENOMEM;
	if (group->is_ours && walk->act->ops->get_affinity(walk->act, (int)tid, &cpus) == 0 &&
	    !place_set_equal(&cpus, &group->allowed))
		group->is_ours = false;
	return 0;
}

/* What libvirt set stays in the thread (6.2 and later), and would be cut to nothing. */
static int give_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	char path[PLACE_GROUP_PATH_MAX];
	struct group *group;

	if (find_group(walk, tid, path) < 0)
		return 0;
	group = find(walk, path);
	if (group && group->is_ours)
		(void)walk->act->ops->set_affinity(walk->act, (int)tid, walk->cpus->to);
	return 0;
}

static int give_all(struct walk *walk, const char *tasks)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);
	int n = 0, r, failed = 0;

	r = list ? place_set_format(walk->cpus->to, list, PLACE_SET_TEXT_MAX) : -ENOMEM;
	for (size_t i = 0; r >= 0 && i < walk->n; i++) {
		struct group *group = &walk->list[i];
		int written;

		if (!group->is_ours)
			continue;
		written = walk->act->ops->write_cpus(walk->act, group->path, list);
		group->is_ours = written == 0;
		n += written == 0;
		if (written < 0 &&
		    !cgroup_is_gone(walk->root, walk->text, walk->mounts, group->path, written))
			failed = written;
	}
	if (r >= 0 && n)
		r = place_root_each_id(walk->root, tasks, "", give_thread, walk);
	if (r >= 0 || r == -ENOENT)
		r = failed;
	return r < 0 ? r : n;
}

int cgroup_cpus_give(struct act *act, const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, int pid, const struct cgroup_cpus *cpus,
		     const struct place_set *only_mems)
{
	_cleanup_text_ struct place_text record = { 0 };
	struct walk walk = {
		.act = act,
		.root = root,
		.text = text,
		.mounts = mounts,
		.cpus = cpus,
		.only_mems = only_mems,
		.pid = pid,
	};
	char tasks[32];
	int r;

	if (strchr(cpus->name, '/') || place_set_is_empty(cpus->to) ||
	    place_root_readf(root, &record, "run/libvirt/qemu/%s.xml", cpus->name) < 0)
		return -ENODATA;
	walk.record = record.data;
	snprintf(tasks, sizeof(tasks), "proc/%d/task", pid);
	r = place_root_each_id(root, tasks, "", look_at_thread, &walk);
	if (r == 0)
		r = give_all(&walk, tasks);
	free(walk.list);
	return r == -ENOENT ? -ESRCH : r;
}
