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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "act_script.h"
#include "moves.h"
#include "observe/watched.h"
#include "tree.h"

#define NOBODY 0x7ffffff0 /* no process has that id */
#define START_NS UINT64_C(50000000)

static struct place_host host;
static struct place_guest guest;
static struct place_activity activity;
static enum place_class class;
static unsigned traits;
static struct place_watched *entry; /* no thread of it is known */
static struct place_watch watch;
static struct settings settings;
static struct moves moves;
static unsigned n_done, n_progress;
static struct mover_report last;
static unsigned n_pages; /* of the guest */

static void on_end(int pid, uint64_t start_ns, enum mover_end end, void *data)
{
	(void)start_ns, (void)end, (void)data;
	assert_int_equal(pid, guest.pid);
}

/* Another one for each node. */
static uint64_t reserve_on(void *data, size_t i, unsigned node, enum place_cause cause)
{
	(void)data, (void)cause;
	assert_int_equal(i, 0);
	return node * UINT64_C(100);
}

static int set_up(void **state)
{
	(void)state;
	tree_make();
	tree_put("1000.00 0.00\n", "proc/uptime");
	host = (struct place_host){ 0 };
	guest = (struct place_guest){ .pid = NOBODY, .start_ns = START_NS };
	class = PLACE_CLASS_AUTO;
	entry = calloc(1, sizeof(*entry));
	watch = (struct place_watch){ .n = 1,
				      .entries = &entry,
				      .guests = &guest,
				      .activities = &activity,
				      .classes = &class,
				      .traits = &traits };
	settings_default(&settings);
	moves = (struct moves){ .host = &host,
				.watch = &watch,
				.settings = &settings,
				.on_end = on_end,
				.reserve_on = reserve_on };
	n_done = n_progress = 0;
	n_pages = SCRIPT_PAGES;
	settings.bandwidth_mib_s = 0;
	return place_root_open(tree_path, &host.root) < 0 || sd_event_new(&moves.event) < 0 ||
			       act_linux_new(&moves.act) < 0 ?
		       -1 :
		       0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < MOVES_MAX; i++)
		stuck_free(moves.list[i].stuck);
	act_free(moves.act);
	sd_event_unref(moves.event);
	free(entry);
	intents_done(&moves.intents);
	place_text_done(&host.text);
	place_root_close(&host.root);
	tree_remove();
	return 0;
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

/* A move that takes long: what is done with it, and for how many reports it is waited for. */
static void watch_one(struct script *script, const struct move *which, void (*act)(void),
		      unsigned n_progress_most)
{
	const struct pages_range range = {
		.start = SCRIPT_START,
		.end = SCRIPT_START + n_pages * SCRIPT_BASE,
	};
	const struct mover_order order = {
		.bandwidth_mib_s = settings.bandwidth_mib_s,
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

	script->nap_us = script->nap_us ? script->nap_us : 20000;
	*move = *which;
	move->moves = &moves;
	move->pid = NOBODY;
	move->start_ns = START_NS;
	assert_int_equal(mover_start(moves.event, &order, on_progress, on_done, move, &move->mover),
			 0);
	child = mover_pid(move->mover);
	act();
	while (!n_done && n_progress < n_progress_most)
		assert_true(sd_event_run(moves.event, UINT64_MAX) >= 0);
	move->mover = mover_cancel(move->mover);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void pause_all(void)
{
	moves_check(&moves, true);
}

static void pause_one(struct script *script, bool changes_nodes, unsigned n_progress_most)
{
	const struct move move = { .changes_nodes = changes_nodes };

	watch_one(script, &move, pause_all, n_progress_most);
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

/* But not for ever: what they would bring is kept free meanwhile. */
static void pause_for_long(void)
{
	moves_check(&moves, true);
	tree_put("1060.00 0.00\n", "proc/uptime");
	moves_check(&moves, true);
	assert_null(moves.list[0].reason);
	moves.list[0].heard_ns = UINT64_MAX / 2;
	tree_put("1061.00 0.00\n", "proc/uptime");
	moves_check(&moves, true);
}

static void test_a_pause_of_more_than_a_minute(void **state)
{
	const struct move move = { .heard_ns = UINT64_MAX / 2 };
	struct script *script = script_new();

	(void)state;
	watch_one(script, &move, pause_for_long, 100);
	assert_int_equal(n_done, 1);
	assert_int_equal(last.end, MOVER_STOPPED);
	assert_string_equal(moves.list[0].reason, "paused");
	script_free(script);
}

/* ---- a migration --------------------------------------------------------------------------- */

/* It is held, which is not the same as stopped, paused or not. */
static void test_a_migration_ends_it(void **state)
{
	struct script *script = script_new();

	(void)state;
	class = PLACE_CLASS_MIGRATING;
	pause_one(script, true, 100);
	assert_int_equal(n_done, 1);
	assert_int_equal(last.end, MOVER_MIGRATING);
	assert_string_equal(moves.list[0].reason, "migrating");
	script_free(script);
}

/* ---- a watch that begins anew ------------------------------------------------------------- */

static void check_all(void)
{
	moves_check(&moves, false);
}

static void put_process(void)
{
	char text[128];

	snprintf(text, sizeof(text), "%d (x) S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 3 0 5 1 1\n",
		 NOBODY);
	tree_put(text, "proc/%d/stat", NOBODY);
}

static void put_given(uint64_t start_ns)
{
	struct intent intent = { .kind = INTENT_AFFINITY, .pid = NOBODY, .start_ns = start_ns };

	place_set_add(&intent.before, 1);
	place_set_add(&intent.given, 0);
	assert_int_equal(intents_put(&moves.intents, &intent), 0);
}

static void test_who_is_not_in_the_watch_is_gone(void **state)
{
	struct script *script = script_new();

	(void)state;
	watch.n = 0;
	put_process();
	put_given(START_NS);
	watch_one(script, &(struct move){ 0 }, check_all, 100);
	assert_false(moves_steers(&moves, NOBODY, START_NS));
	assert_int_equal(n_done, 1);
	assert_int_equal(last.end, MOVER_STOPPED);
	assert_string_equal(moves.list[0].reason, "gone");
	script_free(script);
}

static void test_a_watch_that_begins_anew_stops_nobody(void **state)
{
	struct script *script = script_new();

	(void)state;
	watch.n = 0;
	put_process();
	put_given(START_NS);
	put_given(START_NS + 1);
	moves_watch_anew(&moves);
	watch_one(script, &(struct move){ 0 }, check_all, 5);
	assert_int_equal(n_done, 0);
	assert_null(moves.list[0].reason);
	/* Nor does it take CPUs back, but from whom it was gone before. */
	assert_true(moves_steers(&moves, NOBODY, START_NS));
	assert_false(moves_steers(&moves, NOBODY, START_NS + 1));
	script_free(script);
}

/* ---- who has nothing of it any more, and who does not come back -------------------------------
 */

static struct place_node two_nodes[] = { { .id = 0 }, { .id = 1 } };
static uint64_t two_bytes[2];
static uint32_t two_run_permille[2];

static void put_two_nodes(unsigned run_permille_0)
{
	for (unsigned node = 0; node < 2; node++)
		place_set_add(&two_nodes[node].cpus, node);
	host.topology = (struct place_topology){ .n_nodes = 2, .nodes = two_nodes };
	two_run_permille[0] = run_permille_0;
	two_run_permille[1] = 1000 - run_permille_0;
	activity = (struct place_activity){ .known = PLACE_ACTIVITY_RUN,
					    .bytes = two_bytes,
					    .run_permille = two_run_permille };
}

/* Why a move to node 1 is stopped. */
static const char *why(const struct move *which, void (*act)(void))
{
	struct script *script = script_new();
	struct move move = *which;

	n_done = n_progress = 0;
	move.to_node = 1;
	if (!move.heard_ns)
		move.heard_ns = UINT64_MAX / 2;
	watch_one(script, &move, act, 5);
	script_free(script);
	return moves.list[0].reason ? moves.list[0].reason : "";
}

static void test_vcpus_that_went_elsewhere(void **state)
{
	(void)state;
	class = PLACE_CLASS_PINNED;
	put_two_nodes(599);
	assert_string_equal(why(&(struct move){ 0 }, check_all), "");
	put_two_nodes(600);
	assert_string_equal(why(&(struct move){ 0 }, check_all), "elsewhere");
	/* A cell's are not the whole guest's; room for others is not for its own good. */
	assert_string_equal(why(&(struct move){ .is_part = true }, check_all), "");
	assert_string_equal(why(&(struct move){ .cause = PLACE_CAUSE_ARRIVAL }, check_all), "");
	activity.known |= PLACE_ACTIVITY_BRIEF;
	assert_string_equal(why(&(struct move){ 0 }, check_all), "");
	/* Those that we gave come with a move, or before it. */
	put_two_nodes(600);
	class = PLACE_CLASS_FREE;
	put_process();
	put_given(START_NS);
	assert_string_equal(why(&(struct move){ 0 }, check_all), "");
	host.topology = (struct place_topology){ 0 };
}

static void check_for_long(void)
{
	tree_put("1000.00 0.00\n", "proc/uptime");
	moves_check(&moves, false);
	tree_put("1005.00 0.00\n", "proc/uptime");
	moves_check(&moves, false);
	assert_null(moves.list[0].reason);
	tree_put("1006.00 0.00\n", "proc/uptime");
	moves_check(&moves, false);
	tree_put("1000.00 0.00\n", "proc/uptime");
}

/* Reports may not be read yet: only who is silent some seconds later too is given up. */
static void test_a_mover_that_hangs(void **state)
{
	const uint64_t now_ns = UINT64_C(1000000000000), s_ns = UINT64_C(1000000000);

	(void)state;
	put_two_nodes(0);
	assert_string_equal(why(&(struct move){ .heard_ns = now_ns - 24 * s_ns }, check_for_long),
			    "");
	assert_string_equal(why(&(struct move){ .heard_ns = now_ns - 31 * s_ns }, check_for_long),
			    "hangs");
	assert_string_equal(
		why(&(struct move){ .report = { .call_ns = 31 * s_ns } }, check_for_long), "hangs");
	/* It says nothing while groups are narrowed, and all of the guest goes along. */
	assert_string_equal(
		why(&(struct move){ .heard_ns = now_ns - 31 * s_ns, .changes_nodes = true },
		    check_for_long),
		"");
	host.topology = (struct place_topology){ 0 };
}

/* ---- CPUs that it was given --------------------------------------------------------------------
 */

static bool keeps_cpus(enum place_class now, unsigned now_traits)
{
	class = now;
	traits = now_traits;
	put_process();
	put_given(START_NS);
	moves_check(&moves, false);
	traits = 0;
	return moves_steers(&moves, NOBODY, START_NS);
}

/* What somebody chose for it since stands, and ours would be in his way. */
static void test_cpus_go_back_where_somebody_chose(void **state)
{
	static const enum place_class others[] = { PLACE_CLASS_AUTO, PLACE_CLASS_STATIC,
						   PLACE_CLASS_PINNED, PLACE_CLASS_INTERLEAVED,
						   PLACE_CLASS_EXCLUDED };

	(void)state;
	assert_true(keeps_cpus(PLACE_CLASS_FREE, 0));
	assert_true(keeps_cpus(PLACE_CLASS_DEVICE, 0));
	assert_true(keeps_cpus(PLACE_CLASS_MIGRATING, 0));
	assert_true(keeps_cpus(PLACE_CLASS_UNREADABLE, 0));
	assert_false(keeps_cpus(PLACE_CLASS_DEVICE, PLACE_TRAIT_PINNED));
	assert_false(keeps_cpus(PLACE_CLASS_DEVICE, PLACE_TRAIT_NODESET));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(keeps_cpus(others[i], 0));
}

static bool has_given(unsigned cpu)
{
	struct place_set cpus = { 0 };

	place_set_add(&cpus, cpu);
	return moves_has_given(&moves, NOBODY, START_NS, &cpus);
}

static void test_cpus_of_somebody_else(void **state)
{
	(void)state;
	assert_true(has_given(1));
	put_given(START_NS);
	assert_true(has_given(0));
	/* A look that was under way when they were given says nothing yet. */
	assert_true(has_given(1));
	assert_false(has_given(1));
	assert_true(has_given(0));
	assert_true(has_given(1));
	assert_true(moves_has_given(&moves, NOBODY, START_NS, &(struct place_set){ 0 }));
}

/* Nobody is confined by it that a node is kept from all guests. */
static void test_who_was_confined(void **state)
{
	(void)state;
	put_two_nodes(0);
	assert_false(moves_was_confined(&moves, NOBODY, START_NS));
	put_given(START_NS);
	assert_true(moves_was_confined(&moves, NOBODY, START_NS));
	host.sample.confine.have_cpus = true;
	place_set_add(&host.sample.confine.cpus, 1);
	assert_false(moves_was_confined(&moves, NOBODY, START_NS));
	place_set_add(&host.sample.confine.cpus, 0);
	assert_true(moves_was_confined(&moves, NOBODY, START_NS));
	host.topology = (struct place_topology){ 0 };
}

/* A real move, of our own memory, to a node that no machine has: it is denied. */
static bool keeps_cpus_after(uint64_t there_bytes, uint64_t planned_bytes, unsigned to)
{
	static char memory[1 << 20];
	const struct pages_range range = {
		.start = ((uintptr_t)memory + 4095) / 4096 * 4096,
		.end = ((uintptr_t)memory + sizeof(memory)) / 4096 * 4096,
	};
	const struct place_step step = { .pid = getpid(), .to_node = 900, .bytes = planned_bytes };
	const uint64_t n_ended = moves.n_ended;
	struct intent intent = { .kind = INTENT_AFFINITY, .pid = getpid() };

	memset(memory, 1, sizeof(memory));
	put_two_nodes(0);
	two_nodes[1].id = 900;
	two_bytes[1] = there_bytes;
	guest.pid = getpid();
	guest.start_ns = 0;
	place_set_add(&intent.before, to ? 0 : 1);
	place_set_add(&intent.given, to);
	assert_int_equal(intents_put(&moves.intents, &intent), 0);
	assert_int_equal(moves_start(&moves, &step, 0, &range), 0);
	while (moves.n_ended == n_ended)
		assert_true(sd_event_run(moves.event, UINT64_MAX) >= 0);
	two_nodes[1].id = 1;
	return moves_steers(&moves, getpid(), 0);
}

/* Most of its memory stayed elsewhere: so go its CPUs. */
static void test_cpus_do_not_go_alone(void **state)
{
	(void)state;
	assert_false(keeps_cpus_after(0, 1 << 20, 1));
	assert_false(keeps_cpus_after((1 << 20) - 1, 1 << 20, 1));
	assert_true(keeps_cpus_after(1 << 20, 1 << 20, 1));
	/* It has others than those of that node. */
	assert_true(keeps_cpus_after(0, 1 << 20, 0));
	host.topology = (struct place_topology){ 0 };
}

/* ---- who makes room ------------------------------------------------------------------------ */

static void relieve_all(void)
{
	moves_relieved(&moves);
}

static bool is_stopped_when_relieved(struct move *move)
{
	struct script *script = script_new();
	bool is_stopped;

	n_done = n_progress = 0;
	watch_one(script, move, relieve_all, 5);
	is_stopped = n_done > 0;
	assert_false(moves.list[0].is_urgent && move->cause == PLACE_CAUSE_ARRIVAL);
	if (is_stopped)
		assert_string_equal(moves.list[0].reason, "relieved");
	script_free(script);
	return is_stopped;
}

static void test_who_is_not_needed_any_more(void **state)
{
	struct move move = { .cause = PLACE_CAUSE_ARRIVAL,
			     .planned_bytes = 1000,
			     .most_bytes = 1000,
			     .is_urgent = true };

	(void)state;
	/* A part that nobody needs is left where it is. */
	move.report.count.outcome_bytes[ACT_MOVED] = 900;
	assert_true(is_stopped_when_relieved(&move));
	/* Of a guest that goes as a whole more must be back than there already. */
	move.most_bytes = 0;
	move.report.count.outcome_bytes[ACT_MOVED] = 499;
	assert_true(is_stopped_when_relieved(&move));
	move.report.count.outcome_bytes[ACT_MOVED] = 500;
	assert_false(is_stopped_when_relieved(&move));
	move.report.count.outcome_bytes[ACT_MOVED] = 0;
	move.changes_nodes = true;
	assert_false(is_stopped_when_relieved(&move));
	/* And who moves for himself goes on. */
	move.changes_nodes = false;
	move.cause = PLACE_CAUSE_LOCALITY;
	assert_false(is_stopped_when_relieved(&move));
}

static void hurry_all(void)
{
	moves_hurry(&moves, true);
	moves_settings_changed(&moves);
}

/* In the script's time sleeping takes none of ours: what is limited takes longer there. */
static uint64_t ns_of_a_move(enum place_cause cause)
{
	struct script *script = script_new();
	const struct move move = { .cause = cause };
	uint64_t ns;

	n_done = n_progress = 0;
	n_pages = 512;
	script->nap_us = 5000;
	settings.bandwidth_mib_s = 1;
	watch_one(script, &move, hurry_all, 1000);
	assert_int_equal(n_done, 1);
	ns = last.taken_ns;
	script_free(script);
	return ns;
}

static void test_who_is_in_a_hurry_has_no_limit(void **state)
{
	(void)state;
	assert_false(moves.is_hurried);
	assert_int_equal(moves_n_relieving(&moves), 0);
	assert_true(ns_of_a_move(PLACE_CAUSE_ARRIVAL) < ns_of_a_move(PLACE_CAUSE_LOCALITY) / 2);
	assert_true(moves.is_hurried);
	moves_relieved(&moves);
	assert_false(moves.is_hurried);
}

#define POOL_PAGE (UINT64_C(2) << 20)

static void test_what_is_under_way(void **state)
{
	struct place_node nodes[] = { { .id = 0 }, { .id = 3 }, { .id = 5 } };
	struct place_step steps[MOVES_MAX];
	struct move *move = &moves.list[7];

	(void)state;
	host.topology.n_nodes = 3;
	host.topology.nodes = nodes;
	*move = (struct move){ .moves = &moves,
			       .pid = NOBODY,
			       .start_ns = START_NS,
			       .to_node = 3,
			       .planned_bytes = 1000,
			       .cause = PLACE_CAUSE_ARRIVAL,
			       .changes_nodes = true };
	place_set_add(&move->from, 5);
	move->report.count.outcome_bytes[ACT_MOVED] = 300;
	assert_int_equal(moves_under_way(&moves, steps, MOVES_MAX), 0);
	assert_int_equal(moves_coming_bytes(&moves, 3, MOVES_ANY_PAGES), 0);
	/* Only whether there is one is looked at. */
	move->mover = (struct mover *)(void *)&host;
	assert_int_equal(moves_n_relieving(&moves), 1);
	assert_int_equal(moves_under_way(&moves, steps, MOVES_MAX), 1);
	assert_int_equal(moves_under_way(&moves, steps, 0), 0);
	assert_int_equal(moves_coming_bytes(&moves, 3, 0), 700);
	assert_int_equal(moves_coming_bytes(&moves, 3, POOL_PAGE), 0);
	assert_int_equal(moves_coming_bytes(&moves, 3, MOVES_ANY_PAGES), 700);
	/* Of a guest on huge pages: they go from pool to pool, its QEMU's claim is plain memory. */
	move->page_bytes = POOL_PAGE;
	move->claim_bytes = 50;
	move->pool_claim_bytes = 20;
	assert_int_equal(moves_coming_bytes(&moves, 3, 0), 50);
	assert_int_equal(moves_coming_bytes(&moves, 3, POOL_PAGE), 720);
	assert_int_equal(moves_coming_bytes(&moves, 3, 2 * POOL_PAGE), 0);
	assert_int_equal(moves_coming_bytes(&moves, 3, MOVES_ANY_PAGES), 770);
	move->mover = NULL;
	assert_int_equal(steps[0].pid, NOBODY);
	assert_int_equal(steps[0].start_ns, START_NS);
	assert_int_equal(steps[0].to_node, 3);
	assert_int_equal(steps[0].bytes, 700);
	assert_true(steps[0].changes_nodes);
	/* What does not come from there stays. */
	assert_true(place_set_has(&steps[0].keep, 0));
	assert_false(place_set_has(&steps[0].keep, 3) || place_set_has(&steps[0].keep, 5));
	host.topology = (struct place_topology){ 0 };
}

/* Whom it was for is kept: he may be gone when it is asked for. */
static void test_for_whom(void **state)
{
	struct place_step step = { .pid = NOBODY,
				   .start_ns = START_NS,
				   .to_node = 1,
				   .cause = PLACE_CAUSE_ARRIVAL,
				   .for_pid = NOBODY,
				   .most_bytes = 7 };

	(void)state;
	assert_int_equal(moves_start(&moves, &step, 0, NULL), 0);
	assert_string_equal(moves.list[0].for_whom, "pid 2147483632");
	assert_int_equal(moves.list[0].for_pid, NOBODY);
	assert_int_equal(moves.list[0].most_bytes, 7);
	assert_false(moves.list[0].is_urgent);
	moves_hurry(&moves, true);
	assert_true(moves.list[0].is_urgent);
	guest.known = PLACE_GUEST_NAME;
	strcpy(guest.name, "a \"b\"\n");
	assert_int_equal(moves_start(&moves, &step, 0, NULL), 0);
	assert_string_equal(moves.list[1].for_whom, "a \"b\"\n");
	/* Who begins while there is a hurry is in one. */
	assert_true(moves.list[1].is_urgent);
	step.for_pid = 0;
	step.for_bytes = UINT64_C(512) << 20;
	assert_int_equal(moves_start(&moves, &step, 0, NULL), 0);
	assert_string_equal(moves.list[2].for_whom, "promise of 512 MiB");
	step.cause = PLACE_CAUSE_LOCALITY;
	step.for_bytes = 0;
	assert_int_equal(moves_start(&moves, &step, 0, NULL), 0);
	assert_string_equal(moves.list[3].for_whom, "");
	assert_false(moves.list[3].is_urgent);
	while (moves.n_ended < 4)
		assert_true(sd_event_run(moves.event, UINT64_MAX) >= 0);
}

static uint64_t promised_behind(uint64_t start_ns, unsigned n_in_vain)
{
	struct intent intent = {
		.kind = INTENT_MEMS, .pid = NOBODY, .start_ns = start_ns, .n_in_vain = n_in_vain
	};
	uint64_t bytes;

	intent.promised_bytes = 1;
	place_set_add(&intent.before, 3);
	place_set_add(&intent.given, 1);
	assert_int_equal(intents_put(&moves.intents, &intent), 0);
	moves_keep_free(&moves);
	bytes = moves.intents.list[0].promised_bytes;
	intents_done(&moves.intents);
	return bytes;
}

/* Whoever was promised room on the node that a guest has left has it for a while, not for good. */
static void test_what_is_promised_behind(void **state)
{
	(void)state;
	assert_int_equal(promised_behind(START_NS, 0), 300);
	assert_int_equal(promised_behind(START_NS, 3), 300);
	assert_int_equal(promised_behind(START_NS, 4), 0);
	/* Of whom nothing is known nothing is reckoned. */
	assert_int_equal(promised_behind(START_NS + 1, 0), 0);
}

/* ---- who hangs ----------------------------------------------------------------------------- */

static int start_another(void)
{
	const struct place_step step = { .pid = NOBODY, .start_ns = START_NS, .to_node = 1 };
	const uint64_t n_ended = moves.n_ended;
	const int r = moves_start(&moves, &step, 0, NULL);

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
		cmocka_unit_test_setup_teardown(test_a_pause_of_more_than_a_minute, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_migration_ends_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_is_not_in_the_watch_is_gone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_watch_that_begins_anew_stops_nobody, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_vcpus_that_went_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_mover_that_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpus_go_back_where_somebody_chose, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_cpus_of_somebody_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_was_confined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpus_do_not_go_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_is_not_needed_any_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_is_in_a_hurry_has_no_limit, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_under_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_for_whom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_promised_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_has_told_its_end_does_not, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
