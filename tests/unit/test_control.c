/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's letters on the running daemon: each with its line, refused values without one, lists
 * that know a process from the next one of the same PID, what a reload keeps, and the kernel's
 * setting, which comes back whatever happens.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"
#include "host/cleanup.h"
#include "observe/watch.h"
#include "tell/numad_log.h"

static char folder[] = "/tmp/placed-control-XXXXXX";
static struct place_root root;
static struct settings settings;
static struct control_lists lists;
static char thp_path[100], kept_path[100], log_path[100], conf_path[100], conf_dir[100];

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char *read_file(const char *path)
{
	static char text[8192];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void make_process(int pid, unsigned start)
{
	char path[200], line[200];

	snprintf(path, sizeof(path), "%s/proc/%d", folder, pid);
	(void)mkdir(path, 0755);
	strcat(path, "/stat");
	snprintf(line, sizeof(line),
		 "%d (a ) b) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 %u 1 1 18446744073709551615\n",
		 pid, start);
	write_file(path, line);
}

static void end_process(int pid)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/proc/%d/stat", folder, pid);
	assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state)
{
	char path[200];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/proc", folder);
	if (mkdir(path, 0755) < 0)
		return -1;
	snprintf(thp_path, sizeof(thp_path), "%s/thp", folder);
	snprintf(kept_path, sizeof(kept_path), "%s/kept", folder);
	snprintf(log_path, sizeof(log_path), "%s/log", folder);
	snprintf(conf_path, sizeof(conf_path), "%s/conf", folder);
	snprintf(conf_dir, sizeof(conf_dir), "%s/conf.d", folder);
	/* Events go to stderr before event_open(). */
	return freopen("/dev/null", "w", stderr) ? place_root_open(folder, &root) : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void)state;
	place_root_close(&root);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void init_lists(void)
{
	control_init(&lists, &root, false);
	lists.may_write = true;
	lists.thp.path = thp_path;
	lists.thp.kept_path = kept_path;
}

static int begin(void **state)
{
	(void)state;
	settings_default(&settings);
	init_lists();
	write_file(thp_path, "10000\n");
	(void)unlink(kept_path);
	(void)unlink(log_path);
	return numad_lines_open(log_path, 5);
}

static int end(void **state)
{
	(void)state;
	numad_lines_close();
	settings_done(&settings);
	return 0;
}

static int apply(char letter, int64_t arg1, int64_t arg2)
{
	const struct serve_order order = {
		.letter = letter,
		.arg1 = arg1,
		.arg2 = arg2,
		.peer = { .is_root = true },
	};

	return control_apply(&settings, &lists, &order);
}

/* The log's lines since the last call, without their times, a "|" behind each. */
static const char *logged(void)
{
	static char lines[8192];
	const char *text = read_file(log_path);

	lines[0] = '\0';
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		assert_memory_equal(line + 24, ": ", 2);
		strncat(lines, line + 26, strcspn(line + 26, "\n"));
		strcat(lines, "|");
	}
	assert_int_equal(truncate(log_path, 0), 0);
	return lines;
}

static void test_lines(void **state)
{
	static const struct {
		char letter;
		int64_t arg1, arg2;
		const char *line;
	} cases[] = {
		{ 'C', 0, 0, "Counting inactive file cache as unavailable|" },
		{ 'C', 1, 0, "Counting inactive file cache as available|" },
		{ 'i', 5, 10, "Changing interval to 5:10|" },
		{ 'i', 0, 90000, "Changing interval to 0:90000|" },
		{ 'K', 0, 0, "Merging interleaved memory to localized NUMA nodes|" },
		{ 'K', 1, 0, "Keeping interleaved memory spread across nodes|" },
		{ 'l', 7, 0, "Changing log level to 7|" },
		{ 'l', 4, 0, "Changing log level to 4|" },
		{ 'm', 70, 0, "" }, /* at level 4 */
		{ 'l', 5, 0, "Changing log level to 5|" },
		{ 'm', 70, 0, "Changing target memory locality to 70|" },
		{ 'S', 0, 0, "Scanning only explicit PID list processes|" },
		{ 'S', 1, 0, "Scanning all processes|" },
		{ 't', 30, 0, "Changing logical CPU thread percent to 30|" },
		{ 'u', 90, 0, "Changing target utilization to 90|" },
		{ 'p', 77, 0, "Adding PID 77 to inclusion PID list|" },
		{ 'x', 77, 0, "Adding PID 77 to exclusion PID list|" },
		{ 'r', 77, 0, "Removing PID 77 from explicit PID lists|" },
		{ 'r', 78, 0, "Removing PID 78 from explicit PID lists|" },
	};

	(void)state;
	make_process(77, 5);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		assert_int_equal(apply(cases[i].letter, cases[i].arg1, cases[i].arg2), 0);
		assert_string_equal(logged(), cases[i].line);
	}
	assert_int_equal(settings.interval_min_s, 1);
	assert_int_equal(settings.interval_max_s, 86400);
	assert_int_equal(settings.log_level, 5);
	assert_int_equal(settings.locality_percent, 70);
	assert_true(settings.scan_all && settings.keep_interleaved && settings.count_reclaimable);
	assert_int_equal(settings.smt_percent, 30);
	assert_int_equal(settings.utilization_percent, 90);
}

static void test_refused(void **state)
{
	static const struct {
		char letter;
		int64_t arg1, arg2;
		int r;
	} cases[] = {
		{ 'u', 0, 0, -ERANGE },	    { 'u', 131, 0, -ERANGE },
		{ 'm', 49, 0, -ERANGE },    { 't', 101, 0, -ERANGE },
		{ 'H', 9, 0, -ERANGE },	    { 'i', 9, 3, -ERANGE },
		{ 'i', 5, 0, -ERANGE },	    { 'p', 0, 0, -ERANGE },
		{ 'x', -1, 0, -ERANGE },    { 'r', INT64_C(1) << 32, 0, -ERANGE },
		{ 'p', 4711, 0, -ESRCH },   { 'w', 1, 1, -EOPNOTSUPP },
		{ 'R', 1, 1, -EOPNOTSUPP }, { '\0', 1, 1, -EOPNOTSUPP },
	};
	const struct serve_order nobody = { .letter = 'u', .arg1 = 90 };
	struct settings before;

	(void)state;
	before = settings;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (apply(cases[i].letter, cases[i].arg1, cases[i].arg2) != cases[i].r)
			fail_msg("%c %ld", cases[i].letter, (long)cases[i].arg1);
	assert_int_equal(control_apply(&settings, &lists, &nobody), -EPERM);
	assert_memory_equal(&before, &settings, sizeof(settings));
	assert_int_equal(lists.n_orders, 0);
	assert_string_equal(logged(), "");
}

static void test_lists(void **state)
{
	struct place_look look = { .guest = { .known = PLACE_GUEST_START, .pid = 77 } };

	(void)state;
	make_process(77, 5);
	assert_int_equal(control_read_start(&lists, 77, &look.guest.start_ns), 0);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, 0);
	assert_false(look.is_guest);
	assert_int_equal(apply('p', 77, 0), 0);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_INCLUDED);
	assert_true(look.is_guest);
	/* Each list takes it from the other. */
	assert_int_equal(apply('x', 77, 0), 0);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_EXCLUDED);
	assert_int_equal(lists.included.n, 0);
	assert_int_equal(apply('p', 77, 0), 0);
	assert_int_equal(apply('p', 77, 0), 0);
	assert_int_equal(lists.excluded.n, 0);
	assert_int_equal(lists.included.n, 1);
	/* The next process with that PID is another one. */
	look.guest.start_ns++;
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, 0);
	look.guest.start_ns--;
	look.guest.known = 0;
	look.is_guest = false;
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, 0);
	assert_false(look.is_guest);
	look.guest.known = PLACE_GUEST_START;
	assert_int_equal(apply('r', 77, 0), 0);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, 0);
}

/* Guests under watch, without a look: only what a list says, and of the same process. */
static void test_listed_under_watch(void **state)
{
	struct place_guest guests[] = {
		{ .known = PLACE_GUEST_START, .pid = 77 },
		{ .known = PLACE_GUEST_START, .pid = 78 },
		{ .known = PLACE_GUEST_START, .pid = 79 },
	};
	unsigned traits[] = { PLACE_TRAIT_VFIO, PLACE_TRAIT_EXCLUDED, PLACE_TRAIT_EXCLUDED };
	enum place_class classes[] = { PLACE_CLASS_FREE, PLACE_CLASS_FREE, PLACE_CLASS_FREE };
	struct place_watch watch = {
		.n = 3,
		.guests = guests,
		.traits = traits,
		.classes = classes,
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(guests); i++) {
		make_process(guests[i].pid, 5);
		assert_int_equal(control_read_start(&lists, guests[i].pid, &guests[i].start_ns), 0);
	}
	assert_int_equal(apply('x', 77, 0), 0);
	assert_int_equal(apply('p', 78, 0), 0);
	control_mark_listed(&lists, &watch);
	assert_int_equal(traits[0], PLACE_TRAIT_VFIO | PLACE_TRAIT_EXCLUDED);
	assert_int_equal(classes[0], PLACE_CLASS_EXCLUDED);
	assert_int_equal(traits[1], PLACE_TRAIT_INCLUDED);
	assert_int_equal(classes[1], PLACE_CLASS_UNREADABLE); /* no fact of it is known */
	/* What a rule said stays until somebody looks. */
	assert_int_equal(traits[2], PLACE_TRAIT_EXCLUDED);
	assert_int_equal(classes[2], PLACE_CLASS_FREE);
	guests[0].start_ns++;
	traits[0] = 0;
	control_mark_listed(&lists, &watch);
	assert_int_equal(traits[0], 0);
}

static void test_full_list(void **state)
{
	(void)state;
	for (int pid = 1000; pid < 1000 + CONTROL_LIST_MAX; pid++) {
		make_process(pid, 5);
		assert_int_equal(apply('x', pid, 0), 0);
	}
	make_process(77, 5);
	assert_int_equal(apply('x', 77, 0), -ENOSPC);
	assert_int_equal(apply('x', 1000, 0), 0);
	/* One went, and one is another now. */
	end_process(1003);
	make_process(1004, 6);
	assert_int_equal(apply('x', 77, 0), 0);
	assert_int_equal(lists.excluded.n, CONTROL_LIST_MAX - 1);
	assert_int_equal(apply('p', 77, 0), 0);
	assert_int_equal(lists.excluded.n, CONTROL_LIST_MAX - 2);
}

static void add_rule(const char *label, const char *name, const char *command,
		     enum rule_manage manage)
{
	struct rule *rule = rules_get(&settings.rules, label);

	strcpy(rule->name, name);
	strcpy(rule->command, command);
	rule->manage = manage;
}

static void test_rules(void **state)
{
	struct place_look look = {
		.guest = { .known = PLACE_GUEST_NAME | PLACE_GUEST_START,
			   .pid = 77,
			   .name = "db-1" },
		.is_guest = true,
	};
	char path[200];

	(void)state;
	make_process(77, 5);
	snprintf(path, sizeof(path), "%s/proc/77/comm", folder);
	write_file(path, "postgres\n");
	assert_int_equal(control_read_start(&lists, 77, &look.guest.start_ns), 0);
	add_rule("a", "db-*", "", RULE_MANAGE_NO);
	add_rule("b", "", "postgres", RULE_MANAGE_YES);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_EXCLUDED);
	strcpy(look.guest.name, "web");
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_INCLUDED);
	assert_int_equal(apply('x', 77, 0), 0);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_EXCLUDED);
	/* -p goes before a rule that says no. */
	strcpy(look.guest.name, "db-2");
	assert_int_equal(apply('p', 77, 0), 0);
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_INCLUDED);
	/* Other traits are none of ours. */
	assert_int_equal(apply('r', 77, 0), 0);
	look.traits = PLACE_TRAIT_VFIO | PLACE_TRAIT_INCLUDED;
	strcpy(look.guest.name, "x");
	write_file(path, "other\n");
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_VFIO);
}

static void test_scan_all(void **state)
{
	struct place_look look = { .guest = { .known = PLACE_GUEST_START, .pid = 77 } };

	(void)state;
	settings.scan_all = true;
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, PLACE_TRAIT_INCLUDED);
	/* A guest needs nobody to include it. */
	look.is_guest = true;
	control_mark(&lists, &settings, &look);
	assert_int_equal(look.traits, 0);
}

/* Of processes that nobody has looked at yet, with and without the file that says more of them. */
static void test_wants(void **state)
{
	struct place_process process = { .pid = 77, .program = "/usr/bin/postgres (deleted)" };
	char path[200];

	(void)state;
	make_process(77, 5);
	snprintf(path, sizeof(path), "%s/proc/77/comm", folder);
	write_file(path, "postgres\n");
	snprintf(path, sizeof(path), "%s/proc/77/cgroup", folder);
	write_file(path, "0::/system.slice/postgresql.service\n");
	assert_false(control_wants(&lists, &settings, &process));
	assert_int_equal(apply('p', 77, 0), 0);
	assert_true(control_wants(&lists, &settings, &process));
	/* Another one with that PID. */
	make_process(77, 6);
	assert_false(control_wants(&lists, &settings, &process));
	assert_int_equal(apply('r', 77, 0), 0);
	add_rule("a", "", "/usr/bin/postgres", RULE_MANAGE_YES);
	assert_true(control_wants(&lists, &settings, &process));
	strcpy(settings.rules.list[0].command, "postgres");
	assert_true(control_wants(&lists, &settings, &process));
	strcpy(settings.rules.list[0].cgroup, "user.slice/*");
	assert_false(control_wants(&lists, &settings, &process));
	strcpy(settings.rules.list[0].cgroup, "/system.slice/postgresql*");
	assert_true(control_wants(&lists, &settings, &process));
	assert_int_equal(apply('x', 77, 0), 0);
	assert_false(control_wants(&lists, &settings, &process));
	assert_int_equal(apply('r', 77, 0), 0);
	settings.rules.list[0].manage = RULE_MANAGE_NO;
	assert_false(control_wants(&lists, &settings, &process));
}

static void test_wants_the_big_and_busy(void **state)
{
	struct place_process process = {
		.pid = 77,
		.program = "/x",
		.have_usage = true,
		.comm = "x",
		.start_ns = 5,
		.resident_bytes = UINT64_C(300) << 20,
		.busy_millicpu = 200,
	};

	(void)state;
	assert_false(control_wants(&lists, &settings, &process));
	settings.scan_all = true;
	assert_true(control_wants(&lists, &settings, &process));
	process.busy_millicpu--;
	assert_false(control_wants(&lists, &settings, &process));
	process.busy_millicpu++;
	process.resident_bytes--;
	assert_false(control_wants(&lists, &settings, &process));
	process.resident_bytes++;
	process.have_usage = false;
	assert_false(control_wants(&lists, &settings, &process));
	process.have_usage = true;
	add_rule("a", "", "x", RULE_MANAGE_NO);
	assert_false(control_wants(&lists, &settings, &process));
}

static void test_thp(void **state)
{
	char expected[200];

	(void)state;
	assert_int_equal(control_use(&lists, &settings), 0);
	assert_string_equal(read_file(thp_path), "10000\n");
	assert_int_equal(apply('H', 1000, 0), 0);
	assert_string_equal(read_file(thp_path), "1000\n");
	snprintf(expected, sizeof(expected), "Changing THP scan time in %s from 10000 to 1000 ms.|",
		 thp_path);
	assert_string_equal(logged(), expected);
	assert_int_equal(apply('H', 1000, 0), 0);
	assert_string_equal(logged(), "");
	assert_int_equal(apply('H', 2000, 0), 0);
	assert_int_equal(settings.thp_scan_sleep_ms, 2000);
	/* 0 leaves it alone: as it was. */
	assert_int_equal(apply('H', 0, 0), 0);
	assert_string_equal(read_file(thp_path), "10000\n");
	assert_int_equal(access(kept_path, F_OK), -1);
	assert_int_equal(apply('H', 3000, 0), 0);
	control_done(&lists);
	assert_string_equal(read_file(thp_path), "10000\n");
	assert_int_equal(access(kept_path, F_OK), -1);
}

/* Killed, and started again with other settings. */
static void test_thp_after_a_crash(void **state)
{
	(void)state;
	assert_int_equal(apply('H', 1000, 0), 0);
	init_lists();
	settings_default(&settings);
	assert_int_equal(control_use(&lists, &settings), 0);
	assert_string_equal(read_file(thp_path), "10000\n");
	assert_int_equal(access(kept_path, F_OK), -1);
	/* The same settings: what was before is not lost by the second start. */
	assert_int_equal(apply('H', 1000, 0), 0);
	init_lists();
	assert_int_equal(control_use(&lists, &settings), 0);
	control_done(&lists);
	assert_string_equal(read_file(thp_path), "10000\n");
	write_file(kept_path, "1 2 3\n");
	assert_int_equal(apply('H', 0, 0), 0);
	assert_string_equal(read_file(thp_path), "10000\n");
}

/* What an administrator sets meanwhile is his, and it is what comes back. */
static void test_thp_of_somebody_else(void **state)
{
	(void)state;
	assert_int_equal(apply('H', 1000, 0), 0);
	write_file(thp_path, "500\n");
	control_done(&lists);
	assert_string_equal(read_file(thp_path), "500\n");
	init_lists();
	assert_int_equal(apply('H', 1000, 0), 0);
	write_file(thp_path, "600\n");
	assert_int_equal(apply('H', 1000, 0), 0);
	assert_string_equal(read_file(thp_path), "1000\n");
	control_done(&lists);
	assert_string_equal(read_file(thp_path), "600\n");
}

static void test_thp_that_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(unlink(thp_path), 0);
	assert_int_equal(apply('H', 1000, 0), -ENOENT);
	assert_int_equal(settings.thp_scan_sleep_ms, 0);
	assert_int_equal(lists.n_orders, 0);
	assert_int_equal(access(kept_path, F_OK), -1);
	assert_int_equal(control_use(&lists, &settings), 0);
	write_file(thp_path, "x");
	assert_int_equal(apply('H', 1000, 0), -EINVAL);
	/* A dry run touches nothing. */
	write_file(thp_path, "10000\n");
	lists.may_write = false;
	assert_int_equal(apply('H', 1000, 0), 0);
	assert_string_equal(read_file(thp_path), "10000\n");
}

static int reload(char *told, size_t size, const struct options *options)
{
	FILE *file = fmemopen(told, size, "w");
	int r;

	assert_non_null(file);
	memset(told, 0, size);
	r = control_reload(&settings, &lists, options, file);
	fclose(file);
	return r;
}

static void test_reload(void **state)
{
	const struct options options = {
		.config = conf_path,
		.n_orders = 1,
		.orders = { { 't', 33, 0 } },
	};
	char told[4096];

	(void)state;
	write_file(conf_path, "[daemon]\nlog_file = /x\n[advice]\nsmt_percent = 1\n[move]\n"
			      "workers = 4\nutilization_percent = 50\nlocality_percent = 60\n"
			      "[guest a]\nname = x\nmanage = no\n");
	assert_int_equal(apply('u', 77, 0), 0);
	assert_int_equal(apply('u', 78, 0), 0);
	assert_int_equal(reload(told, sizeof(told), &options), 0);
	assert_string_equal(told, "[daemon] log_file = /x\nneeds a new start: the lines above\n"
				  "[advice] smt_percent = 33\n[move] locality_percent = 60\n"
				  "[move] workers = 4\n[guest] 1 rules\n");
	assert_int_equal(settings.utilization_percent, 78);
	assert_string_equal(settings.log_file, "");
	assert_int_equal(reload(told, sizeof(told), &options), 0);
	assert_string_equal(told, "[daemon] log_file = /x\nneeds a new start: the lines above\n");
	/* A bad file: all of the old. */
	write_file(conf_path, "[move]\nworkers = 5\nx = 1\n[host]\nthp_scan_sleep_ms = 1000\n");
	assert_int_equal(reload(told, sizeof(told), &options), -EINVAL);
	assert_non_null(strstr(told, "conf:3: unknown setting [move] x\n"));
	assert_int_equal(settings.workers, 4);
	assert_int_equal(settings.rules.n, 1);
	assert_string_equal(read_file(thp_path), "10000\n");
	write_file(conf_path, "[host]\nthp_scan_sleep_ms = 1000\n[daemon]\nlog_level = 6\n");
	assert_int_equal(reload(told, sizeof(told), &options), 0);
	assert_string_equal(read_file(thp_path), "1000\n");
	assert_true(numad_lines_show(6));
	assert_int_equal(settings.rules.n, 0);
	control_done(&lists);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, begin, end),
		cmocka_unit_test_setup_teardown(test_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_lists, begin, end),
		cmocka_unit_test_setup_teardown(test_listed_under_watch, begin, end),
		cmocka_unit_test_setup_teardown(test_full_list, begin, end),
		cmocka_unit_test_setup_teardown(test_rules, begin, end),
		cmocka_unit_test_setup_teardown(test_scan_all, begin, end),
		cmocka_unit_test_setup_teardown(test_wants, begin, end),
		cmocka_unit_test_setup_teardown(test_wants_the_big_and_busy, begin, end),
		cmocka_unit_test_setup_teardown(test_thp, begin, end),
		cmocka_unit_test_setup_teardown(test_thp_after_a_crash, begin, end),
		cmocka_unit_test_setup_teardown(test_thp_of_somebody_else, begin, end),
		cmocka_unit_test_setup_teardown(test_thp_that_is_not_there, begin, end),
		cmocka_unit_test_setup_teardown(test_reload, begin, end),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
