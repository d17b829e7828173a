/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mount table: v1, v2 and hybrid cgroups, hugetlbfs of several sizes, lines that were cut
 * off, and paths that only begin like a mount.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/mounts.h"
#include "tree.h"

#define MIB (UINT64_C(1) << 20)

static struct place_mounts read_table(const char *table)
{
	struct place_mounts mounts;

	tree_put(table, "proc/self/mounts");
	memset(&mounts, 0x5a, sizeof(mounts));
	assert_int_equal(place_mounts_read(&tree_root, &tree_text, &mounts), 0);
	return mounts;
}

static void test_missing(void **state)
{
	struct place_mounts mounts;

	(void)state;
	memset(&mounts, 0x5a, sizeof(mounts));
	assert_int_equal(place_mounts_read(&tree_root, &tree_text, &mounts), -ENOENT);
	assert_string_equal(mounts.cgroup2, "");
	assert_int_equal(mounts.n_hugetlbfs, 0);
}

static void test_cgroups(void **state)
{
	static const struct {
		const char *table, *cgroup2, *cpuset_v1;
		bool is_noprefix;
	} cases[] = {
		{ "", "", "", false },
		{ "proc /proc proc rw 0 0\n", "", "", false },
		{ "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", "sys/fs/cgroup", "", false },
		{ "cgroup /sys/fs/cgroup/cpuset cgroup rw,nosuid,cpuset 0 0\n", "",
		  "sys/fs/cgroup/cpuset", false },
		{ "cgroup /c cgroup rw,cpu,cpuset,memory 0 0\n", "", "c", false },
		{ "cgroup /c cgroup rw,cpuset,noprefix 0 0\n", "", "c", true },
		{ "none /dev/cpuset cpuset rw 0 0\n", "", "dev/cpuset", true },
		{ "cgroup /c cgroup rw,cpusets 0 0\n", "", "", false },
		{ "cgroup /c cgroup rw,mycpuset 0 0\n", "", "", false },
		{ "cgroup /c cgroup cpuset 0 0\n", "", "c", false },
		{ "cgroup /c cgroup cpuset", "", "c", false },
		{ "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
		  "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n",
		  "sys/fs/cgroup/unified", "sys/fs/cgroup/cpuset", false },
		{ "cgroup2 /a cgroup2 rw 0 0\ncgroup2 /b cgroup2 rw 0 0\n", "a", "", false },
		/* Cut off, empty or relative: no mount. */
		{ "cgroup2\n", "", "", false },
		{ "cgroup2 /a\n", "", "", false },
		{ "cgroup2 /a cgroup2\n", "", "", false },
		{ "cgroup2 a cgroup2 rw 0 0\n", "", "", false },
		{ "\n\n \n   \n", "", "", false },
		{ "cgroup2  cgroup2 rw 0 0\n", "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct place_mounts mounts = read_table(cases[i].table);

		if (strcmp(mounts.cgroup2, cases[i].cgroup2) != 0 ||
		    strcmp(mounts.cpuset_v1, cases[i].cpuset_v1) != 0 ||
		    mounts.is_noprefix != cases[i].is_noprefix)
			fail_msg("%s: \"%s\" \"%s\"", cases[i].table, mounts.cgroup2,
				 mounts.cpuset_v1);
	}
}

static void test_memory_controller(void **state)
{
	static const struct {
		const char *table, *memory_v1;
	} cases[] = {
		{ "cgroup /c cgroup rw,memory 0 0\n", "c" },
		{ "cgroup /c cgroup rw,cpuset,memory 0 0\n", "c" },
		{ "cgroup /a cgroup rw,cpuset 0 0\ncgroup /b cgroup rw,memory 0 0\n", "b" },
		{ "cgroup /c cgroup rw,cpuset 0 0\n", "" },
		{ "cgroup2 /c cgroup2 rw,memory_recursiveprot 0 0\n", "" },
		{ "cgroup /c cgroup rw,name=memory 0 0\n", "" },
		{ "tmpfs /c tmpfs rw,memory 0 0\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_string_equal(read_table(cases[i].table).memory_v1, cases[i].memory_v1);
}

static void test_hugetlbfs(void **state)
{
	const struct place_mounts mounts =
		read_table("hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
			   "hugetlbfs /dev/hugepages1G hugetlbfs rw,pagesize=1024M 0 0\n"
			   "h /mnt/plain hugetlbfs rw 0 0\n"
			   "h /mnt/bad hugetlbfs rw,pagesize=much 0 0\n"
			   "h /mnt/fifth hugetlbfs rw 0 0\n");
	static const struct {
		const char *path;
		int index;
	} cases[] = {
		{ "/dev/hugepages/libvirt/qemu/1-web", 0 },
		{ "/dev/hugepages", 0 },
		{ "/dev/hugepages1G/x", 1 },
		{ "/dev/hugepages2/x", -1 },
		{ "/dev/huge", -1 },
		{ "/mnt/plain/x", 2 },
		{ "/mnt/fifth/x", -1 },
		{ "", -1 },
		{ "dev/hugepages/x", -1 },
	};

	(void)state;
	assert_int_equal(mounts.n_hugetlbfs, PLACE_HUGETLBFS_MAX);
	assert_int_equal(mounts.hugetlbfs[0].page_bytes, 2 * MIB);
	assert_int_equal(mounts.hugetlbfs[1].page_bytes, 1024 * MIB);
	assert_int_equal(mounts.hugetlbfs[2].page_bytes, 0);
	assert_int_equal(mounts.hugetlbfs[3].page_bytes, 0);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		assert_ptr_equal(place_mounts_hugetlbfs(&mounts, cases[i].path),
				 cases[i].index < 0 ? NULL : &mounts.hugetlbfs[cases[i].index]);
}

static void test_mounted_over(void **state)
{
	struct place_mounts mounts;

	(void)state;
	mounts = read_table("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
			    "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
			    "h /huge hugetlbfs rw 0 0\n"
			    "tmpfs /huge tmpfs rw 0 0\n");
	assert_string_equal(mounts.cgroup2, "");
	assert_int_equal(mounts.n_hugetlbfs, 0);
}

/* One byte around the longest path, and one far beyond it. */
static void test_long_paths(void **state)
{
	static const size_t sizes[] = { PLACE_MOUNT_PATH_MAX - 2, PLACE_MOUNT_PATH_MAX - 1,
					PLACE_MOUNT_PATH_MAX, PLACE_MOUNT_PATH_MAX + 1, 100000 };

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		const bool fits = sizes[i] < PLACE_MOUNT_PATH_MAX;
		char *path = malloc(sizes[i] + 1), *table;
		struct place_mounts mounts;

		assert_non_null(path);
		memset(path, 'p', sizes[i]);
		path[0] = '/';
		path[sizes[i]] = '\0';
		assert_true(asprintf(&table,
				     "c %s cgroup2 rw 0 0\nc %s cgroup rw,cpuset 0 0\n"
				     "c %sh hugetlbfs rw,pagesize=%s 0 0\n",
				     path, path, path, path) > 0);
		mounts = read_table(table);
		assert_int_equal(strlen(mounts.cpuset_v1), fits ? sizes[i] - 1 : 0);
		assert_int_equal(mounts.n_hugetlbfs, sizes[i] + 1 < PLACE_MOUNT_PATH_MAX);
		free(table);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),		  cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_memory_controller), cmocka_unit_test(test_hugetlbfs),
		cmocka_unit_test(test_mounted_over),	  cmocka_unit_test(test_long_paths),
	};

	return cmocka_run_group_tests(tests, tree_begin, tree_end);
}
