/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest RAM in /proc/PID/maps: shapes as QEMU 7.2 makes them, and what looks like RAM and is none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "host/root.h"
#include "host/text.h"
#include "observe/ranges.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct place_ranges ranges;
static const struct place_mounts mounts = {
	.n_hugetlbfs = 2,
	.hugetlbfs = { { "/dev/hugepages", 2 * MIB }, { "/mnt/huge1G", GIB } },
};

static void parse(const char *maps, uint64_t memory_mib, uint64_t hugepage_bytes)
{
	const struct place_guest guest = {
		.known = memory_mib ? PLACE_GUEST_MEMORY : 0,
		.memory_bytes = memory_mib * MIB,
		.hugepage_bytes = hugepage_bytes,
	};

	memset(&ranges, 0x5a, sizeof(ranges));
	place_ranges_parse(maps, &mounts, &guest, true, &ranges);
}

static void expect(size_t i, uint64_t start, uint64_t end, uint64_t page_bytes, bool is_shared)
{
	assert_true(i < ranges.n);
	assert_int_equal(ranges.list[i].start, start);
	assert_int_equal(ranges.list[i].end, end);
	assert_int_equal(ranges.list[i].page_bytes, page_bytes);
	assert_int_equal(ranges.list[i].is_shared, is_shared);
}

#define QEMU_OWN                                                                                   \
	"55d0c0000000-55d0c0600000 r-xp 00334000 08:01 1234    /usr/bin/qemu-system-x86_64\n"      \
	"55d0c0a00000-55d0c0b00000 rw-p 00d00000 08:01 1234    /usr/bin/qemu-system-x86_64\n"      \
	"55d0c2000000-55d0c8000000 rw-p 00000000 00:00 0       [heap]\n"                           \
	"7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n"                                       \
	"7f0000021000-7f0004000000 ---p 00000000 00:00 0 \n"                                       \
	"7f0010000000-7f0050000000 rwxp 00000000 00:00 0 \n"                                       \
	"7f0050000000-7f0090000000 rw-s 00000000 00:01 9       /memfd:tcg-jit (deleted)\n"         \
	"7f0090000000-7f00d0000000 rw-s 00000000 00:0e 9       anon_inode:[vfio-device]\n"         \
	"7f00d0000000-7f0110000000 rw-s 00000000 00:05 9       /dev/dri/renderD128\n"              \
	"7f0110000000-7f0110800000 rw-p 00000000 00:00 0 \n"
#define RAM_1G "7f0140000000-7f0180000000 rw-p 00000000 00:00 0 \n"
#define STACKS                                                                                     \
	"7f0180000000-7f0180001000 ---p 00000000 00:00 0 \n"                                       \
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0       [stack]\n"                          \
	"7ffc00100000-7ffc00104000 r--p 00000000 00:00 0       [vvar]\n"                           \
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"

static void test_plain(void **state)
{
	(void)state;
	parse(QEMU_OWN RAM_1G STACKS, 1024, 0);
	assert_int_equal(ranges.n, 1);
	assert_true(ranges.is_complete);
	assert_int_equal(ranges.bytes, GIB);
	expect(0, 0x7f0140000000, 0x7f0180000000, 4096, false);
	/* More than there is: all of it, and said so. */
	parse(QEMU_OWN RAM_1G STACKS, 4096, 0);
	assert_false(ranges.is_complete);
	assert_true(ranges.bytes < 2 * GIB);
	parse("", 1024, 0);
	assert_int_equal(ranges.n, 0);
	assert_false(ranges.is_complete);
}

/* Cells, a DIMM, and what KSM and mbind() have cut up. */
static void test_several(void **state)
{
	(void)state;
	parse(QEMU_OWN "7f0200000000-7f0220000000 rw-p 00000000 00:00 0 \n"
		       "7f0220000000-7f0240000000 rw-p 00000000 00:00 0 \n"
		       "7f0240000000-7f0240001000 ---p 00000000 00:00 0 \n"
		       "7f0300000000-7f0320000000 rw-p 00000000 00:00 0 \n" STACKS,
	      1536, 0);
	assert_int_equal(ranges.n, 2);
	expect(0, 0x7f0200000000, 0x7f0240000000, 4096, false);
	expect(1, 0x7f0300000000, 0x7f0320000000, 4096, false);
	assert_true(ranges.is_complete);
	/* virtio-mem maps 4 GiB for the 256 MiB it has: the rest must be found all the same. */
	parse("7f0200000000-7f0300000000 rw-p 00000000 00:00 0 \n"
	      "7f0400000000-7f0440000000 rw-s 00000000 00:01 7  /memfd:a (deleted)\n"
	      "7f0500000000-7f0500800000 rw-p 00000000 00:00 0 \n",
	      1280, 0);
	assert_int_equal(ranges.n, 2);
	assert_int_equal(ranges.bytes, 5 * GIB);
}

static void test_pools(void **state)
{
	(void)state;
	parse("7f0200000000-7f0240000000 rw-p 00000000 00:10 8 "
	      "/dev/hugepages/libvirt/qemu/1-db/qemu_back_mem.pc.ram.Xy12 (deleted)\n",
	      1024, 2 * MIB);
	expect(0, 0x7f0200000000, 0x7f0240000000, 2 * MIB, false);
	parse("7f0200000000-7f0280000000 rw-s 00000000 00:10 8 /mnt/huge1G/x\n", 2048, 0);
	expect(0, 0x7f0200000000, 0x7f0280000000, GIB, true);
	/* A memfd shows no page size: the command line said it. */
	parse("7f0200000000-7f0240000000 rw-s 00000000 fff:fe 8 /memfd:memory-backend-memfd "
	      "(deleted)\n",
	      1024, 2 * MIB);
	expect(0, 0x7f0200000000, 0x7f0240000000, 2 * MIB, true);
	parse("7f0200000000-7f0240000000 rw-s 00000000 fff:fe 8 /memfd:memory-backend-memfd "
	      "(deleted)\n",
	      1024, 0);
	expect(0, 0x7f0200000000, 0x7f0240000000, 4096, true);
	parse("7f0200000000-7f0240000000 rw-s 00000000 00:0f 8 /anon_hugepage (deleted)\n", 1024,
	      0);
	expect(0, 0x7f0200000000, 0x7f0240000000, 2 * MIB, true);
	/* Sizes that are none, from a command line. */
	for (uint64_t bytes = 1; bytes; bytes *= 3) {
		parse("7f0200000000-7f0240000000 rw-s 00000000 fff:fe 8 /memfd:x (deleted)\n", 1024,
		      bytes > UINT64_MAX / 3 ? UINT64_MAX : bytes);
		expect(0, 0x7f0200000000, 0x7f0240000000, 2 * MIB, true);
		if (bytes > UINT64_MAX / 3)
			break;
	}
	/* Larger than the mapping: no whole page of it. */
	parse("7f0200000000-7f0240000000 rw-s 00000000 fff:fe 8 /memfd:x (deleted)\n", 1024,
	      4 * GIB);
	assert_int_equal(ranges.n, 0);
}

static uint64_t page_bytes_at(const void *start)
{
	for (size_t i = 0; i < ranges.n; i++)
		if (ranges.list[i].start <= (uintptr_t)start &&
		    (uintptr_t)start < ranges.list[i].end)
			return ranges.list[i].page_bytes;
	return 0;
}

/* Ours, of both kinds; no page of it is touched. */
static void *map_memfd(unsigned flags)
{
	const int fd = memfd_create("ram", MFD_CLOEXEC | flags);
	void *start = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, 64 * MIB) == 0)
		start = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			     0);
	if (fd >= 0)
		close(fd);
	return start;
}

/* A guest may have some cells in a pool, and others' memfds in plain memory. */
static void test_memfds_of_both_kinds(void **state)
{
	void *plain = map_memfd(0), *pool = map_memfd(MFD_HUGETLB);
	_cleanup_text_ struct place_text text = { 0 };
	struct place_root root;

	(void)state;
	assert_ptr_not_equal(plain, MAP_FAILED);
	assert_int_equal(place_root_open(NULL, &root), 0);
	assert_int_equal(place_root_read(&root, &text, "proc/self/maps"), 0);
	place_root_close(&root);
	parse(text.data, 128, 2 * MIB);
	assert_int_equal(page_bytes_at(plain), sysconf(_SC_PAGESIZE));
	if (pool == MAP_FAILED)
		print_message("no memfd of huge pages here\n");
	else
		assert_int_equal(page_bytes_at(pool), 2 * MIB);
	(void)munmap(plain, 64 * MIB);
	if (pool != MAP_FAILED)
		(void)munmap(pool, 64 * MIB);
}

static void test_no_guest(void **state)
{
	const struct place_guest guest = { .known = PLACE_GUEST_MEMORY, .memory_bytes = MIB };

	(void)state;
	place_ranges_parse(QEMU_OWN RAM_1G STACKS, &mounts, &guest, false, &ranges);
	assert_true(ranges.is_complete);
	/* The program's data, its heap, two anonymous pieces and the large one. */
	assert_int_equal(ranges.n, 5);
	assert_int_equal(ranges.list[1].start, 0x55d0c2000000);
}

static void test_damaged(void **state)
{
	static const char *const bad[] = {
		"7f0140000000-7f0180000000 rw-p",
		"7f0140000000-7f0180000000",
		"7f0140000000-7f0180000000 rw-p 00000000",
		"7f0180000000-7f0140000000 rw-p 00000000 00:00 0 \n",
		"7f0140000000-7f0140000000 rw-p 00000000 00:00 0 \n",
		"7f014000000g-7f0180000000 rw-p 00000000 00:00 0 \n",
		"-7f0180000000 rw-p 00000000 00:00 0 \n",
		"17f0140000000000-17f0180000000000 rw-p 00000000 00:00 0 \n",
		"7f01400000000000000-7f018000000000000000 rw-p 00000000 00:00 0 \n",
		"7f0140000000-7f0180000000 rw+p 00000000 00:00 0 \n",
		"7f0140000000-7f0180000000 rw-x 00000000 00:00 0 \n",
		"7f0140000000-7f0180000000 rw-p 00000000 "
		"00:00000000000000000000000000000000000000000000000000000 0 \n",
		"\n\n\n",
		" ",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		parse(bad[i], 1024, 0);
		if (ranges.n)
			fail_msg("taken: %s", bad[i]);
	}
}

/* More mappings than there is room for: the largest are kept. */
static void test_too_many(void **state)
{
	const size_t n = 3000;
	char *maps = malloc(n * 64), *at = maps;

	(void)state;
	assert_non_null(maps);
	for (size_t i = 0; i < n; i++)
		at += sprintf(at, "%zx-%zx rw-p 00000000 00:00 0 \n", (i + 1) << 32,
			      ((i + 1) << 32) + (64 << 20) + ((i * 7919 % n) << 12));
	parse(maps, 1 << 20, 0);
	free(maps);
	assert_int_equal(ranges.n, PLACE_RANGES_MAX);
	assert_false(ranges.is_complete);
	for (size_t i = 0; i < ranges.n; i++) {
		assert_true(ranges.list[i].end - ranges.list[i].start >=
			    (64 << 20) + ((n - PLACE_RANGES_MAX) << 12));
		assert_true(!i || ranges.list[i].start > ranges.list[i - 1].end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	 cmocka_unit_test(test_several),
		cmocka_unit_test(test_pools),	 cmocka_unit_test(test_memfds_of_both_kinds),
		cmocka_unit_test(test_no_guest), cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
