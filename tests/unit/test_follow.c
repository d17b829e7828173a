/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vCPUs that are added to a guest whose CPUs we gave, with real threads: they follow, once; what an
 * administrator gives an old one or a new one afterwards stands. Needs two CPUs.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/affinity.h"
#include "allocations.h"
#include "moves_parts.h"
#include "observe/procstat.h"
#include "observe/topology.h"

#define S UINT64_C(1000000000)
#define VCPUS_MAX 200

/* ---- a process that adds a thread for each byte that it is sent, and says which ---- */

static pid_t guest;
static uint64_t start_ns;
static int order[2], answer[2];
static struct place_set all, one, other;
static struct moves moves;
static struct place_host host;
static struct place_watch watch;
static uint64_t now_ns;
static struct act_ops ops;
static uint64_t (*real_now_ns)(struct act *act);
/* The daemon's clock is so far ahead, or stands there. */
static uint64_t ahead_ns, stands_ns;

struct request {
	char comm[16];
};

static void *be_a_thread(void *data)
{
	const int tid = gettid();

	prctl(PR_SET_NAME, ((const struct request *)data)->comm);
	if (write(answer[1], &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

static void be_a_guest(void)
{
	static struct request requests[VCPUS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t n = 0; n < VCPUS_MAX; n++) {
		pthread_t thread;

		if (read(order[0], &requests[n], sizeof(requests[n])) != sizeof(requests[n]) ||
		    pthread_create(&thread, NULL, be_a_thread, &requests[n]) != 0)
			_exit(1);
	}
	for (;;)
		pause();
}

static int add_thread(const char *comm)
{
	struct request request = { 0 };
	int tid;

	snprintf(request.comm, sizeof(request.comm), "%s", comm);
	assert_int_equal(write(order[1], &request, sizeof(request)), sizeof(request));
	assert_int_equal(read(answer[0], &tid, sizeof(tid)), sizeof(tid));
	return tid;
}

static void expect(int tid, const struct place_set *cpus)
{
	struct place_set now;

	assert_int_equal(moves.act->ops->get_affinity(moves.act, tid, &now), 0);
	assert_true(place_set_equal(&now, cpus));
}

static uint64_t now_ahead_ns(struct act *act)
{
	return stands_ns ? stands_ns : real_now_ns(act) + ahead_ns;
}

/* Turns of the watch until it has surely listed the threads anew. */
static void turn_often(void)
{
	ahead_ns = 5 * S;
	for (unsigned i = 0; i < 8; i++) {
		now_ns += 5 * S;
		assert_int_equal(place_watch_refresh(&watch, now_ns), 0);
		moves_follow(&moves);
	}
	ahead_ns = 0;
}

static int begin(void **state)
{
	struct place_look look = { .is_guest = true, .traits = PLACE_TRAIT_LIBVIRT };
	struct place_procstat stat;

	(void)state;
	assert_int_equal(pipe(order), 0);
	assert_int_equal(pipe(answer), 0);
	guest = fork();
	assert_true(guest >= 0);
	if (guest == 0)
		be_a_guest();
	assert_int_equal(place_root_readf(&host.root, &host.text, "proc/%d/stat", guest), 0);
	assert_int_equal(place_procstat_parse(host.text.data, &stat), 0);
	start_ns = place_ticks_to_ns(stat.start_ticks);
	assert_int_equal(place_watch_init(&watch, &host.root, &host.topology, NULL), 0);
	look.guest.pid = guest;
	look.guest.start_ns = start_ns;
	look.guest.known = PLACE_GUEST_START;
	now_ns = S;
	ahead_ns = stands_ns = 0;
	assert_int_equal(place_watch_adopt(&watch, &look, now_ns), 0);
	moves = (struct moves){ .host = &host, .watch = &watch };
	if (act_linux_new(&moves.act) < 0)
		return -1;
	ops = *moves.act->ops;
	real_now_ns = ops.now_ns;
	ops.now_ns = now_ahead_ns;
	moves.act->ops = &ops;
	return 0;
}

static int end(void **state)
{
	(void)state;
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
	for (unsigned i = 0; i < 2; i++)
		close(order[i]), close(answer[i]);
	place_watch_done(&watch);
	intents_done(&moves.intents);
	moves.act = act_free(moves.act);
	return 0;
}

static int give(void)
{
	return affinity_give(moves.act, &host.root, &host.text, &moves.intents, guest, start_ns,
			     true, &one);
}

/* ---- tests ---- */

/* Who began in the tick of the gift counts as new. */
static void wait_for_ticks(void)
{
	const uint64_t until_ns = moves.act->ops->now_ns(moves.act) + place_ticks_to_ns(3);

	while (moves.act->ops->now_ns(moves.act) < until_ns)
		usleep(1000);
}

static void set(int tid, const struct place_set *cpus)
{
	assert_int_equal(moves.act->ops->set_affinity(moves.act, tid, cpus), 0);
}

static void test_new_ones_follow(void **state)
{
	const int first = add_thread("CPU 0/KVM");
	int second, third, worker, pinned;

	(void)state;
	assert_int_equal(give(), 0);
	turn_often();
	expect(first, &one);
	second = add_thread("CPU 1/KVM");
	third = add_thread("CPU 2/KVM");
	worker = add_thread("worker");
	pinned = add_thread("CPU 3/KVM");
	set(pinned, &other);
	turn_often();
	expect(first, &one);
	expect(second, &one);
	expect(third, &one);
	expect(worker, &all);
	expect(guest, &all);
	expect(pinned, &other);
	affinity_take_back(moves.act, &host.root, &host.text, &moves.intents, guest, start_ns);
	expect(first, &all);
	expect(second, &all);
	expect(third, &all);
	expect(pinned, &other);
}

/* All CPUs are what a new thread has, and what an administrator gives who wants to undo a pin. */
static void test_an_administrator_stands(void **state)
{
	const int first = add_thread("CPU 0/KVM");
	int second, third;

	(void)state;
	wait_for_ticks();
	assert_int_equal(give(), 0);
	set(first, &all);
	second = add_thread("CPU 1/KVM");
	turn_often();
	expect(first, &all);
	expect(second, &one);
	set(second, &all);
	third = add_thread("CPU 2/KVM");
	turn_often();
	expect(first, &all);
	expect(second, &all);
	expect(third, &one);
}

/* libvirt is not done with it. */
static void test_not_at_once(void **state)
{
	struct place_thread thread;
	int second;

	(void)state;
	(void)add_thread("CPU 0/KVM");
	wait_for_ticks();
	assert_int_equal(give(), 0);
	second = add_thread("CPU 1/KVM");
	for (unsigned i = 0; i < 8; i++) {
		now_ns += 5 * S;
		assert_int_equal(place_watch_refresh(&watch, now_ns), 0);
	}
	assert_true(place_watch_next_thread(&watch, 0, &moves.intents.list[0].seen, &thread));
	stands_ns = thread.start_ns + S;
	moves_follow(&moves);
	expect(second, &all);
	stands_ns = 0;
	turn_often();
	expect(second, &one);
}

/* However many come at once: so many in a turn, all of them in the end. */
static void test_a_crowd(void **state)
{
	int tids[VCPUS_MAX - 1];

	(void)state;
	(void)add_thread("CPU 0/KVM");
	assert_int_equal(give(), 0);
	for (unsigned i = 0; i < VCPUS_MAX - 1; i++)
		tids[i] = add_thread("CPU 1/KVM");
	turn_often();
	for (unsigned i = 0; i < VCPUS_MAX - 1; i++)
		expect(tids[i], &one);
}

/* The budget is for all guests and cells together, and everybody's turn comes. */
static void test_one_budget_for_all(void **state)
{
	struct intent cell;

	(void)state;
	(void)add_thread("CPU 0/KVM");
	wait_for_ticks();
	assert_int_equal(give(), 0);
	cell = moves.intents.list[0];
	place_set_add(&cell.vcpus, 7);
	assert_int_equal(intents_put(&moves.intents, &cell), 0);
	for (unsigned i = 0; i < VCPUS_MAX - 1; i++)
		(void)add_thread("CPU 1/KVM");
	for (unsigned i = 0; i < 8; i++) {
		now_ns += 5 * S;
		assert_int_equal(place_watch_refresh(&watch, now_ns), 0);
	}
	ahead_ns = 5 * S;
	moves_follow(&moves);
	assert_true(moves.intents.list[0].seen.tid);
	assert_false(moves.intents.list[1].seen.tid);
	moves_follow(&moves);
	assert_true(moves.intents.list[1].seen.tid);
}

static void test_steady_turns_allocate_nothing(void **state)
{
	size_t before;

	(void)state;
	(void)add_thread("CPU 0/KVM");
	assert_int_equal(give(), 0);
	turn_often();
	before = n_allocations;
	for (unsigned i = 0; i < 100; i++)
		moves_follow(&moves);
	assert_int_equal(n_allocations, before);
}

static int set_up(void **state)
{
	(void)state;
	if (place_host_init(NULL, &host) < 0 || place_host_read_topology(&host, true) < 0)
		return -1;
	return syscall(SYS_sched_getaffinity, 0, sizeof(all.words), all.words) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	place_host_done(&host);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new_ones_follow, begin, end),
		cmocka_unit_test_setup_teardown(test_an_administrator_stands, begin, end),
		cmocka_unit_test_setup_teardown(test_not_at_once, begin, end),
		cmocka_unit_test_setup_teardown(test_a_crowd, begin, end),
		cmocka_unit_test_setup_teardown(test_one_budget_for_all, begin, end),
		cmocka_unit_test_setup_teardown(test_steady_turns_allocate_nothing, begin, end),
	};
	int first, second;

	if (set_up(NULL) < 0)
		return EXIT_FAILURE;
	first = place_set_next(&all, 0);
	second = place_set_next(&all, (unsigned)first + 1);
	if (second < 0) {
		puts("one CPU: nothing to choose from");
		return 77;
	}
	place_set_add(&one, (unsigned)first);
	place_set_add(&other, (unsigned)second);
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
