/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole turns of the daemon on the live host, with children of ours as guests: the loop, the
 * watch, the jobs and the decision as the daemon puts them together, dry and without a log.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocations.h"
#include "control.h"
#include "cycle.h"
#include "host/cleanup.h"
#include "settings.h"

#define GUESTS 5
#define WAIT_US 20000
#define WAITS_MAX 3000

static struct place_host host;
static struct settings settings;
static struct control_lists lists;
static struct cycle cycle;
static sd_event *event_loop;
static pid_t children[GUESTS];

static void order_pid(char letter, pid_t pid)
{
	const struct serve_order order = {
		.letter = letter,
		.arg1 = pid,
		.peer = { .is_root = true },
	};

	assert_int_equal(control_apply(&settings, &lists, &order), 0);
	cycle_lists_changed(&cycle, pid);
}

static void start_child(size_t i)
{
	children[i] = fork();
	assert_true(children[i] >= 0);
	if (children[i] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static bool is_never(const char *program, void *data)
{
	(void)program, (void)data;
	return false;
}

/* The guests of others on this machine are not ours to count. */
static void include_children(void)
{
	cycle.watch.ops.is_guest = is_never;
	for (size_t i = 0; i < GUESTS; i++) {
		start_child(i);
		order_pid('p', children[i]);
	}
}

static void begin(const char *root)
{
	settings_default(&settings);
	assert_int_equal(place_host_init(root, &host), 0);
	assert_int_equal(place_host_read_topology(&host, false), 0);
	control_init(&lists, &host.root, true);
	assert_true(sd_event_new(&event_loop) >= 0);
	assert_int_equal(cycle_init(event_loop, &host, &settings, &lists, true, &cycle), 0);
}

static int setup(void **state)
{
	(void)state;
	begin(NULL);
	include_children();
	return 0;
}

static int setup_recording(void **state)
{
	const char *source = getenv("srcdir");
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/hosts/recorded/4n-guests", source ? source : ".");
	begin(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < GUESTS; i++)
		if (children[i] > 0) {
			kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
			children[i] = 0;
		}
	cycle_done(&cycle);
	control_done(&lists);
	place_host_done(&host);
	settings_done(&settings);
	sd_event_unref(event_loop);
	return 0;
}

/* What is bound to happen; the limit only ends a test that has failed. */
static void run_until_seen(size_t n)
{
	for (unsigned i = 0; i < WAITS_MAX; i++) {
		if (cycle.watch.n == n && cycle.n_memories == n && !cycle.looks.look_job &&
		    !cycle.looks.sample_job && !cycle.looks.n_asked && !cycle.looks.n_sampled)
			return;
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	}
	fail_msg("%zu guests of %zu", cycle.watch.n, n);
}

/* Past the second after which threads are read again; findings are looked for once a minute. */
static void assert_turns_allocate_nothing(size_t n)
{
	const struct timespec moment = { .tv_nsec = 100000000 };
	size_t before;

	run_until_seen(n);
	/* One turn to come to rest in. */
	cycle_turn(&cycle);
	run_until_seen(n);
	before = n_allocations;
	assert_true(before > 0);
	for (unsigned i = 0; i < 24; i++) {
		cycle.findings.looked_ns = 0;
		cycle_turn(&cycle);
		assert_int_equal(n_allocations, before);
		assert_int_equal(cycle.watch.n, n);
		nanosleep(&moment, NULL);
	}
}

static void test_steady_turn_allocates_nothing(void **state)
{
	(void)state;
	assert_turns_allocate_nothing(GUESTS);
	for (size_t i = 0; i < cycle.watch.n; i++)
		assert_true(cycle.watch.guests[i].known & PLACE_GUEST_RESIDENT);
}

static void test_steady_turn_of_four_nodes_allocates_nothing(void **state)
{
	(void)state;
	assert_turns_allocate_nothing(3);
	assert_int_equal(host.topology.n_nodes, 4);
	for (size_t i = 0; i < cycle.watch.n; i++)
		assert_true(cycle.watch.guests[i].known & PLACE_GUEST_NAME);
}

/* What a turn allocates must show, or the test above would prove nothing. */
static void test_allocations_are_seen(void **state)
{
	size_t before;

	(void)state;
	run_until_seen(GUESTS);
	before = n_allocations;
	kill(children[0], SIGKILL);
	waitpid(children[0], NULL, 0);
	start_child(0);
	order_pid('p', children[0]);
	cycle_turn(&cycle);
	run_until_seen(GUESTS);
	assert_true(n_allocations > before);
}

/* -p and -r: no QEMU, and a guest as long as it is on the list. */
static void test_listed_processes_are_guests(void **state)
{
	(void)state;
	run_until_seen(GUESTS);
	for (size_t i = 0; i < cycle.watch.n; i++)
		assert_int_equal(cycle.watch.classes[i], PLACE_CLASS_FREE);
	order_pid('r', children[1]);
	cycle_turn(&cycle);
	run_until_seen(GUESTS - 1);
	assert_int_equal(place_watch_find(&cycle.watch, children[1]), -ENOENT);
	order_pid('x', children[2]);
	cycle_turn(&cycle);
	run_until_seen(GUESTS - 2);
}

/* Half of what is counted by node is of the nodes before: nothing is decided until it is whole. */
static void test_nodes_that_cannot_be_read(void **state)
{
	const int fd = host.root.fd;
	char empty[] = "/tmp/placed-cycle-XXXXXX";

	(void)state;
	run_until_seen(GUESTS);
	cycle_show(&cycle);
	assert_true(cycle.risks.n >= GUESTS);
	assert_non_null(mkdtemp(empty));
	host.root.fd = open(empty, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(host.root.fd >= 0);
	cycle.is_stale = true;
	cycle_turn(&cycle);
	assert_true(cycle.is_stale);
	assert_false(cycle.is_decided);
	cycle_show(&cycle);
	assert_false(cycle.is_decided);
	/* Reports go by it. */
	assert_int_equal(cycle.risks.n, 0);
	close(host.root.fd);
	host.root.fd = fd;
	rmdir(empty);
	cycle_turn(&cycle);
	assert_false(cycle.is_stale);
	for (unsigned i = 0; i < WAITS_MAX && cycle.watch.n < GUESTS; i++)
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	assert_true(cycle.watch.n >= GUESTS);
}

static uint64_t elapsed_ms(uint64_t since_ns)
{
	return (place_host_now_ns(&host) - since_ns) / 1000000;
}

/* A guest that moves is looked at again soon, but a look that came back is not yet a reason. */
static void test_moving_guest_is_not_looked_at_all_the_time(void **state)
{
	struct move *move = &cycle.moves.list[0];
	uint64_t begin_ns, n_before;

	(void)state;
	run_until_seen(GUESTS);
	*move = (struct move){ .pid = cycle.watch.guests[0].pid,
			       .start_ns = cycle.watch.guests[0].start_ns,
			       .mover = (struct mover *)&cycle,
			       .is_paused = !cycle.move.is_enabled };
	begin_ns = place_host_now_ns(&host);
	n_before = cycle.looks.n_looks;
	for (unsigned i = 0; i < WAITS_MAX && cycle.looks.n_looks < n_before + 3; i++)
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	move->mover = NULL;
	assert_true(cycle.looks.n_looks >= n_before + 3);
	assert_true(elapsed_ms(begin_ns) >= 1800);
}

/* Whoever begins processes all the time gets ten quick turns for it, not all that he can get. */
static void test_quick_turns_are_counted(void **state)
{
	uint64_t begin_ns, n_before;

	(void)state;
	run_until_seen(GUESTS);
	for (unsigned i = 0; i < 60; i++)
		cycle_turn(&cycle);
	run_until_seen(GUESTS);
	kill(children[0], SIGKILL);
	waitpid(children[0], NULL, 0);
	start_child(0);
	order_pid('p', children[0]);
	begin_ns = place_host_now_ns(&host);
	cycle_turn(&cycle);
	run_until_seen(GUESTS);
	n_before = cycle.n_turns;
	for (unsigned i = 0; i < WAITS_MAX && cycle.n_turns == n_before; i++)
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	assert_true(cycle.n_turns > n_before);
	assert_true(elapsed_ms(begin_ns) >= 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steady_turn_allocates_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_steady_turn_of_four_nodes_allocates_nothing,
						setup_recording, teardown),
		cmocka_unit_test_setup_teardown(test_listed_processes_are_guests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allocations_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nodes_that_cannot_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moving_guest_is_not_looked_at_all_the_time,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_quick_turns_are_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
