/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings: values and their ranges, faults with file and line and all of them at once, drop-ins,
 * files that are none, and the way back: what is printed reads the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask/inquiry.h"
#include "host/cleanup.h"
#include "settings.h"

static char said[65536]; /* what the last read() or load() said */
static char folder[] = "/tmp/placed-settings-XXXXXX";
static struct settings settings;

static FILE *listen_to(void)
{
	FILE *file = fmemopen(said, sizeof(said), "w");

	assert_non_null(file);
	memset(said, 0, sizeof(said));
	return file;
}

static int read_bytes(const char *text, size_t size)
{
	FILE *errors = listen_to();
	int r;

	settings_done(&settings);
	settings_default(&settings);
	r = settings_read_text("f", text, size, &settings, errors);
	fclose(errors);
	return r;
}

static int read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int load(const char *name)
{
	FILE *errors = listen_to();
	int r;

	settings_done(&settings);
	settings_default(&settings);
	r = settings_load(path_of(name), &settings, errors);
	fclose(errors);
	return r;
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && mkdir(path_of("conf.d"), 0755) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void)state;
	settings_done(&settings);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void test_defaults(void **state)
{
	struct place_policy policy, standard;

	(void)state;
	assert_int_equal(read_text(""), 0);
	settings_policy(&settings, &policy);
	place_policy_default(&standard);
	assert_int_equal(policy.memory_only_nodes, standard.memory_only_nodes);
	assert_int_equal(policy.hugepages, standard.hugepages);
	assert_int_equal(policy.count_reclaimable, standard.count_reclaimable);
	assert_int_equal(policy.smt_percent, standard.smt_percent);
	assert_int_equal(policy.promise_ns, standard.promise_ns);
	assert_int_equal(policy.reserve_permille, standard.reserve_permille);
	assert_int_equal(policy.guest_overhead_bytes, standard.guest_overhead_bytes);
	assert_true(place_set_equal(&policy.reserved_cpus, &standard.reserved_cpus));
	assert_true(settings.move_enabled);
	assert_false(settings.scan_all);
	assert_int_equal(settings.thp_scan_sleep_ms, 0);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting *setting = &settings_table[i];
		bool has_section = false;

		for (size_t j = 0; j < SETTINGS_N_SECTIONS; j++)
			has_section |= !strcmp(settings_sections[j].name, setting->section);
		assert_true(has_section);
		assert_ptr_equal(settings_find(setting->section, setting->key), setting);
		assert_true(setting->least <= setting->greatest);
		/* A key says its unit. */
		if (setting->unit[0])
			assert_non_null(strchr(setting->key, '_')	 ? setting->key :
					!strcmp(setting->key, "samples") ? setting->key :
									   NULL);
	}
	assert_null(settings_find("move", "interval_min_s"));
}

static void test_policies(void **state)
{
	struct place_policy policy;
	struct place_move_policy move;

	(void)state;
	assert_int_equal(read_text("[advice]\nmemory_only_nodes = overflow\nhugepages = always\n"
				   "promise_s = 7\nreserve_permille = 0\nguest_overhead_mib = 3\n"
				   "count_reclaimable = no\nsmt_percent = 0\nreserved_cpus = 1-2\n"
				   "[move]\nenabled = off\nremote_permille = 2\n"
				   "locality_percent = 80\nutilization_percent = 70\n"
				   "keep_interleaved = no\nbusy_millicpu = 5\npayback_s = 9\n"
				   "guests_at_once = 8\n"),
			 0);
	settings_policy(&settings, &policy);
	assert_int_equal(policy.memory_only_nodes, PLACE_MEMORY_ONLY_OVERFLOW);
	assert_int_equal(policy.hugepages, PLACE_HUGEPAGES_ALWAYS);
	assert_int_equal(policy.promise_ns, 7000000000);
	assert_int_equal(policy.reserve_permille, 0);
	assert_int_equal(policy.guest_overhead_bytes, 3 << 20);
	assert_false(policy.count_reclaimable);
	assert_int_equal(policy.smt_percent, 0);
	assert_int_equal(place_set_count(&policy.reserved_cpus), 2);
	settings_move_policy(&settings, &move);
	assert_false(move.is_enabled);
	assert_int_equal(move.remote_permille, 2);
	assert_int_equal(move.locality_permille, 800);
	assert_int_equal(move.utilization_percent, 70);
	assert_true(move.merges_interleaved);
	assert_int_equal(move.busy_millicpu, 5);
	assert_int_equal(move.payback_s, 9);
	assert_int_equal(move.steps_max, 8);
}

/* Each number at its ends and one beyond them. */
static void test_ranges(void **state)
{
	char text[200];

	(void)state;
	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting *setting = &settings_table[i];
		const long least = setting->least, greatest = setting->greatest;
		const struct {
			long value;
			int r;
		} cases[] = {
			{ least, 0 },
			{ greatest, 0 },
			{ least - 1, -EINVAL },
			{ greatest + 1, -EINVAL },
			{ 0, setting->kind == SETTING_NUMBER_OR_ZERO || !least ? 0 : -EINVAL },
		};

		if (setting->kind != SETTING_NUMBER && setting->kind != SETTING_NUMBER_OR_ZERO)
			continue;
		for (size_t j = 0; j < ELEMENTSOF(cases); j++) {
			snprintf(text, sizeof(text), "[%s]\n%s = %ld", setting->section,
				 setting->key, cases[j].value);
			if (read_text(text) != cases[j].r)
				fail_msg("%s", text);
		}
	}
}

static void test_faults(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "[move]\n\nbandwith = 3", "f:3: unknown setting [move] bandwith\n" },
		{ "[move]\nworkers = 9", "f:2: [move] workers: \"9\" is out of range: 1 to 8\n" },
		{ "[move]\nworkers = 4294967297",
		  "f:2: [move] workers: \"4294967297\" is out of range: 1 to 8\n" },
		{ "[move]\nworkers = -1",
		  "f:2: [move] workers: \"-1\" is not understood: 1 to 8\n" },
		{ "[move]\nworkers = 2 s",
		  "f:2: [move] workers: \"2 s\" is not understood: 1 to 8\n" },
		{ "[move]\nworkers =", "f:2: [move] workers: \"\" is not understood: 1 to 8\n" },
		{ "[move]\nenabled = maybe",
		  "f:2: [move] enabled: \"maybe\" is not understood: yes or no\n" },
		{ "[advice]\nhugepages = 1",
		  "f:2: [advice] hugepages: \"1\" is not understood: either, never, always\n" },
		{ "[advice]\nreserved_cpus = x",
		  "f:2: [advice] reserved_cpus: \"x\" is not understood: list\n" },
		{ "[advice]\nreserved_cpus = 9999",
		  "f:2: [advice] reserved_cpus: \"9999\" is out of range: list\n" },
		{ "[host]\nthp_scan_sleep_ms = 9", "f:2: [host] thp_scan_sleep_ms: \"9\" is out of "
						   "range: 0, or 10 to 1000000 ms\n" },
		{ "[move]\nworkers = \x1b[m",
		  "f:2: [move] workers: \"\\x1b[m\" is not understood: 1 to 8\n" },
		{ "[move]\nworkers = 2\nworkers = 3",
		  "f:3: [move] workers was set in line 2 before\n" },
		{ "[guest a]\nname = x\nmanage = no\n[guest a]\nname = y\n",
		  "f:4: [guest a] stands in line 1 before\n" },
		{ "[guest a\x1b[m]\nname = x\n", "f:1: unknown section [guest a\\x1b[m]\n" },
		{ "[guest a]\nname = \x1b[m\n", "f:2: [guest a] name: a control character\n" },
		{ "[moving]\nx = 1\ny = 2\n", "f:1: unknown section [moving]\n" },
		{ "x = 1", "f:1: x stands before the first section\n" },
		{ "[move]\njunk", "f:2: neither a section nor a setting: junk\n" },
		{ "[move]\n= 3", "f:2: neither a section nor a setting: = 3\n" },
		{ "[move]\na ; b = 3", "f:2: neither a section nor a setting: a ; b = 3\n" },
		{ "[move", "f:1: a section without its ]\n" },
		{ "[move] workers = 3", "f:1: text behind a section\n" },
		{ "[guest ]", "f:1: unknown section [guest ]\n" },
		{ "[guest  a]", "f:1: unknown section [guest  a]\n" },
		{ "[guest a]\nx = 1", "f:2: unknown setting [guest a] x\n" },
		{ "[guest a]\nname =", "f:2: [guest a] name: a pattern has 1 to 159 bytes\n" },
		{ "[guest a]\nmanage = on",
		  "f:2: [guest a] manage: \"on\" is not understood: yes or no\n" },
		/* All of them, in order. */
		{ "[move]\na = 1\nb = 2\nc\n", "f:2: unknown setting [move] a\n"
					       "f:3: unknown setting [move] b\n"
					       "f:4: neither a section nor a setting: c\n" },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		assert_int_equal(read_text(cases[i].text), -EINVAL);
		assert_string_equal(said, cases[i].said);
	}
}

/* inih would cut each of these and say nothing. */
static void test_long_lines(void **state)
{
	char text[1000];

	(void)state;
	snprintf(text, sizeof(text), "[daemon]\nlog_file = /%0*d", 158, 7);
	assert_int_equal(read_text(text), 0);
	assert_int_equal(strlen(settings.log_file), 159);
	snprintf(text, sizeof(text), "[daemon]\nlog_file = /%0*d", 159, 7);
	assert_int_equal(read_text(text), -EINVAL);
	snprintf(text, sizeof(text), "[daemon]\nlog_level = %*d", 300, 7);
	assert_int_equal(read_text(text), -EINVAL);
	assert_string_equal(said, "f:2: the line is longer than 198 bytes\n");
	snprintf(text, sizeof(text), "[daemon]\n%300s\nlog_level = 7%300s\n# %0*d\n", "", "", 196,
		 1);
	assert_int_equal(read_text(text), 0);
	assert_int_equal(settings.log_level, 7);
	snprintf(text, sizeof(text), "# %0*d", 197, 1);
	assert_int_equal(read_text(text), -EINVAL);
	snprintf(text, sizeof(text), "[guest %0*d]\nname=a", 43, 1);
	assert_int_equal(read_text(text), 0);
	assert_int_equal(strlen(settings.rules.list[0].label), 43);
	snprintf(text, sizeof(text), "[guest %0*d]\nname=a", 44, 1);
	assert_int_equal(read_text(text), -EINVAL);
	assert_string_equal(said, "f:1: the name of a section is longer than 49 bytes\n");
}

/* The daemon leaves the folder that it was started in. */
static void test_relative_path(void **state)
{
	(void)state;
	assert_int_equal(read_text("[daemon]\nlog_file = a/b\n"), -EINVAL);
	assert_non_null(strstr(said, "an absolute path"));
	assert_int_equal(read_text("[daemon]\nlog_file =\n"), 0);
	assert_string_equal(settings.log_file, "");
}

static void test_nul(void **state)
{
	static const char text[] = "[daemon]\nlog_level = 7\0\nlog_file = /x";

	(void)state;
	assert_int_equal(read_bytes(text, sizeof(text) - 1), -EINVAL);
	assert_string_equal(said, "f:2: a NUL byte\n");
	assert_int_equal(read_bytes("\0", 1), -EINVAL);
}

static void test_form(void **state)
{
	(void)state;
	/* A mark, no newline at the end, CR LF, blanks, both signs, comments. */
	assert_int_equal(
		read_text("\xef\xbb\xbf[daemon] ; why\r\n\tlog_level:6\r\n"
			  "  log_file = /a;b ; c\r\n#x\n;y\n\n[move]# z\n   workers   =   3"),
		0);
	assert_int_equal(settings.log_level, 6);
	assert_string_equal(settings.log_file, "/a;b");
	assert_int_equal(settings.workers, 3);
	/* An indented line is one of its own, never more of the value above. */
	assert_int_equal(read_text("[daemon]\nlog_file = /a\n  log_level = 7\n"), 0);
	assert_string_equal(settings.log_file, "/a");
	assert_int_equal(settings.log_level, 7);
	assert_int_equal(read_text(""), 0);
	assert_int_equal(read_text("[move]\n[move]\nworkers = 4\n[daemon]\n[move]\nenabled = 0"),
			 0);
	assert_int_equal(settings.workers, 4);
	assert_false(settings.move_enabled);
}

static void test_many_faults(void **state)
{
	char text[4000] = "[move]\n";

	(void)state;
	for (size_t i = 0; i < 150; i++)
		strcat(text, "x=1\n");
	assert_int_equal(read_text(text), -EINVAL);
	assert_non_null(strstr(said, "f:101: "));
	assert_null(strstr(said, "f:102: "));
	assert_non_null(strstr(said, "f: 50 more\n"));
}

static void test_check(void **state)
{
	FILE *errors;

	(void)state;
	assert_int_equal(read_text("[daemon]\ninterval_max_s = 3\n[guest a]\nmanage = no\n"
				   "[guest b]\nname = b\n"),
			 0);
	errors = listen_to();
	assert_int_equal(settings_check("f", &settings, errors), -EINVAL);
	fclose(errors);
	assert_string_equal(said, "f: [daemon] interval_max_s (3) is less than interval_min_s (5)\n"
				  "f: [guest a] has no name, uuid, cgroup or command\n"
				  "f: [guest b] does not say manage = yes or no\n");
}

static void test_files(void **state)
{
	(void)state;
	/* Named, and not there. */
	assert_int_equal(load("missing"), -EINVAL);
	assert_non_null(strstr(said, "missing: No such file"));
	assert_int_equal(load("."), -EINVAL);
	assert_non_null(strstr(said, "not a regular file"));
	assert_int_equal(mkfifo(path_of("fifo"), 0644), 0);
	assert_int_equal(load("fifo"), -EINVAL);
	assert_non_null(strstr(said, "not a regular file"));
	write_file("large", "");
	assert_int_equal(truncate(path_of("large"), (256 << 10) + 1), 0);
	assert_int_equal(load("large"), -EINVAL);
	assert_non_null(strstr(said, "larger than 256 KiB"));
	write_file("empty", "");
	assert_int_equal(load("empty"), 0);
	assert_string_equal(said, "");
}

/* By name, the later wins; others than *.conf do not count; all faults of all of them. */
static void test_drop_ins(void **state)
{
	(void)state;
	write_file("conf",
		   "[move]\nworkers = 3\nholdoff_s = 7\n[guest a]\nname = x\nmanage = no\n");
	write_file("conf.d/10-a.conf", "[move]\nworkers = 4\n");
	write_file("conf.d/9.conf",
		   "[move]\nworkers = 6\n[guest a]\nmanage = yes\n[guest c]\nname = c\n");
	write_file("conf.d/95.conf", "[guest c]\nmanage = no\n");
	write_file("conf.d/99.conf~", "[move]\nworkers = 7\n");
	write_file("conf.d/.hidden.conf", "[move]\nworkers = 8\n");
	assert_int_equal(load("conf"), 0);
	assert_int_equal(settings.workers, 6);
	assert_int_equal(settings.holdoff_s, 7);
	assert_int_equal(settings.rules.n, 2);
	assert_int_equal(settings.rules.list[0].manage, RULE_MANAGE_YES);
	assert_string_equal(settings.rules.list[0].name, "x");
	/* What one file leaves out another may say. */
	assert_int_equal(settings.rules.list[1].manage, RULE_MANAGE_NO);
	write_file("conf.d/5.conf", "x\n");
	write_file("conf.d/6.conf", "[y]\n");
	assert_int_equal(load("conf"), -EINVAL);
	assert_non_null(strstr(said, "conf.d/5.conf:1: "));
	assert_non_null(strstr(said, "conf.d/6.conf:1: "));
	/* Nothing of a bad set is taken. */
	assert_int_equal(settings.workers, 2);
}

static void test_round_trip(void **state)
{
	static const char text[] = "[daemon]\nlog_file =/;a\n[advice]\nhugepages = never\n"
				   "reserved_cpus = 1,3-5\n[move]\nenabled = no\n"
				   "[guest a b]\nname = [a-c]*\nuuid = *\ncgroup = /x\\x2dy\n"
				   "command = a=b\nmanage = yes\n";
	_cleanup_free_ char *printed = NULL;
	struct settings before;
	size_t size;
	FILE *file;

	(void)state;
	assert_int_equal(read_text(text), 0);
	assert_string_equal(settings.log_file, "/;a");
	file = open_memstream(&printed, &size);
	settings_print(&settings, file);
	fclose(file);
	before = settings;
	settings.rules = (struct rules){ 0 };
	assert_int_equal(read_bytes(printed, size), 0);
	file = listen_to();
	assert_int_equal(settings_tell_changes(&before, &settings, false, file), 0);
	fclose(file);
	settings_done(&before);
}

static void test_changes(void **state)
{
	struct settings before;
	FILE *out;

	(void)state;
	settings_default(&before);
	assert_int_equal(read_text("[daemon]\nlog_file = /x\nlog_level = 5\n[move]\nworkers = 5\n"
				   "[guest a]\nname = x\nmanage = no\n"),
			 0);
	out = listen_to();
	assert_int_equal(settings_tell_changes(&before, &settings, false, out), 3);
	fclose(out);
	assert_string_equal(said, "[daemon] log_file = /x\n[move] workers = 5\n[guest] 1 rules\n");
	out = listen_to();
	assert_int_equal(settings_tell_changes(&before, &settings, true, out), 1);
	fclose(out);
	assert_string_equal(said, "[daemon] log_file = /x\n");
}

static void test_orders(void **state)
{
	static const struct {
		char letter;
		int64_t arg1, arg2;
		int r;
	} cases[] = {
		{ 'C', 0, 0, 0 },
		{ 'C', 2, 0, 0 },
		{ 'H', 0, 0, 0 },
		{ 'H', 9, 0, -ERANGE },
		{ 'H', 10, 0, 0 },
		{ 'H', 1000000, 0, 0 },
		{ 'H', 1000001, 0, -ERANGE },
		{ 'H', -1, 0, -ERANGE },
		{ 'i', 0, 1, 0 },
		{ 'i', 5, 4, -ERANGE },
		{ 'i', -1, 4, -ERANGE },
		{ 'i', 0, 0, -ERANGE },
		{ 'i', 5, INT64_MAX, -ERANGE },
		{ 'i', INT_MAX, INT_MAX, 0 },
		{ 'l', INT64_MIN, 0, 0 },
		{ 'm', 49, 0, -ERANGE },
		{ 'm', 50, 0, 0 },
		{ 'm', 100, 0, 0 },
		{ 'm', 101, 0, -ERANGE },
		{ 't', -1, 0, -ERANGE },
		{ 't', 0, 0, 0 },
		{ 't', 101, 0, -ERANGE },
		{ 'u', 9, 0, -ERANGE },
		{ 'u', 10, 0, 0 },
		{ 'u', 130, 0, 0 },
		{ 'u', 131, 0, -ERANGE },
		{ 'u', (INT64_C(1) << 32) + 85, 0, -ERANGE },
		{ 'w', 1, 1, -EOPNOTSUPP },
		{ 'p', 1, 0, -EOPNOTSUPP },
		{ '\0', 1, 0, -EOPNOTSUPP },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (settings_order(&settings, cases[i].letter, cases[i].arg1, cases[i].arg2) !=
		    cases[i].r)
			fail_msg("%c %ld", cases[i].letter, (long)cases[i].arg1);
	assert_int_equal(read_text(""), 0);
	assert_int_equal(settings_order(&settings, 'i', 0, INT_MAX), 0);
	assert_int_equal(settings.interval_min_s, 1);
	assert_int_equal(settings.interval_max_s, 86400);
	assert_int_equal(settings_order(&settings, 'l', 99, 0), 0);
	assert_int_equal(settings.log_level, 7);
	assert_int_equal(settings_order(&settings, 'l', -4, 0), 0);
	assert_int_equal(settings.log_level, 0);
	assert_int_equal(settings_order(&settings, 'K', 0, 0), 0);
	assert_false(settings.keep_interleaved);
	assert_int_equal(settings_order(&settings, 'S', 1, 0), 0);
	assert_true(settings.scan_all);
	assert_int_equal(settings_order(&settings, 'H', 77, 0), 0);
	assert_int_equal(settings.thp_scan_sleep_ms, 77);
	assert_int_equal(settings_order(&settings, 'm', 66, 0), 0);
	assert_int_equal(settings.locality_percent, 66);
	assert_int_equal(settings_order(&settings, 'u', 55, 0), 0);
	assert_int_equal(settings.utilization_percent, 55);
	/* Refused: as it was. */
	assert_int_equal(settings_order(&settings, 'u', 5, 0), -ERANGE);
	assert_int_equal(settings.utilization_percent, 55);
}

static void test_override(void **state)
{
	struct options options = {
		.n_orders = 3,
		.orders = { { 'C', 0, 0 }, { 't', 33, 0 }, { 'x', 1, 0 } },
	};

	(void)state;
	assert_int_equal(read_text("[advice]\nsmt_percent = 1\nreserved_cpus = 4\n"
				   "[move]\nutilization_percent = 50\n"),
			 0);
	settings_override(&settings, &options);
	assert_false(settings.count_reclaimable);
	assert_int_equal(settings.smt_percent, 33);
	assert_int_equal(settings.utilization_percent, 50);
	assert_true(place_set_has(&settings.reserved_cpus, 4));
	options.have_reserved_cpus = true;
	place_set_add(&options.reserved_cpus, 2);
	settings_override(&settings, &options);
	assert_false(place_set_has(&settings.reserved_cpus, 4));
	assert_true(place_set_has(&settings.reserved_cpus, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_table),
		cmocka_unit_test(test_policies),      cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_faults),	      cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_nul),	      cmocka_unit_test(test_form),
		cmocka_unit_test(test_relative_path), cmocka_unit_test(test_many_faults),
		cmocka_unit_test(test_check),	      cmocka_unit_test(test_files),
		cmocka_unit_test(test_drop_ins),      cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_changes),	      cmocka_unit_test(test_orders),
		cmocka_unit_test(test_override),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
