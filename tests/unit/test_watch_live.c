/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watch on the live host, with children of ours as guests: a steady cycle allocates nothing,
 * whoever ends is noticed, a thousand short-lived programs named qemu leave nothing behind,
 * descriptors may run out, a group is a guest's own only while it is alone there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocations.h"
#include "host/cleanup.h"
#include "observe/group.h"
#include "observe/procstat.h"
#include "observe/topology.h"
#include "observe/watch.h"

#define MIB (UINT64_C(1) << 20)
#define S UINT64_C(1000000000)

/* ---- children ---- */

static struct place_root root;
static struct place_text text;
static struct place_topology topology;
static struct place_watch watch;
static char folder[] = "/tmp/test_watch_live.XXXXXX";
static char group[PLACE_GROUP_FILE_MAX]; /* that a test made */
static pid_t children[1024];
static size_t n_children;
static uint64_t now_ns;

static bool is_child(const struct place_process *process, void *data)
{
	(void)data;
	for (size_t i = 0; i < n_children; i++)
		if (children[i] == process->pid)
			return true;
	return false;
}

static bool is_never(const char *program, void *data)
{
	(void)program, (void)data;
	return false;
}

/* Says by a pipe that it is ready, then waits for its end; it dies with us. */
static pid_t start(void (*work)(void *data), void *data)
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		if (work)
			work(data);
		if (write(fds[1], "x", 1) == 1)
			close(fds[1]);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	children[n_children++] = pid;
	return pid;
}

static void stop_children(void)
{
	for (size_t i = 0; i < n_children; i++)
		if (children[i] > 0) {
			kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
		}
	n_children = 0;
}

static uint64_t start_ns_of(int pid)
{
	struct place_procstat stat;

	assert_int_equal(place_root_readf(&root, &text, "proc/%d/stat", pid), 0);
	assert_int_equal(place_procstat_parse(text.data, &stat), 0);
	return place_ticks_to_ns(stat.start_ticks);
}

static struct place_look look_at(int pid)
{
	struct place_look look = { .is_guest = true, .traits = PLACE_TRAIT_INCLUDED };

	look.guest.pid = pid;
	look.guest.start_ns = start_ns_of(pid);
	look.guest.known = PLACE_GUEST_START;
	if (place_root_readf(&root, &text, "proc/%d/cgroup", pid) == 0)
		place_group_parse(text.data, look.group_v2, look.group_memory_v1);
	return look;
}

static int adopt(int pid, void *data)
{
	const struct place_look look = look_at(pid);
	size_t *n = data;

	(*n)++;
	assert_true(place_watch_adopt(&watch, &look, now_ns) >= 0);
	return 0;
}

static size_t cycle(void)
{
	size_t n_new = 0;

	now_ns += 5 * S;
	assert_int_equal(place_watch_scan(&watch, now_ns, adopt, &n_new), 0);
	assert_int_equal(place_watch_refresh(&watch, now_ns), 0);
	return n_new;
}

static int setup(void **state)
{
	static const struct place_watch_ops ops = { .is_guest = is_never, .is_wanted = is_child };

	(void)state;
	now_ns = 1000 * S;
	return place_watch_init(&watch, &root, &topology, &ops);
}

static int teardown(void **state)
{
	(void)state;
	place_watch_done(&watch);
	stop_children();
	if (group[0])
		(void)rmdir(group);
	return 0;
}

/* ---- tests ---- */

static void hold_memory(void *data)
{
	const size_t size = *(size_t *)data;
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		_exit(1);
	memset(at, 1, size);
}

static void name_it(void *data)
{
	prctl(PR_SET_NAME, data);
}

static void test_steady_cycle_allocates_nothing(void **state)
{
	static char names[][16] = { "CPU 0/KVM", "a) R 1 1 1", "x\ny (z", ")", "" };
	size_t before;

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(names); i++)
		start(name_it, names[i]);
	assert_int_equal(cycle(), ELEMENTSOF(names));
	assert_int_equal(cycle(), 0);
	before = n_allocations;
	assert_true(before > 0);
	/* Past the point where threads are listed anew and groups are compared again. */
	for (unsigned i = 0; i < 150; i++)
		assert_int_equal(cycle(), 0);
	assert_int_equal(n_allocations, before);
	assert_int_equal(watch.n, ELEMENTSOF(names));
	for (size_t i = 0; i < watch.n; i++) {
		assert_true(watch.guests[i].known & PLACE_GUEST_RESIDENT);
		assert_true(watch.guests[i].resident_bytes > 0);
		assert_true(watch.activities[i].known & PLACE_ACTIVITY_RUN);
	}
}

/* What allocates must show here, or the test above would prove nothing. */
static void test_allocations_are_seen(void **state)
{
	const size_t before = n_allocations;

	(void)state;
	start(NULL, NULL);
	assert_int_equal(cycle(), 1);
	assert_true(n_allocations > before);
}

static void test_who_ends_is_noticed(void **state)
{
	pid_t first, second;

	(void)state;
	first = start(NULL, NULL);
	second = start(NULL, NULL);
	assert_int_equal(cycle(), 2);
	/* Not waited for: it stays as a zombie, and is gone all the same. */
	kill(first, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)first, NULL, WEXITED | WNOWAIT), 0);
	place_watch_refresh(&watch, now_ns += S);
	assert_int_equal(place_watch_find(&watch, first), -ENOENT);
	assert_true(place_watch_find(&watch, second) >= 0);
	kill(second, SIGKILL);
	assert_int_equal(waitpid(second, NULL, 0), second);
	place_watch_refresh(&watch, now_ns += S);
	assert_int_equal(watch.n, 0);
	assert_int_equal(watch.n_gone, 2);
	assert_int_equal(watch.counts.n_kept_files, 0);
	children[1] = -1;
}

static void spin(void *data)
{
	(void)data;
	if (fork() == 0) {
		/* The child of the child is not watched. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	while (clock() < CLOCKS_PER_SEC / 5)
		;
}

static void test_cpu_time(void **state)
{
	const int pid = start(spin, NULL);
	int i;

	(void)state;
	assert_int_equal(cycle(), 1);
	i = place_watch_find(&watch, pid);
	assert_true(i >= 0);
	assert_true(watch.guests[i].cpu_time_ns >= S / 10);
	assert_true(watch.activities[i].run_permille[0] <= 1000);
}

/* A program of that name, in a place of ours; as good as QEMU's for who looks at it. */
static void make_qemu(char *path, size_t size)
{
	char command[128];

	snprintf(path, size, "%s/qemu-system-x86_64", folder);
	snprintf(command, sizeof(command), "cp /bin/sleep %s", path);
	assert_int_equal(system(command), 0);
}

static pid_t start_program(const char *path, const char *first)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, path, first, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int take_own(int pid, void *data)
{
	struct place_look look;
	size_t *n = data;

	for (size_t i = 0; i < n_children; i++)
		if (children[i] == pid) {
			look = look_at(pid);
			look.traits = 0;
			*n += place_watch_adopt(&watch, &look, now_ns) >= 0;
		}
	return 0;
}

static void wait_for_program(pid_t pid, const char *name)
{
	char program[256];

	do {
		assert_int_equal(
			place_root_readlinkf(&root, program, sizeof(program), "proc/%d/exe", pid),
			0);
	} while (!strstr(program, name));
}

static void test_short_lived_qemus(void **state)
{
	const size_t n_files = watch.counts.n_kept_files;
	long held = 0;
	char path[64];

	(void)state;
	watch.ops.is_guest = NULL;
	make_qemu(path, sizeof(path));
	for (unsigned round = 0; round < 20; round++) {
		size_t n_new = 0;

		for (unsigned i = 0; i < 50; i++)
			children[n_children++] = start_program(path, "1000");
		for (size_t i = 0; i < n_children; i++)
			wait_for_program(children[i], "/qemu-system");
		assert_int_equal(place_watch_scan(&watch, now_ns += S, take_own, &n_new), 0);
		assert_int_equal(n_new, 50);
		place_watch_refresh(&watch, now_ns);
		assert_true(watch.n >= 50);
		stop_children();
		assert_int_equal(place_watch_scan(&watch, now_ns += S, take_own, &n_new), 0);
		watch.n_gone = 0;
		assert_int_equal(watch.n, 0);
		assert_int_equal(watch.counts.n_kept_files, n_files);
		/* The arrays have grown in the first round, and nothing after it. */
		if (round == 1)
			held = n_held;
		if (round > 1)
			assert_int_equal(n_held, held);
	}
}

/* libvirtd forks, and becomes QEMU later; and QEMU may become something else. */
static void test_exec(void **state)
{
	int to_child[2];
	char path[64];
	size_t n_new = 0;
	pid_t pid;

	(void)state;
	watch.ops.is_guest = NULL;
	make_qemu(path, sizeof(path));
	assert_int_equal(pipe(to_child), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(to_child[0], &byte, 1) == 1)
			execl(path, path, "1000", (char *)NULL);
		_exit(127);
	}
	children[n_children++] = pid;
	watch.ops.is_wanted = NULL;
	assert_int_equal(place_watch_scan(&watch, now_ns += S, take_own, &n_new), 0);
	assert_int_equal(n_new, 0);
	assert_int_equal(write(to_child[1], "x", 1), 1);
	wait_for_program(pid, "/qemu-system");
	assert_int_equal(place_watch_scan(&watch, now_ns += S, take_own, &n_new), 0);
	assert_int_equal(n_new, 1);
	close(to_child[0]);
	close(to_child[1]);
}

static void test_descriptors_run_out(void **state)
{
	struct rlimit before, limit;
	size_t size = 8 * MIB;

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		start(hold_memory, &size);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 24;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(cycle(), 12);
	cycle();
	assert_in_range(watch.counts.n_kept_files, 1, 12);
	assert_true(watch.counts.n_files_refused > 0);
	for (size_t i = 0; i < watch.n; i++) {
		assert_true(watch.guests[i].resident_bytes >= 8 * MIB);
		assert_true(watch.activities[i].known & PLACE_ACTIVITY_RUN);
	}
	/* None at all: what is known stays, and nobody is taken for gone. */
	limit.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	place_watch_refresh(&watch, now_ns += S);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(watch.n, 12);
	kill(children[11], SIGKILL);
	assert_int_equal(waitpid(children[11], NULL, 0), children[11]);
	place_watch_refresh(&watch, now_ns += S);
	assert_int_equal(place_watch_find(&watch, children[11]), -ENOENT);
	children[11] = -1;
}

/* ---- groups, where we may make some ---- */

/* A child of our own group, or of the root: where a memory.numa_stat appears. */
static bool make_group(void)
{
	static const char *const modes[] = { "v2", "v1" };
	char v2[PLACE_GROUP_PATH_MAX], v1[PLACE_GROUP_PATH_MAX], file[PLACE_GROUP_FILE_MAX + 32];
	struct place_mounts mounts;

	if (place_root_read(&root, &text, "proc/self/cgroup") < 0)
		return false;
	place_group_parse(text.data, v2, v1);
	if (place_mounts_read(&root, &text, &mounts) < 0)
		return false;
	for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
		const char *mount = i ? mounts.memory_v1 : mounts.cgroup2;

		snprintf(group, sizeof(group), "/%s/placed-test-%d", mount, getpid());
		if (!mount[0] || mkdir(group, 0755) < 0)
			continue;
		snprintf(file, sizeof(file), "%s/memory.numa_stat", group);
		if (access(file, R_OK) == 0)
			return true;
		rmdir(group);
	}
	return false;
}

struct tenant {
	size_t size;
};

static void move_in(void *data)
{
	struct tenant *tenant = data;
	char path[PLACE_GROUP_FILE_MAX + 32], pid[16];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, pid, strlen(pid)) < 0)
		_exit(1);
	close(fd);
	hold_memory(&tenant->size);
}

static uint64_t sum_of(size_t i)
{
	uint64_t sum = 0;

	for (size_t j = 0; j < topology.n_nodes; j++)
		sum += watch.activities[i].bytes[j];
	return sum;
}

static void test_own_group(void **state)
{
	struct tenant tenant = { .size = 150 * MIB };
	pid_t other;
	int i;

	(void)state;
	if (!make_group()) {
		print_message("no group can be made here\n");
		skip();
	}
	start(move_in, &tenant);
	assert_int_equal(cycle(), 1);
	i = place_watch_find(&watch, children[0]);
	assert_true(i >= 0);
	assert_true(place_watch_has_own_group(&watch, (size_t)i));
	assert_int_equal(watch.activities[i].bytes_source, PLACE_BYTES_CGROUP);
	assert_in_range(sum_of((size_t)i), 149 * MIB, 170 * MIB);
	assert_in_range(watch.guests[i].resident_bytes, 149 * MIB, 170 * MIB);

	/* Somebody who is not watched moves in: noticed within 64 cycles. */
	other = start(move_in, &tenant);
	n_children--;
	for (unsigned n = 0; n < 70; n++)
		cycle();
	assert_int_equal(watch.n, 1);
	assert_false(place_watch_has_own_group(&watch, 0));
	assert_in_range(watch.guests[0].resident_bytes, 149 * MIB, 170 * MIB);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	for (unsigned n = 0; n < 140; n++)
		cycle();
	assert_true(place_watch_has_own_group(&watch, 0));

	/* The group is removed under our eyes. */
	stop_children();
	assert_int_equal(rmdir(group), 0);
	place_watch_refresh(&watch, now_ns += S);
	assert_int_equal(watch.n, 0);
}

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(place_root_open(NULL, &root), 0);
	return place_topology_read(&root, &text, &topology);
}

static int drop_folder(void **state)
{
	char command[64];

	(void)state;
	place_topology_done(&topology);
	place_text_done(&text);
	place_root_close(&root);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* With an argument only the tests of that name: an emulated host is slow. */
int main(int argc, char **argv)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_steady_cycle_allocates_nothing),
		TEST(test_allocations_are_seen),
		TEST(test_who_ends_is_noticed),
		TEST(test_cpu_time),
		TEST(test_short_lived_qemus),
		TEST(test_exec),
		TEST(test_descriptors_run_out),
		TEST(test_own_group),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
