/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/relocate.h"

#include <errno.h>

#include "arith.h"
#include "host/cleanup.h"

/* What each step needs: the host as it is now. */
struct scene {
	struct act *act;
	struct place_root root;
	struct place_text text;
	struct place_mounts mounts;
	struct place_set from, to, both;
};

const char *relocate_state_word(enum relocate_state state)
{
	static const char *const words[RELOCATE_STATE_COUNT] = {
		[RELOCATE_NONE] = "none",	[RELOCATE_WIDE] = "wide",
		[RELOCATE_FORWARD] = "forward", [RELOCATE_BACK] = "back",
		[RELOCATE_FOREIGN] = "foreign",
	};

	return state < RELOCATE_STATE_COUNT ? words[state] : "unknown";
}

static int open_scene(struct act *act, unsigned from, unsigned to, struct scene *scene)
{
	int r;

	*scene = (struct scene){ .act = act };
	place_set_add(&scene->from, from);
	place_set_add(&scene->to, to);
	scene->both = scene->from;
	place_set_or(&scene->both, &scene->to);
	r = place_root_open(act->root_path, &scene->root);
	if (r == 0)
		r = place_mounts_read(&scene->root, &scene->text, &scene->mounts);
	return r;
}

static void close_scene(struct scene *scene)
{
	place_text_done(&scene->text);
	if (scene->root.path)
		place_root_close(&scene->root);
}

static int find(struct scene *scene, int pid, const struct place_set *mems, enum cgroup_find how,
		struct cgroup_mems *groups)
{
	return cgroup_mems_find(&scene->root, &scene->text, &scene->mounts, pid, mems, how, groups);
}

static int change(struct scene *scene, const struct cgroup_mems *groups,
		  const struct place_set *from, const struct place_set *to)
{
	return cgroup_mems_change(scene->act, &scene->root, &scene->text, &scene->mounts, groups,
				  from, to);
}

/* Whether some group of its threads has exactly these nodes. Returns: 1, 0 or -errno. */
static int have_some(struct scene *scene, int pid, const struct place_set *mems)
{
	struct cgroup_mems groups = { 0 };
	const int r = find(scene, pid, mems, CGROUP_SOME, &groups);

	cgroup_mems_done(&groups);
	return r == -ENODATA ? 0 : r < 0 ? r : 1;
}

/* Half a guest's threads on other nodes than the rest: as it was. Returns: what came of it. */
static enum relocate_state undo_widen(struct scene *scene, int pid,
				      const struct cgroup_mems *groups)
{
	int r;

	(void)change(scene, groups, &scene->both, &scene->from);
	r = have_some(scene, pid, &scene->both);
	return r == 0 || r == -ESRCH ? RELOCATE_NONE : RELOCATE_WIDE;
}

int relocate_widen(struct act *act, int pid, unsigned from, unsigned to,
		   enum relocate_state *ret_state)
{
	struct cgroup_mems groups = { 0 };
	struct scene scene;
	int r;

	*ret_state = RELOCATE_NONE;
	if (from == to)
		return -EINVAL;
	r = open_scene(act, from, to, &scene);
	if (r == 0)
		r = find(&scene, pid, &scene.from, CGROUP_ALL, &groups);
	if (r == 0) {
		r = change(&scene, &groups, &scene.from, &scene.both);
		*ret_state = r < 0 ? undo_widen(&scene, pid, &groups) : RELOCATE_WIDE;
	}
	cgroup_mems_done(&groups);
	close_scene(&scene);
	return r < 0 ? r : 0;
}

/*
 * Groups that came since (a vCPU was added while they were wide) have what libvirt gave them.
 * Returns: as cgroup_mems_change(); -ENODATA none is wide.
 */
static int narrow(struct scene *scene, int pid, const struct place_set *mems)
{
	struct cgroup_mems groups = { 0 };
	int r = find(scene, pid, &scene->both, CGROUP_SOME, &groups);

	if (r == 0)
		r = change(scene, &groups, &scene->both, mems);
	cgroup_mems_done(&groups);
	return r;
}

/* Whether all threads' groups have exactly these nodes. */
static bool have_all(struct scene *scene, int pid, const struct place_set *mems)
{
	struct cgroup_mems groups = { 0 };
	const int r = find(scene, pid, mems, CGROUP_ALL, &groups);

	cgroup_mems_done(&groups);
	return r == 0;
}

enum relocate_state relocate_choose(uint64_t there_bytes, uint64_t behind_bytes,
				    const struct relocate_room *room)
{
	if (there_bytes >= behind_bytes && behind_bytes <= room->to_bytes)
		return RELOCATE_FORWARD;
	return there_bytes <= room->from_bytes ? RELOCATE_BACK : RELOCATE_WIDE;
}

static enum relocate_state choose_by_count(const struct pages_count *count, uint64_t unseen_bytes,
					   const struct relocate_room *room)
{
	const uint64_t there = count->right_bytes + count->outcome_bytes[ACT_MOVED];

	return relocate_choose(there, place_add(pages_count_left(count), unseen_bytes), room);
}

enum relocate_state relocate_settle(struct act *act, int pid, unsigned from, unsigned to,
				    const struct pages_count *count, uint64_t unseen_bytes,
				    const struct relocate_room *room)
{
	const enum relocate_state choice = choose_by_count(count, unseen_bytes, room);
	const bool is_forward = choice == RELOCATE_FORWARD;
	enum relocate_state state = RELOCATE_WIDE;
	struct scene scene;
	int r = open_scene(act, from, to, &scene);

	if (choice == RELOCATE_WIDE)
		r = -ENOSPC;
	if (r == 0)
		r = narrow(&scene, pid, is_forward ? &scene.to : &scene.from);
	if (r == -ESRCH)
		state = RELOCATE_NONE;
	else if (r == -EBUSY || r == -ENODATA ||
		 (r >= 0 && !have_all(&scene, pid, is_forward ? &scene.to : &scene.from)))
		state = RELOCATE_FOREIGN;
	else if (r >= 0)
		state = choice;
	close_scene(&scene);
	return state;
}

int relocate_mend(struct act *act, int pid, unsigned from, unsigned to, enum relocate_state choice)
{
	struct scene scene;
	int r = open_scene(act, from, to, &scene);

	if (r == 0)
		r = have_some(&scene, pid, &scene.to);
	if (r == 0 && choice == RELOCATE_WIDE)
		r = -ENOSPC;
	if (r >= 0)
		r = narrow(&scene, pid, r || choice == RELOCATE_FORWARD ? &scene.to : &scene.from);
	close_scene(&scene);
	/* Gone, not wide, or written by somebody else: nothing of it is ours to mend. */
	return r == -EBUSY || r == -ENODATA || r == -ESRCH || r > 0 ? 0 : r;
}

int relocate_look(struct act *act, int pid, unsigned from, unsigned to,
		  enum relocate_state *ret_state)
{
	enum relocate_state state = RELOCATE_FOREIGN;
	struct scene scene;
	const struct {
		const struct place_set *mems;
		enum relocate_state state;
	} states[] = {
		{ &scene.both, RELOCATE_WIDE },
		{ &scene.to, RELOCATE_FORWARD },
		{ &scene.from, RELOCATE_BACK },
	};
	int r = open_scene(act, from, to, &scene);

	/* The first that some of its groups have. */
	for (size_t i = 0; r == 0 && i < ELEMENTSOF(states); i++) {
		r = have_some(&scene, pid, states[i].mems);
		if (r > 0)
			state = states[i].state;
	}
	close_scene(&scene);
	*ret_state = r == -ESRCH ? RELOCATE_NONE : r < 0 ? RELOCATE_WIDE : state;
	return r < 0 && r != -ESRCH ? r : 0;
}

int relocate_cpus(struct act *act, int pid, const struct cgroup_cpus *cpus)
{
	struct scene scene;
	int r = open_scene(act, 0, 0, &scene);

	if (r == 0)
		r = cgroup_cpus_give(act, &scene.root, &scene.text, &scene.mounts, pid, cpus, NULL);
	close_scene(&scene);
	return r;
}

/*
 * Whether the main thread's group has these nodes. libvirt makes groups for what is added, and that
 * is not among them: it writes the emulator's first where an administrator changes all.
 */
static bool has_main(struct scene *scene, int pid, const struct place_set *mems)
{
	char group[PLACE_GROUP_PATH_MAX];
	struct place_set now;

	return cgroup_of_thread(&scene->root, &scene->text, &scene->mounts, pid, (unsigned)pid,
				group) == 0 &&
	       cgroup_read_set(&scene->root, &scene->text, &scene->mounts, group, "cpuset.mems",
			       &now) == 0 &&
	       place_set_equal(&now, mems);
}

int relocate_follow(struct act *act, int pid, unsigned from, unsigned to,
		    const struct cgroup_cpus *cpus)
{
	struct cgroup_mems groups = { 0 };
	struct scene scene;
	int r = open_scene(act, from, to, &scene);

	if (r == 0 && has_main(&scene, pid, &scene.from))
		r = -EBUSY;
	if (r == 0)
		r = find(&scene, pid, &scene.from, CGROUP_OWN, &groups);
	if (r == 0 && cpus)
		(void)cgroup_cpus_give(act, &scene.root, &scene.text, &scene.mounts, pid, cpus,
				       &scene.from);
	if (r == 0)
		r = change(&scene, &groups, &scene.from, &scene.to);
	cgroup_mems_done(&groups);
	close_scene(&scene);
	return r == -ENODATA ? 0 : r;
}
