/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children with memory, threads and groups. Only the benchmarks are linked with this. */
#include "guests.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "observe/group.h"
#include "observe/mounts.h"
#include "observe/procstat.h"

#define PROBE_BYTES 65536
#define PROBE_GAP_NS 200000

static struct guests *running; /* for those who end us */

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "observe: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void stop_running(void)
{
	if (running)
		guests_stop(running);
}

static void end(int number)
{
	stop_running();
	_exit(128 + number);
}

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* A v2 group gives its children the controller only if all above it do. */
static bool try_group(const char *mount, bool is_v2, char *group, size_t size)
{
	char path[320];

	if (!mount[0])
		return false;
	if (is_v2) {
		snprintf(path, sizeof(path), "/%s/cgroup.subtree_control", mount);
		(void)write_file(path, "+memory");
	}
	snprintf(group, size, "/%s/placed-bench-%d", mount, getpid());
	if (mkdir(group, 0755) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/memory.numa_stat", group);
	if (access(path, R_OK) == 0) {
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
		if (!is_v2 || write_file(path, "+memory") == 0)
			return true;
	}
	rmdir(group);
	return false;
}

static void make_group(struct guests *guests)
{
	struct place_text text = { 0 };
	struct place_mounts mounts;
	struct place_root root;

	if (place_root_open(NULL, &root) < 0)
		fail("/");
	(void)place_mounts_read(&root, &text, &mounts);
	if (!try_group(mounts.cgroup2, true, guests->group, sizeof(guests->group)) &&
	    !try_group(mounts.memory_v1, false, guests->group, sizeof(guests->group)))
		guests->group[0] = '\0';
	place_text_done(&text);
	place_root_close(&root);
}

static void *wait_for_ever(void *data)
{
	prctl(PR_SET_NAME, data);
	for (;;)
		pause();
	return NULL;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What a program does all the time: mmap, touch, munmap, five thousand times a second. */
static void *probe_for_ever(void *data)
{
	const struct timespec gap = { .tv_nsec = PROBE_GAP_NS };
	const struct sched_param priority = { .sched_priority = 1 };
	struct probe *probe = data;

	/* Other processes must not be taken for what the observer does. */
	(void)sched_setscheduler(0, SCHED_FIFO, &priority);
	for (;;) {
		const uint64_t from_ns = clock_ns();
		char *at = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			continue;
		at[0] = 1;
		munmap(at, PROBE_BYTES);
		if (atomic_load(&probe->is_on)) {
			const unsigned i = atomic_load(&probe->n);

			if (i < LATENCIES_MAX) {
				probe->latencies_ns[i] = (uint32_t)(clock_ns() - from_ns);
				atomic_store(&probe->n, i + 1);
			}
		}
		nanosleep(&gap, NULL);
	}
	return NULL;
}

/* In the child. Memory is touched inside the group, so that it is charged there. */
static _Noreturn void be_guest(const char *group, uint64_t bytes, struct probe *probe, int ready)
{
	static char names[2][16] = { "CPU 0/KVM", "CPU 1/KVM" };
	char path[320], pid[16];
	pthread_t thread;
	char *memory;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (group[0] && write_file(path, pid) < 0)
		_exit(1);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(2);
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	for (uint64_t at = 0; at < bytes; at += 4096)
		memory[at] = 1;
	for (size_t i = 0; i < 2; i++)
		pthread_create(&thread, NULL, wait_for_ever, names[i]);
	if (probe)
		pthread_create(&thread, NULL, probe_for_ever, probe);
	if (write(ready, "x", 1) != 1)
		_exit(3);
	close(ready);
	for (;;)
		pause();
}

static void start_one(struct guests *guests, size_t i, uint64_t bytes, int ready)
{
	char group[300] = "";

	if (guests->group[0]) {
		snprintf(group, sizeof(group), "%s/guest%zu", guests->group, i);
		if (mkdir(group, 0755) < 0 && errno != EEXIST)
			fail(group);
	}
	guests->pids[i] = fork();
	if (guests->pids[i] < 0)
		fail("fork");
	if (guests->pids[i] == 0)
		be_guest(group, bytes, i ? NULL : guests->probe, ready);
}

static void look_at(struct place_root *root, struct place_text *text, int pid,
		    struct place_look *look)
{
	struct place_procstat stat;

	*look = (struct place_look){ .is_guest = true, .traits = PLACE_TRAIT_INCLUDED };
	look->guest.pid = pid;
	if (place_root_readf(root, text, "proc/%d/stat", pid) < 0 ||
	    place_procstat_parse(text->data, &stat) < 0)
		fail("a guest went");
	look->guest.start_ns = place_ticks_to_ns(stat.start_ticks);
	look->guest.known = PLACE_GUEST_START;
	if (place_root_readf(root, text, "proc/%d/cgroup", pid) == 0)
		place_group_parse(text->data, look->group_v2, look->group_memory_v1);
}

static void allocate(struct guests *guests, size_t n)
{
	*guests = (struct guests){ .n = n };
	guests->pids = calloc(n, sizeof(*guests->pids));
	guests->looks = calloc(n, sizeof(*guests->looks));
	if (!guests->pids || !guests->looks)
		fail("memory");
	if (!running) {
		atexit(stop_running);
		signal(SIGINT, end);
		signal(SIGTERM, end);
	}
	running = guests;
}

void guests_start(struct guests *guests, size_t n, uint64_t bytes, bool with_probe)
{
	struct place_text text = { 0 };
	struct place_root root;
	int ready[2];
	char byte;

	allocate(guests, n);
	make_group(guests);
	if (with_probe) {
		guests->probe = mmap(NULL, sizeof(*guests->probe), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (guests->probe == MAP_FAILED)
			fail("memory");
	}
	if (pipe(ready) < 0 || place_root_open(NULL, &root) < 0)
		fail("pipe");
	for (size_t i = 0; i < n; i++)
		start_one(guests, i, bytes, ready[1]);
	close(ready[1]);
	for (size_t i = 0; i < n; i++)
		if (read(ready[0], &byte, 1) != 1)
			fail("a guest did not start");
	close(ready[0]);
	for (size_t i = 0; i < n; i++)
		look_at(&root, &text, guests->pids[i], &guests->looks[i]);
	place_text_done(&text);
	place_root_close(&root);
}

void guests_start_idle(struct guests *guests, size_t n)
{
	allocate(guests, n);
	for (size_t i = 0; i < n; i++) {
		guests->pids[i] = fork();
		if (guests->pids[i] < 0)
			fail("fork");
		if (guests->pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			signal(SIGINT, SIG_DFL);
			signal(SIGTERM, SIG_DFL);
			for (;;)
				pause();
		}
	}
}

void guests_stop(struct guests *guests)
{
	char path[300];

	for (size_t i = 0; i < guests->n; i++)
		if (guests->pids[i] > 0)
			kill(guests->pids[i], SIGKILL);
	for (size_t i = 0; i < guests->n; i++)
		if (guests->pids[i] > 0)
			waitpid(guests->pids[i], NULL, 0);
	for (size_t i = 0; guests->group[0] && i < guests->n; i++) {
		snprintf(path, sizeof(path), "%s/guest%zu", guests->group, i);
		rmdir(path);
	}
	if (guests->group[0])
		rmdir(guests->group);
	if (guests->probe)
		munmap(guests->probe, sizeof(*guests->probe));
	free(guests->pids);
	free(guests->looks);
	*guests = (struct guests){ 0 };
	running = NULL;
}
