/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads and descriptors of a guest: the names that mean something and those that only look so,
 * and what an affinity is on hosts of several shapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/descriptors.h"
#include "observe/tasks.h"

static void test_migration_names(void **state)
{
	static const char *const yes[] = {
		"migration",	   "live_migration",  "multifdsend_0",	 "multifdrecv_15",
		"mig/src/main",	   "mig/src/send_1",  "mig/dst/recv_12", "mig/src/rp-thr",
		"mig/dst/preempt", "mig/snapshot",    "source return p", "postcopy/listen",
		"bg_snapshot",	   "multifd-tls-han", "dump_thread",	 "mig/dst/main",
		"mig/src/return",
	};
	static const char *const no[] = {
		"",
		"migrat",
		"migration/0",
		"mig",
		"mig/dirtyrate",
		"get_dirtyrate",
		"dump_threads",
		"CPU 0/KVM",
		"IO iothread1",
		"worker",
		"multifd",
		"live_migrations",
		"qemu-system-x86",
		"xmig/src/main",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(yes); i++)
		if (!place_task_is_migration(yes[i]) || strlen(yes[i]) > 15)
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < ELEMENTSOF(no); i++)
		if (place_task_is_migration(no[i]))
			fail_msg("%s", no[i]);
}

/* Node 0 has CPUs 0-3, node 1 has 4-7, node 2 has none, node 8 has 16-17. */
static enum place_affinity judge(const char *cpus, const char *usable)
{
	static struct place_node nodes[] = { { .id = 0 }, { .id = 1 }, { .id = 2 }, { .id = 8 } };
	static const char *const lists[] = { "0-3", "4-7", "", "16-17" };
	static const struct place_topology topology = { .n_nodes = 4, .nodes = nodes };
	static struct place_set has, may;

	for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
		assert_int_equal(place_set_parse_list(lists[i], &nodes[i].cpus), 0);
	assert_int_equal(place_set_parse_list(cpus, &has), 0);
	assert_int_equal(place_set_parse_list(usable, &may), 0);
	return place_affinity_judge(&has, &topology, &may);
}

static void test_affinity(void **state)
{
	const enum place_affinity all = PLACE_AFFINITY_ALL, nodes = PLACE_AFFINITY_NODES,
				  narrow = PLACE_AFFINITY_NARROW;
	static const char everything[] = "0-7,16-17";

	(void)state;
	assert_int_equal(judge("0-7,16-17", everything), all);
	assert_int_equal(judge("0-31", everything), all);
	assert_int_equal(judge("0-3", everything), nodes);
	assert_int_equal(judge("16-17", everything), nodes);
	assert_int_equal(judge("0-3,16-17", everything), nodes);
	assert_int_equal(judge("2", everything), narrow);
	assert_int_equal(judge("0-2", everything), narrow);
	assert_int_equal(judge("0-4", everything), narrow);
	assert_int_equal(judge("", everything), narrow);
	/* The host keeps CPUs 0 and 4 for itself. */
	assert_int_equal(judge("1-3,5-7,16-17", "1-3,5-7,16-17"), all);
	assert_int_equal(judge("1-3", "1-3,5-7,16-17"), nodes);
	assert_int_equal(judge("0-3", "1-3,5-7,16-17"), nodes);
	assert_int_equal(judge("1-2", "1-3,5-7,16-17"), narrow);
	/* CPU 3 is isolated, and this thread has been put there. */
	assert_int_equal(judge("3", "0-2,4-7,16-17"), narrow);
	assert_int_equal(judge("3-7,16-17", "0-2,4-7,16-17"), narrow);
}

static void test_descriptors(void **state)
{
	static const struct {
		const char *target;
		enum place_descriptor kind;
	} cases[] = {
		{ "/dev/vfio/vfio", PLACE_DESCRIPTOR_DEVICE },
		{ "/dev/vfio/42", PLACE_DESCRIPTOR_DEVICE },
		{ "/dev/vfio/devices/vfio0", PLACE_DESCRIPTOR_DEVICE },
		{ "/dev/iommu", PLACE_DESCRIPTOR_DEVICE },
		{ "/dev/vhost-vdpa-0", PLACE_DESCRIPTOR_DEVICE },
		{ "anon_inode:[vfio-device]", PLACE_DESCRIPTOR_DEVICE },
		{ "anon_inode:kvm-vfio", PLACE_DESCRIPTOR_OTHER },
		{ "/dev/vhost-net", PLACE_DESCRIPTOR_OTHER },
		{ "/dev/kvm", PLACE_DESCRIPTOR_OTHER },
		{ "anon_inode:kvm-vm", PLACE_DESCRIPTOR_OTHER },
		{ "anon_inode:kvm-vcpu:0", PLACE_DESCRIPTOR_OTHER },
		{ "/home/x/dev/vfio/42", PLACE_DESCRIPTOR_OTHER },
		{ "socket:[1234]", PLACE_DESCRIPTOR_OTHER },
		{ "", PLACE_DESCRIPTOR_OTHER },
		{ "/dev/sev", PLACE_DESCRIPTOR_CONFIDENTIAL },
		{ "anon_inode:[kvm-gmem]", PLACE_DESCRIPTOR_CONFIDENTIAL },
		{ "anon_inode:[userfaultfd]", PLACE_DESCRIPTOR_POSTCOPY },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (place_descriptor_judge(cases[i].target) != cases[i].kind)
			fail_msg("%s", cases[i].target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_migration_names),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
