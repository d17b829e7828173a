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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act/mover.h"
#include "act_script.h"

#define ALL (SCRIPT_PAGES * SCRIPT_BASE)
#define POOL_PAGES (SCRIPT_PAGES / 512)

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

/* Calls of some KiB, 4 in each tick: not done before it is told, however busy the host. */
static void start_slowly(struct scene *scene)
{
	scene->script->nap_us = 20000;
	scene->order.stall_budget_ms = 1;
	start(scene);
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

/* A part is enough. The other nodes' pages stay where they are. */
static void test_enough(void **state)
{
	struct scene *scene = *state;

	script_put(scene->script, 0, SCRIPT_PAGES / 2, 2);
	place_set_add(&scene->order.keep, 2);
	scene->order.most_bytes = 8 * SCRIPT_BASE;
	start_slowly(scene);
	finish(scene, MOVER_DONE);
	assert_int_equal(scene->last.error, 0);
	assert_true(moved(scene) >= 8 * SCRIPT_BASE && moved(scene) < ALL / 2);
	assert_int_equal(script_bytes_on(scene->script, 1), moved(scene));
	assert_int_equal(script_bytes_on(scene->script, 2), ALL / 2);
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
	assert_int_equal(scene->last.error, 0);
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

/* To ask for a window takes minutes: for a page that is to be moved that is too much. */
static void test_sparse(void **state)
{
	struct scene *scene = *state;

	script_put(scene->script, 0, SCRIPT_PAGES / 2, -1);
	scene->script->page_ns = UINT64_C(50) * 1000000000;
	scene->order.planned_bytes = SCRIPT_BASE;
	start(scene);
	finish(scene, MOVER_SPARSE);
	assert_int_equal(scene->last.error, 0);
	assert_int_equal(scene->last.looked_bytes, ALL / 2);
	assert_int_equal(moved(scene), 0);
}

/* The same is due to who has much, and to whom nothing is known of. */
static void test_much_to_look_at(void **state)
{
	struct scene *scene = *state;
	const uint64_t planned_bytes[] = { UINT64_C(1) << 46, 0 };

	script_put(scene->script, 0, SCRIPT_PAGES, -1);
	scene->script->page_ns = UINT64_C(50) * 1000000000;
	for (size_t i = 0; i < 2; i++) {
		scene->n_done = 0;
		scene->order.planned_bytes = planned_bytes[i];
		start(scene);
		finish(scene, MOVER_DONE);
		assert_int_equal(scene->last.looked_bytes, ALL);
	}
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

	start_slowly(scene);
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

/* Where no page moves it is heard all the same: between windows. */
static void test_pause_where_nothing_is(void **state)
{
	struct scene *scene = *state;

	script_put(scene->script, 0, SCRIPT_PAGES, -1);
	scene->script->keeps_question = true;
	start(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 3);
	scene->script->keeps_question = false;
	wait_for_progress(scene, 3);
	assert_int_equal(scene->n_done, 0);
	assert_true(scene->last.looked_bytes <= ALL / 2);
	mover_resume(scene->mover);
	finish(scene, MOVER_DONE);
	assert_int_equal(scene->last.looked_bytes, ALL);
}

/* As others begin and end: told on the way. In the script's time sleeping takes none of ours. */
static void test_less_bandwidth(void **state)
{
	struct scene *scene = *state;

	start_slowly(scene);
	mover_set_bandwidth(scene->mover, 1);
	wait_for_progress(scene, 2);
	scene->script->nap_us = 0;
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
	assert_true(scene->last.taken_ns > ALL / 2 * UINT64_C(1000000000) / (UINT64_C(1) << 20));
}

/* Somebody was promised the room that was there when it began. */
static void test_more_reserve(void **state)
{
	struct scene *scene = *state;

	start_slowly(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	mover_set_reserve(scene->mover, UINT64_C(1) << 40, 0);
	mover_resume(scene->mover);
	finish(scene, MOVER_FULL);
	assert_true(moved(scene) < ALL);
}

/* ---- a guest that changes nodes ------------------------------------------------------------ */

#define GROUP "sys/fs/cgroup/machine/emulator"

static char top[32];

static void run_shell(const char *code)
{
	char command[1024];

	snprintf(command, sizeof(command), "set -e; cd %s; %s", top, code);
	assert_int_equal(system(command), 0);
}

static int write_mems(struct act *act, const char *group, const char *mems)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s/cpuset.mems", act->root_path, group);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	fputs(mems, file);
	fclose(file);
	return 0;
}

/* Its groups are to go from node 0 to node 1 along with it. */
static void move_groups(struct scene *scene, struct act_ops *ops)
{
	char pid[32];

	*ops = *scene->script->act.ops;
	strcpy(top, "/tmp/placed-mover-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_int_equal(setenv("pid", pid, 1), 0);
	run_shell("mkdir -p " GROUP " proc/$pid/task/$pid; echo 0 >" GROUP "/cpuset.mems;"
		  "echo cgroup2 /sys/fs/cgroup cgroup2 rw 0 0 >proc/mounts;"
		  "echo 0::/machine/emulator >proc/$pid/task/$pid/cgroup");
	ops->write_mems = write_mems;
	scene->script->act.ops = ops;
	scene->script->act.root_path = top;
	scene->order.moves_mems = true;
	scene->order.from_node = 0;
}

static void remove_groups(void)
{
	run_shell("rm -r proc sys");
	assert_int_equal(rmdir(top), 0);
}

/* Its move from node 0 to node 1 is stopped early. Returns: what its groups came to. */
static enum relocate_state stop_early(struct scene *scene, uint64_t from_reserve_bytes)
{
	struct act_ops ops;

	move_groups(scene, &ops);
	start_slowly(scene);
	while (!moved(scene))
		wait_for_progress(scene, 1);
	mover_set_reserve(scene->mover, 0, from_reserve_bytes);
	mover_stop(scene->mover);
	finish(scene, MOVER_STOPPED);
	assert_true(moved(scene) > 0 && moved(scene) < ALL / 2);
	remove_groups();
	return scene->last.mems;
}

static void test_goes_back(void **state)
{
	assert_int_equal(stop_early(*state, 0), RELOCATE_BACK);
}

/* Somebody was promised the room that it left. */
static void test_does_not_go_back_into_a_promise(void **state)
{
	assert_int_equal(stop_early(*state, UINT64_C(1) << 40), RELOCATE_WIDE);
}

/* All of it is of a pool, which has so many free pages on node 1. */
static void put_in_pool(struct scene *scene, uint64_t pages)
{
	struct script *script = scene->script;

	script_huge(script, 0, SCRIPT_PAGES);
	scene->range.pool_bytes = script->pool_bytes = SCRIPT_HUGE;
	script->pool_pages[1] = pages;
	script->pool_size[0] = script->pool_size[1] = 2 * POOL_PAGES;
}

/* Plain memory is no room for the rest, wherever most of it is. */
static void test_full_pool_takes_no_rest(void **state)
{
	struct scene *scene = *state;
	struct act_ops ops;

	put_in_pool(scene, POOL_PAGES - 1);
	move_groups(scene, &ops);
	start(scene);
	finish(scene, MOVER_FULL);
	remove_groups();
	assert_int_equal(moved(scene), ALL - SCRIPT_HUGE);
	assert_int_equal(scene->last.mems, RELOCATE_BACK);
	/* Of the pool alone, too. */
	scene->n_done = 0;
	put_in_pool(scene, POOL_PAGES);
	script_put(scene->script, 0, SCRIPT_PAGES, 0);
	scene->script->free_bytes[1] = 0;
	move_groups(scene, &ops);
	start(scene);
	finish(scene, MOVER_DONE);
	remove_groups();
	assert_int_equal(moved(scene), ALL);
	assert_int_equal(scene->last.mems, RELOCATE_FORWARD);
}

/* All was gone through, but what counts is what came of it. */
static void test_little_has_come(void **state)
{
	struct scene *scene = *state;

	put_in_pool(scene, POOL_PAGES / 2 - 1);
	start(scene);
	finish(scene, MOVER_FULL);
	assert_int_equal(scene->last.count.no_block_bytes, ALL / 2 + SCRIPT_HUGE);
	scene->n_done = 0;
	scene->script->pool_pages[1] = POOL_PAGES / 2 + 1;
	script_put(scene->script, 0, SCRIPT_PAGES, 0);
	start(scene);
	finish(scene, MOVER_DONE);
}

/* More of it will not move than does: it is not tried again and again. */
static void test_most_will_not_move(void **state)
{
	struct scene *scene = *state;
	struct act_ops ops;

	for (unsigned i = 0; i < SCRIPT_PAGES / 2 + 1; i++)
		scene->script->pages[i].is_pinned = true;
	move_groups(scene, &ops);
	start(scene);
	finish(scene, MOVER_DENIED);
	remove_groups();
	assert_int_equal(scene->last.error, -EBUSY);
	assert_int_equal(scene->last.mems, RELOCATE_BACK);
}

/* Nothing has come, and nothing will; what is there already is something. */
static void test_nothing_has_moved(void **state)
{
	struct scene *scene = *state;

	for (unsigned i = 0; i < SCRIPT_PAGES; i++)
		scene->script->pages[i].is_pinned = true;
	start(scene);
	finish(scene, MOVER_DENIED);
	assert_int_equal(scene->last.error, -EBUSY);
	assert_int_equal(scene->last.count.outcome_bytes[ACT_PINNED], ALL);
	/* Nor is it a success that half of it lay there before. */
	scene->n_done = 0;
	script_put(scene->script, 0, SCRIPT_PAGES / 2, 1);
	start(scene);
	finish(scene, MOVER_DENIED);
	assert_int_equal(scene->last.error, -EBUSY);
	/* Whatever keeps it: what is only hidden is there perhaps, and it is asked for less often.
	 */
	scene->n_done = 0;
	scene->script->act.may_hide = true;
	for (unsigned i = 0; i < SCRIPT_PAGES; i++) {
		scene->script->pages[i].is_pinned = false;
		scene->script->pages[i].hidden = i < SCRIPT_PAGES / 2 ? 0 : 1000;
	}
	start(scene);
	finish(scene, MOVER_DENIED);
	assert_int_equal(scene->last.count.outcome_bytes[ACT_BUSY], ALL / 2);
	scene->script->act.may_hide = false;
	for (unsigned i = 0; i < SCRIPT_PAGES; i++) {
		scene->script->pages[i].is_pinned = true;
		scene->script->pages[i].hidden = 0;
	}
	/* A few pages that will not move are no failure. */
	scene->n_done = 0;
	script_put(scene->script, 0, SCRIPT_PAGES - 64, 1);
	start(scene);
	finish(scene, MOVER_DONE);
}

/* Somebody is faster, and the kernel has to make pages. */
static void test_pools_keep_their_sizes(void **state)
{
	struct scene *scene = *state;

	put_in_pool(scene, POOL_PAGES);
	scene->script->pool_taken = 10;
	start(scene);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
	assert_int_equal(scene->script->n_pools_set, 2);
	assert_int_equal(scene->script->pool_size[0], 2 * POOL_PAGES);
	assert_int_equal(scene->script->pool_size[1], 2 * POOL_PAGES);
}

/* ---- how it ends --------------------------------------------------------------------------- */

static void test_stop(void **state)
{
	struct scene *scene = *state;

	start_slowly(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	assert_int_equal(scene->n_done, 0);
	mover_stop(scene->mover);
	mover_stop(scene->mover);
	finish(scene, MOVER_STOPPED);
	assert_int_equal(scene->last.error, 0);
	assert_int_equal(moved(scene), script_bytes_on(scene->script, 1));
}

/* Nobody hears a command behind the stop. Its last word is heard all the same. */
static void test_command_that_nobody_reads(void **state)
{
	struct scene *scene = *state;
	siginfo_t info;

	start_slowly(scene);
	mover_stop(scene->mover);
	mover_set_bandwidth(scene->mover, 1);
	assert_int_equal(waitid(P_PID, (id_t)scene->child, &info, WEXITED | WNOWAIT), 0);
	finish(scene, MOVER_STOPPED);
}

/* Its threads are looked at each tick: in the middle of a move, and before the first page. */
static void test_guest_begins_to_migrate(void **state)
{
	struct scene *scene = *state;
	uint64_t before;

	scene->order.is_guest = true;
	start_slowly(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	scene->script->is_streaming = true;
	finish(scene, MOVER_MIGRATING);
	assert_int_equal(scene->last.error, 0);
	before = script_bytes_on(scene->script, 1);
	assert_int_equal(moved(scene), before);
	assert_true(before < ALL);

	scene->n_done = 0;
	start(scene);
	finish(scene, MOVER_MIGRATING);
	assert_int_equal(moved(scene), 0);
	assert_int_equal(script_bytes_on(scene->script, 1), before);
}

/* A part is watched more often than it is told of: its guest's threads no less. */
static void test_guest_migrates_while_a_part_moves(void **state)
{
	struct scene *scene = *state;

	scene->order.is_guest = true;
	scene->order.most_bytes = ALL;
	start_slowly(scene);
	wait_for_progress(scene, 1);
	scene->script->is_streaming = true;
	finish(scene, MOVER_MIGRATING);
	assert_true(moved(scene) < ALL);
}

/* What its groups would take along does not move either: they are not even looked for. */
static void test_migrating_guest_keeps_its_groups(void **state)
{
	struct scene *scene = *state;

	scene->order.is_guest = scene->order.moves_mems = true;
	scene->script->is_streaming = true;
	scene->script->act.root_path = "/nowhere";
	start(scene);
	finish(scene, MOVER_MIGRATING);
	assert_int_equal(scene->last.mems, RELOCATE_NONE);
}

/* Anybody's threads may have such names. */
static void test_names_of_others_mean_nothing(void **state)
{
	struct scene *scene = *state;

	scene->script->is_streaming = true;
	start(scene);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
}

static void test_hold(void **state)
{
	struct scene *scene = *state;

	start_slowly(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	mover_hold(scene->mover);
	finish(scene, MOVER_MIGRATING);
	assert_true(moved(scene) < ALL);
}

/* It does not hear any more, and is killed: what was wide is wide still. */
static void test_hold_of_one_that_hangs(void **state)
{
	struct scene *scene = *state;

	scene->script->stall_after = 3;
	start(scene);
	wait_for_progress(scene, 1);
	mover_hold(scene->mover);
	finish(scene, MOVER_MIGRATING);
	assert_true(scene->last.is_killed);
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

/* Who makes room goes on: it is what helps them. */
static void test_pressure_is_borne(void **state)
{
	struct scene *scene = *state;

	scene->order.bears_pressure = true;
	scene->script->nap_us = 1000;
	scene->order.stall_budget_ms = 1;
	start(scene);
	mover_pause(scene->mover);
	wait_for_progress(scene, 1);
	scene->script->stalled_us = 60000000;
	scene->script->now_ns += 2000000000;
	wait_for_progress(scene, 2);
	scene->script->nap_us = 0;
	mover_resume(scene->mover);
	finish(scene, MOVER_DONE);
	assert_int_equal(moved(scene), ALL);
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
		finish(scene, attempt ? MOVER_DENIED : MOVER_DONE);
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
		SCENE(test_enough),
		SCENE(test_dry),
		SCENE(test_gone_before_and_in_the_middle),
		SCENE(test_full),
		SCENE(test_slow),
		SCENE(test_sparse),
		SCENE(test_much_to_look_at),
		SCENE(test_pause_resume),
		SCENE(test_pause_where_nothing_is),
		SCENE(test_less_bandwidth),
		SCENE(test_more_reserve),
		SCENE(test_goes_back),
		SCENE(test_does_not_go_back_into_a_promise),
		SCENE(test_full_pool_takes_no_rest),
		SCENE(test_little_has_come),
		SCENE(test_most_will_not_move),
		SCENE(test_nothing_has_moved),
		SCENE(test_pools_keep_their_sizes),
		SCENE(test_stop),
		SCENE(test_command_that_nobody_reads),
		SCENE(test_guest_begins_to_migrate),
		SCENE(test_guest_migrates_while_a_part_moves),
		SCENE(test_migrating_guest_keeps_its_groups),
		SCENE(test_names_of_others_mean_nothing),
		SCENE(test_hold),
		SCENE(test_hold_of_one_that_hangs),
		SCENE(test_pressure),
		SCENE(test_pressure_is_borne),
		SCENE(test_hanging_call),
		SCENE(test_killed),
		SCENE(test_stuck_outlives_the_child),
		SCENE(test_own_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
