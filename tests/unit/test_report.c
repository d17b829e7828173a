/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon tells: whole lines for a host with nodes 0 and 8, what is unknown has no key,
 * nobody's name makes a line or a key, and explain finds guests by name, uuid and pid.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "act/intent.h"
#include "host/root.h"
#include "tell/report.h"

#define GIB (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000000000)
#define UUID "6b1e1b0e-3c3c-4b5f-9d4e-000000000001"

static struct place_node nodes[2] = { { .id = 0, .n_cpus = 4, .n_cores = 2 },
				      { .id = 8, .n_cpus = 4, .n_cores = 4 } };
static const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
static struct place_node_sample raw[2];
static struct place_node_model weighed[2];
static struct place_model model = { .n_nodes = 2, .nodes = weighed };
static struct place_guest guests[3];
static struct place_sample sample = { .n_nodes = 2, .nodes = raw, .n_guests = 3, .guests = guests };
static uint64_t bytes[2] = { GIB, 2 * GIB };
static uint32_t run[2] = { 250, 750 };
static struct place_activity activities[3];
static unsigned traits[3];
static enum place_class classes[3];
static enum place_fate fates[3];
static struct report_view view;

static void set_of(const char *list, struct place_set *set)
{
	assert_return_code(place_set_parse_list(list, set), 0);
}

static void make_nodes(void)
{
	raw[0] = (struct place_node_sample){
		.known = PLACE_NODE_TOTAL | PLACE_NODE_FREE | PLACE_NODE_POOLS,
		.total_bytes = 8 * GIB,
		.free_bytes = 3 * GIB,
		.n_pools = 1,
		.pools = { { .page_bytes = 2 << 20, .total_pages = 10, .free_pages = 7 } },
	};
	raw[1] = (struct place_node_sample){ 0 };
	weighed[0] = (struct place_node_model){
		.id = 0,
		.flags = PLACE_NODE_MEMORY_KNOWN,
		.capacity_millicpu = 4000,
		.committed_millicpu = 1500,
		.reserve_bytes = 1,
		.promised_bytes = 2,
		.usable_bytes = 3,
	};
	weighed[1] = (struct place_node_model){ .id = 8, .reserve_bytes = 77 };
}

static void make_guests(void)
{
	memset(guests, 0, sizeof(guests));
	guests[0].known = PLACE_GUEST_NAME | PLACE_GUEST_UUID | PLACE_GUEST_MEMORY |
			  PLACE_GUEST_VCPUS | PLACE_GUEST_MEMS;
	guests[0].pid = 100;
	guests[0].n_vcpus = 4;
	guests[0].memory_bytes = 4 * GIB;
	strcpy(guests[0].name, "web1");
	strcpy(guests[0].uuid, UUID);
	guests[0].bind = PLACE_BIND_STRICT;
	set_of("0,8", &guests[0].mems);
	activities[0] = (struct place_activity){
		.known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN | PLACE_ACTIVITY_REMOTE,
		.bytes = bytes,
		.bytes_ns = 95 * SECOND,
		.bytes_source = PLACE_BYTES_CGROUP,
		.run_permille = run,
		.busy_millicpu = 1830,
		.remote_permille = 312,
		.sure_permille = 800,
		.evidence = PLACE_EVIDENCE_RESIDENCY,
	};
	traits[0] = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_ADVISED;
	classes[0] = PLACE_CLASS_AUTO;
	fates[0] = PLACE_FATE_MOVE;
	guests[1].known = PLACE_GUEST_NAME;
	guests[1].pid = 200;
	strcpy(guests[1].name, "a\" class=\"free\nguest pid=1 \xff\\");
	classes[1] = PLACE_CLASS_UNREADABLE;
	fates[1] = PLACE_FATE_CLASS;
	guests[2].known = PLACE_GUEST_NAME;
	guests[2].pid = 300;
	strcpy(guests[2].name, "100");
	fates[2] = PLACE_FATE_UNKNOWN;
	classes[2] = PLACE_CLASS_FREE;
}

static int make_view(void **state)
{
	(void)state;
	memset(activities, 0, sizeof(activities));
	memset(traits, 0, sizeof(traits));
	make_nodes();
	make_guests();
	sample.taken_ns = 98 * SECOND;
	view = (struct report_view){
		.version = "1.2",
		.pid = 42,
		.now_ns = 100 * SECOND,
		.started_ns = 40 * SECOND,
		.interval_s = 5,
		.topology = &topology,
		.sample = &sample,
		.model = &model,
		.activities = activities,
		.traits = traits,
		.classes = classes,
		.fates = fates,
	};
	return 0;
}

static char text[65536];

static void status(void)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	report_status(&view, out);
	fclose(out);
}

static int explain(const char *who)
{
	FILE *out = fmemopen(text, sizeof(text), "w");
	const int r = report_explain(&view, who, out);

	fputc('\0', out);
	fclose(out);
	return r;
}

static void metrics(void)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	report_metrics(&view, out);
	fclose(out);
}

static void assert_has(const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static void assert_lacks(const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static size_t count(const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		n++;
	return n;
}

static void test_status(void **state)
{
	(void)state;
	status();
	assert_string_equal(
		text,
		"daemon version=\"1.2\" pid=42 mode=\"active\" interval_s=5 uptime_ms=60000 "
		"sample_age_ms=2000\n"
		"node node=0 total_bytes=8589934592 free_bytes=3221225472 reserve_bytes=1 "
		"promised_bytes=2 usable_bytes=3 cpus=4 cores=2 capacity_millicpu=4000 "
		"committed_millicpu=1500 pool_free_pages=2048:7 pool_total_pages=2048:10\n"
		"node node=8 cpus=4 cores=4 capacity_millicpu=0 committed_millicpu=0\n"
		"guest pid=100 name=\"web1\" uuid=\"" UUID "\" class=\"auto\" vcpus=4 "
		"memory_bytes=4294967296 hugepage_bytes=0 bind=\"strict\" mems=\"0,8\" "
		"bytes=0:1073741824,8:2147483648 bytes_source=\"cgroup\" bytes_age_ms=5000 "
		"busy_millicpu=1830 run_permille=0:250,8:750 remote_permille=312 sure_permille=800 "
		"evidence=\"residency\" verdict=\"move\" reason=\"is to be moved\"\n"
		"guest pid=200 name=\"a\\x22 class=\\x22free\\x0aguest pid=1 \\xff\\x5c\" "
		"class=\"unreadable\" verdict=\"class\" reason=\"it could not be looked at\"\n"
		"guest pid=300 name=\"100\" class=\"free\" verdict=\"unknown\" "
		"reason=\"nothing is known of its access yet\"\n");
}

static void test_cells(void **state)
{
	const struct report_cell cells[] = {
		{ .pid = 100,
		  .name = "web1",
		  .id = 1,
		  .n_vcpus = 4,
		  .present_bytes = GIB,
		  .has_node = true,
		  .to_node = 8,
		  .right_bytes = GIB / 4,
		  .is_due = true },
		{ .pid = 7, .name = "", .id = 2, .n_vcpus = 1, .present_bytes = GIB },
	};

	(void)state;
	view.cells = cells;
	view.n_cells = 2;
	status();
	assert_has("\ncell pid=100 name=\"web1\" cell=1 vcpus=4 node=8 there_bytes=268435456 "
		   "present_bytes=1073741824\n");
	assert_has("\ncell pid=7 name=\"\" cell=2 vcpus=1 present_bytes=1073741824\n");
	assert_int_equal(explain("web1"), 0);
	assert_int_equal(count("\ncell "), 1);
	assert_has(
		"topic=\"cell\" text=\"cell 1 belongs to node 8: 4 vCPUs, and 25.0 % of the 1024 "
		"MiB that are there; the rest is to follow\"\n");
}

static void test_before_there_is_a_model(void **state)
{
	(void)state;
	view.model = NULL;
	view.is_paused = true;
	status();
	assert_has("node node=0 total_bytes=8589934592 free_bytes=3221225472 cpus=4 cores=2 pool_");
	assert_has("mode=\"paused\"");
	view.is_dry_run = true;
	status();
	assert_has("mode=\"dry_run\"");
}

static void test_moves_promises_findings(void **state)
{
	struct report_move moves[] = {
		{ .pid = 100,
		  .name = "web1",
		  .to_node = 8,
		  .planned_bytes = GIB,
		  .moved_bytes = GIB / 2,
		  .begin_ns = 90 * SECOND,
		  .state = REPORT_MOVE_RUNNING,
		  .cause = PLACE_CAUSE_ARRIVAL,
		  .for_whom = "db=\"1",
		  .for_pid = 7,
		  .reason = "remote access" },
		{ .pid = 7,
		  .name = "",
		  .to_node = 0,
		  .begin_ns = 50 * SECOND,
		  .end_ns = 53 * SECOND,
		  .state = REPORT_MOVE_FAILED,
		  .reason = "" },
	};
	const struct report_finding finding = { .what = "ksm_across_nodes",
						.subject = "",
						.text = "KSM merges.",
						.level = REPORT_WARNING,
						.remedy = "Switch it off." };
	struct place_promise promise = {
		.booked_ns = 99 * SECOND, .vcpus_centi = 400, .memory_bytes = GIB, .pid = 0
	};
	const struct place_ledger ledger = { &promise, 1, 1 };

	(void)state;
	set_of("0", &moves[0].from);
	set_of("8", &moves[1].from);
	set_of("0,8", &promise.nodes);
	view.moves = moves;
	view.n_moves = 2;
	view.findings = &finding;
	view.n_findings = 1;
	view.ledger = &ledger;
	status();
	assert_has("\nmove pid=100 name=\"web1\" from=\"0\" to=8 state=\"running\" "
		   "planned_bytes=1073741824 moved_bytes=536870912 failed_bytes=0 age_ms=10000 "
		   "duration_ms=10000 cause=\"arrival\" for_pid=7 for=\"db=\\x221\" "
		   "reason=\"remote access\"\n");
	assert_has("state=\"failed\" planned_bytes=0 moved_bytes=0 failed_bytes=0 age_ms=50000 "
		   "duration_ms=3000 cause=\"locality\" reason=\"\"\n");
	assert_has("\nfinding what=\"ksm_across_nodes\" level=\"warning\" subject=\"\" text=\"KSM "
		   "merges.\" "
		   "remedy=\"Switch it off.\"\n");
	assert_has("\npromise nodes=\"0,8\" memory_bytes=1073741824 vcpus_centi=400 age_ms=1000\n");
	assert_int_equal(explain("web1"), 0);
	assert_int_equal(count("\nmove "), 1);
	assert_has("because topic=\"room\" text=\"memory of it goes to node 8 to make room, before "
		   "the kernel swaps or kills somebody: for db=\\x221\"\n");
	/* And who is made room for is told by whom. */
	moves[0].pid = 8;
	moves[0].for_pid = 100;
	moves[0].end_ns = 95 * SECOND;
	assert_int_equal(explain("web1"), 0);
	assert_has("topic=\"room\" text=\"memory of web1 (pid 8) went to node 8 to make room for "
		   "it\"\n");
}

static void test_explain_finds(void **state)
{
	static const struct {
		const char *who;
		const char *pid; /* NULL: nobody */
	} cases[] = {
		{ "web1", "pid=100 " },
		{ UUID, "pid=100 " },
		{ "6B1E1B0E-3C3C-4B5F-9D4E-000000000001", "pid=100 " },
		/* A pid goes before a name that looks like one. */
		{ "100", "pid=100 " },
		{ "300", "pid=300 " },
		{ "a\" class=\"free\nguest pid=1 \xff\\", "pid=200 " },
		{ "", NULL },
		{ "0", NULL },
		{ "web", NULL },
		{ "-100", NULL },
		{ "18446744073709551615", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int r = explain(cases[i].who);

		assert_int_equal(r, cases[i].pid ? 0 : -ENOENT);
		assert_int_equal(count("guest pid="),
				 cases[i].pid ? 1 + (cases[i].pid[4] == '2') : 0);
		if (cases[i].pid)
			assert_memory_equal(text + strlen("guest "), cases[i].pid, 8);
	}
	guests[0].pid = 101;
	assert_int_equal(explain("100"), 0);
	assert_has("guest pid=300 ");
	/* Two guests of one name: libvirt's system and a user's own. */
	strcpy(guests[2].name, "web1");
	assert_int_equal(explain("web1"), 0);
	assert_has("guest pid=101 ");
	assert_has("\nguest pid=300 ");
}

static void test_explain_says(void **state)
{
	(void)state;
	assert_int_equal(explain("web1"), 0);
	assert_has("topic=\"class\" text=\"auto: its nodes were advised\"");
	assert_has("topic=\"found\" text=\"libvirt runs it\"");
	assert_has("topic=\"memory\" text=\"1024 MiB on node 0, 2048 MiB on node 8 (exact, from "
		   "memory.numa_stat of its own group, 5 s ago)\"");
	assert_has("topic=\"cpu\" text=\"uses 1.83 CPUs, 25 % on node 0, 75 % on node 8\"");
	assert_has("31.2 % of its access is remote, inferred from where its memory lies");
	assert_has("sure to 80 %");
	assert_has("topic=\"verdict\" text=\"move: is to be moved\"");
	assert_has(
		"topic=\"next_page\" text=\"its next page comes from nodes 0,8 only (policy bind)");
	assert_has("topic=\"libvirt\" text=\"libvirt keeps the nodes that were advised");
	place_nodes_from_set(&guests[0].mems, &guests[0].allowed);
	guests[0].known |= PLACE_GUEST_ALLOWED;
	assert_int_equal(explain("web1"), 0);
	assert_lacks("its cpuset");
	guests[0].bind = PLACE_BIND_PREFERRED;
	assert_int_equal(explain("web1"), 0);
	assert_has("topic=\"next_page\" text=\"its cpuset has nodes 0,8 only: once they are full");
	activities[0].evidence = PLACE_EVIDENCE_HINT_FAULTS;
	activities[0].bytes_source = PLACE_BYTES_SAMPLES;
	assert_int_equal(explain("web1"), 0);
	assert_has("counted by the kernel's NUMA balancing");
	assert_has("estimated from random pages");
	assert_int_equal(explain("200"), 0);
	assert_has("where its memory lies is not known yet");
	assert_has("where its vCPUs run is not known yet");
	assert_has("nobody can say yet");
	assert_has("where its next page will come from is not known");
	assert_has("nothing of a guest of class unreadable goes to another node");
	assert_lacks("may go");
	classes[1] = PLACE_CLASS_DEVICE;
	assert_int_equal(explain("200"), 0);
	assert_has("its memory stays: only its CPUs may go");
	classes[1] = PLACE_CLASS_PINNED;
	assert_int_equal(explain("200"), 0);
	assert_has("only its memory may be moved");
}

/* Where libvirt thinks that it is, and where it is. */
static void test_explain_nodes(void **state)
{
	struct intent list[] = {
		{ .kind = INTENT_NODES, .pid = guests[0].pid, .start_ns = guests[0].start_ns },
		{ .kind = INTENT_MEMS, .pid = guests[0].pid, .start_ns = guests[0].start_ns },
	};
	const struct intents intents = { .list = list, .n = 2 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		place_set_add(&list[i].before, 8);
		place_set_add(&list[i].given, 0);
	}
	assert_int_equal(explain("web1"), 0);
	assert_lacks("libvirt goes by");
	assert_lacks("it may be given another node");
	view.intents = &intents;
	assert_int_equal(explain("web1"), 0);
	assert_has("its groups are on their way from node 8 to node 0");
	assert_has("it was given node 0 and libvirt goes by node 8");
	assert_lacks("libvirt keeps the nodes that were advised");
	list[0].start_ns++;
	assert_int_equal(explain("web1"), 0);
	assert_lacks("libvirt goes by");
	place_set_remove(&guests[0].mems, 8);
	assert_int_equal(explain("web1"), 0);
	assert_has("it may be given another node");
	traits[0] |= PLACE_TRAIT_SLOTS;
	assert_int_equal(explain("web1"), 0);
	assert_has("it is never given other nodes");
	assert_lacks("it may be given another node");
}

/* Whoever leaves a bind or a fate without a sentence is told here. */
static void test_explain_covers_all(void **state)
{
	(void)state;
	for (int bind = 0; bind < PLACE_BIND_COUNT; bind++)
		for (int fate = 0; fate < PLACE_FATE_COUNT; fate++)
			for (int class = 0; class < PLACE_CLASS_COUNT; class ++) {
				guests[0].bind = (enum place_bind)bind;
				fates[0] = (enum place_fate)fate;
				classes[0] = (enum place_class) class;
				traits[0] = ~0U;
				assert_int_equal(explain("web1"), 0);
				assert_int_equal(count("topic=\"next_page\""), 1);
				assert_int_equal(count("topic=\"class\""), 1);
				assert_in_range(count("topic=\"verdict\""), 1, 2);
				assert_lacks("bind=\"unknown\"");
				assert_lacks("class=\"unknown\"");
				assert_lacks("(null)");
			}
}

static void test_metrics(void **state)
{
	const struct report_counter counters[] = {
		{ "advice_total", "Questions answered.", 12, false },
		{ "workers", "Movers that run.", 1, true },
	};

	(void)state;
	view.counters = counters;
	view.n_counters = 2;
	metrics();
	assert_has("# HELP placed_advice_total Questions answered.\n"
		   "# TYPE placed_advice_total counter\nplaced_advice_total 12\n");
	assert_has("# TYPE placed_workers gauge\nplaced_workers 1\n");
	assert_has("\nplaced_node_memory_free_bytes{node=\"0\"} 3221225472\n");
	assert_lacks("placed_node_memory_free_bytes{node=\"8\"}");
	assert_lacks("placed_node_memory_reserve_bytes{node=\"8\"}");
	assert_has("\nplaced_guest_remote_ratio{pid=\"100\",name=\"web1\",evidence=\"residency\"} "
		   "0.312\n");
	assert_has("\nplaced_guest_busy_cpus{pid=\"100\",name=\"web1\"} 1.830\n");
	assert_has(
		"\nplaced_guest_memory_bytes{pid=\"100\",name=\"web1\",node=\"8\"} 2147483648\n");
	assert_has("name=\"a\\\\x22 class=\\\\x22free\\\\x0aguest pid=1 \\\\xff\\\\x5c\",class=");
	/* A name and its type stand once. */
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(line[0] == '#' || !strncmp(line, "placed_", 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_status, make_view),
		cmocka_unit_test_setup(test_before_there_is_a_model, make_view),
		cmocka_unit_test_setup(test_moves_promises_findings, make_view),
		cmocka_unit_test_setup(test_cells, make_view),
		cmocka_unit_test_setup(test_explain_finds, make_view),
		cmocka_unit_test_setup(test_explain_says, make_view),
		cmocka_unit_test_setup(test_explain_nodes, make_view),
		cmocka_unit_test_setup(test_explain_covers_all, make_view),
		cmocka_unit_test_setup(test_metrics, make_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
