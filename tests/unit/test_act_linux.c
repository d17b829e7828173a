/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real seam on the kernel that the tests run on, with ourselves as the target. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/act.h"

#define SLOTS 4

static struct act *act;

static int set_up(void **state)
{
	(void)state;
	return act_linux_new(&act);
}

static int tear_down(void **state)
{
	(void)state;
	act = act_free(act);
	return 0;
}

static unsigned count_huge(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	unsigned long kib = 0;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "AnonHugePages:", 14) == 0)
			kib = strtoul(line + 14, NULL, 10);
	fclose(file);
	return (unsigned)(kib * 1024 / act->huge_bytes);
}

/* Two slots huge, where the kernel gives them and tells (6.7). */
static void test_find_huge(void **state)
{
	const size_t size = (SLOTS + 1) * act->huge_bytes;
	char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *memory = (char *)(((uintptr_t)start + act->huge_bytes - 1) / act->huge_bytes *
				act->huge_bytes);
	const unsigned before = count_huge();
	uint64_t slots = 0;
	unsigned n;
	int r;

	(void)state;
	assert_ptr_not_equal(start, MAP_FAILED);
	(void)madvise(memory, 2 * act->huge_bytes, MADV_HUGEPAGE);
	(void)madvise(memory + 2 * act->huge_bytes, 2 * act->huge_bytes, MADV_NOHUGEPAGE);
	memset(memory, 1, SLOTS * act->huge_bytes);
	n = count_huge() - before;
	assert_int_equal(act->ops->attach(act, getpid(), 0), 0);
	r = act->ops->find_huge(act, (uintptr_t)memory, (uintptr_t)memory + SLOTS * act->huge_bytes,
				&slots);
	if (r != -EOPNOTSUPP) {
		assert_int_equal(r, 0);
		assert_int_equal(slots & ~UINT64_C(3), 0);
		assert_int_equal((slots & 1) + (slots >> 1 & 1), n);
	}
	munmap(start, size);
}

static void test_query(void **state)
{
	static char pages[3 * 4096] __attribute__((aligned(4096)));
	void *addresses[3] = { pages, pages + 4096, (void *)16 };
	int status[3] = { ACT_STATUS_UNSET, ACT_STATUS_UNSET, ACT_STATUS_UNSET };

	(void)state;
	pages[0] = pages[4096] = 1;
	assert_int_equal(act->ops->attach(act, getpid(), 0), 0);
	if (act->ops->move_pages(act, 3, addresses, NULL, status, 0) == -ENOSYS)
		skip();
	assert_true(status[0] >= 0);
	assert_true(status[1] >= 0);
	assert_int_equal(act_outcome_of_page(status[2]), ACT_ABSENT);
}

static void test_room(void **state)
{
	struct act_room room;

	(void)state;
	if (access("/sys/devices/system/node/node0/meminfo", R_OK) < 0)
		skip();
	assert_int_equal(act->ops->get_room(act, 0, ACT_HUGE, act->huge_bytes, &room), 0);
	assert_true(room.free_bytes > 0);
	assert_true(room.huge_blocks * act->huge_bytes <= room.free_bytes * 2);
	assert_int_equal(act->ops->get_room(act, 0, ACT_POOL, 4711 * 1024, &room), 0);
	assert_int_equal(room.pool_pages, 0);
	assert_int_equal(act->ops->get_room(act, 1023, ACT_PLAIN, 4096, &room), -ENOENT);
}

static void test_affinity(void **state)
{
	struct place_set cpus, one = { 0 }, seen;

	(void)state;
	assert_int_equal(act->ops->get_affinity(act, 0, &cpus), 0);
	place_set_add(&one, (unsigned)place_set_next(&cpus, 0));
	assert_int_equal(act->ops->set_affinity(act, 0, &one), 0);
	assert_int_equal(act->ops->get_affinity(act, 0, &seen), 0);
	assert_true(place_set_equal(&one, &seen));
	assert_int_equal(act->ops->set_affinity(act, 0, &cpus), 0);
	place_set_clear(&one);
	assert_int_equal(act->ops->set_affinity(act, 0, &one), -EINVAL);
}

static void *stay(void *data)
{
	pause();
	return data;
}

/*
 * One on its way out has no memory any more while the pidfd says that it is there; so has, for as
 * long as we like, one whose first thread has ended.
 */
static void test_leaving(void **state)
{
	pthread_t thread;
	const pid_t pid = fork();
	bool is_alive = true;
	int status;

	(void)state;
	if (pid == 0) {
		pthread_create(&thread, NULL, stay, NULL);
		pthread_exit(NULL);
	}
	assert_true(pid > 0);
	assert_int_equal(act->ops->attach(act, pid, 0), 0);
	for (unsigned n = 0; n < 1000 && is_alive; n++) {
		usleep(1000);
		is_alive = act->ops->is_alive(act);
	}
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_false(is_alive);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* A process that has ended is gone, also before it is waited for. */
static void test_gone(void **state)
{
	const pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		pause();
	assert_true(pid > 0);
	assert_int_equal(act->ops->attach(act, pid, 1), -ESRCH);
	act = act_free(act);
	assert_int_equal(act_linux_new(&act), 0);
	assert_int_equal(act->ops->attach(act, pid, 0), 0);
	assert_true(act->ops->is_alive(act));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(act->ops->is_alive(act));
	act = act_free(act);
	assert_int_equal(act_linux_new(&act), 0);
	assert_int_equal(act->ops->attach(act, pid, 0), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find_huge, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_query, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_affinity, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leaving, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
