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
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocations.h"
#include "control.h"
#include "cycle_parts.h"
#include "host/cleanup.h"
#include "settings.h"

#define GUESTS 5
/* A job more than one. */
#define LATE (LOOKS_PER_JOB + 6)
#define WAIT_US 20000
#define WAITS_MAX 3000

static struct place_host host;
static struct settings settings;
static struct control_lists lists;
static struct cycle cycle;
static sd_event *event_loop;
static pid_t children[GUESTS + LATE];

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
	for (size_t i = 0; i < ELEMENTSOF(children); i++)
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

/* A recording that a test may change. */
static char copied[64];

/* Shell code that finds the copy as $copy, and the sources as $srcdir. */
static void run_shell(const char *code)
{
	assert_int_equal(setenv("copy", copied, 1), 0);
	assert_int_equal(system(code), 0);
}

static int setup_copy(void **state)
{
	(void)state;
	strcpy(copied, "/tmp/placed-cycle-XXXXXX");
	assert_non_null(mkdtemp(copied));
	run_shell(
		"cp -r ${srcdir:-.}/tests/hosts/recorded/4n-guests/. $copy && chmod -R u+w $copy");
	begin(copied);
	return 0;
}

static int teardown(void **state);

static int teardown_copy(void **state)
{
	run_shell("rm -rf $copy");
	return teardown(state);
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
			       .cause = PLACE_CAUSE_COUNT, /* it has no reserve to be told of */
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
	/* Timers count from when the loop last looked at the clock: before those turns. */
	assert_true(sd_event_run(event_loop, 0) >= 0);
	begin_ns = place_host_now_ns(&host);
	cycle_turn(&cycle);
	run_until_seen(GUESTS);
	n_before = cycle.n_turns;
	for (unsigned i = 0; i < WAITS_MAX && cycle.n_turns == n_before; i++)
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	assert_true(cycle.n_turns > n_before);
	assert_true(elapsed_ms(begin_ns) >= 900);
}

/* ---- questions ----------------------------------------------------------------------------- */

static bool is_answered, is_noted, is_whole;
static size_t n_known;

static void on_answer(struct serve_ask *ask, const struct serve_answer *answer)
{
	(void)ask;
	is_answered = true;
	is_noted = answer->note != NULL;
	is_whole = cycle.sample.guests_complete;
	n_known = cycle.sample.n_guests;
}

static struct serve_ask question = {
	.request = { .vcpus_centi = 100, .memory_bytes = 1 << 20 },
	.answer = on_answer,
};

/* By somebody who has time, since this machine may be slow. */
static void ask(void)
{
	is_answered = false;
	cycle_ask(&cycle, &question);
	cycle_on_gathered(NULL, &cycle);
	assert_true(sd_event_source_set_time_relative(cycle.patience, 3600000000) >= 0);
}

/* So many guests begin, and somebody asks before anybody has looked at them. */
static void ask_beside_new_guests(size_t n)
{
	for (size_t i = GUESTS; i < GUESTS + n; i++) {
		start_child(i);
		order_pid('p', children[i]);
	}
	cycle.refreshed_ns = 0;
	ask();
}

static void assert_answered_by_all(size_t n)
{
	for (unsigned i = 0; i < WAITS_MAX && !is_answered; i++)
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	assert_true(is_answered);
	assert_int_equal(n_known, n);
	assert_true(is_whole);
}

/* New guests for whom there is no place in the job that is under way. */
static void test_answer_knows_who_came_during_a_look(void **state)
{
	(void)state;
	run_until_seen(GUESTS);
	for (size_t i = 0; i < cycle.n_memories; i++)
		cycle.memories[i].is_look_due = true;
	cycle_turn(&cycle);
	assert_non_null(cycle.looks.look_job);
	ask_beside_new_guests(1);
	assert_true(cycle.is_crowded);
	assert_false(is_answered);
	assert_answered_by_all(GUESTS + 1);
}

/* Nor in the next one. */
static void test_answer_knows_a_crowd(void **state)
{
	(void)state;
	run_until_seen(GUESTS);
	ask_beside_new_guests(LATE);
	assert_true(cycle.is_crowded);
	assert_false(is_answered);
	assert_answered_by_all(GUESTS + LATE);
}

/* The picture is fresh, but that turn could not ask for all of them. */
static void test_answer_after_a_crowded_turn(void **state)
{
	(void)state;
	run_until_seen(GUESTS);
	cycle.is_crowded = true;
	start_child(GUESTS);
	order_pid('p', children[GUESTS]);
	cycle.refreshed_ns = cycle_now_ns(&cycle);
	ask();
	assert_false(is_answered);
	assert_answered_by_all(GUESTS + 1);
}

/* With all places taken by looks that hang nobody looks at them. */
static void test_answer_without_a_look_says_so(void **state)
{
	(void)state;
	run_until_seen(GUESTS);
	for (int i = 0; i < HUNG_MAX; i++)
		hung_add(&cycle.looks.hung, (1 << 30) + i, children[0], cycle_now_ns(&cycle));
	ask_beside_new_guests(1);
	assert_true(is_answered);
	assert_true(is_noted && !is_whole);
	assert_int_equal(n_known, GUESTS);
	/* The picture is fresh, and lacks the guest all the same. */
	ask();
	assert_true(is_answered && is_noted && !is_whole);
}

/* ---- a migration --------------------------------------------------------------------------- */

static unsigned recorded_s;

/* Another moment of the recording. */
static void wait_for(unsigned s)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/uptime", copied);
	if (!recorded_s) {
		file = fopen(path, "re");
		assert_non_null(file);
		assert_int_equal(fscanf(file, "%u", &recorded_s), 1);
		fclose(file);
	}
	recorded_s += s;
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%u.00 0.00\n", recorded_s);
	fclose(file);
}

/* And a turn with all that its looks bring. */
static void turn_after(unsigned s)
{
	wait_for(s);
	cycle_turn(&cycle);
	run_until_seen(3);
}

static const struct place_watch *migrate(bool is_begin, size_t *ret_i)
{
	const int i = place_watch_find(&cycle.watch, 255);

	assert_true(i >= 0);
	*ret_i = (size_t)i;
	if (is_begin)
		run_shell("cd $copy/proc/255 && cp -r task/257 task/900 && "
			  "sed -i 's/^257 ([^)]*)/900 (live_migration)/' task/900/stat && "
			  "sed 's/ 20 0 6 0 / 20 0 7 0 /' stat >new && cat new >stat && rm new");
	else
		run_shell("rm -rf $copy/proc/255/task/900");
	return &cycle.watch;
}

/*
 * Seen by its threads, before anybody would look at it again; watched closely; and when it is over
 * nothing is left of what was held against it, or known of it.
 */
static void test_migration(void **state)
{
	const struct place_watch *watch;
	struct cycle_memory *memory;
	uint64_t n_looks;
	size_t i;

	(void)state;
	run_until_seen(3);
	turn_after(1);
	watch = migrate(true, &i);
	memory = &cycle.memories[i];
	assert_int_equal(watch->classes[i], PLACE_CLASS_AUTO);
	turn_after(4);
	assert_int_equal(watch->classes[i], PLACE_CLASS_MIGRATING);
	assert_true(memory->migrating_ns > 0);
	assert_true(cycle.is_learning);

	n_looks = cycle.looks.n_looks;
	turn_after(1);
	turn_after(1);
	assert_int_equal(cycle.looks.n_looks, n_looks + 2);
	assert_int_equal(watch->classes[i], PLACE_CLASS_MIGRATING);
	assert_true(watch->activities[i].known & PLACE_ACTIVITY_RUN);

	memory->held_until_ns = UINT64_MAX;
	memory->sampled_ns = cycle.refreshed_ns;
	migrate(false, &i);
	turn_after(1);
	assert_int_equal(watch->classes[i], PLACE_CLASS_AUTO);
	assert_int_equal(memory->migrating_ns, 0);
	assert_int_equal(memory->held_until_ns, 0);
	assert_false(watch->activities[i].known & PLACE_ACTIVITY_RUN);
	assert_true(cycle.is_learning);
	turn_after(2);
	assert_true(watch->activities[i].known & PLACE_ACTIVITY_RUN);
	turn_after(11);
	assert_false(cycle.is_learning);
}

/* One that goes on for ever is no reason for a turn each second. */
static void test_migration_without_end(void **state)
{
	uint64_t n_looks;
	size_t i;

	(void)state;
	run_until_seen(3);
	turn_after(1);
	migrate(true, &i);
	turn_after(4);
	turn_after(601);
	assert_int_equal(cycle.watch.classes[i], PLACE_CLASS_MIGRATING);
	assert_false(cycle.is_learning);
	assert_true(cycle.is_quick);
	n_looks = cycle.looks.n_looks;
	turn_after(1);
	assert_int_equal(cycle.looks.n_looks, n_looks);
	turn_after(5);
	assert_int_equal(cycle.looks.n_looks, n_looks + 1);
}

/* It is looked at now. Returns: what is remembered of it, until the next turn. */
static struct cycle_memory *rename_thread(bool is_begin, unsigned after_s)
{
	const struct place_watch *watch;
	size_t i;

	watch = migrate(is_begin, &i);
	cycle.memories[i].is_look_due = true;
	turn_after(after_s);
	assert_int_equal(watch->classes[i], is_begin ? PLACE_CLASS_MIGRATING : PLACE_CLASS_AUTO);
	return &cycle.memories[i];
}

/*
 * Threads are called what their QEMU likes: of one that begins to migrate all the time what is held
 * against it is dropped once in a hold-off.
 */
static void test_held_though_it_migrates(void **state)
{
	struct cycle_memory *memory;

	(void)state;
	run_until_seen(3);
	turn_after(1);
	rename_thread(true, 1)->held_until_ns = UINT64_MAX;
	assert_int_equal(rename_thread(false, 1)->held_until_ns, 0);
	for (unsigned n = 0; n < 2; n++) {
		memory = rename_thread(true, 1);
		cycle_on_move_end(memory->pid, memory->start_ns, MOVER_MIGRATING, &cycle);
		memory = rename_thread(false, 1);
		assert_true(memory->held_until_ns > cycle.refreshed_ns);
		assert_int_equal(memory->migrating_ns, 0);
	}
	/* For no longer than that; here its mover saw what no look came to see. */
	turn_after(60);
	memory = rename_thread(false, 1);
	cycle_on_move_end(memory->pid, memory->start_ns, MOVER_MIGRATING, &cycle);
	assert_true(memory->held_until_ns > cycle.refreshed_ns);
	assert_int_equal(rename_thread(false, 1)->held_until_ns, 0);
}

/* Nor is it a reason for a turn each second for ever. */
static void test_watched_closely_once_in_an_hour(void **state)
{
	(void)state;
	run_until_seen(3);
	turn_after(1);
	rename_thread(true, 1);
	assert_true(cycle.is_learning);
	rename_thread(false, 601);
	turn_after(15);
	rename_thread(true, 1);
	assert_false(cycle.is_learning);
	assert_true(cycle.is_quick);
	rename_thread(false, 2990);
	turn_after(15);
	rename_thread(true, 1);
	assert_true(cycle.is_learning);
}

/* Who opened QEMU's file need not have become it by the next turn. */
static void test_opened_and_not_there_yet(void **state)
{
	(void)state;
	run_until_seen(3);
	turn_after(60);
	turn_after(60);
	assert_false(cycle.is_learning);
	cycle_on_arrival(&cycle);
	turn_after(1);
	assert_true(cycle.is_learning);
	turn_after(10);
	assert_false(cycle.is_learning);
}

/* Workers come and go: of those who have more of them no more than some are looked at. */
static void test_threads_that_come_are_no_reason_for_all(void **state)
{
	uint64_t n_looks;

	(void)state;
	run_until_seen(3);
	turn_after(1);
	for (size_t i = 0; i < cycle.n_memories; i++)
		cycle.memories[i].n_threads = 1;
	n_looks = cycle.looks.n_looks;
	turn_after(2);
	assert_int_equal(cycle.looks.n_looks, n_looks);
	turn_after(2);
	assert_int_equal(cycle.looks.n_looks, n_looks + 3);
}

static uint64_t next_turn_us(void)
{
	uint64_t now_us, next_us;

	assert_true(sd_event_now(event_loop, CLOCK_MONOTONIC, &now_us) >= 0);
	assert_true(sd_event_source_get_time(cycle.timer, &next_us) >= 0);
	return next_us > now_us ? next_us - now_us : 0;
}

/* A guest that was only slow is neither warned of nor helped until a look at it comes back. */
static void test_slow_guest_is_looked_at_again_soon(void **state)
{
	uint64_t n_looks, now_ns;
	int i;

	(void)state;
	run_until_seen(3);
	turn_after(20);
	turn_after(1);
	assert_true(next_turn_us() > 4000000);
	n_looks = cycle.looks.n_looks;
	now_ns = place_host_now_ns(&host);
	/* In a child that has gone: init is none of ours. */
	hung_add(&cycle.looks.hung, 255, 1, now_ns);
	i = place_watch_set_unreadable(&cycle.watch, 255, now_ns);
	assert_true(i >= 0);
	cycle_turn_sooner(&cycle);
	assert_true(next_turn_us() <= 3100000);
	turn_after(2);
	assert_int_equal(cycle.looks.n_looks, n_looks);
	assert_int_equal(cycle.watch.classes[i], PLACE_CLASS_UNREADABLE);
	assert_true(next_turn_us() <= 1100000);
	turn_after(1);
	assert_int_equal(cycle.looks.n_looks, n_looks + 1);
	assert_int_equal(cycle.watch.classes[i], PLACE_CLASS_AUTO);
	assert_true(next_turn_us() > 4000000);
}

/* ---- a watch that begins anew -------------------------------------------------------------- */

/* A CPU or a node came or went: nobody is in the watch for a moment, and nobody is forgotten. */
static void test_what_is_remembered_waits_for_its_guest(void **state)
{
	uint64_t seen_ns[3];

	(void)state;
	run_until_seen(3);
	turn_after(1);
	for (size_t i = 0; i < 3; i++) {
		cycle.memories[i].held_until_ns = UINT64_MAX - i;
		cycle.memories[i].risk.told = PLACE_RISK_KILL;
		cycle.memories[i].sampled_ns = cycle.refreshed_ns;
		seen_ns[i] = cycle.memories[i].seen_ns;
	}
	wait_for(1);
	cycle.is_stale = true;
	cycle_turn(&cycle);
	assert_int_equal(cycle.watch.n, 0);
	assert_int_equal(cycle.n_memories, 3);
	/* Their samples went with the watch. */
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(cycle.memories[i].sampled_ns, 0);
	assert_true(cycle.is_learning);
	/* Who ends a move meanwhile is held off as well. */
	cycle_on_move_end(cycle.memories[1].pid, cycle.memories[1].start_ns, MOVER_SLOW, &cycle);
	assert_true(cycle.memories[1].stuck_until_ns > 0);
	run_until_seen(3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(cycle.memories[i].pid, cycle.watch.guests[i].pid);
		assert_true(cycle.memories[i].is_told);
		assert_int_equal(cycle.memories[i].risk.told, PLACE_RISK_KILL);
		assert_int_equal(cycle.memories[i].seen_ns, seen_ns[i]);
	}
	assert_true(cycle.memories[0].held_until_ns == UINT64_MAX);
	assert_true(cycle.memories[1].stuck_until_ns > 0);
	assert_true(cycle.memories[2].held_until_ns == UINT64_MAX - 2);
	assert_int_equal(cycle.n_kept, 0);
}

static void run_until_watched(size_t n)
{
	for (unsigned i = 0; i < WAITS_MAX; i++) {
		if (cycle.watch.n == n && !cycle.looks.look_job)
			return;
		assert_true(sd_event_run(event_loop, WAIT_US) >= 0);
	}
	fail_msg("%zu guests of %zu", cycle.watch.n, n);
}

/* Some come back before others, in whatever order of pids; and who has gone does not. */
static void test_what_is_remembered_does_not_wait_for_ever(void **state)
{
	struct cycle_memory *memory;

	(void)state;
	run_until_seen(3);
	turn_after(1);
	for (size_t i = 0; i < 3; i++)
		cycle.memories[i].risk.told = PLACE_RISK_KILL;
	cycle.is_stale = true;
	run_shell("mv $copy/proc/255 $copy/255");
	cycle_turn(&cycle);
	run_until_watched(2);
	assert_int_equal(cycle.n_memories, 3);
	assert_int_equal(cycle.n_kept, 1);
	memory = &cycle.memories[2];
	assert_int_equal(memory->pid, 255);
	run_shell("mv $copy/255 $copy/proc/255");
	turn_after(1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(cycle.memories[i].risk.told, PLACE_RISK_KILL);
	/* Another one has its pid. */
	cycle.is_stale = true;
	run_shell("cd $copy/proc/255 && awk '{ $22 += 100; print }' stat >new && cat new >stat && "
		  "rm new");
	cycle_turn(&cycle);
	run_until_watched(3);
	memory = &cycle.memories[place_watch_find(&cycle.watch, 255)];
	assert_int_equal(memory->risk.told, PLACE_RISK_UNKNOWN);
	cycle.is_stale = true;
	run_shell("rm -rf $copy/proc/255");
	cycle_turn(&cycle);
	wait_for(16);
	cycle_turn(&cycle);
	run_until_seen(2);
}

/* Thousands are not looked at as often as a few: each look is about all of them. */
static void test_looks_of_many(void **state)
{
	(void)state;
	assert_int_equal(cycle_look_again_ns(1), UINT64_C(30000000000));
	assert_int_equal(cycle_look_again_ns(250), UINT64_C(30000000000));
	assert_int_equal(cycle_look_again_ns(1000), UINT64_C(120000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looks_of_many),
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
		cmocka_unit_test_setup_teardown(test_answer_knows_who_came_during_a_look, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_answer_knows_a_crowd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer_after_a_crowded_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer_without_a_look_says_so, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_migration, setup_copy, teardown_copy),
		cmocka_unit_test_setup_teardown(test_migration_without_end, setup_copy,
						teardown_copy),
		cmocka_unit_test_setup_teardown(test_held_though_it_migrates, setup_copy,
						teardown_copy),
		cmocka_unit_test_setup_teardown(test_watched_closely_once_in_an_hour, setup_copy,
						teardown_copy),
		cmocka_unit_test_setup_teardown(test_opened_and_not_there_yet, setup_copy,
						teardown_copy),
		cmocka_unit_test_setup_teardown(test_threads_that_come_are_no_reason_for_all,
						setup_copy, teardown_copy),
		cmocka_unit_test_setup_teardown(test_slow_guest_is_looked_at_again_soon, setup_copy,
						teardown_copy),
		cmocka_unit_test_setup_teardown(test_what_is_remembered_waits_for_its_guest,
						setup_copy, teardown_copy),
		cmocka_unit_test_setup_teardown(test_what_is_remembered_does_not_wait_for_ever,
						setup_copy, teardown_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
