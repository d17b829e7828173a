/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Findings: each one where it holds and none where it does not, said once in the log, and again
 * only after it was away for an hour.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "findings.h"
#include "tell/event.h"
#include "tree.h"

#define GIB (UINT64_C(1) << 30)
#define MINUTE UINT64_C(60000000000)

static struct place_root root;
static struct place_text text;
static int reader;

static struct place_node nodes[2] = { { .id = 0, .n_cpus = 4 }, { .id = 1, .n_cpus = 4 } };
static struct place_topology topology;
static struct place_node_sample raw[2];
static struct place_node_model weighed[2];
static struct place_model model;
static struct place_guest guests[2];
static struct place_sample sample;
static struct findings findings;
static struct findings_view view;

static void open_log(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/log", tree_path);
	reader = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(reader, (const struct sockaddr *)&address, sizeof(address)), 0);
	event_open_at(false, "/nonexistent/journal", address.sun_path);
}

/* Lines since the last count; those that the log had no place for were said too. */
static uint64_t count_said(void)
{
	static uint64_t n_before;
	const uint64_t n_not_taken = event_lost_count() + event_held_count();
	uint64_t n = n_not_taken - n_before;
	char message[4096];
	ssize_t size;

	while ((size = recv(reader, message, sizeof(message) - 1, MSG_DONTWAIT)) > 0) {
		message[size] = '\0';
		n += strstr(message, ": finding ") != NULL;
	}
	n_before = n_not_taken;
	return n;
}

/* A host with two nodes of 64 GiB on which all is well. */
static int begin(void **state)
{
	(void)state;
	tree_make();
	if (place_root_open(tree_path, &root) < 0)
		return -1;
	tree_put("0\n", "sys/kernel/mm/ksm/run");
	tree_put("1\n", "sys/kernel/mm/ksm/merge_across_nodes");
	tree_put("0\n", "proc/sys/kernel/numa_balancing");
	tree_put("MemTotal: 1 kB\nSwapTotal: 8 kB\n", "proc/meminfo");
	for (unsigned i = 0; i < 2; i++) {
		raw[i] = (struct place_node_sample){ .known = PLACE_NODE_FREE | PLACE_NODE_RESERVE |
							      PLACE_NODE_RECLAIMABLE |
							      PLACE_NODE_POOLS,
						     .free_bytes = 40 * GIB,
						     .reserve_bytes = GIB };
		weighed[i] = (struct place_node_model){ .id = i,
							.flags = PLACE_NODE_MEMORY_KNOWN,
							.total_bytes = 64 * GIB,
							.free_bytes = 40 * GIB,
							.reserve_bytes = GIB };
	}
	memset(guests, 0, sizeof(guests));
	guests[0] = (struct place_guest){
		.known = PLACE_GUEST_NAME | PLACE_GUEST_MEMS | PLACE_GUEST_MEMORY |
			 PLACE_GUEST_RESIDENT,
		.pid = 4711,
		.memory_bytes = 48 * GIB,
		.resident_bytes = GIB,
		.bind = PLACE_BIND_NONE,
	};
	strcpy(guests[0].name, "web1");
	assert_return_code(place_set_parse_list("1", &guests[0].mems), 0);
	topology = (struct place_topology){ .n_nodes = 2, .nodes = nodes };
	model = (struct place_model){ .n_nodes = 2, .nodes = weighed };
	sample = (struct place_sample){
		.n_nodes = 2, .nodes = raw, .n_guests = 1, .guests = guests
	};
	findings = (struct findings){ 0 };
	view = (struct findings_view){ &topology, &sample, &model, NULL, MINUTE, NULL };
	open_log();
	(void)count_said();
	return 0;
}

static int end(void **state)
{
	(void)state;
	event_close();
	close(reader);
	place_root_close(&root);
	place_text_done(&text);
	tree_remove();
	return 0;
}

/* What is found, with the subject: "a:x b:". */
static const char *look(void)
{
	static char found[FINDINGS_MAX * 200];
	size_t at = 0;

	findings_look(&findings, &root, &text, &view);
	found[0] = '\0';
	for (size_t i = 0; i < findings.n; i++) {
		at += (size_t)snprintf(found + at, sizeof(found) - at, "%s%s:%s", i ? " " : "",
				       findings.list[i].what, findings.list[i].subject);
		assert_string_not_equal(findings.list[i].text, "");
		assert_string_not_equal(findings.list[i].remedy, "");
		assert_true(strlen(findings.list[i].text) < sizeof(findings.texts[0].text) - 1);
		assert_true(strlen(findings.list[i].remedy) < sizeof(findings.texts[0].remedy) - 1);
	}
	return found;
}

static void test_all_is_well(void **state)
{
	(void)state;
	assert_string_equal(look(), "");
	view.model = NULL;
	assert_string_equal(look(), "");
	assert_int_equal(count_said(), 0);
}

static void test_host(void **state)
{
	(void)state;
	tree_put("1\n", "sys/kernel/mm/ksm/run");
	assert_string_equal(look(), "ksm_across_nodes:");
	tree_put("0\n", "sys/kernel/mm/ksm/merge_across_nodes");
	assert_string_equal(look(), "");
	tree_put("1\n", "proc/sys/kernel/numa_balancing");
	assert_string_equal(look(), "numa_balancing:");
	tree_put("2\n", "proc/sys/kernel/numa_balancing");
	assert_string_equal(look(), "");
	tree_put("3\n", "proc/sys/kernel/numa_balancing");
	assert_string_equal(look(), "numa_balancing:");
	topology.n_nodes = sample.n_nodes = model.n_nodes = 1;
	assert_string_equal(look(), "");
}

static void test_nodes(void **state)
{
	enum place_nearness nearness[2] = { PLACE_NEARNESS_RECLAIM, PLACE_NEARNESS_CALM };
	const struct place_pressure_node pooled[2] = { { .pooled_bytes = 1 } };

	(void)state;
	/* One node alone is the matter of those that have no other. */
	weighed[1].promised_bytes = 78 * GIB;
	assert_string_equal(look(), "");
	weighed[0].promised_bytes = 1;
	assert_string_equal(look(), "host_overcommitted:");
	view.pooled = pooled;
	assert_string_equal(look(), "");
	view.pooled = NULL;
	/* It may be less: neither page cache that is not known, nor what a guest has, is zero. */
	raw[1].known &= ~(unsigned)PLACE_NODE_RECLAIMABLE;
	assert_string_equal(look(), "");
	raw[1].known |= PLACE_NODE_RECLAIMABLE;
	guests[0].known &= ~(unsigned)PLACE_GUEST_RESIDENT;
	assert_string_equal(look(), "");
	guests[0].known |= PLACE_GUEST_RESIDENT;
	assert_string_equal(look(), "host_overcommitted:");
	weighed[0].flags = 0;
	assert_string_equal(look(), "");
	weighed[0].flags = PLACE_NODE_MEMORY_KNOWN;
	weighed[0].promised_bytes = weighed[1].promised_bytes = 0;
	raw[0].free_bytes = 2 * GIB - 1;
	/* The kernel swaps for who may take memory from that node alone: others go elsewhere. */
	guests[0].known |= PLACE_GUEST_MEMS;
	guests[0].bind = PLACE_BIND_PREFERRED;
	place_set_add(&guests[0].mems, 0);
	assert_string_equal(look(), "node_about_to_swap:node 0");
	assert_int_equal(findings.list[0].level, REPORT_NOTICE);
	guests[0].bind = PLACE_BIND_STRICT;
	assert_string_equal(look(), "node_about_to_swap:node 0");
	assert_int_equal(findings.list[0].level, REPORT_WARNING);
	guests[0].mems = (struct place_set){ 0 };
	place_set_add(&guests[0].mems, 1);
	assert_string_equal(look(), "node_about_to_swap:node 0");
	assert_int_equal(findings.list[0].level, REPORT_NOTICE);
	/* Nor may all of those that a cpuset confines. */
	guests[0].bind = PLACE_BIND_PREFERRED;
	guests[0].known |= PLACE_GUEST_ALLOWED;
	place_nodes_from_set(&guests[0].mems, &guests[0].allowed);
	assert_string_equal(look(), "node_about_to_swap:node 0");
	assert_int_equal(findings.list[0].level, REPORT_NOTICE);
	place_set_add(&guests[0].mems, 0);
	place_nodes_from_set(&guests[0].mems, &guests[0].allowed);
	place_set_remove(&guests[0].mems, 0);
	assert_string_equal(look(), "node_about_to_swap:node 0");
	assert_int_equal(findings.list[0].level, REPORT_WARNING);
	tree_put("MemTotal: 1 kB\nSwapTotal: 0 kB\n", "proc/meminfo");
	assert_string_equal(look(), "");
	tree_put("MemTotal: 1 kB\nSwapTotal: 8 kB\n", "proc/meminfo");
	raw[0].reclaimable_bytes = 2 * GIB;
	assert_string_equal(look(), "");
	raw[0].reclaimable_bytes = 0;
	raw[0].known &= ~(unsigned)PLACE_NODE_RECLAIMABLE;
	assert_string_equal(look(), "");
	raw[0].known |= PLACE_NODE_RECLAIMABLE;
	weighed[1].free_bytes = 3 * GIB;
	assert_string_equal(look(), "");
	weighed[1].free_bytes = 40 * GIB;
	raw[0].free_bytes = 40 * GIB;
	view.nearness = nearness;
	assert_string_equal(look(), "");
	nearness[0] = PLACE_NEARNESS_SWAP;
	assert_string_equal(look(), "node_swaps:node 0");
	weighed[0].flags = weighed[1].flags = 0;
	weighed[1].promised_bytes = 80 * GIB;
	assert_string_equal(look(), "");
}

static void test_pools(void **state)
{
	(void)state;
	raw[1].n_pools = 1;
	raw[1].pools[0] = (struct place_pool){ .page_bytes = 2 << 20, .total_pages = 8 };
	assert_string_equal(look(), "");
	guests[0].hugepage_bytes = 2 << 20;
	guests[0].bind = PLACE_BIND_STRICT;
	assert_string_equal(look(), "hugepages_uneven:2048 KiB pages");
	assert_non_null(strstr(findings.list[0].text, "on nodes 1: guests that run on nodes 0 "));
	nodes[0].n_cpus = 0;
	assert_string_equal(look(), "");
	nodes[0].n_cpus = 4;
	guests[0].hugepage_bytes = 1 << 30;
	assert_string_equal(look(), "");
}

static void set_balancing(bool is_on)
{
	tree_put(is_on ? "1\n" : "0\n", "proc/sys/kernel/numa_balancing");
}

static void test_said_once(void **state)
{
	(void)state;
	tree_put("1\n", "sys/kernel/mm/ksm/run");
	set_balancing(true);
	assert_true(findings_are_due(&findings, view.now_ns));
	look();
	assert_int_equal(count_said(), 2);
	assert_int_equal(findings.list[0].level, REPORT_NOTICE);
	assert_int_equal(findings.list[1].level, REPORT_NOTICE);
	assert_false(findings_are_due(&findings, view.now_ns + MINUTE - 1));
	assert_true(findings_are_due(&findings, view.now_ns + MINUTE));
	for (unsigned i = 0; i < 300; i++) {
		view.now_ns += MINUTE;
		/* One that comes and goes is not news each time. */
		set_balancing(i % 2);
		look();
	}
	assert_int_equal(count_said(), 0);
	set_balancing(false);
	look();
	view.now_ns += 61 * MINUTE;
	set_balancing(true);
	tree_put("0\n", "sys/kernel/mm/ksm/run");
	look();
	assert_int_equal(count_said(), 1);
}

/* More than there is place for: no harm, and those that fit are said once. */
static void test_many(void **state)
{
	static struct place_node_model many[3 * FINDINGS_MAX];
	static struct place_node_sample many_raw[3 * FINDINGS_MAX];

	(void)state;
	for (unsigned i = 0; i < 3 * FINDINGS_MAX; i++) {
		many[i] = weighed[0];
		many[i].id = i;
		many_raw[i] = raw[0];
		if (i)
			many_raw[i].free_bytes = GIB;
	}
	model = (struct place_model){ .n_nodes = 3 * FINDINGS_MAX, .nodes = many };
	sample.nodes = many_raw;
	look();
	assert_int_equal(findings.n, FINDINGS_MAX);
	assert_int_equal(count_said(), FINDINGS_MAX);
	view.now_ns += MINUTE;
	look();
	assert_int_equal(count_said(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_is_well, begin, end),
		cmocka_unit_test_setup_teardown(test_host, begin, end),
		cmocka_unit_test_setup_teardown(test_nodes, begin, end),
		cmocka_unit_test_setup_teardown(test_pools, begin, end),
		cmocka_unit_test_setup_teardown(test_said_once, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
