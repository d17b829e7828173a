/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's tables: what suites of others grep in them, at which level they are written, and a
 * process whose name would make a line of its own.
 */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "tell/numad_log.h"
#include "tell/numad_tables.h"
#include "tree.h"

#define GIB (UINT64_C(1) << 30)

static struct place_node nodes[2] = { { .id = 0, .n_cpus = 4 }, { .id = 8, .n_cpus = 2 } };
static uint8_t distance[] = { 10, 21, 22, 10 };
static struct place_topology topology = { .n_nodes = 2, .nodes = nodes, .distance = distance };
static struct place_node_sample raw[2] = { { .total_bytes = 64 * GIB, .free_bytes = 3 * GIB },
					   { .total_bytes = 8 * GIB } };
static struct place_node_model weighed[2] = {
	{ .capacity_millicpu = 4000, .committed_millicpu = 1500 },
	{ .capacity_millicpu = 2000, .committed_millicpu = 9000 },
};
static const struct place_model model = { .n_nodes = 2, .nodes = weighed };
static struct place_guest guest = {
	.known = PLACE_GUEST_NAME, .pid = 4711, .memory_bytes = 4 * GIB, .resident_bytes = GIB
};
static const struct place_sample sample = {
	.n_nodes = 2, .nodes = raw, .n_guests = 1, .guests = &guest
};
static uint64_t bytes[2] = { 0, GIB };
static struct place_activity activity = { .known = PLACE_ACTIVITY_BYTES,
					  .bytes = bytes,
					  .busy_millicpu = 1830 };

static char content[65536];

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", tree_path, name);
	return path;
}

static void write_stat(const char *pid, const char *comm, unsigned pages)
{
	char line[256];

	snprintf(line, sizeof(line),
		 "%s (%s) S 1 1 1 0 -1 0 0 0 0 0 500 200 0 0 20 0 3 0 100 0 %u 0 0 0 0 0 0 0 0 0 0 "
		 "0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		 pid, comm, pages);
	tree_put(line, "proc/%s/stat", pid);
}

static int begin(void **state)
{
	const unsigned mib_pages = (unsigned)((1 << 20) / sysconf(_SC_PAGESIZE));

	(void)state;
	tree_make();
	write_stat("12", "stress-ng-vm", 1000 * mib_pages);
	write_stat("13", "small", 299 * mib_pages);
	write_stat("14", "x)\nNode 9: y", 301 * mib_pages);
	mkdir(path_of("proc/15"), 0700);
	strcpy(guest.name, "web1");
	assert_return_code(place_set_parse_list("0-3", &nodes[0].cpus), 0);
	assert_return_code(place_set_parse_list("4,6", &nodes[1].cpus), 0);
	alarm(60);
	return 0;
}

static int end(void **state)
{
	(void)state;
	numad_lines_close();
	tree_remove();
	return 0;
}

static const char *written(void)
{
	FILE *file = fopen(path_of("log"), "r");
	size_t n = 0;

	if (file) {
		n = fread(content, 1, sizeof(content) - 1, file);
		fclose(file);
	}
	content[n] = '\0';
	return content;
}

static void assert_greps(const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB), 0);
	if (regexec(&regex, content, 0, NULL, 0) != 0)
		fail_msg("%s does not match in:\n%s", pattern, content);
	regfree(&regex);
}

static void test_level_6(void **state)
{
	(void)state;
	numad_lines_open(path_of("log"), LOG_NOTICE);
	numad_tables_write(&topology, &sample, &model, &activity);
	assert_string_equal(written(), "");
	numad_lines_set_level(LOG_INFO);
	numad_tables_write(&topology, &sample, &model, &activity);
	assert_string_equal(
		written(),
		"\nNodes: 2\n"
		"Node 0: MBs_total 65536, MBs_free   3072, CPUs_total 400, CPUs_free  250,  "
		"Distance: 10 21  CPUs: 0-3\n"
		"Node 8: MBs_total 8192, MBs_free      0, CPUs_total 200, CPUs_free    0,  "
		"Distance: 22 10  CPUs: 4,6\n"
		"\nProcesses: 1\n"
		"PID 4711: (web1) MBs_size   4096, MBs_used   1024, CPUs_used  183, Nodes: 8\n");
	/* As the suites of others do. */
	assert_greps("Node.0.*MBs_tot(al)?.*CPUs_tot(al)?");
	assert_greps("Node.8.*MBs_tot(al)?.*CPUs_tot(al)?");
	assert_greps("MBs_total.*MBs_free");
}

static void test_without_model_and_names(void **state)
{
	(void)state;
	strcpy(guest.name, "a\nNode 9: b");
	numad_lines_open(path_of("log"), LOG_INFO);
	numad_tables_write(&topology, &sample, NULL, &activity);
	written();
	assert_greps("^PID 4711: \\(a\\\\x0aNode 9: b\\) ");
	assert_null(strstr(content, "\nNode 9"));
}

static void test_level_7(void **state)
{
	struct place_root root;
	sd_event *event;

	(void)state;
	assert_int_equal(place_root_open(tree_path, &root), 0);
	assert_return_code(sd_event_new(&event), 0);
	numad_lines_open(path_of("log"), LOG_INFO);
	numad_tables_scan(event, &root);
	numad_lines_set_level(LOG_DEBUG);
	numad_tables_scan(event, &root);
	numad_tables_scan(event, &root);
	while (!strstr(written(), "Candidates: "))
		assert_return_code(sd_event_run(event, 1000000), 0);
	assert_greps("^Candidates: 2$");
	assert_greps("^PID 12: \\(stress-ng-vm\\), Threads 3, MBs_used 1000, CPU seconds 7$");
	assert_greps("^PID 14: \\(x\\)\\\\x(5cx)?0aNode 9: y\\), ");
	assert_null(strstr(content, "small"));
	numad_tables_scan(event, &root);
	numad_tables_cancel();
	numad_tables_cancel();
	sd_event_unref(event);
	place_root_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_level_6, begin, end),
		cmocka_unit_test_setup_teardown(test_without_model_and_names, begin, end),
		cmocka_unit_test_setup_teardown(test_level_7, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
