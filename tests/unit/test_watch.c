/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watch on a built tree of two nodes, where every file says what the test wants: who comes
 * and goes, loads, groups that are a guest's own and groups that are not, hugepages, and where
 * vCPUs run. Time is what the test says it is. The live host has its turn in test_watch_live.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/procstat.h"
#include "observe/watch.h"
#include "tree.h"

#define MIB (UINT64_C(1) << 20)
#define S UINT64_C(1000000000)
#define TICKS_PER_S 100
#define START_TICKS 5000

static struct place_root root;
static struct place_node nodes[2] = { { .id = 0 }, { .id = 8 } };
static struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
static struct place_watch watch;
static int told[64];
static size_t n_told, told_max;

/* ---- the tree ---- */

struct line {
	const char *comm;
	char state;
	unsigned n_threads, ticks, start, processor, pages;
};

static void format_stat(char *text, size_t size, int id, const struct line *line)
{
	snprintf(text, size,
		 "%d (%s) %c 1 1 1 0 -1 4194304 0 0 0 0 %u 0 0 0 20 0 %u 0 %u 0 %u 0 1 1 1 0 0 "
		 "0 "
		 "0 0 0 0 0 0 17 %u 0 0 0\n",
		 id, line->comm, line->state ? line->state : 'S', line->ticks,
		 line->n_threads ? line->n_threads : 1, line->start ? line->start : START_TICKS,
		 line->pages ? line->pages : 100000, line->processor);
}

static void put_stat(int pid, struct line line)
{
	char text[512];

	format_stat(text, sizeof(text), pid, &line);
	tree_put(text, "proc/%d/stat", pid);
}

static void put_thread(int pid, int tid, struct line line)
{
	char text[512];

	format_stat(text, sizeof(text), tid, &line);
	tree_put(text, "proc/%d/task/%d/stat", pid, tid);
}

static void put_status(int pid, unsigned anon_mib, unsigned shmem_mib, unsigned pool_mib)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "Name:\tx\nVmRSS:\t%u kB\nRssAnon:\t%u kB\nRssFile:\t9 kB\nRssShmem:\t%u kB\n"
		 "HugetlbPages:\t%u kB\n",
		 anon_mib * 1024, anon_mib * 1024, shmem_mib * 1024, pool_mib * 1024);
	tree_put(text, "proc/%d/status", pid);
}

static void put_numa_stat(const char *group, unsigned first_mib, unsigned second_mib)
{
	char text[256];

	snprintf(text, sizeof(text), "anon N0=%llu N8=%llu\nfile N0=7 N8=7\nshmem N0=0 N8=0\n",
		 first_mib * (unsigned long long)MIB, second_mib * (unsigned long long)MIB);
	tree_put(text, "cg/%s/memory.numa_stat", group);
}

/* A QEMU of 100 + 200 MiB in a group of its own, with one vCPU. */
static void put_guest(int pid)
{
	char group[32];

	tree_put("qemu-system-x86\n", "proc/%d/comm", pid);
	put_stat(pid, (struct line){ .comm = "qemu-system-x86" });
	put_status(pid, 300, 0, 0);
	put_thread(pid, pid, (struct line){ .comm = "qemu-system-x86" });
	snprintf(group, sizeof(group), "vm%d", pid);
	put_numa_stat(group, 100, 200);
}

static int setup(void **state)
{
	(void)state;
	tree_make();
	tree_put("cgroup2 /cg cgroup2 rw 0 0\n", "proc/self/mounts");
	tree_put("0\n", "cg/cgroup.procs");
	assert_int_equal(place_root_open(tree_path, &root), 0);
	place_set_clear(&nodes[0].cpus);
	place_set_clear(&nodes[1].cpus);
	for (unsigned cpu = 0; cpu < 4; cpu++)
		place_set_add(&nodes[cpu / 2].cpus, cpu);
	n_told = 0;
	told_max = ELEMENTSOF(told);
	return place_watch_init(&watch, &root, &topology, NULL);
}

static int teardown(void **state)
{
	(void)state;
	place_watch_done(&watch);
	place_root_close(&root);
	tree_remove();
	return 0;
}

/* ---- what the daemon does ---- */

static int tell(int pid, void *data)
{
	(void)data;
	if (n_told == told_max)
		return -EBUSY;
	told[n_told++] = pid;
	return 0;
}

static struct place_look look_at(int pid)
{
	struct place_look look = { .is_guest = true };

	look.guest = (struct place_guest){
		.pid = pid,
		.known = PLACE_GUEST_START | PLACE_GUEST_NAME | PLACE_GUEST_MEMORY |
			 PLACE_GUEST_VCPUS | PLACE_GUEST_RESIDENT | PLACE_GUEST_LOAD,
		.start_ns = START_TICKS * S / TICKS_PER_S,
		.memory_bytes = 1024 * MIB,
		.n_vcpus = 1,
		.load_millicpu = 77,
	};
	snprintf(look.guest.name, sizeof(look.guest.name), "vm%d", pid);
	snprintf(look.group_v2, sizeof(look.group_v2), "vm%d", pid);
	return look;
}

static int adopt(int pid, uint64_t now_ns)
{
	const struct place_look look = look_at(pid);

	return place_watch_adopt(&watch, &look, now_ns);
}

static void scan(uint64_t now_ns)
{
	n_told = 0;
	assert_int_equal(place_watch_scan(&watch, now_ns, tell, NULL), 0);
}

/* ---- who is there ---- */

static void test_come_and_go(void **state)
{
	(void)state;
	tree_put("bash\n", "proc/7/comm");
	put_guest(300);
	put_guest(20);
	put_guest(100);
	scan(1 * S);
	assert_int_equal(n_told, 3);
	/* Told again until it was taken. */
	scan(2 * S);
	assert_int_equal(n_told, 3);
	assert_int_equal(adopt(300, 2 * S), 0);
	assert_int_equal(adopt(20, 2 * S), 0);
	assert_int_equal(adopt(100, 2 * S), 1);
	assert_int_equal(watch.n, 3);
	assert_int_equal(watch.guests[0].pid, 20);
	assert_int_equal(watch.guests[1].pid, 100);
	assert_int_equal(watch.guests[2].pid, 300);
	assert_int_equal(place_watch_find(&watch, 300), 2);
	assert_int_equal(place_watch_find(&watch, 7), -ENOENT);
	scan(3 * S);
	assert_int_equal(n_told, 0);
	/* Each row has kept what belongs to it. */
	assert_string_equal(watch.guests[2].name, "vm300");
	assert_int_equal(watch.activities[2].bytes[1], 200 * MIB);

	tree_drop("proc/100");
	scan(4 * S);
	assert_int_equal(watch.n, 2);
	assert_int_equal(watch.n_gone, 1);
	assert_int_equal(watch.gone[0].pid, 100);
	assert_string_equal(watch.gone[0].name, "vm100");
	assert_string_equal(watch.guests[1].name, "vm300");
	assert_true(place_watch_has_own_group(&watch, 1));
}

/* The daemon takes a few at a time: the next scan goes on where it had enough. */
static void test_a_few_at_a_time(void **state)
{
	bool seen[20] = { false };

	(void)state;
	for (int pid = 0; pid < 20; pid++)
		put_guest(1000 + pid);
	told_max = 6;
	for (int round = 0; round < 4; round++) {
		scan((uint64_t)round * S);
		assert_int_equal(n_told, 6);
		for (size_t i = 0; i < n_told; i++)
			seen[told[i] - 1000] = true;
	}
	for (size_t i = 0; i < ELEMENTSOF(seen); i++)
		assert_true(seen[i]);
}

static void test_somebody_else(void **state)
{
	struct place_look look = look_at(20);

	(void)state;
	put_guest(20);
	look.guest.start_ns += S;
	assert_int_equal(place_watch_adopt(&watch, &look, S), -ESRCH);
	assert_int_equal(watch.n, 0);
	/* The pid has another process now. */
	assert_int_equal(adopt(20, S), 0);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .start = START_TICKS + 100 });
	place_watch_refresh(&watch, 2 * S);
	assert_int_equal(watch.n, 0);
	assert_int_equal(watch.n_gone, 2);
	assert_int_equal(place_watch_adopt(&watch, &look, 3 * S), 0);
	/* A newer look of yet another one. */
	look.guest.start_ns += S;
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .start = START_TICKS + 200 });
	assert_int_equal(place_watch_adopt(&watch, &look, 4 * S), 0);
	assert_int_equal(watch.n, 1);
	assert_int_equal(watch.guests[0].start_ns, look.guest.start_ns);
	look.is_guest = false;
	assert_int_equal(place_watch_adopt(&watch, &look, 5 * S), -ESRCH);
	assert_int_equal(watch.n, 0);
}

/* exec() shows as another command name; who only renames itself stays. */
static void test_exec(void **state)
{
	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, S), 0);
	put_stat(20, (struct line){ .comm = "CPU ) S 1\n(" });
	place_watch_refresh(&watch, 2 * S);
	assert_int_equal(watch.n, 1);
	tree_put("bash\n", "proc/20/comm");
	put_stat(20, (struct line){ .comm = "bash" });
	place_watch_refresh(&watch, 3 * S);
	assert_int_equal(watch.n, 0);

	/* Somebody asked for it, whatever its name is. */
	tree_put("bash\n", "proc/20/comm");
	assert_int_equal(adopt(20, S), 0);
	watch.traits[0] = PLACE_TRAIT_INCLUDED;
	put_stat(20, (struct line){ .comm = "dash" });
	place_watch_refresh(&watch, 4 * S);
	assert_int_equal(watch.n, 1);
}

static void test_zombies(void **state)
{
	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, S), 0);
	/* The first thread ended, the others run on. */
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .state = 'Z', .n_threads = 4 });
	place_watch_refresh(&watch, 2 * S);
	assert_int_equal(watch.n, 1);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .state = 'Z', .n_threads = 1 });
	place_watch_refresh(&watch, 3 * S);
	assert_int_equal(watch.n, 0);
	assert_int_equal(adopt(20, 4 * S), -ESRCH);
}

static void test_unreadable(void **state)
{
	(void)state;
	put_guest(20);
	put_guest(30);
	assert_int_equal(place_watch_set_unreadable(&watch, 30, S), 0);
	assert_int_equal(place_watch_set_unreadable(&watch, 20, S), 0);
	assert_int_equal(watch.classes[0], PLACE_CLASS_UNREADABLE);
	assert_int_equal(watch.guests[0].known & PLACE_GUEST_MEMORY, 0);
	scan(2 * S);
	assert_int_equal(n_told, 0);
	place_watch_refresh(&watch, 2 * S);
	assert_int_equal(watch.guests[0].resident_bytes, 300 * MIB);
	/* The look came back after all. */
	assert_int_equal(adopt(20, 3 * S), 0);
	assert_int_not_equal(watch.classes[0], PLACE_CLASS_UNREADABLE);
	assert_true(place_watch_has_own_group(&watch, 0));
	assert_int_equal(place_watch_set_unreadable(&watch, 99, S), -ESRCH);
	assert_int_equal(watch.n, 2);
}

static bool want_big(const struct place_process *process, void *data)
{
	unsigned *busy = data;

	if (strncmp(process->program, "postgres", 8) != 0)
		return false;
	assert_true(process->have_usage);
	assert_string_equal(process->comm, "postgres) R");
	*busy = (unsigned)process->busy_millicpu;
	return process->resident_bytes >= 300 * MIB && process->busy_millicpu > 500;
}

/* numad's -S 1: whatever is big and busy. */
static void test_wanted(void **state)
{
	unsigned busy = 4711;

	(void)state;
	watch.ops = (struct place_watch_ops){ .is_wanted = want_big,
					      .with_usage = true,
					      .data = &busy };
	tree_put("postgres\n", "proc/50/comm");
	tree_put("bash\n", "proc/51/comm");
	put_stat(50, (struct line){ .comm = "postgres) R", .ticks = 1000 });
	scan(10 * S);
	assert_int_equal(n_told, 0);
	assert_int_equal(busy, 0);
	put_stat(50, (struct line){ .comm = "postgres) R", .ticks = 1300 });
	scan(15 * S);
	assert_int_equal(busy, 600);
	assert_int_equal(n_told, 1);
	/* Another process of that pid. */
	put_stat(50, (struct line){ .comm = "postgres) R", .ticks = 1900, .start = 9 });
	scan(20 * S);
	assert_int_equal(busy, 0);
}

/* ---- load ---- */

/* What a process did between two scans counts as a look at it: it is known as soon as it is ours.
 */
static void test_scans_are_looks(void **state)
{
	unsigned busy;

	(void)state;
	watch.ops = (struct place_watch_ops){ .is_wanted = want_big,
					      .with_usage = true,
					      .data = &busy };
	put_guest(50);
	tree_put("postgres\n", "proc/50/comm");
	put_thread(50, 50, (struct line){ .comm = "postgres) R", .ticks = 900 });
	put_stat(50, (struct line){ .comm = "postgres) R", .ticks = 1000 });
	scan(100 * S);
	put_stat(50, (struct line){ .comm = "postgres) R", .ticks = 1016 });
	scan(100 * S + 250 * S / 1000);
	assert_int_equal(adopt(50, 100 * S + 300 * S / 1000), 0);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_BRIEF);
	assert_false(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	place_watch_begin(&watch, 100 * S + 310 * S / 1000);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	/* 160 ms of the last 300, but 10 s of a life of 50. */
	assert_in_range(watch.activities[0].busy_millicpu, 200, 204);
}

static void test_brief_word(void **state)
{
	const uint64_t born = START_TICKS * S / 100;

	(void)state;
	put_guest(20);
	put_thread(20, 20, (struct line){ .comm = "qemu-system-x86", .ticks = 90 });
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 90 });
	assert_int_equal(adopt(20, born + S), 0);
	/* Too young. */
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 115 });
	place_watch_refresh(&watch, born + S + 250 * S / 1000);
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BRIEF, 0);
	tree_drop("proc/20");
	scan(born + 4 * S);
	/* Old enough; no window yet, then a brief one, then a whole one. */
	put_guest(20);
	put_thread(20, 20, (struct line){ .comm = "qemu-system-x86", .ticks = 400 });
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 400 });
	assert_int_equal(adopt(20, born + 5 * S), 0);
	place_watch_begin(&watch, born + 5 * S);
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_RUN, 0);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 425 });
	place_watch_refresh(&watch, born + 5 * S + 250 * S / 1000);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_BRIEF);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	assert_in_range(watch.activities[0].busy_millicpu, 800, 815);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 500 });
	place_watch_refresh(&watch, born + 6 * S);
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BRIEF, 0);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	assert_int_equal(watch.activities[0].busy_millicpu, 1000);
}

/* Who fills its memory has no place yet. */
static void test_growing(void **state)
{
	const uint64_t born = START_TICKS * S / 100;

	(void)state;
	put_guest(20);
	put_thread(20, 20, (struct line){ .comm = "qemu-system-x86", .ticks = 500 });
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 500, .pages = 80000 });
	assert_int_equal(adopt(20, born + 5 * S), 0);
	for (unsigned ms = 250; ms < 4000; ms += 250) {
		put_stat(20,
			 (struct line){ .comm = "qemu-system-x86", .ticks = 525, .pages = 91000 });
		place_watch_refresh(&watch, born + 5 * S + ms * S / 1000);
		assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_RUN, 0);
	}
	place_watch_refresh(&watch, born + 9 * S);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
}

static void test_load(void **state)
{
	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, 100 * S), 0);
	/* Until a window has passed, what the look found. */
	for (unsigned s = 1; s < 10; s++) {
		put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = s * 50 });
		place_watch_refresh(&watch, (100 + s) * S);
		assert_int_equal(watch.guests[0].load_millicpu, 77);
		assert_int_equal(watch.activities[0].busy_millicpu, 500);
	}
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 500 });
	place_watch_refresh(&watch, 110 * S);
	assert_int_equal(watch.guests[0].load_millicpu, 500);
	assert_int_equal(watch.guests[0].cpu_time_ns, 5 * S);
	assert_true(watch.guests[0].known & PLACE_GUEST_LOAD);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	/* Idle from here: gone from the load when the window has passed, at any pace of asking. */
	for (unsigned ms = 0; ms <= 16000; ms += 100)
		place_watch_refresh(&watch, 110 * S + ms * S / 1000);
	assert_int_equal(watch.guests[0].load_millicpu, 0);
	assert_int_equal(watch.activities[0].busy_millicpu, 0);
}

/* A second after it has come, what it does is known, however long it stood still before. */
static void test_begin_anew(void **state)
{
	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, 100 * S), 0);
	for (unsigned s = 1; s <= 20; s++)
		place_watch_refresh(&watch, (100 + s) * S);
	assert_int_equal(watch.activities[0].busy_millicpu, 0);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	place_watch_begin_anew(&watch, 0, 120 * S);
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_RUN, 0);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .ticks = 100 });
	place_watch_refresh(&watch, 121 * S);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_RUN);
	assert_int_equal(watch.activities[0].busy_millicpu, 1000);
}

/* Seen by whoever moved it; what it does meanwhile is no load. */
static void test_migrating(void **state)
{
	uint64_t start_ns;

	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, 100 * S), 0);
	place_watch_refresh(&watch, 111 * S);
	assert_true(watch.guests[0].known & PLACE_GUEST_LOAD);
	watch.guests[0].known |= PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;
	start_ns = watch.guests[0].start_ns;
	place_watch_set_migrating(&watch, 20, start_ns + 1);
	place_watch_set_migrating(&watch, 21, start_ns);
	assert_false(watch.traits[0] & PLACE_TRAIT_MIGRATING);
	place_watch_set_migrating(&watch, 20, start_ns);
	assert_true(watch.traits[0] & PLACE_TRAIT_MIGRATING);
	assert_int_equal(watch.classes[0], PLACE_CLASS_MIGRATING);
	place_watch_refresh(&watch, 122 * S);
	assert_false(watch.guests[0].known & PLACE_GUEST_LOAD);
}

/* ---- memory ---- */

static void test_own_group(void **state)
{
	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, S), 0);
	assert_true(place_watch_has_own_group(&watch, 0));
	put_numa_stat("vm20", 400, 500);
	place_watch_refresh(&watch, 6 * S);
	assert_true(watch.activities[0].known & PLACE_ACTIVITY_BYTES);
	assert_int_equal(watch.activities[0].bytes_source, PLACE_BYTES_CGROUP);
	assert_int_equal(watch.activities[0].bytes_ns, 6 * S);
	assert_int_equal(watch.activities[0].bytes[0], 400 * MIB);
	assert_int_equal(watch.activities[0].bytes[1], 500 * MIB);
	assert_int_equal(watch.guests[0].resident_bytes, 900 * MIB);
	/* Samples do not go before the group. */
	place_watch_set_bytes(&watch, 0, (const uint64_t[]){ 1, 2 }, PLACE_BYTES_SAMPLES, 7 * S);
	assert_int_equal(watch.activities[0].bytes[0], 400 * MIB);
	/* A new look changes none of that. */
	assert_int_equal(adopt(20, 8 * S), 0);
	assert_int_equal(watch.guests[0].resident_bytes, 900 * MIB);
}

static void refresh_often(unsigned n, uint64_t *now_ns)
{
	for (unsigned i = 0; i < n; i++)
		place_watch_refresh(&watch, *now_ns += 5 * S);
}

/* Somebody else's memory in the group: the process knows what it has itself. */
static void test_group_differs(void **state)
{
	uint64_t now_ns = S;

	(void)state;
	put_guest(20);
	put_numa_stat("vm20", 300, 200);
	assert_int_equal(adopt(20, now_ns), 0);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BYTES, 0);
	assert_int_equal(watch.guests[0].resident_bytes, 300 * MIB);
	place_watch_set_bytes(&watch, 0, (const uint64_t[]){ 1, 2 }, PLACE_BYTES_SAMPLES, 7 * S);
	refresh_often(3, &now_ns);
	assert_int_equal(watch.activities[0].bytes[1], 2);
	assert_int_equal(watch.activities[0].bytes_source, PLACE_BYTES_SAMPLES);
	/* It went: noticed some time later, and the other way round too. */
	put_numa_stat("vm20", 300, 1);
	refresh_often(140, &now_ns);
	assert_true(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.activities[0].bytes_source, PLACE_BYTES_CGROUP);
	put_numa_stat("vm20", 300, 200);
	refresh_often(70, &now_ns);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BYTES, 0);
	assert_int_equal(watch.guests[0].resident_bytes, 300 * MIB);
}

/* Two guests in one group, each of which would agree with it: nobody's own. */
static void test_group_shared(void **state)
{
	struct place_look look = look_at(30);
	uint64_t now_ns = S;

	(void)state;
	put_guest(20);
	put_guest(30);
	strcpy(look.group_v2, "vm20/libvirt/emulator");
	tree_put("", "cg/vm20/libvirt/emulator/cgroup.procs");
	assert_int_equal(adopt(20, now_ns), 0);
	assert_true(place_watch_has_own_group(&watch, 0));
	assert_int_equal(place_watch_adopt(&watch, &look, now_ns), 1);
	place_watch_refresh(&watch, now_ns);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_false(place_watch_has_own_group(&watch, 1));
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BYTES, 0);
	/* It moves to its own. */
	assert_int_equal(adopt(30, now_ns), 1);
	assert_true(place_watch_has_own_group(&watch, 1));
	refresh_often(140, &now_ns);
	assert_true(place_watch_has_own_group(&watch, 0));
}

/* A removed group reads as ENODEV on the live host; here it goes when its text is no longer one. */
static void test_group_goes(void **state)
{
	(void)state;
	put_guest(20);
	assert_int_equal(adopt(20, S), 0);
	tree_put("", "cg/vm20/memory.numa_stat");
	place_watch_refresh(&watch, 2 * S);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.guests[0].resident_bytes, 300 * MIB);
	place_watch_refresh(&watch, 3 * S);
	assert_true(watch.guests[0].known & PLACE_GUEST_RESIDENT);
}

static void test_no_group(void **state)
{
	struct place_look look = look_at(20);

	(void)state;
	put_guest(20);
	look.group_v2[0] = '\0';
	assert_int_equal(place_watch_adopt(&watch, &look, S), 0);
	assert_false(place_watch_has_own_group(&watch, 0));
	put_status(20, 100, 50, 0);
	place_watch_refresh(&watch, 2 * S);
	assert_int_equal(watch.guests[0].resident_bytes, 150 * MIB);
	/* What cannot be read is unknown, not zero. */
	tree_put("Name:\tx\n", "proc/20/status");
	place_watch_refresh(&watch, 3 * S);
	assert_int_equal(watch.guests[0].known & PLACE_GUEST_RESIDENT, 0);
}

/* Of a guest with a group of its own the status says nothing else: read where it is wanted. */
static void test_swap_is_read_of_whom_it_is_wanted(void **state)
{
	uint64_t n_reads;

	(void)state;
	for (int pid = 20; pid < 30; pid++) {
		put_guest(pid);
		assert_true(adopt(pid, S) >= 0);
		tree_put("RssAnon:\t307200 kB\nVmSwap:\t2048 kB\n", "proc/%d/status", pid);
	}
	n_reads = watch.counts.status_reads;
	place_watch_refresh(&watch, 2 * S);
	assert_int_equal(watch.counts.status_reads, n_reads);
	watch.with_swap[3] = true;
	place_watch_refresh(&watch, 3 * S);
	assert_int_equal(watch.counts.status_reads, n_reads + 1);
	for (size_t i = 0; i < watch.n; i++)
		assert_int_equal(watch.guests[i].swapped_bytes, i == 3 ? 2 * MIB : 0);
	/* Whoever it is, wherever he is in the table. */
	tree_drop("proc/20");
	put_guest(10);
	put_guest(11);
	scan(4 * S);
	assert_int_equal(adopt(10, 4 * S), 0);
	assert_int_equal(adopt(11, 4 * S), 1);
	for (size_t i = 0; i < watch.n; i++)
		assert_int_equal(watch.with_swap[i], watch.guests[i].pid == 23);
	n_reads = watch.counts.status_reads;
	place_watch_refresh(&watch, 5 * S);
	assert_int_equal(watch.counts.status_reads, n_reads + 1);
}

static void test_hugepages(void **state)
{
	struct place_look look = look_at(20);

	(void)state;
	put_guest(20);
	put_status(20, 50, 0, 1024);
	put_numa_stat("vm20", 50, 0);
	look.guest.hugepage_bytes = 2 * MIB;
	/* As under libvirt: the group says nothing of them. */
	assert_int_equal(place_watch_adopt(&watch, &look, S), 0);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BYTES, 0);
	assert_int_equal(watch.guests[0].resident_bytes, 50 * MIB);
	assert_int_equal(watch.guests[0].resident_pool_bytes, 1024 * MIB);
	tree_drop("proc/20");
	scan(2 * S);
	assert_int_equal(watch.n, 0);

	put_guest(20);
	put_status(20, 50, 0, 1024);
	put_numa_stat("vm20", 50, 0);
	tree_put("total=1073741824 N0=0 N8=1073741824\n", "cg/vm20/hugetlb.2MB.numa_stat");
	assert_int_equal(place_watch_adopt(&watch, &look, 3 * S), 0);
	assert_true(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.activities[0].bytes[0], 50 * MIB);
	assert_int_equal(watch.activities[0].bytes[1], 1024 * MIB);
	assert_int_equal(watch.guests[0].resident_pool_bytes, 1024 * MIB);
	/* Not all of them are charged there. */
	tree_put("total=0 N0=0 N8=0\n", "cg/vm20/hugetlb.2MB.numa_stat");
	place_watch_refresh(&watch, 4 * S);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_int_equal(watch.activities[0].known & PLACE_ACTIVITY_BYTES, 0);
}

/* ---- where vCPUs run ---- */

static void expect_run(size_t i, unsigned first, unsigned second)
{
	assert_true(watch.activities[i].known & PLACE_ACTIVITY_RUN);
	assert_int_equal(watch.activities[i].run_permille[0], first);
	assert_int_equal(watch.activities[i].run_permille[1], second);
}

static void test_vcpus(void **state)
{
	(void)state;
	put_guest(20);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 3 });
	/* Busy, and no vCPU: does not count. */
	put_thread(20, 21, (struct line){ .comm = "IO mon_iothread", .ticks = 9000 });
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 500, .processor = 3 });
	put_thread(20, 23, (struct line){ .comm = "CPU 1/KVM", .ticks = 500, .processor = 2 });
	assert_int_equal(adopt(20, S), 0);
	place_watch_refresh(&watch, 2 * S);
	place_watch_refresh(&watch, 5 * S);
	expect_run(0, 0, 1000);
	/* One of them goes to the other node: half of the time it was there counts here. */
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 100500, .processor = 0 });
	place_watch_refresh(&watch, 10 * S);
	assert_in_range(watch.activities[0].run_permille[0], 498, 500);
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 900500, .processor = 0 });
	place_watch_refresh(&watch, 15 * S);
	assert_in_range(watch.activities[0].run_permille[0], 940, 960);
	/* Idle: what it did last stands. */
	for (unsigned i = 4; i < 400; i++)
		place_watch_refresh(&watch, i * 5 * S);
	assert_in_range(watch.activities[0].run_permille[0], 940, 960);
}

/* Where it ran before its pin is no home any more, however idle it is since. */
static void test_a_new_pin(void **state)
{
	struct place_look look;

	(void)state;
	put_guest(20);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 2 });
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 500, .processor = 3 });
	look = look_at(20);
	look.guest.known |= PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;
	place_set_add(&look.vcpu_cpus, 0);
	place_set_add(&look.vcpu_cpus, 3);
	assert_int_equal(place_watch_adopt(&watch, &look, S), 0);
	place_watch_refresh(&watch, 2 * S);
	place_watch_refresh(&watch, 5 * S);
	expect_run(0, 0, 1000);
	/* Where nobody pinned it we may have done so: its threads go, and what they did stands. */
	place_set_remove(&look.vcpu_cpus, 3);
	assert_int_equal(place_watch_adopt(&watch, &look, 6 * S), 0);
	expect_run(0, 0, 1000);
	look.traits |= PLACE_TRAIT_PINNED;
	assert_int_equal(place_watch_adopt(&watch, &look, 7 * S), 0);
	expect_run(0, 0, 1000);
	place_set_add(&look.vcpu_cpus, 1);
	assert_int_equal(place_watch_adopt(&watch, &look, 8 * S), 0);
	expect_run(0, 0, 0);
	place_watch_refresh(&watch, 10 * S);
	expect_run(0, 0, 0);
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 600, .processor = 0 });
	place_watch_refresh(&watch, 15 * S);
	place_watch_refresh(&watch, 20 * S);
	assert_true(watch.activities[0].run_permille[0] > 0);
}

/* Without names all threads count; a CPU that the topology does not have counts for no node. */
static void test_threads_without_names(void **state)
{
	(void)state;
	put_guest(20);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 4 });
	put_thread(20, 20, (struct line){ .comm = "a", .ticks = 10 });
	put_thread(20, 21, (struct line){ .comm = "b", .ticks = 10, .processor = 2 });
	put_thread(20, 22, (struct line){ .comm = "c", .ticks = 20, .processor = 3 });
	put_thread(20, 23, (struct line){ .comm = "d", .ticks = 90, .processor = 77 });
	put_thread(20, 24, (struct line){ .comm = "e", .ticks = 90, .processor = 4000000000 });
	assert_int_equal(adopt(20, S), 0);
	place_watch_refresh(&watch, 2 * S);
	place_watch_refresh(&watch, 5 * S);
	assert_in_range(watch.activities[0].run_permille[0], 249, 251);
	assert_in_range(watch.activities[0].run_permille[1], 749, 751);
}

static void test_hotplugged_vcpu(void **state)
{
	struct place_thread thread = { 0 };
	uint64_t now_ns = S;

	(void)state;
	put_guest(20);
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 2 });
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 100 });
	assert_int_equal(adopt(20, S), 0);
	refresh_often(3, &now_ns);
	expect_run(0, 1000, 0);
	assert_true(place_watch_next_thread(&watch, 0, &thread, &thread));
	assert_int_equal(thread.tid, 22);
	assert_int_equal(thread.start_ns, place_ticks_to_ns(START_TICKS));
	assert_false(place_watch_next_thread(&watch, 0, &thread, &thread));
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 3 });
	put_thread(20, 23, (struct line){ .comm = "CPU 1/KVM", .ticks = 90000, .processor = 2 });
	refresh_often(8, &now_ns);
	assert_in_range(watch.activities[0].run_permille[1], 400, 999);
	assert_true(place_watch_next_thread(&watch, 0, &thread, &thread));
	assert_int_equal(thread.tid, 23);
	assert_false(place_watch_next_thread(&watch, 0, &thread, &thread));
	/* And out again. */
	tree_drop("proc/20/task/23");
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 2 });
	put_thread(20, 22, (struct line){ .comm = "CPU 0/KVM", .ticks = 5000 });
	refresh_often(3, &now_ns);
	assert_in_range(watch.activities[0].run_permille[0], 900, 1000);
	/* Ids come again: another thread, which began later, and goes behind all. */
	put_thread(20, 22,
		   (struct line){ .comm = "CPU 0/KVM", .ticks = 9, .start = START_TICKS + 1 });
	put_stat(20, (struct line){ .comm = "qemu-system-x86", .n_threads = 3 });
	refresh_often(8, &now_ns);
	assert_true(place_watch_next_thread(&watch, 0, &thread, &thread));
	assert_int_equal(thread.tid, 22);
	assert_false(place_watch_next_thread(&watch, 0, &thread, &thread));
}

/* Whoever begins guests all the time does not keep the others from their turn. */
static void test_rotation_beside_newcomers(void **state)
{
	uint64_t now_ns = S;

	(void)state;
	watch.thread_reads = 4;
	for (int pid = 100; pid < 104; pid++) {
		put_guest(pid);
		put_thread(pid, pid * 10, (struct line){ .comm = "CPU 0/KVM", .ticks = 100 });
		assert_true(adopt(pid, now_ns) >= 0);
	}
	refresh_often(12, &now_ns);
	for (int pid = 100; pid < 104; pid++)
		put_thread(pid, pid * 10,
			   (struct line){ .comm = "CPU 0/KVM", .ticks = 99999, .processor = 2 });
	for (int pid = 10; pid < 30; pid++) {
		put_guest(pid);
		for (int i = 0; i < 6; i++)
			put_thread(pid, pid * 10 + i,
				   (struct line){ .comm = "CPU 0/KVM", .ticks = 100 });
		assert_true(adopt(pid, now_ns) >= 0);
		refresh_often(1, &now_ns);
		place_watch_begin(&watch, now_ns);
	}
	for (int pid = 100; pid < 104; pid++)
		assert_in_range(watch.activities[place_watch_find(&watch, pid)].run_permille[1],
				450, 1000);
}

/* However many there are, a cycle reads so many files; and everybody's turn comes. */
static void test_rotation(void **state)
{
	uint64_t now_ns = S, before;

	(void)state;
	watch.thread_reads = 4;
	for (int pid = 100; pid < 110; pid++) {
		put_guest(pid);
		for (int i = 0; i < 3; i++)
			put_thread(
				pid, pid * 10 + i,
				(struct line){ .comm = "CPU 0/KVM", .ticks = 100, .processor = 2 });
		assert_true(adopt(pid, now_ns) >= 0);
	}
	refresh_often(12, &now_ns);
	for (size_t i = 0; i < watch.n; i++)
		expect_run(i, 0, 1000);
	for (unsigned i = 0; i < 30; i++) {
		before = watch.counts.thread_reads;
		refresh_often(1, &now_ns);
		assert_in_range(watch.counts.thread_reads - before, 1, 4);
	}
	/* A question in between reads none. */
	before = watch.counts.thread_reads;
	place_watch_refresh(&watch, now_ns + S / 10);
	assert_int_equal(watch.counts.thread_reads, before);
	/* All of them move at once: in ten guests with three vCPUs each that takes eight cycles. */
	for (int pid = 100; pid < 110; pid++)
		for (int i = 0; i < 3; i++)
			put_thread(pid, pid * 10 + i,
				   (struct line){ .comm = "CPU 0/KVM", .ticks = 99999 });
	refresh_often(8, &now_ns);
	for (size_t i = 0; i < watch.n; i++)
		assert_in_range(watch.activities[i].run_permille[0], 450, 1000);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_come_and_go),
		TEST(test_a_few_at_a_time),
		TEST(test_somebody_else),
		TEST(test_exec),
		TEST(test_zombies),
		TEST(test_unreadable),
		TEST(test_wanted),
		TEST(test_scans_are_looks),
		TEST(test_brief_word),
		TEST(test_growing),
		TEST(test_load),
		TEST(test_begin_anew),
		TEST(test_a_new_pin),
		TEST(test_migrating),
		TEST(test_own_group),
		TEST(test_group_differs),
		TEST(test_group_shared),
		TEST(test_group_goes),
		TEST(test_no_group),
		TEST(test_swap_is_read_of_whom_it_is_wanted),
		TEST(test_hugepages),
		TEST(test_vcpus),
		TEST(test_threads_without_names),
		TEST(test_hotplugged_vcpu),
		TEST(test_rotation),
		TEST(test_rotation_beside_newcomers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
