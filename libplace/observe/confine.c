/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuset files on v2 (cpuset.cpus.effective) and v1 (cpuset.effective_cpus, cpuset.cpus), as
 * kernel/cgroup/cpuset.c and cpuset-v1.c name them (6.18).
 */
#include "observe/confine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

static bool read_set(const struct place_root *root, struct place_text *text, const char *mount,
		     const char *group, const char *file, struct place_set *set)
{
	struct place_set found;

	if (place_root_readf(root, text, "%s/%s/%s", mount, group, file) < 0 ||
	    place_set_parse_list(text->data, &found) < 0 || place_set_is_empty(&found))
		return false;
	*set = found;
	return true;
}

static bool has_group(const struct place_root *root, const char *mount, const char *group)
{
	_cleanup_close_ int fd = -1;
	char path[PLACE_MOUNT_PATH_MAX + PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", mount, group);
	fd = place_root_openat(root, path, O_PATH | O_DIRECTORY);
	return fd >= 0;
}

/* Newest spelling first; an empty file is a group that was never given its set. */
static bool read_group(const struct place_root *root, struct place_text *text, const char *mount,
		       const char *group, struct place_confine *confine)
{
	static const struct {
		const char *cpus;
		const char *mems;
	} names[] = {
		{ "cpuset.cpus.effective", "cpuset.mems.effective" },
		{ "cpuset.effective_cpus", "cpuset.effective_mems" },
		{ "cpuset.cpus", "cpuset.mems" },
		{ "cpus", "mems" },
	};

	if (!has_group(root, mount, group))
		return false;
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		if (!read_set(root, text, mount, group, names[i].mems, &confine->mems))
			continue;
		confine->have_mems = true;
		confine->have_cpus =
			read_set(root, text, mount, group, names[i].cpus, &confine->cpus);
		return true;
	}
	return false;
}

/* Where libvirt's system guests will live, if that group is there already. */
static bool read_machine(const struct place_root *root, struct place_text *text,
			 const struct place_mounts *mounts, struct place_confine *confine)
{
	static const char *const groups[] = { "machine.slice", "machine" };
	const char *const hierarchies[] = { mounts->cpuset_v1, mounts->cgroup2 };

	for (size_t i = 0; i < ELEMENTSOF(hierarchies); i++)
		for (size_t j = 0; hierarchies[i][0] && j < ELEMENTSOF(groups); j++)
			if (read_group(root, text, hierarchies[i], groups[j], confine))
				return true;
	return false;
}

/* Whether "cpu,cpuset:/a" names the controller; "" is the v2 hierarchy, which names none. */
static bool is_hierarchy_of(const char *controllers, const char *controller)
{
	const size_t n = strlen(controller);

	if (!n)
		return *controllers == ':';
	for (const char *at = controllers;; at++) {
		const size_t size = strcspn(at, ",:\n");

		if (size == n && !strncmp(at, controller, n))
			return true;
		at += size;
		if (*at != ',')
			return false;
	}
}

/* Up to the end of the line. A path that is cut would be that of a wider group. */
static bool copy_path(const char *line, char *path, size_t size)
{
	const size_t n = strcspn(line, "\n");

	if (n >= size)
		return false;
	memcpy(path, line, n);
	path[n] = '\0';
	return true;
}

/* The path behind a line of /proc/self/cgroup: "4:cpuset:/a/b", or "0::/a/b" on v2. */
static bool find_own_group(const char *text, const char *controller, char *path, size_t size)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = line + strspn(line, "0123456789");

		if (*at != ':' || !is_hierarchy_of(at + 1, controller))
			continue;
		at += 1 + strcspn(at + 1, ":\n");
		if (at[0] != ':' || at[1] != '/')
			continue;
		return copy_path(at + 1, path, size);
	}
	return false;
}

/* A file of the asker's folder in /proc. */
static int read_asker(const struct place_root *root, struct place_text *text, int asker_pid,
		      const char *file)
{
	if (asker_pid)
		return place_root_readf(root, text, "proc/%d/%s", asker_pid, file);
	return place_root_readf(root, text, "proc/self/%s", file);
}

/* The file "cpuset" holds the path alone: all that the oldest kernels and recordings have. */
static bool read_own_path(const struct place_root *root, struct place_text *text, int asker_pid,
			  const char *controller, char *path, size_t size)
{
	if (read_asker(root, text, asker_pid, "cgroup") == 0 &&
	    find_own_group(text->data, controller, path, size))
		return true;
	if (read_asker(root, text, asker_pid, "cpuset") < 0 || text->data[0] != '/')
		return false;
	return copy_path(text->data, path, size);
}

/* A group without the controller has no such files; the nearest one above it decides. */
static bool read_nearest(const struct place_root *root, struct place_text *text, const char *mount,
			 char *path, struct place_confine *confine)
{
	for (;;) {
		char *slash = strrchr(path, '/');

		if (read_group(root, text, mount, path, confine))
			return true;
		if (!slash || !path[0])
			return false;
		*slash = '\0';
	}
}

/*
 * The group the asker is in. Not Cpus_allowed_list of its status: that is narrowed by taskset
 * and by systemd's CPUAffinity= too, which guests do not inherit from libvirtd.
 */
static bool read_own_group(const struct place_root *root, struct place_text *text,
			   const struct place_mounts *mounts, int asker_pid,
			   struct place_confine *confine)
{
	const struct {
		const char *mount;
		const char *controller;
	} hierarchies[] = { { mounts->cpuset_v1, "cpuset" }, { mounts->cgroup2, "" } };
	char path[PATH_MAX];

	for (size_t i = 0; i < ELEMENTSOF(hierarchies); i++)
		if (hierarchies[i].mount[0] &&
		    read_own_path(root, text, asker_pid, hierarchies[i].controller, path,
				  sizeof(path)) &&
		    read_nearest(root, text, hierarchies[i].mount, path, confine))
			return true;
	return false;
}

/* Where no cgroup file may be read: the nodes, which only a cpuset narrows. */
static void read_own_status(const struct place_root *root, struct place_text *text, int asker_pid,
			    struct place_confine *confine)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);

	if (!list || read_asker(root, text, asker_pid, "status") < 0)
		return;
	confine->have_mems = place_text_find_word(text->data, "Mems_allowed_list:", list,
						  PLACE_SET_TEXT_MAX) == 0 &&
			     place_set_parse_list(list, &confine->mems) == 0;
}

static void leave_isolated_out(const struct place_topology *topology, struct place_confine *confine)
{
	struct place_set cpus = confine->have_cpus ? confine->cpus : topology->cpus_online;

	if (place_set_is_empty(&topology->cpus_isolated))
		return;
	place_set_subtract(&cpus, &topology->cpus_isolated);
	if (place_set_is_empty(&cpus))
		return;
	confine->cpus = cpus;
	confine->have_cpus = true;
}

void place_confine_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, const struct place_mounts *mounts,
			int asker_pid, struct place_confine *ret_confine)
{
	*ret_confine = (struct place_confine){ 0 };
	if (!read_machine(root, text, mounts, ret_confine) &&
	    !read_own_group(root, text, mounts, asker_pid, ret_confine))
		read_own_status(root, text, asker_pid, ret_confine);
	leave_isolated_out(topology, ret_confine);
}
