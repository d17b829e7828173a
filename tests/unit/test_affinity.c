/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs given to threads and taken back, over a scripted seam and a made-up /proc; intents as text.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/affinity.h"
#include "act/affinity_cells.h"
#include "state_dir.h"
#include "tree.h"

#define START_NS UINT64_C(50000000) /* 5 ticks */
#define NOW_NS UINT64_C(90000000)
#define THREADS 4 /* tids 100 (main), 101, 102 (vCPUs), 103 (vCPU to come) */

#define STAT "100 (qemu (x) y) S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 3 0 5 1 1\n"

static struct place_root root;
static struct place_set affinities[THREADS];
static int refuse_tid;
static struct place_set refused; /* nobody can have just these */
static unsigned n_writes, n_asked;
static struct place_set all, low, high;

/*
 * Whether a daemon that is killed now leaves nothing behind for good: each thread has what it had
 * first, or what the file says that we gave it.
 */
static bool checks_crash;
static struct place_set on_disk;

static void check_crash(void)
{
	for (unsigned i = 0; checks_crash && i < THREADS; i++)
		assert_true(place_set_equal(&affinities[i], &all) ||
			    place_set_equal(&affinities[i], &on_disk));
}

static void read_given(const char *lines)
{
	struct intents intents;
	size_t n_damaged;

	assert_int_equal(intents_parse(lines, &intents, &n_damaged), 0);
	assert_int_equal(n_damaged, 0);
	on_disk = intents.n ? intents.list[0].given : all;
	intents_done(&intents);
}

/* The file is written by root alone; here it is only counted. */
int state_dir_open(unsigned wait_ms, struct state_dir *ret_state)
{
	(void)wait_ms;
	*ret_state = (struct state_dir){ .fd = -1, .lock_fd = -1 };
	return 0;
}

void state_dir_close(struct state_dir *state)
{
	(void)state;
}

int state_dir_replace(const struct state_dir *state, const char *name, const char *text,
		      size_t size)
{
	(void)state;
	assert_string_equal(name, INTENT_NAME);
	assert_int_equal(strlen(text), size);
	n_writes++;
	read_given(text);
	check_crash();
	return 0;
}

static int get_affinity(struct act *act, int tid, struct place_set *ret_cpus)
{
	(void)act;
	n_asked++;
	if (tid >= 100 + THREADS)
		return -ESRCH;
	*ret_cpus = affinities[tid - 100];
	return 0;
}

static struct place_set cpuset; /* what the kernel lets through */

static int set_affinity(struct act *act, int tid, const struct place_set *cpus)
{
	struct place_set allowed = *cpus;

	(void)act;
	place_set_and(&allowed, &cpuset);
	if (tid == refuse_tid || place_set_is_empty(&allowed) || place_set_equal(cpus, &refused))
		return -EINVAL;
	affinities[tid - 100] = allowed;
	check_crash();
	return 0;
}

static struct act act;
static struct place_text text;

static uint64_t now_ns(struct act *unused)
{
	(void)unused;
	return NOW_NS;
}

static void put_thread_at(int tid, const char *comm, unsigned start_ticks)
{
	char line[128];

	snprintf(line, sizeof(line), "%s\n", comm);
	tree_put(line, "proc/100/task/%d/comm", tid);
	snprintf(line, sizeof(line), "%d (%s) S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 3 0 %u 1 1\n",
		 tid, comm, start_ticks);
	tree_put(line, "proc/100/task/%d/stat", tid);
}

static void put_thread(int tid, const char *comm)
{
	put_thread_at(tid, comm, 5);
}

static int set_up(void **state)
{
	static const struct act_ops ops = {
		.get_affinity = get_affinity,
		.set_affinity = set_affinity,
		.now_ns = now_ns,
	};

	(void)state;
	act.ops = &ops;
	tree_make();
	put_thread(100, "qemu-system-x86");
	tree_put(STAT, "proc/100/stat");
	put_thread(101, "CPU 0/KVM");
	put_thread(102, "CPU 1/KVM");
	assert_int_equal(place_set_parse_list("0-7", &all), 0);
	assert_int_equal(place_set_parse_list("0-3", &low), 0);
	assert_int_equal(place_set_parse_list("4-7", &high), 0);
	return place_root_open(tree_path, &root);
}

static int tear_down(void **state)
{
	(void)state;
	place_root_close(&root);
	place_text_done(&text);
	tree_remove();
	return 0;
}

static int begin(void **state)
{
	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		affinities[i] = all;
	cpuset = all;
	refuse_tid = 0;
	n_writes = 0;
	checks_crash = false;
	refused = (struct place_set){ 0 };
	return 0;
}

static int give(struct intents *intents, const struct place_set *cpus)
{
	return affinity_give(&act, &root, &text, intents, 100, START_NS, true, cpus);
}

static int give_cell(struct intents *intents, unsigned vcpu, const struct place_set *cpus)
{
	struct place_set vcpus = { 0 };

	place_set_add(&vcpus, vcpu);
	return affinity_give_cells(&act, &root, &text, intents, 100, START_NS,
				   &(struct affinity_cell){ .vcpus = &vcpus, .cpus = cpus }, 1);
}

static int follow(struct intents *intents, const struct place_thread *thread)
{
	return affinity_follow(&act, &root, &text, &intents->list[0], true, thread);
}

static void expect(const struct place_set *main_cpus, const struct place_set *vcpu0,
		   const struct place_set *vcpu1)
{
	assert_true(place_set_equal(&affinities[0], main_cpus));
	assert_true(place_set_equal(&affinities[1], vcpu0));
	assert_true(place_set_equal(&affinities[2], vcpu1));
}

static void test_give_and_take_back(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give(&intents, &low), 0);
	expect(&all, &low, &low);
	assert_int_equal(n_writes, 1);
	/* Again: nothing new. Elsewhere: what it had first is still known. */
	assert_int_equal(give(&intents, &low), 0);
	assert_int_equal(n_writes, 1);
	assert_int_equal(give(&intents, &high), 0);
	expect(&all, &high, &high);
	assert_int_equal(intents.n, 1);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	assert_int_equal(intents.n, 0);
	intents_done(&intents);
}

/* Its cpuset has some of the node's CPUs, and the kernel gives those: they are what we gave. */
static void test_part_of_a_node(void **state)
{
	struct intents intents = { 0 };
	struct place_set some, part;

	(void)state;
	assert_int_equal(place_set_parse_list("2-5", &some), 0);
	assert_int_equal(place_set_parse_list("2-3", &part), 0);
	cpuset = some;
	for (unsigned i = 0; i < THREADS; i++)
		affinities[i] = some;
	assert_int_equal(give(&intents, &low), 0);
	expect(&some, &part, &part);
	assert_int_equal(give(&intents, &low), 0);
	assert_int_equal(n_writes, 1);
	assert_true(place_set_equal(&intents.list[0].given, &part));
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&some, &some, &some);
	/* None at all. */
	place_set_subtract(&some, &part);
	cpuset = some;
	for (unsigned i = 0; i < THREADS; i++)
		affinities[i] = some;
	assert_int_equal(give(&intents, &low), -EINVAL);
	assert_int_equal(intents.n, 0);
	assert_int_equal(n_writes, 1);
	intents_done(&intents);
}

/* The kernel tells less than we gave, and than they had before. */
static void test_a_cpu_goes_offline(void **state)
{
	struct intents intents = { 0 };
	struct place_thread thread = { .start_ns = 110000000, .tid = 103 };

	(void)state;
	tree_put("0-7\n", "sys/devices/system/cpu/online");
	assert_int_equal(give(&intents, &low), 0);
	tree_put("0,2-7\n", "sys/devices/system/cpu/online");
	for (unsigned i = 0; i < THREADS; i++)
		place_set_remove(&affinities[i], 1);
	assert_int_equal(give(&intents, &low), 0);
	assert_int_equal(n_writes, 1);
	put_thread_at(103, "CPU 2/KVM", 11);
	assert_int_equal(follow(&intents, &thread), 1);
	assert_true(place_set_equal(&affinities[3], &low));
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	assert_true(place_set_equal(&affinities[1], &all));
	assert_true(place_set_equal(&affinities[2], &all));
	assert_true(place_set_equal(&affinities[3], &all));
	/* What somebody else wrote is still told apart. */
	affinities[0] = all;
	assert_int_equal(give(&intents, &low), 0);
	affinities[1] = high;
	assert_int_equal(give(&intents, &high), -EBUSY);
	tree_put("", "sys/devices/system/cpu/online");
	intents_done(&intents);
	tree_drop("proc/100/task/103");
}

static void put_all_but_cpu_1(void)
{
	tree_put("0,2-7\n", "sys/devices/system/cpu/online");
	tree_put("0-7\n", "sys/devices/system/cpu/possible");
	for (unsigned i = 0; i < THREADS; i++)
		place_set_remove(&affinities[i], 1);
}

static void forget_cpu_1(void)
{
	tree_drop("sys/devices/system/cpu/possible");
	tree_put("", "sys/devices/system/cpu/online");
}

/* Of a CPU that is offline the kernel does not tell who may use it: whoever may use all others. */
static void test_a_cpu_comes_back(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	put_all_but_cpu_1();
	assert_int_equal(give(&intents, &low), 0);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	assert_true(place_set_equal(&affinities[1], &all));
	assert_true(place_set_equal(&affinities[2], &all));
	forget_cpu_1();
	intents_done(&intents);
}

/* Names are files, and most threads need not be asked for theirs. */
static void test_few_names_are_read(void **state)
{
	const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct intents intents = { 0 };
	char path[128], events[4096];
	ssize_t size;

	(void)state;
	assert_true(fd >= 0);
	affinities[0] = high;
	snprintf(path, sizeof(path), "%s/proc/100/task/100/comm", tree_path);
	assert_true(inotify_add_watch(fd, path, IN_OPEN | IN_CLOSE_NOWRITE) >= 0);
	assert_int_equal(give(&intents, &low), 0);
	expect(&high, &low, &low);
	/* Once, to find out what the vCPUs have; not to give them others. */
	size = read(fd, events, sizeof(events));
	assert_int_equal(size, 2 * sizeof(struct inotify_event));
	close(fd);
	intents_done(&intents);
}

static void test_pins_of_others_stand(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	affinities[2] = high;
	assert_int_equal(give(&intents, &low), -EBUSY);
	expect(&all, &all, &high);
	assert_int_equal(intents.n, 0);

	/* virsh vcpupin after us. */
	affinities[2] = all;
	assert_int_equal(give(&intents, &low), 0);
	affinities[1] = affinities[2] = high;
	assert_int_equal(give(&intents, &low), -EBUSY);
	affinities[1] = low;
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &high);
	intents_done(&intents);
}

/* I/O threads that somebody pinned to just that node, before or after; a guest's or not. */
static void test_pins_to_the_same_node_stand(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	affinities[0] = low;
	assert_int_equal(give(&intents, &low), 0);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&low, &all, &all);

	affinities[0] = all;
	assert_int_equal(affinity_give(&act, &root, &text, &intents, 100, START_NS, false, &low),
			 0);
	expect(&low, &low, &low);
	put_thread(101, "worker");
	put_thread(102, "worker");
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	put_thread(101, "CPU 0/KVM");
	put_thread(102, "CPU 1/KVM");
	intents_done(&intents);
}

static void test_refused_is_undone(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	refuse_tid = 102;
	assert_int_equal(give(&intents, &low), -EINVAL);
	expect(&all, &all, &all);
	assert_int_equal(intents.n, 0);
	intents_done(&intents);
}

static void test_killed_at_any_time(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	checks_crash = true;
	assert_int_equal(give(&intents, &low), 0);
	assert_int_equal(give(&intents, &high), 0);
	expect(&all, &high, &high);
	/* Those are not to be had any more: they are where they were. */
	refused = low;
	assert_int_equal(give(&intents, &low), -EINVAL);
	expect(&all, &high, &high);
	assert_true(place_set_equal(&intents.list[0].given, &high));
	refused = (struct place_set){ 0 };
	/* One that gets nothing else: it is still known what it has of us. */
	refuse_tid = 102;
	assert_int_equal(give(&intents, &low), -EINVAL);
	expect(&all, &all, &high);
	assert_true(place_set_equal(&intents.list[0].given, &high));
	refuse_tid = 0;
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	intents_done(&intents);
}

/* What they had is not to be had any more, and nothing else either: nothing of it is ours. */
static void test_a_cpuset_that_shrank(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give(&intents, &high), 0);
	cpuset = high;
	assert_int_equal(give(&intents, &low), -EBUSY);
	expect(&all, &high, &high);
	assert_int_equal(intents.n, 0);
	intents_done(&intents);
}

static void test_new_threads_follow(void **state)
{
	struct intents intents = { 0 };

	struct place_thread thread = { .start_ns = 110000000, .tid = 103 };

	(void)state;
	assert_int_equal(give(&intents, &low), 0);
	/* Whoever began in the last tick before may have been passed by. */
	assert_int_equal(intents.list[0].seen.start_ns, NOW_NS - 10000000);
	put_thread_at(103, "CPU 2/KVM", 11);
	assert_int_equal(follow(&intents, &thread), 1);
	assert_true(place_set_equal(&affinities[3], &low));
	assert_int_equal(intents.list[0].seen.start_ns, thread.start_ns);
	assert_int_equal(intents.list[0].seen.tid, 103);
	expect(&all, &low, &low);
	/* Elsewhere: all of them, and back again. */
	assert_int_equal(give(&intents, &high), 0);
	assert_true(place_set_equal(&affinities[3], &high));
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	assert_true(place_set_equal(&affinities[3], &all));
	intents_done(&intents);
	tree_drop("proc/100/task/103");
}

static void test_who_does_not_follow(void **state)
{
	struct place_thread thread = { .start_ns = 110000000, .tid = 103 };
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give(&intents, &low), 0);
	/* It has ended; another has its id. */
	assert_int_equal(follow(&intents, &thread), -ESRCH);
	put_thread_at(103, "CPU 2/KVM", 12);
	assert_int_equal(follow(&intents, &thread), -ESRCH);
	/* No vCPU. */
	put_thread_at(103, "worker", 11);
	assert_int_equal(follow(&intents, &thread), 0);
	assert_true(place_set_equal(&affinities[3], &all));
	/* Somebody pinned it. */
	put_thread_at(103, "CPU 2/KVM", 11);
	affinities[3] = high;
	assert_int_equal(follow(&intents, &thread), 0);
	assert_true(place_set_equal(&affinities[3], &high));
	/* Its cpuset has none of them. */
	affinities[3] = all;
	refuse_tid = 103;
	assert_int_equal(follow(&intents, &thread), -EINVAL);
	assert_true(place_set_equal(&affinities[3], &all));
	intents_done(&intents);
	tree_drop("proc/100/task/103");
}

static void put_threads(bool are_there)
{
	char path[64];

	for (int tid = 1000; tid < 1000 + AFFINITY_THREADS_MAX; tid++) {
		snprintf(path, sizeof(path), "%s/proc/100/task/%d", tree_path, tid);
		assert_int_equal(are_there ? mkdir(path, 0755) : rmdir(path), 0);
	}
}

/* Who starts them faster than they are read has few at each moment, and no last one. */
static void test_threads_without_end(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	put_threads(true);
	assert_int_equal(give(&intents, &low), -E2BIG);
	expect(&all, &all, &all);
	assert_int_equal(intents.n, 0);
	put_threads(false);
	assert_int_equal(give(&intents, &low), 0);
	put_threads(true);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	put_threads(false);
	intents_done(&intents);
}

static void test_too_many_threads(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	tree_put("100 (qemu (x) y) S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 4353 0 5 1 1\n",
		 "proc/100/stat");
	assert_int_equal(give(&intents, &low), -E2BIG);
	expect(&all, &all, &all);
	assert_int_equal(intents.n, 0);
	/* Those that came since it was given are no reason to leave it so. */
	tree_put(STAT, "proc/100/stat");
	assert_int_equal(give(&intents, &low), 0);
	tree_put("100 (qemu (x) y) S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 4353 0 5 1 1\n",
		 "proc/100/stat");
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	tree_put(STAT, "proc/100/stat");
	intents_done(&intents);
}

static void test_gone(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(affinity_give(&act, &root, &text, &intents, 99, 5, true, &low), -ESRCH);
	affinity_take_back(&act, &root, &text, &intents, 99, 5);
	intents_done(&intents);
}

/* The pid has another owner, whose threads happen to have the same CPUs. */
static void test_another_process(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give(&intents, &low), 0);
	tree_put("100 (other) S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 3 0 6 1 1\n", "proc/100/stat");
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &low, &low);
	assert_int_equal(intents.n, 0);
	intents_done(&intents);
}

/* Each cell has CPUs of its own, and all of them come back together. */
static void test_cells(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give_cell(&intents, 0, &low), 0);
	assert_int_equal(give_cell(&intents, 1, &high), 0);
	expect(&all, &low, &high);
	assert_int_equal(intents.n, 2);
	assert_int_equal(n_writes, 2);
	assert_int_equal(give_cell(&intents, 1, &high), 0);
	assert_int_equal(n_writes, 2);
	assert_int_equal(give_cell(&intents, 0, &high), 0);
	assert_int_equal(give_cell(&intents, 1, &low), 0);
	expect(&all, &high, &low);
	assert_int_equal(intents.n, 2);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	assert_int_equal(intents.n, 0);
	intents_done(&intents);
}

/* Inside what it had: libvirt's nodes stay the guest's. What others wrote stands. */
static void test_cells_of_the_confined(void **state)
{
	struct intents intents = { 0 };
	struct place_set some;

	(void)state;
	assert_int_equal(place_set_parse_list("2-5", &some), 0);
	affinities[1] = affinities[2] = some;
	assert_int_equal(give_cell(&intents, 0, &low), 0);
	assert_int_equal(place_set_count(&affinities[1]), 2);
	assert_true(place_set_is_subset(&affinities[1], &low));
	affinities[2] = high;
	assert_int_equal(give_cell(&intents, 1, &low), -EINVAL);
	affinities[1] = high;
	assert_int_equal(give_cell(&intents, 0, &low), -EBUSY);
	expect(&all, &high, &high);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &high, &high);
	intents_done(&intents);
}

static int give_both(struct intents *intents, const struct place_set *first,
		     const struct place_set *second)
{
	struct place_set vcpus[2] = { 0 };
	const struct affinity_cell cells[] = {
		{ .vcpus = &vcpus[0], .cpus = first },
		{ .vcpus = &vcpus[1], .cpus = second },
	};

	place_set_add(&vcpus[0], 0);
	place_set_add(&vcpus[1], 1);
	return affinity_give_cells(&act, &root, &text, intents, 100, START_NS, cells, 2);
}

/* All of them in one go: the threads are walked once, and the intents are written once. */
static void test_cells_together(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give_both(&intents, &low, &high), 0);
	expect(&all, &low, &high);
	assert_int_equal(n_writes, 1);
	assert_int_equal(give_both(&intents, &high, &low), 0);
	expect(&all, &high, &low);
	assert_int_equal(n_writes, 2);
	assert_int_equal(give_both(&intents, &high, &low), 0);
	assert_int_equal(n_writes, 2);
	/* One that cannot be changed: none has what we gave. */
	refuse_tid = 102;
	assert_int_equal(give_both(&intents, &low, &high), -EINVAL);
	assert_false(place_set_equal(&affinities[1], &low));
	refuse_tid = 0;
	affinities[2] = all;
	assert_int_equal(give_both(&intents, &low, &high), 0);
	n_asked = 0;
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	assert_int_equal(intents.n, 0);
	/* Once each, however many cells. */
	assert_int_equal(n_asked, 3);
	intents_done(&intents);
}

/* Threads without end are not walked, to be given anything; what was given is taken back. */
static void test_cells_of_too_many_threads(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give_cell(&intents, 0, &low), 0);
	put_threads(true);
	assert_int_equal(give_cell(&intents, 1, &high), -E2BIG);
	expect(&all, &low, &all);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	put_threads(false);
	intents_done(&intents);
}

static void test_cells_and_a_cpu_that_goes_offline(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	tree_put("0-7\n", "sys/devices/system/cpu/online");
	assert_int_equal(give_both(&intents, &low, &high), 0);
	tree_put("0,2-7\n", "sys/devices/system/cpu/online");
	place_set_remove(&affinities[1], 1);
	assert_int_equal(give_both(&intents, &low, &high), 0);
	assert_int_equal(n_writes, 1);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	expect(&all, &all, &all);
	tree_put("", "sys/devices/system/cpu/online");
	intents_done(&intents);
}

static void test_cells_and_a_cpu_that_comes_back(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	put_all_but_cpu_1();
	assert_int_equal(give_both(&intents, &low, &high), 0);
	affinity_take_back(&act, &root, &text, &intents, 100, START_NS);
	assert_true(place_set_equal(&affinities[1], &all));
	forget_cpu_1();
	intents_done(&intents);
}

static void test_cell_refused_is_undone(void **state)
{
	struct intents intents = { 0 };

	(void)state;
	assert_int_equal(give_cell(&intents, 0, &low), 0);
	refuse_tid = 102;
	assert_int_equal(give_cell(&intents, 1, &high), -EINVAL);
	expect(&all, &low, &all);
	assert_int_equal(intents.n, 1);
	assert_int_equal(give_cell(&intents, 7, &high), -ENOENT);
	intents_done(&intents);
}

static void test_intents_text(void **state)
{
	struct intents intents = { 0 }, again = { 0 };
	struct intent intent = { .kind = INTENT_MEMS, .pid = 7, .start_ns = 9 };
	size_t n_damaged;

	(void)state;
	intent.before = low;
	intent.given = high;
	assert_int_equal(intents_put(&intents, &intent), 0);
	intent.kind = INTENT_AFFINITY;
	assert_int_equal(intents_put(&intents, &intent), 0);
	assert_int_equal(intents_format(&intents, &text), 0);
	assert_string_equal(text.data, "placed intents 1\n"
				       "mems pid 7 start_ns 9 before 0-3 given 4-7\n"
				       "affinity pid 7 start_ns 9 before 0-3 given 4-7\n");
	assert_int_equal(intents_parse(text.data, &again, &n_damaged), 0);
	assert_int_equal(n_damaged, 0);
	assert_int_equal(again.n, 2);
	assert_non_null(intents_find(&again, INTENT_MEMS, 7, 9));
	assert_null(intents_find(&again, INTENT_MEMS, 7, 8));
	intents_drop(&again, INTENT_MEMS, 7, 9);
	assert_null(intents_find(&again, INTENT_MEMS, 7, 9));
	assert_non_null(intents_find(&again, INTENT_AFFINITY, 7, 9));
	intents_done(&again);
	/* One for each cell beside it. */
	intent.vcpus = low;
	assert_int_equal(intents_put(&intents, &intent), 0);
	assert_int_equal(intents_put(&intents, &intent), 0);
	assert_int_equal(intents.n, 3);
	assert_int_equal(intents_format(&intents, &text), 0);
	assert_non_null(strstr(text.data, "\naffinity pid 7 start_ns 9 before 0-3 given 4-7 "
					  "vcpus 0-3\n"));
	assert_int_equal(intents_parse(text.data, &again, &n_damaged), 0);
	assert_int_equal(n_damaged, 0);
	assert_non_null(intents_find_vcpus(&again, INTENT_AFFINITY, 7, 9, &low));
	intents_done(&again);
	intents_done(&intents);
}

static void test_damaged_intents(void **state)
{
	static const struct {
		const char *text;
		size_t n, n_damaged;
	} cases[] = {
		{ "", 0, 1 },
		{ "placed intents 2\nmems pid 7 start_ns 9 before 0 given 1\n", 0, 1 },
		{ "placed intents 1\n\n", 0, 0 },
		{ "placed intents 1\nmems pid 7 start_ns 9 before 0 given 1", 1, 0 },
		{ "placed intents 1\nmems pid 7 start_ns 9 before 0 given 1 \n", 1, 0 },
		{ "placed intents 1\nmems pid 7 start_ns 9 before 0 given 1 x\n", 0, 1 },
		{ "placed intents 1\nmems pid -7 start_ns 9 before 0 given 1\n", 0, 1 },
		{ "placed intents 1\nmems pid 99999999999 start_ns 9 before 0 given 1\n", 0, 1 },
		{ "placed intents 1\nmems pid 7 start_ns 9 before  given 1\n", 0, 1 },
		{ "placed intents 1\nmems pid 7 start_ns 9 before 0\n", 0, 1 },
		{ "placed intents 1\naffinity pid 7 start_ns 9 before 0 given 1 vcpus \n", 0, 1 },
		{ "placed intents 1\naffinity pid 7 start_ns 9 before 0 given 1 vcpus 0 x\n", 0,
		  1 },
		{ "placed intents 1\ncpus pid 7 start_ns 9 before 0 given 1\n"
		  "mems pid 8 start_ns 9 before 0 given 1\n",
		  1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct intents intents;
		size_t n_damaged;

		assert_int_equal(intents_parse(cases[i].text, &intents, &n_damaged), 0);
		assert_int_equal(intents.n, cases[i].n);
		assert_int_equal(n_damaged, cases[i].n_damaged);
		intents_done(&intents);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_give_and_take_back, begin),
		cmocka_unit_test_setup(test_part_of_a_node, begin),
		cmocka_unit_test_setup(test_a_cpu_goes_offline, begin),
		cmocka_unit_test_setup(test_a_cpu_comes_back, begin),
		cmocka_unit_test_setup(test_few_names_are_read, begin),
		cmocka_unit_test_setup(test_pins_of_others_stand, begin),
		cmocka_unit_test_setup(test_pins_to_the_same_node_stand, begin),
		cmocka_unit_test_setup(test_refused_is_undone, begin),
		cmocka_unit_test_setup(test_killed_at_any_time, begin),
		cmocka_unit_test_setup(test_a_cpuset_that_shrank, begin),
		cmocka_unit_test_setup(test_cells, begin),
		cmocka_unit_test_setup(test_cells_of_the_confined, begin),
		cmocka_unit_test_setup(test_cells_together, begin),
		cmocka_unit_test_setup(test_cells_of_too_many_threads, begin),
		cmocka_unit_test_setup(test_cells_and_a_cpu_that_goes_offline, begin),
		cmocka_unit_test_setup(test_cells_and_a_cpu_that_comes_back, begin),
		cmocka_unit_test_setup(test_cell_refused_is_undone, begin),
		cmocka_unit_test_setup(test_new_threads_follow, begin),
		cmocka_unit_test_setup(test_who_does_not_follow, begin),
		cmocka_unit_test_setup(test_too_many_threads, begin),
		cmocka_unit_test_setup(test_threads_without_end, begin),
		cmocka_unit_test_setup(test_gone, begin),
		cmocka_unit_test_setup(test_another_process, begin),
		cmocka_unit_test(test_intents_text),
		cmocka_unit_test(test_damaged_intents),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
