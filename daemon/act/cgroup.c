/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "observe/procstat.h"

struct walk {
	const struct place_root *root;
	struct place_text *text;
	const struct place_mounts *mounts;
	const struct place_set *mems;
	struct cgroup_mems *groups;
	size_t room;
	int pid;
	enum cgroup_find how;
};

static const char *mount_of(const struct place_mounts *mounts, bool is_v2)
{
	return is_v2 ? mounts->cgroup2 : mounts->cpuset_v1;
}

int cgroup_read_set(const struct place_root *root, struct place_text *text,
		    const struct place_mounts *mounts, const char *group, const char *name,
		    struct place_set *ret_set)
{
	const char *mount = mount_of(mounts, !mounts->cpuset_v1[0]);
	int r = place_root_readf(root, text, "%s/%s/%s", mount, group, name);

	return r < 0 ? r : place_set_parse_list(text->data, ret_set);
}

static int read_mems(const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, const char *group,
		     struct place_set *ret_mems)
{
	return cgroup_read_set(root, text, mounts, group, "cpuset.mems", ret_mems);
}

/* ---- finding them -------------------------------------------------------------------------- */

/*
 * The cpuset's line of /proc/PID/task/TID/cgroup: "0::/path" on v2, "4:cpuset:/path" on v1, where
 * several controllers may share a mount. Cuts the text. Returns: the path without a leading slash.
 */
static const char *find_line(char *text, bool is_v2)
{
	for (char *line; (line = strsep(&text, "\n"));) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL,
		     *name;

		if (!path || path[1] != '/')
			continue;
		*path = '\0';
		if (is_v2 && names[1] == '\0' && strncmp(line, "0:", 2) == 0)
			return path + 2;
		names++;
		while (!is_v2 && (name = strsep(&names, ",")))
			if (strcmp(name, "cpuset") == 0)
				return path + 2;
	}
	return NULL;
}

static bool is_known(const struct cgroup_mems *groups, const char *path)
{
	for (size_t i = 0; i < groups->n; i++)
		if (strcmp(groups->paths[i], path) == 0)
			return true;
	return false;
}

static int add(struct walk *walk, const char *path)
{
	struct cgroup_mems *groups = walk->groups;

	if (groups->n == walk->room) {
		const size_t room = walk->room ? walk->room * 2 : 16;
		char(*paths)[PLACE_GROUP_PATH_MAX] = realloc(groups->paths, room * sizeof(*paths));

		if (!paths)
			return -ENOMEM;
		groups->paths = paths;
		walk->room = room;
	}
	strcpy(groups->paths[groups->n++], path);
	return 0;
}

/* It could not be read for want of something of ours: whether it is there is not known. */
static bool is_want(int r)
{
	return r == -ENOMEM || r == -ENFILE || r == -EMFILE;
}

/*
 * A thread's own group, if it has exactly these nodes. Those above it are never written: libvirt
 * gives them none (v2) or all (v1), and on a host of two nodes "all" looks as if we had widened it.
 * Where one of them has just these nodes, somebody confined more than this guest: not ours to
 * change.
 */
static int add_own(struct walk *walk, const char *path)
{
	char group[PLACE_GROUP_PATH_MAX];
	struct place_set mems;
	int r;

	if (strlen(path) >= sizeof(group))
		return -ENAMETOOLONG;
	for (size_t size = strcspn(path, "/"); path[size];
	     size += 1 + strcspn(path + size + 1, "/")) {
		memcpy(group, path, size);
		group[size] = '\0';
		r = read_mems(walk->root, walk->text, walk->mounts, group, &mems);
		if (walk->how == CGROUP_ALL && r == 0 && place_set_equal(&mems, walk->mems))
			return -EBUSY;
	}
	r = read_mems(walk->root, walk->text, walk->mounts, path, &mems);
	if (r < 0)
		return is_want(r) ? r : 0;
	if (place_set_equal(&mems, walk->mems))
		return is_known(walk->groups, path) ? 0 : add(walk, path);
	return walk->how == CGROUP_ALL && !place_set_is_empty(&mems) ? -EBUSY : 0;
}

int cgroup_of_thread(const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, int pid, unsigned tid,
		     char path[PLACE_GROUP_PATH_MAX])
{
	const char *found;
	int r = place_root_readf(root, text, "proc/%d/task/%u/cgroup", pid, tid);

	if (r < 0)
		return r;
	found = find_line(text->data, !mounts->cpuset_v1[0]);
	if (!found || !*found)
		return -ENODATA;
	if (strlen(found) >= PLACE_GROUP_PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(path, found);
	return 0;
}

static int visit_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	char path[PLACE_GROUP_PATH_MAX];
	const int r = cgroup_of_thread(walk->root, walk->text, walk->mounts, walk->pid, tid, path);

	/* Ended, or in no group of this controller. */
	if (r < 0)
		return r == -ENAMETOOLONG || is_want(r) ? r : 0;
	/* Looked up for each thread: a group has no name but its path, and vCPUs have many. */
	return add_own(walk, path);
}

/* ---- nobody else in them ------------------------------------------------------------------- */

/*
 * KVM and vhost put threads of the kernel into the groups of the process that they work for
 * (kvm-nx-lpage-recovery-PID until 6.12, vhost-PID until 6.3). They have no memory of their own.
 */
static bool is_kernel_thread(const struct walk *walk, int pid)
{
	struct place_procstat stat;

	return place_root_readf(walk->root, walk->text, "proc/%d/stat", pid) == 0 &&
	       place_procstat_parse(walk->text->data, &stat) == 0 && stat.is_kernel;
}

/*
 * cgroup.procs of a threaded group cannot be read (-EOPNOTSUPP): its processes are those of the
 * domain above it, which is looked at by itself where it is in the list.
 */
static int check_own(struct walk *walk, const char *group)
{
	_cleanup_text_ struct place_text procs = { 0 };
	char *rest, *line;
	int r = place_root_readf(walk->root, &procs, "%s/%s/cgroup.procs",
				 mount_of(walk->mounts, walk->groups->is_v2), group);

	if (r < 0)
		return is_want(r) ? r : 0;
	rest = procs.data;
	while ((line = strsep(&rest, "\n"))) {
		const int pid = atoi(line);

		if (pid && pid != walk->pid && !is_kernel_thread(walk, pid))
			return -EBUSY;
	}
	return 0;
}

int cgroup_mems_find(const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, int pid, const struct place_set *mems,
		     enum cgroup_find how, struct cgroup_mems *ret_groups)
{
	struct cgroup_mems groups = { .is_v2 = !mounts->cpuset_v1[0] };
	struct walk walk = {
		.root = root,
		.text = text,
		.mounts = mounts,
		.mems = mems,
		.groups = &groups,
		.pid = pid,
		.how = how,
	};
	char path[32];
	int r;

	if (!mount_of(mounts, groups.is_v2)[0] || mounts->is_noprefix)
		return -ENODATA;
	snprintf(path, sizeof(path), "proc/%d/task", pid);
	r = place_root_each_id(root, path, "", visit_thread, &walk);
	for (size_t i = 0; r == 0 && how != CGROUP_SOME && i < groups.n; i++)
		r = check_own(&walk, groups.paths[i]);
	if (r == 0 && !groups.n)
		r = -ENODATA;
	if (r < 0) {
		cgroup_mems_done(&groups);
		return r == -ENOENT ? -ESRCH : r;
	}
	*ret_groups = groups;
	return 0;
}

void cgroup_mems_done(struct cgroup_mems *groups)
{
	free(groups->paths);
	*groups = (struct cgroup_mems){ 0 };
}

/* ---- writing ------------------------------------------------------------------------------- */

bool cgroup_is_gone(const struct place_root *root, struct place_text *text,
		    const struct place_mounts *mounts, const char *group, int r)
{
	struct place_set mems;

	if (r == -EIO)
		r = read_mems(root, text, mounts, group, &mems);
	return r == -ENOENT || r == -ENODEV;
}

/* Returns: 1 it was written; 0 it is gone, or has it already; -EBUSY it has others; or -errno. */
static int change_one(struct act *act, const struct place_root *root, struct place_text *text,
		      const struct place_mounts *mounts, const char *group,
		      const struct place_set *from, const struct place_set *to, const char *list)
{
	struct place_set mems;
	int r = read_mems(root, text, mounts, group, &mems);

	if (r == 0 && place_set_equal(&mems, to))
		return 0;
	if (r == 0 && !place_set_equal(&mems, from))
		return -EBUSY;
	if (r == 0)
		r = act->ops->write_mems(act, group, list);
	if (cgroup_is_gone(root, text, mounts, group, r))
		return 0;
	return r < 0 ? r : 1;
}

int cgroup_mems_change(struct act *act, const struct place_root *root, struct place_text *text,
		       const struct place_mounts *mounts, const struct cgroup_mems *groups,
		       const struct place_set *from, const struct place_set *to)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);
	const bool grows = place_set_is_subset(from, to);
	int n = 0, error = 0, r;

	if (!list)
		return -ENOMEM;
	r = place_set_format(to, list, PLACE_SET_TEXT_MAX);
	if (r < 0)
		return r;
	for (size_t i = 0; i < groups->n && (!grows || !error); i++) {
		r = change_one(act, root, text, mounts, groups->paths[i], from, to, list);
		if (r >= 0)
			n += r;
		/* What fails weighs more than what somebody else wrote: that stands. */
		else if (!error || error == -EBUSY)
			error = r;
	}
	return error ? error : n;
}
