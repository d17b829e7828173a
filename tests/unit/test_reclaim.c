/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel reclaims: the files as kernels print them, damaged, cut and with numbers that do
 * not fit; and how near swapping two readings say it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/nearness.h"
#include "observe/reclaim.h"
#include "tree.h"

#define MIB (UINT64_C(1) << 20)

/* ---- files -------------------------------------------------------------------------------- */

static struct place_reclaim parse(const char *text)
{
	struct place_reclaim reclaim;

	memset(&reclaim, 0x5a, sizeof(reclaim));
	place_reclaim_parse(text, &reclaim);
	return reclaim;
}

static void test_vmstat(void **state)
{
	/* Some lines of 6.1. */
	struct place_reclaim reclaim = parse("nr_free_pages 123\n"
					     "workingset_refault_anon 7\n"
					     "workingset_refault_file 1000\n"
					     "nr_vmscan_write 12\n"
					     "nr_vmscan_immediate_reclaim 5\n");

	(void)state;
	assert_int_equal(reclaim.known, PLACE_RECLAIM_WRITTEN | PLACE_RECLAIM_REFAULTED);
	assert_int_equal(reclaim.written_pages, 12);
	assert_int_equal(reclaim.refaulted_pages, 7);
	/* Counted by who looks, and by what it is; only once here. */
	reclaim = parse("pgsteal_kswapd 10\npgsteal_direct 3\npgsteal_anon 6\npgsteal_file 7\n"
			"pgscan_kswapd 100\npgscan_direct 30\npgscan_direct_throttle 9\n"
			"pgscan_anon 65\npgscan_file 65");
	assert_int_equal(reclaim.known, PLACE_RECLAIM_SCANNED | PLACE_RECLAIM_STOLEN);
	assert_int_equal(reclaim.scanned_pages, 130);
	assert_int_equal(reclaim.stolen_pages, 13);
}

static void test_vmstat_damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"nr_vmscan_write",
		"nr_vmscan_write\n",
		"nr_vmscan_write \n",
		"nr_vmscan_write -1\n",
		"nr_vmscan_write 12x\n",
		"nr_vmscan_write  12\n",
		"nr_vmscan_write 18446744073709551616\n",
		" nr_vmscan_write 12\n",
		"xnr_vmscan_write 12\n",
		"nr_vmscan_write_more 12\n",
		"nr_vmscan_write 12\nnr_vmscan_write x\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parse(texts[i]).known)
			fail_msg("taken: %s", texts[i]);
	/* Half of a sum is no sum. */
	assert_int_equal(parse("pgscan_kswapd 1\npgscan_direct ?\nnr_vmscan_write 1\n").known,
			 PLACE_RECLAIM_WRITTEN);
	assert_true(parse("pgscan_kswapd 18446744073709551615\npgscan_direct 5\n").scanned_pages ==
		    UINT64_MAX);
}

static void test_psi(void **state)
{
	static const char *const damaged[] = {
		"",
		"some",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total=",
		"some avg10=1.0 avg60=0.00 avg300=0.00 total=5\n",
		"some avg10=1,00 avg60=0.00 avg300=0.00 total=5\n",
		"some avg10=-1.00 avg60=0.00 avg300=0.00 total=5\n",
		"some avg10=101.00 avg60=0.00 avg300=0.00 total=5\n",
		"some avg10=1.00 avg300=0.00 total=5\n",
		"some avg10=1.00 avg60=0.00 avg300=0.00 total=5 \n",
		"some avg10=1.",
		"something avg10=1.00 avg60=0.00 avg300=0.00 total=5\n",
	};
	struct place_stall stall = { 0 };

	(void)state;
	place_stall_parse("some avg10=12.34 avg60=3.00 avg300=0.10 total=987654321\n"
			  "full avg10=100.00 avg60=0.00 avg300=0.00 total=56\n",
			  &stall);
	assert_int_equal(stall.known, PLACE_STALL_SOME | PLACE_STALL_FULL);
	assert_int_equal(stall.some_avg10_permille, 123);
	assert_int_equal(stall.some_total_us, 987654321);
	assert_int_equal(stall.full_avg10_permille, 1000);
	assert_int_equal(stall.full_total_us, 56);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		stall = (struct place_stall){ 0 };
		place_stall_parse(damaged[i], &stall);
		if (stall.known)
			fail_msg("taken: %s", damaged[i]);
	}
}

static void test_swap(void **state)
{
	struct place_stall stall = { 0 };

	(void)state;
	place_stall_parse_swap("MemTotal: 1 kB\nSwapTotal: 8 kB\n", &stall);
	assert_int_equal(stall.known, 0);
	place_stall_parse_swap("SwapTotal:       8 kB\nSwapFree:        5 kB\n", &stall);
	assert_int_equal(stall.known, PLACE_STALL_SWAP);
	assert_int_equal(stall.swap_free_bytes, 5 << 10);
	place_stall_parse_swap("SwapTotal: 8 kB\nSwapFree: 9 kB\n", &stall);
	assert_int_equal(stall.swap_free_bytes, 8 << 10);
}

static void test_read(void **state)
{
	struct place_node nodes[] = { { .id = 0 }, { .id = 8 } };
	const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
	struct place_node_sample samples[] = {
		{ .n_pools = 2, .pools = { { 2 << 20, 1, 0, 0 }, { 1 << 30, 0, 0, 0 } } },
		{ .n_pools = 2, .pools = { { 2 << 20, 1, 0, 0 }, { 64 << 10, 1, 1, 0 } } }
	};
	const struct place_sample sample = { .n_nodes = 2, .nodes = samples };
	struct place_reclaim reclaims[2];
	struct place_text text = { 0 };
	struct place_stall stall;
	struct place_root root;

	(void)state;
	tree_make();
	assert_return_code(place_root_open(tree_path, &root), 0);
	memset(reclaims, 0x5a, sizeof(reclaims));
	memset(&stall, 0x5a, sizeof(stall));
	place_reclaim_read(&root, &text, &topology, &sample, reclaims, &stall);
	assert_int_equal(reclaims[0].known | reclaims[1].known | stall.known, 0);
	assert_int_equal(stall.n_surplus, 0);
	tree_put("7\n", "sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages");
	tree_put("x\n", "sys/kernel/mm/hugepages/hugepages-64kB/nr_overcommit_hugepages");
	tree_put("nr_vmscan_write 5\n", "sys/devices/system/node/node8/vmstat");
	tree_put("SwapTotal: 8 kB\nSwapFree: 8 kB\n", "proc/meminfo");
	tree_put("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n", "proc/pressure/memory");
	place_reclaim_read(&root, &text, &topology, &sample, reclaims, &stall);
	assert_int_equal(reclaims[0].known, 0);
	assert_int_equal(reclaims[1].written_pages, 5);
	assert_int_equal(stall.known, PLACE_STALL_SOME | PLACE_STALL_SWAP);
	assert_int_equal(stall.n_surplus, 1);
	assert_int_equal(stall.surplus[0].page_bytes, 2 << 20);
	assert_int_equal(stall.surplus[0].pages, 7);
	place_text_done(&text);
	place_root_close(&root);
	tree_remove();
}

/* ---- how near ----------------------------------------------------------------------------- */

static struct place_node_sample node;
static struct place_reclaim before, now;
static struct place_stall stall_before, stall_now;

static int begin(void **state)
{
	(void)state;
	node = (struct place_node_sample){ .known = PLACE_NODE_FREE | PLACE_NODE_RESERVE |
						    PLACE_NODE_RECLAIMABLE,
					   .free_bytes = 1000 * MIB,
					   .reserve_bytes = 50 * MIB };
	before = (struct place_reclaim){ .known = 15,
					 .scanned_pages = 5,
					 .stolen_pages = 5,
					 .written_pages = 5,
					 .refaulted_pages = 5 };
	now = before;
	stall_before = (struct place_stall){ .known = PLACE_STALL_SOME, .some_total_us = 5 };
	stall_now = stall_before;
	return 0;
}

static enum place_nearness nearness(void)
{
	const struct place_nearness_input input = { &node, &before, &now, &stall_before,
						    &stall_now };

	return place_nearness_of(&input);
}

static void test_counters(void **state)
{
	(void)state;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	now.scanned_pages++;
	assert_int_equal(nearness(), PLACE_NEARNESS_RECLAIM);
	now.scanned_pages--;
	now.stolen_pages++;
	assert_int_equal(nearness(), PLACE_NEARNESS_RECLAIM);
	now.written_pages += 256;
	assert_int_equal(nearness(), PLACE_NEARNESS_SWAP);
	now.written_pages -= 256;
	now.refaulted_pages += 256;
	assert_int_equal(nearness(), PLACE_NEARNESS_SWAP);
	/* A first reading, and one that went back, say nothing. */
	before.known = 0;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	before.known = 15;
	before.stolen_pages = before.refaulted_pages = 1000;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
}

/* Single pages come back from swap on any host: beside the watermark alone they say something. */
static void test_single_pages(void **state)
{
	(void)state;
	now.refaulted_pages += 255;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	now.written_pages++;
	assert_int_equal(nearness(), PLACE_NEARNESS_SWAP);
	now.refaulted_pages = before.refaulted_pages;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	node.free_bytes = 100 * MIB - 1;
	assert_int_equal(nearness(), PLACE_NEARNESS_SWAP);
	now = before;
	now.refaulted_pages++;
	assert_int_equal(nearness(), PLACE_NEARNESS_SWAP);
	node.known = 0;
	assert_int_equal(nearness(), PLACE_NEARNESS_UNKNOWN);
}

static void test_watermark(void **state)
{
	(void)state;
	node.free_bytes = 100 * MIB;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	node.free_bytes--;
	assert_int_equal(nearness(), PLACE_NEARNESS_CLOSE);
	stall_now.some_total_us++;
	assert_int_equal(nearness(), PLACE_NEARNESS_RECLAIM);
	stall_now.known = 0;
	assert_int_equal(nearness(), PLACE_NEARNESS_CLOSE);
	/* Clean page cache goes first. */
	node.reclaimable_bytes = 100 * MIB;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	node.reclaimable_bytes = 0;
	node.known &= ~(unsigned)PLACE_NODE_RECLAIMABLE;
	assert_int_equal(nearness(), PLACE_NEARNESS_CALM);
	node.known = PLACE_NODE_FREE;
	assert_int_equal(nearness(), PLACE_NEARNESS_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmstat),
		cmocka_unit_test(test_vmstat_damaged),
		cmocka_unit_test(test_psi),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_read),
		cmocka_unit_test_setup(test_counters, begin),
		cmocka_unit_test_setup(test_single_pages, begin),
		cmocka_unit_test_setup(test_watermark, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
