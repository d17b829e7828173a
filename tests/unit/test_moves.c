/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of moves: what a pause is to a guest that changes nodes, and who counts as a mover that
 * hangs. The children are real; what they move is scripted, or is not there.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act_script.h"
#include "moves.h"

#define NOBODY 0x7ffffff0 /* no process has that id */
#define START_NS UINT64_C(50000000)

static char top[32];
static struct place_host host;
static struct place_guest guest;
static struct place_activity activity;
static enum place_class class;
static unsigned traits;
static struct place_watch watch;
static struct settings settings;
static struct moves moves;
static unsigned n_done, n_progress;
static struct mover_report last;

static void on_end(int pid, uint64_t start_ns, void *data)
{
	(void)start_ns, (void)data;
	assert_int_equal(pid, NOBODY);
}

static int set_up(void **state)
{
	char path[64];
	FILE *file;

	(void)state;
	strcpy(top, "/tmp/placed-moves-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(path, sizeof(path), "%s/proc", top);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/uptime", top);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("1000.00 0.00\n", file);
	fclose(file);
	host = (struct place_host){ 0 };
	guest = (struct place_guest){ .pid = NOBODY, .start_ns = START_NS };
	class = PLACE_CLASS_AUTO;
	watch = (struct place_watch){ .n = 1,
				      .guests = &guest,
				      .activities = &activity,
				      .classes = &class,
				      .traits = &traits };
	settings_default(&settings);
	moves = (struct moves){
		.host = &host, .watch = &watch, .settings = &settings, .on_end = on_end
	};
	n_done = n_progress = 0;
	return place_root_open(top, &host.root) < 0 || sd_event_new(&moves.event) < 0 ||
			       act_linux_new(&moves.act) < 0 ?
		       -1 :
		       0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	for (size_t i = 0; i < MOVES_MAX; i++)
		stuck_free(moves.list[i].stuck);
	act_free(moves.act);
	sd_event_unref(moves.event);
	place_text_done(&host.text);
	place_root_close(&host.root);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

/* ---- a pause ------------------------------------------------------------------------------- */

static void on_progress(void *data, const struct mover_report *report)
{
	(void)data, (void)report;
	n_progress++;
}

static void on_done(void *data, const struct mover_report *report)
{
	struct move *move = data;

	last = *report;
	n_done++;
	move->mover = NULL;
}

/* A move that takes long, of a guest that changes nodes or does not. */
static void pause_one(struct script *script, bool changes_nodes, unsigned n_progress_most)
{
	const struct pages_range range = {
		.start = SCRIPT_START,
		.end = SCRIPT_START + SCRIPT_PAGES * SCRIPT_BASE,
	};
	const struct mover_order order = {
		.pid = getpid(),
		.to_node = 1,
		.ranges = &range,
		.n_ranges = 1,
		.workers = 1,
		.stall_budget_ms = 1,
		.act = &script->act,
	};
	struct move *move = &moves.list[0];
	pid_t child;

	script->nap_us = 20000;
	*move = (struct move){
		.moves = &moves, .pid = NOBODY, .start_ns = START_NS, .changes_nodes = changes_nodes
	};
	assert_int_equal(mover_start(moves.event, &order, on_progress, on_done, move, &move->mover),
			 0);
	child = mover_pid(move->mover);
	moves_check(&moves, true);
	while (!n_done && n_progress < n_progress_most)
		assert_true(sd_event_run(moves.event, UINT64_MAX) >= 0);
	move->mover = mover_cancel(move->mover);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_a_pause_ends_who_is_wide(void **state)
{
	struct script *script = script_new();

	(void)state;
	pause_one(script, true, 100);
	assert_int_equal(n_done, 1);
	assert_int_equal(last.end, MOVER_STOPPED);
	assert_string_equal(moves.list[0].reason, "paused");
	script_free(script);
}

static void test_a_pause_holds_the_others(void **state)
{
	struct script *script = script_new();

	(void)state;
	pause_one(script, false, 5);
	assert_int_equal(n_done, 0);
	assert_true(moves.list[0].is_paused);
	script_free(script);
}

/* ---- who hangs ----------------------------------------------------------------------------- */

static int start_another(void)
{
	const struct place_step step = { .pid = NOBODY, .start_ns = START_NS, .to_node = 1 };
	const uint64_t n_ended = moves.n_ended;
	const int r = moves_start(&moves, &step, 0, 0, NULL);

	while (r == 0 && moves.n_ended == n_ended)
		assert_true(sd_event_run(moves.event, UINT64_MAX) >= 0);
	return r;
}

static pid_t put_ended(bool is_killed)
{
	const pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	moves.list[5] = (struct move){ .moves = &moves,
				       .pid = NOBODY,
				       .start_ns = START_NS,
				       .child = child,
				       .report = { .is_killed = is_killed } };
	return child;
}

static void test_who_hangs(void **state)
{
	siginfo_t info;
	pid_t child = put_ended(true);

	(void)state;
	/* Killed, and has not come out of the kernel. */
	assert_int_equal(start_another(), -EBUSY);
	/* It has, and nobody has reaped it yet. */
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(start_another(), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Its last report came, and it is on its way out. */
static void test_who_has_told_its_end_does_not(void **state)
{
	const pid_t child = put_ended(false);

	(void)state;
	assert_int_equal(start_another(), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_pause_ends_who_is_wide, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_pause_holds_the_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_has_told_its_end_does_not, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
