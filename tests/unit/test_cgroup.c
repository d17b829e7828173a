/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpuset.mems of a guest's groups in a made-up host: who is written, in which order, and who is
 * not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "act/relocate.h"
#include "tree.h"

#define V1_LINE "4:cpuset,cpu:/machine/%s\n3:memory:/other\n0::/\n"
#define V2_LINE "0::/machine.slice/a.scope/libvirt/%s\n"

static bool is_v2;
static struct act act;
static const char *refuse;  /* a group whose write fails */
static int writes_left;	    /* so many, then all fail; < 0: none */
static const char *rewrite; /* somebody else writes this one after us */
static const char *removed; /* somebody else removes this one before us */
static char written[16][128];
static unsigned n_written;

static const char *mount_path(void)
{
	return is_v2 ? "sys/fs/cgroup" : "sys/fs/cgroup/cpuset";
}

static void put_mems(const char *group, const char *mems)
{
	tree_put(mems, "%s/%s/cpuset.mems", mount_path(), group);
}

static void expect_mems(const char *group, const char *mems)
{
	assert_string_equal(tree_line("%s/%s/cpuset.mems", mount_path(), group), mems);
}

/* What libcgroup says then. */
static int remove_group(const char *group)
{
	tree_drop("%s/%s", mount_path(), group);
	return -EIO;
}

static int write_mems(struct act *unused, const char *group, const char *mems)
{
	(void)unused;
	if (removed && strstr(group, removed))
		return remove_group(group);
	if ((refuse && strstr(group, refuse)) || writes_left == 0)
		return -ENOSPC;
	writes_left--;
	put_mems(group, mems);
	if (rewrite && strstr(group, rewrite))
		put_mems(group, "3\n");
	snprintf(written[n_written++ % 16], sizeof(written[0]), "%s=%s", strrchr(group, '/') + 1,
		 mems);
	return 0;
}

#define RECORD "<domstatus><domain>\n    <cputune>\n      <vcpupin vcpu='1' cpuset='4-7'/>\n"

static struct place_set affinities[3]; /* of threads 100, 101, 102 */

static int get_affinity(struct act *unused, int tid, struct place_set *ret_cpus)
{
	(void)unused;
	*ret_cpus = affinities[tid - 100];
	return 0;
}

static int set_affinity(struct act *unused, int tid, const struct place_set *cpus)
{
	(void)unused;
	affinities[tid - 100] = *cpus;
	return 0;
}

static void put_cpus(const char *group, const char *cpus)
{
	tree_put(cpus, "%s/%s/cpuset.cpus", mount_path(), group);
}

static int write_cpus(struct act *unused, const char *group, const char *cpus)
{
	(void)unused;
	if (removed && strstr(group, removed))
		return remove_group(group);
	if (refuse && strstr(group, refuse))
		return -EIO;
	put_cpus(group, cpus);
	snprintf(written[n_written++ % 16], sizeof(written[0]), "%s=cpus %s",
		 strrchr(group, '/') + 1, cpus);
	return 0;
}

static void put_thread(int tid, const char *group)
{
	char text[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), is_v2 ? V2_LINE : V1_LINE, group);
#pragma GCC diagnostic pop
	tree_put(text, "proc/100/task/%d/cgroup", tid);
}

static void begin(bool v2)
{
	static const struct act_ops ops = { .write_mems = write_mems,
					    .write_cpus = write_cpus,
					    .get_affinity = get_affinity,
					    .set_affinity = set_affinity };

	is_v2 = v2;
	if (tree_path[0])
		tree_remove();
	tree_make();
	act = (struct act){ .ops = &ops, .root_path = tree_path };
	refuse = rewrite = removed = NULL;
	writes_left = -1;
	n_written = 0;
	tree_put(v2 ? "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n" :
		      "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
		      "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
		 "proc/mounts");
	put_thread(100, "emulator");
	put_thread(101, "vcpu0");
	put_thread(102, "vcpu1");
	if (v2) {
		put_mems("machine.slice", "\n");
		put_mems("machine.slice/a.scope", "\n");
		put_mems("machine.slice/a.scope/libvirt", "\n");
	} else {
		/* All nodes: what a widened group has, too. */
		put_mems("machine", "0-1\n");
	}
	put_mems(v2 ? "machine.slice/a.scope/libvirt/emulator" : "machine/emulator", "1\n");
	put_mems(v2 ? "machine.slice/a.scope/libvirt/vcpu0" : "machine/vcpu0", "1\n");
	put_mems(v2 ? "machine.slice/a.scope/libvirt/vcpu1" : "machine/vcpu1", "1\n");
}

static void expect_all(const char *mems)
{
	expect_mems(is_v2 ? "machine.slice/a.scope/libvirt/emulator" : "machine/emulator", mems);
	expect_mems(is_v2 ? "machine.slice/a.scope/libvirt/vcpu0" : "machine/vcpu0", mems);
	expect_mems(is_v2 ? "machine.slice/a.scope/libvirt/vcpu1" : "machine/vcpu1", mems);
	if (is_v2) {
		expect_mems("machine.slice/a.scope/libvirt", "");
		expect_mems("machine.slice/a.scope", "");
	} else {
		expect_mems("machine", "0-1");
	}
}

static const struct pages_count all_there = {
	.right_bytes = 100,
	.outcome_bytes = { [ACT_MOVED] = 1000, [ACT_PINNED] = 10 },
};

static enum relocate_state widened; /* what it came to */

/* Much on the old node. */
static const struct relocate_room *room_for(uint64_t to_bytes)
{
	static struct relocate_room room;

	room = (struct relocate_room){ .from_bytes = 100000, .to_bytes = to_bytes };
	return &room;
}

static int widen(int pid, unsigned from, unsigned to)
{
	return relocate_widen(&act, pid, from, to, &widened);
}

static enum relocate_state look(int pid, unsigned from, unsigned to)
{
	enum relocate_state state;

	assert_int_equal(relocate_look(&act, pid, from, to, &state), 0);
	return state;
}

static void test_forward(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		begin(v2);
		assert_int_equal(widen(100, 1, 0), 0);
		expect_all("0-1");
		assert_int_equal(n_written, 3);
		n_written = 0;
		assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 0, room_for(1000)),
				 RELOCATE_FORWARD);
		expect_all("0");
		assert_int_equal(n_written, 3);
		/* Nothing is wide: nothing to mend. */
		n_written = 0;
		assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_BACK), 0);
		assert_int_equal(n_written, 0);
		expect_all("0");
	}
}

static void test_back(void **state)
{
	struct pages_count less = { .outcome_bytes = { [ACT_MOVED] = 10, [ACT_FULL] = 1000 } };

	(void)state;
	begin(true);
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &less, 0, room_for(10000)),
			 RELOCATE_BACK);
	expect_all("1");
	/* Most of it is there, but the rest has no room: narrowing would have somebody killed. */
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 0, room_for(9)),
			 RELOCATE_BACK);
	expect_all("1");
}

/* It was told to stop, or there was no room any more: the most of it was not looked at. */
static void test_ended_early(void **state)
{
	const struct pages_count few = { .outcome_bytes = { [ACT_MOVED] = 50 } };
	const struct pages_count none = { 0 };

	(void)state;
	begin(true);
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &few, 950, room_for(10000)),
			 RELOCATE_BACK);
	expect_all("1");
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &none, 1000, room_for(10000)),
			 RELOCATE_BACK);
	expect_all("1");
	/* The rest fits there, or it does not. */
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 500, room_for(509)),
			 RELOCATE_BACK);
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 500, room_for(510)),
			 RELOCATE_FORWARD);
	expect_all("0");
}

/* Neither node has room: as it is, until one has; or as those that were written already. */
static void test_no_room_on_either(void **state)
{
	struct relocate_room room = { .from_bytes = 1099, .to_bytes = 509 };

	(void)state;
	begin(true);
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 500, &room), RELOCATE_WIDE);
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_WIDE), -ENOSPC);
	expect_all("0-1");
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_FORWARD), 0);
	expect_all("0");
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_WIDE), 0);
	put_mems("machine.slice/a.scope/libvirt/vcpu0", "0-1\n");
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_WIDE), 0);
	expect_all("0");

	begin(true);
	room.from_bytes = 1100;
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 500, &room), RELOCATE_BACK);
	expect_all("1");
	/* The larger part does not go in one go where the smaller one has no room. */
	assert_int_equal(relocate_choose(400, 600, &(struct relocate_room){ 399, 10000 }),
			 RELOCATE_WIDE);
}

static void test_refused_write_is_undone(void **state)
{
	(void)state;
	begin(true);
	refuse = "vcpu1";
	assert_int_equal(widen(100, 1, 0), -ENOSPC);
	assert_int_equal(widened, RELOCATE_NONE);
	expect_all("1");
}

/* Not even that: whoever comes later is told that there is something to mend. */
static void test_undo_is_refused(void **state)
{
	(void)state;
	begin(true);
	writes_left = 1;
	assert_int_equal(widen(100, 1, 0), -ENOSPC);
	assert_int_equal(widened, RELOCATE_WIDE);
	writes_left = -1;
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_BACK), 0);
	expect_all("1");
}

/* Somebody wrote to one of them just now: the others are narrowed, wherever in the list it is. */
static void test_narrowing_goes_on(void **state)
{
	static const char *const names[] = { "emulator", "vcpu0", "vcpu1" };

	(void)state;
	for (unsigned foreign = 0; foreign < 3; foreign++) {
		char paths[3][PLACE_GROUP_PATH_MAX];
		const struct cgroup_mems groups = { .n = 3, .paths = paths, .is_v2 = true };
		struct place_set both = { 0 }, to = { 0 };
		struct place_text text = { 0 };
		struct place_mounts mounts;
		struct place_root root;

		begin(true);
		place_set_add(&to, 1);
		both = to;
		place_set_add(&both, 0);
		for (unsigned i = 0; i < 3; i++) {
			snprintf(paths[i], sizeof(paths[i]), "machine.slice/a.scope/libvirt/%s",
				 names[i]);
			put_mems(paths[i], i == foreign ? "3\n" : "0-1\n");
		}
		assert_int_equal(place_root_open(tree_path, &root), 0);
		assert_int_equal(place_mounts_read(&root, &text, &mounts), 0);
		assert_int_equal(
			cgroup_mems_change(&act, &root, &text, &mounts, &groups, &both, &to),
			-EBUSY);
		place_text_done(&text);
		place_root_close(&root);
		for (unsigned i = 0; i < 3; i++)
			expect_mems(paths[i], i == foreign ? "3" : "1");
	}
}

/* libvirt takes a vCPU away just then: the others go all the same. */
static void test_a_group_is_removed(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		begin(v2);
		removed = "vcpu1";
		assert_int_equal(widen(100, 1, 0), 0);
		assert_int_equal(widened, RELOCATE_WIDE);
		put_mems(v2 ? "machine.slice/a.scope/libvirt/vcpu1" : "machine/vcpu1", "0-1\n");
		assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 0, room_for(1000)),
				 RELOCATE_FORWARD);
		assert_int_equal(n_written, 4);
	}
}

static void test_not_ours(void **state)
{
	(void)state;
	begin(true);
	/* One vCPU was pinned elsewhere by numatune: not all of its groups are ours to write. */
	put_mems("machine.slice/a.scope/libvirt/vcpu1", "2\n");
	assert_int_equal(widen(100, 1, 0), -EBUSY);
	expect_mems("machine.slice/a.scope/libvirt/vcpu1", "2");
	expect_mems("machine.slice/a.scope/libvirt/vcpu0", "1");

	begin(false);
	tree_put("100\n", "sys/fs/cgroup/cpuset/machine/vcpu0/cgroup.procs");
	assert_int_equal(widen(100, 1, 0), 0);
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_BACK), 0);
	tree_put("100\n4711\n", "sys/fs/cgroup/cpuset/machine/vcpu0/cgroup.procs");
	assert_int_equal(widen(100, 1, 0), -EBUSY);
	expect_all("1");

	/* More than this guest was confined to that node. */
	begin(true);
	put_mems("machine.slice", "1\n");
	assert_int_equal(widen(100, 1, 0), -EBUSY);
	expect_all("1");
	begin(false);

	/* Its groups have another node; and nobody. */
	assert_int_equal(widen(100, 2, 0), -EBUSY);
	assert_int_equal(widen(99, 1, 0), -ESRCH);
}

static void put_process(int pid, const char *name, unsigned flags)
{
	char text[128];

	snprintf(text, sizeof(text), "%d (%s) S 2 0 0 0 -1 %u 0 0 0 0 7 8 0 0 20 0 1 0 5 0 0\n",
		 pid, name, flags);
	tree_put(text, "proc/%d/stat", pid);
}

/* KVM's and vhost's threads live in the group of whoever they work for, which is v1's to tell. */
static void test_threads_of_the_kernel(void **state)
{
	const char *const procs = "sys/fs/cgroup/cpuset/machine/emulator/cgroup.procs";

	(void)state;
	begin(false);
	put_process(4711, "kvm-nx-lpage-re", 0x200040);
	put_process(4712, "vhost-100", 0x40);
	tree_put("100\n4711\n", "%s", procs);
	assert_int_equal(widen(100, 1, 0), 0);
	expect_all("0-1");
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 0, room_for(1000)),
			 RELOCATE_FORWARD);
	expect_all("0");
	/* Anybody may have that name. */
	tree_put("4711\n4712\n100\n", "%s", procs);
	assert_int_equal(widen(100, 0, 1), -EBUSY);
	expect_all("0");
}

/* Another process came while they were wide: what we widened we narrow. */
static void test_another_process_meanwhile(void **state)
{
	const char *const procs = "sys/fs/cgroup/cpuset/machine/vcpu0/cgroup.procs";

	(void)state;
	begin(false);
	assert_int_equal(widen(100, 1, 0), 0);
	tree_put("100\n4711\n", "%s", procs);
	assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_BACK), 0);
	expect_all("1");
	assert_int_equal(look(100, 1, 0), RELOCATE_BACK);

	begin(false);
	assert_int_equal(widen(100, 1, 0), 0);
	tree_put("100\n4711\n", "%s", procs);
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 0, room_for(1000)),
			 RELOCATE_FOREIGN);
	expect_all("0");
	/* What libvirt adds there is not ours to change any more. */
	put_mems("machine/vcpu0", "1\n");
	assert_int_equal(relocate_follow(&act, 100, 1, 0, NULL), -EBUSY);
	expect_mems("machine/vcpu0", "1");
}

/* What could not be found out is not "somebody else's". */
static void test_nobody_knows(void **state)
{
	char line[PLACE_GROUP_PATH_MAX + 16] = "0::/";
	enum relocate_state seen;

	(void)state;
	begin(true);
	memset(line + 4, 'x', PLACE_GROUP_PATH_MAX);
	tree_put(line, "proc/100/task/101/cgroup");
	assert_int_equal(relocate_look(&act, 100, 1, 0, &seen), -ENAMETOOLONG);
	assert_int_equal(seen, RELOCATE_WIDE);
}

static void test_another_writer(void **state)
{
	(void)state;
	begin(true);
	assert_int_equal(widen(100, 1, 0), 0);
	put_mems("machine.slice/a.scope/libvirt/vcpu0", "0-3\n");
	assert_int_equal(relocate_settle(&act, 100, 1, 0, &all_there, 0, room_for(1000)),
			 RELOCATE_FOREIGN);
	expect_mems("machine.slice/a.scope/libvirt/vcpu0", "0-3");
	expect_mems("machine.slice/a.scope/libvirt/vcpu1", "0");
	expect_mems("machine.slice/a.scope/libvirt/emulator", "0");
}

/* A child died in between: whatever it had done, nothing stays wide. */
static void test_mend(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++)
		for (unsigned step = 0; step < 4; step++) {
			begin(v2);
			assert_int_equal(widen(100, 1, 0), 0);
			if (step & 1)
				put_mems(v2 ? "machine.slice/a.scope/libvirt/vcpu0" :
					      "machine/vcpu0",
					 "1\n");
			if (step & 2)
				put_mems(v2 ? "machine.slice/a.scope/libvirt/emulator" :
					      "machine/emulator",
					 "1\n");
			assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_BACK), 0);
			expect_all("1");
		}
}

/* It died while it narrowed to the new node: the rest goes there too, not back. */
static void test_mend_goes_on(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		begin(v2);
		assert_int_equal(look(100, 1, 0), RELOCATE_BACK);
		assert_int_equal(widen(100, 1, 0), 0);
		put_mems(v2 ? "machine.slice/a.scope/libvirt/vcpu1" : "machine/vcpu1", "0\n");
		assert_int_equal(look(100, 1, 0), RELOCATE_WIDE);
		assert_int_equal(relocate_mend(&act, 100, 1, 0, RELOCATE_BACK), 0);
		expect_all("0");
		assert_int_equal(look(100, 1, 0), RELOCATE_FORWARD);
		assert_int_equal(look(99, 1, 0), RELOCATE_NONE);
		assert_int_equal(look(100, 2, 3), RELOCATE_FOREIGN);
	}
}

static void put_libvirt(const char *group, const char *mems, const char *cpus)
{
	char path[128];

	snprintf(path, sizeof(path), "machine.slice/a.scope/libvirt/%s", group);
	put_mems(path, mems);
	put_cpus(path, cpus);
}

/* Node 1 has CPUs 4-7, node 0 the others. */
static void begin_with_cpus(struct place_set *from, struct place_set *to)
{
	begin(true);
	tree_put(RECORD, "run/libvirt/qemu/web.xml");
	*from = *to = (struct place_set){ 0 };
	for (unsigned cpu = 0; cpu < 4; cpu++) {
		place_set_add(from, 4 + cpu);
		place_set_add(to, cpu);
	}
	put_libvirt("emulator", "0\n", "4-7\n");
	put_libvirt("vcpu0", "0\n", "4-7\n");
	put_libvirt("vcpu1", "0\n", "4-7\n");
	for (unsigned i = 0; i < 3; i++)
		affinities[i] = *from;
}

static void test_cpus_follow(void **state)
{
	struct place_set from, to, narrow = { 0 };
	const struct cgroup_cpus cpus = { .name = "web", .from = &from, .to = &to };
	const struct cgroup_cpus no_record = { .name = "db", .from = &from, .to = &to };

	(void)state;
	begin_with_cpus(&from, &to);
	assert_int_equal(relocate_cpus(&act, 100, &no_record), -ENODATA);
	assert_int_equal(n_written, 0);
	/* vcpu1 is pinned by libvirt's record, to just these CPUs. */
	assert_int_equal(relocate_cpus(&act, 100, &cpus), 2);
	assert_string_equal(written[0], "emulator=cpus 0-3");
	assert_string_equal(written[1], "vcpu0=cpus 0-3");
	assert_true(place_set_equal(&affinities[0], &to));
	assert_true(place_set_equal(&affinities[1], &to));
	assert_true(place_set_equal(&affinities[2], &from));

	/* A pin that somebody set by taskset would be erased by the write. */
	begin_with_cpus(&from, &to);
	place_set_add(&narrow, 5);
	affinities[1] = narrow;
	assert_int_equal(relocate_cpus(&act, 100, &cpus), 1);
	assert_true(place_set_equal(&affinities[1], &narrow));

	/* One that another node's CPUs were given stays there. */
	begin_with_cpus(&from, &to);
	put_libvirt("emulator", "0\n", "4-5\n");
	assert_int_equal(relocate_cpus(&act, 100, &cpus), 1);
	assert_string_equal(written[0], "vcpu0=cpus 0-3");

	/* One that cannot be written is told, one that has gone meanwhile is not. */
	begin_with_cpus(&from, &to);
	refuse = "emulator";
	assert_int_equal(relocate_cpus(&act, 100, &cpus), -EIO);
	begin_with_cpus(&from, &to);
	removed = "emulator";
	assert_int_equal(relocate_cpus(&act, 100, &cpus), 1);

	/* The host keeps CPU 4 for itself. */
	begin_with_cpus(&from, &to);
	tree_put("5-7\n",
		 "sys/fs/cgroup/machine.slice/a.scope/libvirt/vcpu0/cpuset.cpus.effective");
	place_set_remove(&affinities[1], 4);
	assert_int_equal(relocate_cpus(&act, 100, &cpus), 2);
}

/* A vCPU that libvirt added later: where the others are. */
static void test_newcomers_follow(void **state)
{
	struct place_set from, to;
	const struct cgroup_cpus cpus = { .name = "web", .from = &from, .to = &to };

	(void)state;
	begin_with_cpus(&from, &to);
	put_mems("machine.slice/a.scope/libvirt", "\n");
	assert_int_equal(relocate_follow(&act, 100, 1, 0, &cpus), 0);
	assert_int_equal(n_written, 0);
	put_libvirt("vcpu0", "1\n", "4-7\n");
	assert_int_equal(look(100, 1, 0), RELOCATE_FORWARD);
	assert_int_equal(relocate_follow(&act, 100, 1, 0, &cpus), 1);
	assert_int_equal(n_written, 2);
	assert_string_equal(written[0], "vcpu0=cpus 0-3");
	assert_string_equal(written[1], "vcpu0=0");
	assert_true(place_set_equal(&affinities[1], &to));
	/* The others' CPUs are whoever's by now. */
	assert_true(place_set_equal(&affinities[0], &from));
	assert_int_equal(relocate_follow(&act, 99, 1, 0, &cpus), -ESRCH);
}

static int tear_down(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_no_room_on_either),
		cmocka_unit_test(test_refused_write_is_undone),
		cmocka_unit_test(test_undo_is_refused),
		cmocka_unit_test(test_narrowing_goes_on),
		cmocka_unit_test(test_a_group_is_removed),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_threads_of_the_kernel),
		cmocka_unit_test(test_another_process_meanwhile),
		cmocka_unit_test(test_nobody_knows),
		cmocka_unit_test(test_another_writer),
		cmocka_unit_test(test_mend),
		cmocka_unit_test(test_mend_goes_on),
		cmocka_unit_test(test_cpus_follow),
		cmocka_unit_test(test_newcomers_follow),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
