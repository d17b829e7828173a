/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sampler against memory that only exists as a rule: every layout that a fixed stride or plain
 * chance gets wrong. What the kernel says of real memory: tests/guest/test_look.py.
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
#include "observe/residency.h"
#include "tree.h"

#define GIB (UINT64_C(1) << 30)
#define START UINT64_C(0x7f0000000000)

static struct place_node nodes[] = { { .id = 0 }, { .id = 3 } };
static const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };

/* The node of the page at an address, or negative. */
typedef int (*layout)(uint64_t page);

struct host {
	layout node_of;
	uint64_t page_bytes;
	uint64_t n_asked;
	uint64_t last;
	int fail;
};

static int interleaved(uint64_t page)
{
	return page % 2 ? 3 : 0;
}

static int by_chance(uint64_t page)
{
	uint64_t x = (page + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return x >> 63 ? 3 : 0;
}

static int in_runs(uint64_t page)
{
	/* 2 MiB runs, of which three in ten are on the second node. */
	return (page / 512 * UINT64_C(0x9e3779b97f4a7c15) >> 32) % 10 < 3 ? 3 : 0;
}

/* As wide as half a stratum of 4096 in 4 GiB, and in step with them. */
static int in_step(uint64_t page)
{
	return page / 128 % 2 ? 3 : 0;
}

static int half_absent(uint64_t page)
{
	return page % 4 < 2 ? -ENOENT : page % 4 == 2 ? 0 : 3;
}

static int elsewhere(uint64_t page)
{
	return page % 2 ? 7 : 3; /* node 7 is not in the topology */
}

static int absent(uint64_t page)
{
	(void)page;
	return -EFAULT;
}

static int ask(void *data, int pid, size_t n, void **pages, int *status)
{
	struct host *host = data;

	assert_int_equal(pid, 4711);
	if (host->fail)
		return host->fail;
	for (size_t i = 0; i < n; i++) {
		const uint64_t address = (uint64_t)(uintptr_t)pages[i];

		assert_true(address >= START && address % host->page_bytes == 0);
		assert_true(address > host->last);
		host->last = address;
		status[i] = host->node_of((address - START) / host->page_bytes);
	}
	host->n_asked += n;
	return 0;
}

static uint64_t bytes[2];
static struct place_residency residency;

static void sample(layout node_of, uint64_t size, uint64_t page_bytes, size_t n, uint64_t seed)
{
	const struct place_ranges ranges = {
		.n = 1,
		.list = { { .start = START, .end = START + size, .page_bytes = page_bytes } },
		.bytes = size,
	};
	struct host host = { .node_of = node_of, .page_bytes = page_bytes };
	const struct place_residency_how how = { n, seed, ask, &host };

	assert_int_equal(place_residency_sample(&ranges, &topology, 4711, &how, bytes, &residency),
			 0);
	assert_int_equal(residency.n_asked, host.n_asked);
	assert_int_equal(residency.present_bytes, bytes[0] + bytes[1]);
}

/* Permille of the second node, of what is present. */
static unsigned share(void)
{
	return (unsigned)(bytes[1] * 1000 / residency.present_bytes);
}

static void test_shares(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		/* The error said is that of chance: 99 % of seeds are within it, all within twice.
		 */
		sample(by_chance, 4 * GIB, 4096, 4096, seed);
		assert_in_range(share(), 500 - 2 * residency.error_permille,
				500 + 2 * residency.error_permille);
		assert_in_range(residency.error_permille, 15, 25);
		sample(interleaved, 4 * GIB - 4096 * 13, 4096, 4096, seed);
		assert_in_range(share(), 490, 510);
		sample(in_step, 4 * GIB, 4096, 4095, seed);
		assert_in_range(share(), 500 - 2 * residency.error_permille,
				500 + 2 * residency.error_permille);
		sample(in_runs, 4 * GIB, 4096, 4096, seed);
		assert_in_range(share(), 280, 320);
		assert_in_range(residency.present_bytes, 4 * GIB - 4096, 4 * GIB);
	}
}

static void test_absent_pages_do_not_count(void **state)
{
	(void)state;
	sample(half_absent, GIB, 4096, 4096, 7);
	assert_in_range(share(), 440, 560);
	assert_in_range(residency.present_bytes, GIB / 100 * 46, GIB / 100 * 54);
	assert_in_range(residency.n_present, 1880, 2220);
	sample(absent, GIB, 4096, 1024, 7);
	assert_int_equal(residency.present_bytes, 0);
	assert_int_equal(residency.error_permille, 1000);
	sample(elsewhere, GIB, 4096, 1024, 7);
	assert_int_equal(bytes[0], 0);
	assert_in_range(residency.n_present, 400, 620);
}

/* As many samples as pages, or fewer pages: each once, and nothing is uncertain. */
static void test_small_is_exact(void **state)
{
	(void)state;
	sample(interleaved, 64 * 4096, 4096, 4096, 1);
	assert_int_equal(residency.n_asked, 64);
	assert_int_equal(bytes[0], 32 * 4096);
	assert_int_equal(bytes[1], 32 * 4096);
	assert_int_equal(residency.error_permille, 0);
	/* A pool's pages: 2048 of 2 MiB. */
	sample(interleaved, 4 * GIB, 2 << 20, 4096, 1);
	assert_int_equal(residency.n_asked, 2048);
	assert_int_equal(bytes[1], 2 * GIB);
	assert_int_equal(residency.error_permille, 0);
}

static void test_seeds(void **state)
{
	uint64_t first;

	(void)state;
	sample(in_runs, 4 * GIB, 4096, 1024, 1);
	first = bytes[1];
	sample(in_runs, 4 * GIB, 4096, 1024, 1);
	assert_int_equal(bytes[1], first);
	for (uint64_t seed = 2; bytes[1] == first; seed++) {
		assert_true(seed < 10);
		sample(in_runs, 4 * GIB, 4096, 1024, seed);
	}
}

/* Ranges of different page sizes weigh what they are large, not what pages they have. */
static void test_several_ranges(void **state)
{
	struct place_ranges ranges = {
		.n = 2,
		.list = { { .start = START, .end = START + GIB, .page_bytes = 2 << 20 },
			  { .start = START + 2 * GIB,
			    .end = START + 5 * GIB,
			    .page_bytes = 4096 } },
		.bytes = 4 * GIB,
	};
	struct host host = { .node_of = interleaved, .page_bytes = 4096 };
	const struct place_residency_how how = { 4096, 5, ask, &host };

	(void)state;
	assert_int_equal(place_residency_sample(&ranges, &topology, 4711, &how, bytes, &residency),
			 0);
	/* The first lies on even pages alone: all of it is on node 0, and half of the second. */
	assert_in_range(bytes[0], GIB + 3 * GIB / 2 - GIB / 10, GIB + 3 * GIB / 2 + GIB / 10);
	assert_in_range(residency.n_asked, 512 + 3072, 512 + 3073);
}

static void test_failures(void **state)
{
	struct place_ranges ranges = { 0 };
	struct host host = { .fail = -ESRCH, .page_bytes = 4096 };
	struct place_residency_how how = { 1, 1, ask, &host };

	(void)state;
	assert_int_equal(place_residency_sample(&ranges, &topology, 4711, &how, bytes, &residency),
			 -EINVAL);
	ranges.n = 1;
	ranges.list[0] = (struct place_range){ START, START + 8192, 4096, false };
	ranges.bytes = 8192;
	how.n_samples = 0;
	assert_int_equal(place_residency_sample(&ranges, &topology, 4711, &how, bytes, &residency),
			 -EINVAL);
	how.n_samples = 1;
	assert_int_equal(place_residency_sample(&ranges, &topology, 4711, &how, bytes, &residency),
			 -ESRCH);
}

/* ---- one guest, from the files of a recording ------------------------------------------------ */

#define STAT(start)                                                                                \
	"4711 (qemu) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 " start " 0 0 0 0 0 0 0 0 0 0 0\n"

static int make_tree(void **state)
{
	const int r = tree_begin(state);

	tree_put(STAT("100"), "proc/4711/stat");
	return r;
}

/* The guest's RAM begins at START; its status says that so much is resident. */
static int read_guest(uint64_t mib, uint64_t resident_mib, layout node_of)
{
	const struct place_mounts mounts = { 0 };
	const struct place_guest guest = {
		.pid = 4711,
		.known = PLACE_GUEST_MEMORY | PLACE_GUEST_START,
		.start_ns = UINT64_C(1000000000),
		.memory_bytes = mib << 20,
	};
	struct host host = { .node_of = node_of, .page_bytes = 4096 };
	const struct place_residency_how how = { 4096, 1, ask, &host };
	char text[200];

	snprintf(text, sizeof(text), "%jx-%jx rw-p 00000000 00:00 0 \n", (uintmax_t)START,
		 (uintmax_t)(START + (mib << 20)));
	tree_put(text, "proc/4711/maps");
	snprintf(text, sizeof(text), "Name:\tqemu\nRssAnon:\t%ju kB\nRssShmem:\t0 kB\n",
		 (uintmax_t)resident_mib << 10);
	tree_put(text, "proc/4711/status");
	snprintf(text, sizeof(text), "%jx default anon=3 N0=1 N3=2 kernelpagesize_kB=4\n",
		 (uintmax_t)START);
	tree_put(text, "proc/4711/numa_maps");
	return place_residency_read(&tree_root, &tree_text, &topology, &mounts, &guest, true, &how,
				    bytes, &residency);
}

static void test_reading_a_guest(void **state)
{
	(void)state;
	/* Small: numa_maps, and nobody is asked. */
	assert_int_equal(read_guest(128, 128, interleaved), 0);
	assert_int_equal(residency.n_asked, 0);
	assert_int_equal(residency.present_bytes, 3 * 4096);
	assert_int_equal(bytes[1], 2 * 4096);
	/* Larger: samples, which agree with its status. */
	assert_int_equal(read_guest(2048, 2100, interleaved), 0);
	assert_in_range(residency.n_asked, 4096, 4097);
	assert_int_equal(residency.hidden_bytes, 0);
	assert_in_range(residency.error_permille, 1, 30);
	/* Half of what its status counts is hidden: numa_maps after all. */
	assert_int_equal(read_guest(2048, 2048, half_absent), 0);
	assert_int_equal(residency.n_asked, 0);
	assert_int_equal(bytes[1], 2 * 4096);
	assert_int_equal(residency.hidden_bytes, 0);
	/* The same, and too large for that: it is said. */
	assert_int_equal(read_guest(8192, 8192, half_absent), 0);
	assert_in_range(residency.hidden_bytes, 4 * GIB / 10 * 9, 4 * GIB / 10 * 11);
	assert_in_range(residency.n_asked, 4096, 4097);
	assert_in_range(residency.error_permille, 450, 550);
	/* Half of it was never touched: nothing is hidden. */
	assert_int_equal(read_guest(2048, 1050, half_absent), 0);
	assert_in_range(residency.n_asked, 4096, 4097);
	assert_int_equal(residency.hidden_bytes, 0);
}

static void test_another_process_with_its_pid(void **state)
{
	(void)state;
	tree_put(STAT("101"), "proc/4711/stat");
	assert_int_equal(read_guest(2048, 2048, interleaved), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_absent_pages_do_not_count),
		cmocka_unit_test(test_small_is_exact),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_several_ranges),
		cmocka_unit_test(test_failures),
		cmocka_unit_test_setup_teardown(test_reading_a_guest, make_tree, tree_end),
		cmocka_unit_test_setup_teardown(test_another_process_with_its_pid, make_tree,
						tree_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
