/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups of a guest: /proc/PID/cgroup on v1, v2, hybrid and none, names that anybody may have
 * chosen, and the climb to the least group that has the file, on built trees.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/group.h"
#include "tree.h"

#define MIB (UINT64_C(1) << 20)
#define SCOPE "machine.slice/machine-qemu\\x2d1\\x2dweb.scope"

static struct place_root root;
static const struct place_mounts both = { .cgroup2 = "v2", .memory_v1 = "v1" };

static int make_tree(void **state)
{
	(void)state;
	tree_make();
	tree_put("", "v2/memory.numa_stat");
	tree_put("", "v2/machine.slice/memory.numa_stat");
	tree_put("", "v2/" SCOPE "/memory.numa_stat");
	tree_put("", "v2/" SCOPE "/libvirt/emulator/cgroup.procs");
	tree_put("", "v2/none/deep/cgroup.procs");
	tree_put("", "v1/memory.numa_stat");
	tree_put("", "v1/machine/web/memory.numa_stat");
	return place_root_open(tree_path, &root);
}

static int drop_tree(void **state)
{
	(void)state;
	place_root_close(&root);
	tree_remove();
	return 0;
}

static void test_cgroup_file(void **state)
{
	static const struct {
		const char *text, *v2, *v1;
	} cases[] = {
		{ "0::/" SCOPE "/libvirt/emulator\n", SCOPE "/libvirt/emulator", "" },
		{ "4:memory:/machine/web\n1:cpu:/x\n", "", "machine/web" },
		{ "5:cpuset,memory:/m\n", "", "m" },
		{ "5:memory,cpuset:/m\n", "", "m" },
		{ "9:name=systemd:/s\n4:memory:/a b\n0::/u\n", "u", "a b" },
		{ "0::/\n4:memory:/\n", "", "" },
		{ "0::/../x\n4:memory:/..\n", "", "" },
		{ "0::/..x\n", "..x", "" },
		{ "4:memoryx:/a\n3:xmemory:/b\n", "", "" },
		{ "7:name=memory:/a\n", "", "" },
		{ "0::/a:b:c\n", "a:b:c", "" },
		{ "1::/a\n", "", "" },
		{ "0::a\n", "", "" },
		{ "0::/no-end", "no-end", "" },
		{ "\n:\n::\n0:\n0::\n", "", "" },
		{ "", "", "" },
	};
	char v2[PLACE_GROUP_PATH_MAX], v1[PLACE_GROUP_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		memset(v2, 0x5a, sizeof(v2));
		memset(v1, 0x5a, sizeof(v1));
		place_group_parse(cases[i].text, v2, v1);
		if (strcmp(v2, cases[i].v2) != 0 || strcmp(v1, cases[i].v1) != 0)
			fail_msg("%zu: \"%s\" \"%s\"", i, v2, v1);
	}
}

/* What does not fit is no group at all, never another one. */
static void test_long_path(void **state)
{
	char text[PLACE_GROUP_PATH_MAX + 20], v2[PLACE_GROUP_PATH_MAX], v1[PLACE_GROUP_PATH_MAX];

	(void)state;
	for (int size = PLACE_GROUP_PATH_MAX - 2; size <= PLACE_GROUP_PATH_MAX + 2; size++) {
		snprintf(text, sizeof(text), "0::/%0*d\n", size, 7);
		place_group_parse(text, v2, v1);
		assert_int_equal(strlen(v2), size < PLACE_GROUP_PATH_MAX ? size : 0);
	}
}

static void expect_found(const struct place_mounts *mounts, const char *v2, const char *v1,
			 const char *expected)
{
	char path[PLACE_GROUP_FILE_MAX];
	const int fd = place_group_open(&root, mounts, v2, v1, "memory.numa_stat", path);

	if (!expected) {
		assert_int_equal(fd, -ENOENT);
		return;
	}
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(path, expected);
}

static void test_climb(void **state)
{
	static const struct place_mounts none = { 0 };
	static const struct place_mounts v1_alone = { .memory_v1 = "v1" };

	(void)state;
	expect_found(&both, SCOPE "/libvirt/emulator", "", "v2/" SCOPE "/memory.numa_stat");
	expect_found(&both, SCOPE, "", "v2/" SCOPE "/memory.numa_stat");
	/* A scope without the controller: the slice is left, and the watch compares it. */
	expect_found(&both, "machine.slice/x", "", "v2/machine.slice/memory.numa_stat");
	/* The root is nobody's own. */
	expect_found(&both, "none/deep", "", NULL);
	expect_found(&both, "", "", NULL);
	/* Hybrid: v2 has no memory controller there. */
	expect_found(&both, "none/deep", "machine/web", "v1/machine/web/memory.numa_stat");
	expect_found(&v1_alone, SCOPE, "machine/web", "v1/machine/web/memory.numa_stat");
	expect_found(&none, SCOPE, "machine/web", NULL);
	expect_found(&both, "../..", "", NULL);
}

static uint64_t swap_limit_of(const struct place_mounts *mounts, const char *group, int expected)
{
	_cleanup_text_ struct place_text text = { 0 };
	uint64_t bytes = 7;

	assert_int_equal(place_group_swap_limit(&root, &text, mounts, group, &bytes), expected);
	return bytes;
}

/* The least of all groups above it; the root has no such file. */
static void test_swap_limit(void **state)
{
	static const struct place_mounts v1_alone = { .memory_v1 = "v1" };
	static const char emulator[] = SCOPE "/libvirt/emulator";

	(void)state;
	assert_true(swap_limit_of(&both, emulator, -ENOENT) == UINT64_MAX);
	tree_put("max\n", "v2/" SCOPE "/memory.swap.max");
	assert_true(swap_limit_of(&both, emulator, 0) == UINT64_MAX);
	tree_put("8192\n", "v2/" SCOPE "/memory.swap.max");
	assert_int_equal(swap_limit_of(&both, emulator, 0), 8192);
	tree_put("0\n", "v2/machine.slice/memory.swap.max");
	assert_int_equal(swap_limit_of(&both, emulator, 0), 0);
	tree_put("9000\n", "v2/machine.slice/memory.swap.max");
	assert_int_equal(swap_limit_of(&both, emulator, 0), 8192);
	tree_put("-1\n", "v2/" SCOPE "/memory.swap.max");
	assert_int_equal(swap_limit_of(&both, emulator, 0), 9000);
	assert_true(swap_limit_of(&both, "", -ENOENT) == UINT64_MAX);
	assert_true(swap_limit_of(&v1_alone, emulator, -ENOENT) == UINT64_MAX);
}

static void test_hugetlb_names(void **state)
{
	char name[48];

	(void)state;
	place_group_hugetlb_name(2 * MIB, name, sizeof(name));
	assert_string_equal(name, "hugetlb.2MB.numa_stat");
	place_group_hugetlb_name(1024 * MIB, name, sizeof(name));
	assert_string_equal(name, "hugetlb.1GB.numa_stat");
	place_group_hugetlb_name(MIB / 16, name, sizeof(name));
	assert_string_equal(name, "hugetlb.64KB.numa_stat");
}

static void test_agreement(void **state)
{
	(void)state;
	assert_true(place_group_agrees(0, 0));
	assert_true(place_group_agrees(64 * MIB, 0));
	assert_false(place_group_agrees(64 * MIB + 1, 0));
	assert_true(place_group_agrees(8000 * MIB, 7000 * MIB));
	assert_false(place_group_agrees(8000 * MIB, 6999 * MIB));
	assert_true(place_group_agrees(7000 * MIB, 8000 * MIB));
	assert_false(place_group_agrees(UINT64_MAX, 0));
	assert_true(place_group_agrees(UINT64_MAX, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroup_file), cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_climb),	    cmocka_unit_test(test_hugetlb_names),
		cmocka_unit_test(test_swap_limit),  cmocka_unit_test(test_agreement),
	};

	return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
