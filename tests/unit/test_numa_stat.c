/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.numa_stat and hugetlb.*.numa_stat of both versions, sparse node ids, lines that were cut
 * or damaged, numbers that do not fit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/numa_stat.h"

#define N_NODES 3
#define PAGE UINT64_C(4096)

/* As on POWER: ids with gaps, more than the number of nodes. */
static struct place_node nodes[N_NODES] = { { .id = 0 }, { .id = 8 }, { .id = 252 } };
static const struct place_topology topology = { .n_nodes = N_NODES, .nodes = nodes };

typedef int (*parse)(const char *text, uint64_t *bytes, uint64_t *ret_total_bytes);

static int parse_memory(const char *text, uint64_t *bytes, uint64_t *ret_total_bytes)
{
	return place_numa_stat_parse(text, &topology, PAGE, bytes, ret_total_bytes);
}

static int parse_hugetlb(const char *text, uint64_t *bytes, uint64_t *ret_total_bytes)
{
	return place_numa_stat_parse_hugetlb(text, &topology, bytes, ret_total_bytes);
}

static void expect(parse parse_it, const char *text, uint64_t first, uint64_t second,
		   uint64_t third, uint64_t total)
{
	uint64_t bytes[N_NODES] = { 0 }, total_bytes = 4711;

	if (parse_it(text, bytes, &total_bytes) != 0)
		fail_msg("refused: %s", text);
	assert_int_equal(bytes[0], first);
	assert_int_equal(bytes[1], second);
	assert_int_equal(bytes[2], third);
	assert_int_equal(total_bytes, total);
}

static void expect_error(parse parse_it, const char *text, int r)
{
	uint64_t bytes[N_NODES] = { 0 }, total_bytes = 4711;

	if (parse_it(text, bytes, &total_bytes) != r)
		fail_msg("not %d: %s", r, text);
	assert_int_equal(total_bytes, 4711);
}

/* The order and neighbours of a 6.1 kernel. */
static void test_v2(void **state)
{
	(void)state;
	expect(parse_memory,
	       "anon N0=4096 N8=8192 N252=0\n"
	       "file N0=1 N8=1 N252=1\n"
	       "kernel_stack N0=16384 N8=0 N252=0\n"
	       "shmem N0=1 N8=20 N252=300\n"
	       "file_mapped N0=5 N8=5 N252=5\n"
	       "anon_thp N0=2097152 N8=0 N252=0\n"
	       "shmem_thp N0=2097152 N8=0 N252=0\n"
	       "inactive_anon N0=7 N8=7 N252=7\n"
	       "unevictable N0=9 N8=9 N252=9\n",
	       4097, 8212, 300, 12609);
	expect(parse_memory, "anon N0=1 N8=2 N252=3\n", 1, 2, 3, 6);
	expect(parse_memory, "anon N252=3 N0=1\n", 1, 0, 3, 4);
	expect(parse_memory, "anon\nanon N8=5\n", 0, 5, 0, 5);
}

static void test_v1(void **state)
{
	(void)state;
	expect(parse_memory,
	       "total=90 N0=50 N8=40 N252=0\n"
	       "file=30 N0=10 N8=20 N252=0\n"
	       "anon=7 N0=4 N8=3 N252=0\n"
	       "unevictable=2 N0=0 N8=1 N252=1\n",
	       4 * PAGE, 4 * PAGE, PAGE, 9 * PAGE);
	/* The emulator's and the vCPUs' groups lie below the guest's. */
	expect(parse_memory,
	       "anon=1 N0=1 N8=0 N252=0\n"
	       "unevictable=0 N0=0 N8=0 N252=0\n"
	       "hierarchical_total=99 N0=99 N8=0 N252=0\n"
	       "hierarchical_anon=30 N0=10 N8=20 N252=0\n"
	       "hierarchical_unevictable=1 N0=0 N8=0 N252=1\n",
	       10 * PAGE, 20 * PAGE, PAGE, 31 * PAGE);
	expect(parse_memory, "anon=7 N0=4 N8=3 N252=0\n", 4 * PAGE, 3 * PAGE, 0, 7 * PAGE);
}

static void test_hugetlb(void **state)
{
	(void)state;
	expect(parse_hugetlb, "total=6 N0=1 N8=2 N252=3\n", 1, 2, 3, 6);
	expect(parse_hugetlb,
	       "total=0 N0=0 N8=0 N252=0\nhierarchical_total=2097152 N0=0 N8=2097152 N252=0\n", 0,
	       2097152, 0, 2097152);
}

/* Nodes that came after the topology was read: they are in the sum, and nowhere else. */
static void test_unknown_nodes(void **state)
{
	(void)state;
	expect(parse_memory, "anon N0=1 N1=10 N8=2 N9=100 N252=3 N4294967296=7\n", 1, 2, 3, 123);
}

static void test_damaged(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "", -ENODATA },
		{ "\n\n", -ENODATA },
		{ "file N0=1\n", -ENODATA },
		{ "anonymous N0=1\n", -ENODATA },
		{ " anon N0=1\n", -ENODATA },
		{ "hierarchical_file=1 N0=1\n", -ENODATA },
		{ "anon N0=1", -EINVAL },
		{ "anon N0=1 N8=", -EINVAL },
		{ "anon N0=1 N8\n", -EINVAL },
		{ "anon N0=1 8=2\n", -EINVAL },
		{ "anon N0=-1\n", -EINVAL },
		{ "anon N0=1kB\n", -EINVAL },
		{ "anon N=1\n", -EINVAL },
		{ "anon N0=99999999999999999999\n", -ERANGE },
		{ "anon N99999999999999999999=0\n", -ERANGE },
		{ "anon N0=1\nshmem N0=", -EINVAL },
		{ "anon=\n", -EINVAL },
		{ "anon=1", -EINVAL },
		{ "anon=1N0=1\n", -EINVAL },
		{ "anon=1 N0=1\nunevictable=x\n", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		expect_error(parse_memory, cases[i].text, cases[i].r);
	expect_error(parse_hugetlb, "anon N0=1\n", -ENODATA);
	expect_error(parse_hugetlb, "total=2 N0=1", -EINVAL);
}

static void test_saturates(void **state)
{
	(void)state;
	expect(parse_memory, "anon N0=18446744073709551615 N8=1\nshmem N0=5 N8=0\n", UINT64_MAX, 1,
	       0, UINT64_MAX);
	expect(parse_memory, "anon=1 N0=18446744073709551615\n", UINT64_MAX, 0, 0, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v2),	cmocka_unit_test(test_v1),
		cmocka_unit_test(test_hugetlb), cmocka_unit_test(test_unknown_nodes),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_saturates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
