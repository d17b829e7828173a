/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child that moves: how it ends, that it hears, and that the loop gets rid of one that hangs.
 * The kernel is scripted and lies in shared memory; the processes are real.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/mover.h"
#include "act_script.h"

#define ALL (SCRIPT_PAGES * SCRIPT_BASE)

struct scene {
	struct script *script;
	sd_event *event;
	struct pages_range range;
	struct mover_order order;
	struct mover *mover;
	struct mover_report last;
	unsigned n_progress, n_done;
	pid_t child;
};

static void on_progress(void *data, const struct mover_report *report)
{
	struct scene *scene = data;

	assert_int_equal(report->end, MOVER_RUNNING);
	scene->n_progress++;
	scene->last = *report;
}

static void on_done(void *data, const struct mover_report *report)
{
	struct scene *scene = data;

	scene->n_done++;
	scene->last = *report;
	scene->mover = NULL;
}

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	scene->script = script_new();
	assert_int_equal(sd_event_new(&scene->event), 0);
	scene->range = (struct pages_range){ .start = SCRIPT_START, .end = SCRIPT_START + ALL };
	scene->order = (struct mover_order){
		.pid = getpid(),
		.to_node = 1,
		.ranges = &scene->range,
		.n_ranges = 1,
		.workers = 1, /* the script is for one thread */
		.act = &scene->script->act,
	};
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	sd_event_unref(scene->event);
	script_free(scene->script);
	free(scene);
	return 0;
}

static void start(struct scene *scene)
{
	assert_int_equal(mover_start(scene->event, &scene->order, on_progress, on_done, scene,
				     &scene->mover),
			 0);
	scene->child = mover_pid(scene->mover);
}

static void finish(struct scene *scene, enum mover_end end)
{
	int status;

	while (!scene->n_done)
		assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
	assert_int_equal(scene->n_done, 1);
	assert_string_equal(mover_end_word(scene->last.end), mover_end_word(end));
	assert_int_equal(waitpid(scene->child, &status, 0), scene->child);
}

static uint64_t moved(const struct scene *scene)
{
	return scene->last.count.outcome_bytes[ACT_MOVED];
}

static void test_done(void **state)
{
	struct scene *scene = *state;

	start(scene);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
	assert_int_equal(scene->last.total_bytes, ALL);
	assert_int_equal(scene->last.looked_bytes, ALL);
	assert_int_equal(script_bytes_on(scene->script, 1), ALL);
}

static void test_dry(void **state)
{
	struct scene *scene = *state;

	scene->order.is_dry = true;
	start(scene);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
	assert_int_equal(script_bytes_on(scene->script, 0), ALL);
}

static void test_gone_before_and_in_the_middle(void **state)
{
	struct scene *scene = *state;

	scene->script->gone_after = 4;
	start(scene);
	finish(scene, MOVER_GONE);
	assert_int_equal(moved(scene), script_bytes_on(scene->script, 1));
	assert_true(moved(scene) < ALL);

	scene->n_done = 0;
	start(scene);
	finish(scene, MOVER_GONE);
	assert_int_equal(moved(scene), 0);
}

static void test_full(void **state)
{
	struct scene *scene = *state;

	scene->script->free_bytes[1] = ALL / 2;
	start(scene);
	finish(scene, MOVER_FULL);
	assert_int_equal(scene->last.error, -ENOSPC);
	assert_true(moved(scene) > 0);
}

static void test_slow(void **state)
{
	struct scene *scene = *state;

	scene->script->call_ns = 900000000;
	start(scene);
	finish(scene, MOVER_SLOW);
	assert_int_equal(scene->script->n_calls, 2);
}

/* Both see the same page: the child is paused, and goes on, or stops, when it is told. */
static void wait_for_progress(struct scene *scene, unsigned n)
{
	for (scene->n_progress = 0; scene->n_progress < n && !scene->n_done;)
		assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
}

static void test_pause_resume(void **state)
{
	struct scene *scene = *state;
	uint64_t before;

	scene->script->nap_us = 20000; /* 4 calls of some KiB in each tick */
	scene->order.stall_budget_ms = 1;
	start(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 2);
	before = moved(scene);
	wait_for_progress(scene, 2);
	assert_int_equal(moved(scene), before);
	assert_true(before < ALL);
	scene->script->nap_us = 0;
	mover_resume(scene->mover);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
}

/* As others begin and end: told on the way. In the script's time sleeping takes none of ours. */
static void test_less_bandwidth(void **state)
{
	struct scene *scene = *state;

	scene->script->nap_us = 20000;
	scene->order.stall_budget_ms = 1;
	start(scene);
	mover_set_bandwidth(scene->mover, 1);
	wait_for_progress(scene, 2);
	scene->script->nap_us = 0;
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
	assert_true(scene->last.taken_ns > ALL / 2 * UINT64_C(1000000000) / (UINT64_C(1) << 20));
}

static void test_stop(void **state)
{
	struct scene *scene = *state;

	scene->script->nap_us = 20000; /* not done before it is told, however busy the host */
	scene->order.stall_budget_ms = 1;
	start(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	assert_int_equal(scene->n_done, 0);
	mover_stop(scene->mover);
	mover_stop(scene->mover);
	finish(scene, MOVER_STOPPED);
	assert_int_equal(scene->last.error, -ECANCELED);
	assert_int_equal(moved(scene), script_bytes_on(scene->script, 1));
}

/* Nobody hears a command behind the stop. Its last word is heard all the same. */
static void test_command_that_nobody_reads(void **state)
{
	struct scene *scene = *state;
	siginfo_t info;

	scene->script->nap_us = 20000;
	scene->order.stall_budget_ms = 1;
	start(scene);
	mover_stop(scene->mover);
	mover_set_bandwidth(scene->mover, 1);
	assert_int_equal(waitid(P_PID, (id_t)scene->child, &info, WEXITED | WNOWAIT), 0);
	finish(scene, MOVER_STOPPED);
}

static void test_pressure(void **state)
{
	struct scene *scene = *state;

	scene->script->nap_us = 1000;
	scene->order.stall_budget_ms = 1;
	start(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	scene->script->stalled_us = 60000000;
	scene->script->now_ns += 2000000000;
	finish(scene, MOVER_PRESSURE);
}

/* A call that never returns: the loop goes on, sees how long it takes, and lets go. */
static void test_hanging_call(void **state)
{
	struct scene *scene = *state;

	scene->script->stall_after = 3;
	start(scene);
	wait_for_progress(scene, 1);
	assert_int_equal(scene->n_done, 0);
	scene->script->now_ns += 3000000000;
	wait_for_progress(scene, 2);
	assert_int_equal(scene->n_done, 0);
	assert_true(scene->last.call_ns >= 3000000000);
	mover_stop(scene->mover);
	finish(scene, MOVER_STOPPED);
}

static void test_killed(void **state)
{
	struct scene *scene = *state;
	int status;

	scene->script->stall_after = 3;
	start(scene);
	wait_for_progress(scene, 1);
	kill(scene->child, SIGKILL);
	finish(scene, MOVER_DIED);
	assert_true(moved(scene) > 0);

	scene->n_done = 0;
	start(scene);
	assert_null(mover_cancel(scene->mover));
	assert_int_equal(waitpid(scene->child, &status, 0), scene->child);
	assert_int_equal(scene->n_done, 0);
}

/* What would not move is known to the next child. */
static void test_stuck_outlives_the_child(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(stuck_new(SCRIPT_HUGE, &scene->order.stuck), 0);
	for (unsigned i = 1; i < SCRIPT_PAGES; i += 2)
		scene->script->pages[i].is_pinned = true;
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		scene->n_done = 0;
		scene->script->n_calls = 0;
		start(scene);
		finish(scene, MOVER_DONE);
		assert_int_equal(scene->last.count.outcome_bytes[ACT_PINNED], ALL / 2);
		if (attempt)
			assert_int_equal(scene->script->n_calls, 0);
	}
	stuck_free(scene->order.stuck);
}

/* The real kernel: all of ours lies right, and nothing of it is touched. */
static void test_own_memory(void **state)
{
	struct scene *scene = *state;
	const size_t size = 8 << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	for (size_t i = 0; i < size / 2; i += 4096)
		memory[i] = 1;
	scene->order.act = NULL;
	scene->range.start = (uintptr_t)memory;
	scene->range.end = (uintptr_t)memory + size;
	scene->order.workers = 2;
	for (unsigned node = 0; node < 1024; node++)
		place_set_add(&scene->order.keep, node);
	start(scene);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), 0);
	assert_int_equal(scene->last.count.calls, 0);
	assert_int_equal(
		scene->last.count.right_bytes + scene->last.count.outcome_bytes[ACT_ABSENT], size);
	assert_true(scene->last.count.right_bytes >= size / 2);

	/* Whoever has another start is another process. */
	scene->n_done = 0;
	scene->order.start_ns = 1;
	start(scene);
	finish(scene, MOVER_GONE);

#ifndef __SANITIZE_ADDRESS__ /* its shadow is 20 TB of address space to go through */
	/* The same, found by itself. */
	scene->n_done = 0;
	scene->order.start_ns = 0;
	scene->order.ranges = NULL;
	start(scene);
	finish(scene, MOVER_DONE);
	assert_true(scene->last.total_bytes >= size);
	assert_true(scene->last.count.right_bytes >= size / 2);
#endif
	munmap(memory, size);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_done),
		SCENE(test_dry),
		SCENE(test_gone_before_and_in_the_middle),
		SCENE(test_full),
		SCENE(test_slow),
		SCENE(test_pause_resume),
		SCENE(test_less_bandwidth),
		SCENE(test_stop),
		SCENE(test_command_that_nobody_reads),
		SCENE(test_pressure),
		SCENE(test_hanging_call),
		SCENE(test_killed),
		SCENE(test_stuck_outlives_the_child),
		SCENE(test_own_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
