/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest's cells are, by its command line, and which of its memory is whose, by its maps.
 * Arguments are written here with "|" for the NUL behind each.
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
#include "observe/cells.h"
#include "observe/qemu_args.h"

#define MIB (UINT64_C(1) << 20)
#define RAM(id, size) "-object|memory-backend-ram,id=" id ",size=" size "|"
#define TWO RAM("a", "64M") RAM("b", "96M") "-numa|node,nodeid=0,cpus=0-1,memdev=a|"

static struct place_qemu_args args;

static const struct place_cells *parse(const char *line)
{
	const size_t size = strlen(line);
	char *bytes = malloc(size + 1);

	assert_non_null(bytes);
	memcpy(bytes, line, size + 1);
	for (size_t i = 0; i < size; i++)
		if (bytes[i] == '|')
			bytes[i] = '\0';
	memset(&args, 0x5a, sizeof(args));
	place_qemu_args_parse(bytes, size, &args);
	free(bytes);
	return &args.cells;
}

static void expect_vcpus(const struct place_cell *cell, const char *list)
{
	struct place_set vcpus;

	assert_int_equal(place_set_parse_list(list, &vcpus), 0);
	assert_true(place_set_equal(&cell->vcpus, &vcpus));
}

static void test_libvirt(void **state)
{
	const struct place_cells *cells;

	(void)state;
	cells = parse("qemu|-object|{\"qom-type\":\"memory-backend-ram\",\"id\":\"ram-node0\","
		      "\"size\":67108864,\"host-nodes\":[0,1],\"policy\":\"bind\"}|"
		      "-numa|node,nodeid=0,cpus=0-1,cpus=4,memdev=ram-node0|"
		      "-object|{\"qom-type\":\"memory-backend-ram\",\"id\":\"ram-node1\","
		      "\"size\":100663296}|-numa|node,nodeid=1,cpus=2-3,memdev=ram-node1|"
		      "-numa|dist,src=0,dst=1,val=21|");
	assert_int_equal(cells->n, 2);
	assert_false(cells->is_one_block);
	assert_int_equal(cells->list[0].bytes, 64 * MIB);
	assert_int_equal(cells->list[1].bytes, 96 * MIB);
	assert_int_equal(cells->list[0].order, 0);
	assert_int_equal(cells->list[1].order, 1);
	expect_vcpus(&cells->list[0], "0-1,4");
	expect_vcpus(&cells->list[1], "2-3");
}

/* In whatever order they are: cells ascend, and each keeps when its memory was made. */
static void test_order(void **state)
{
	const struct place_cells *cells;

	(void)state;
	cells = parse("qemu|" RAM("x", "1G") RAM("b", "64M") RAM(
		"a",
		"32M") "-numa|node,nodeid=5,cpus=3,memdev=b|-numa|node,nodeid=2,cpus=1,memdev=a|");
	assert_int_equal(cells->n, 2);
	assert_int_equal(cells->list[0].id, 2);
	assert_int_equal(cells->list[0].order, 2);
	assert_int_equal(cells->list[0].bytes, 32 * MIB);
	assert_int_equal(cells->list[1].id, 5);
	assert_int_equal(cells->list[1].order, 1);
	/* Without ids they count. */
	cells = parse("qemu|" RAM("b", "64M") RAM("a", "32M") "-numa|node,cpus=3,memdev=b|"
							      "-numa|node,cpus=1,memdev=a|");
	assert_int_equal(cells->list[1].id, 1);
	expect_vcpus(&cells->list[1], "1");
}

static void test_rules(void **state)
{
	const struct place_cells *cells;

	(void)state;
	cells = parse("qemu|-smp|8,sockets=2,dies=1,cores=2,threads=2|" RAM("a", "64M") RAM(
		"b", "64M") "-numa|node,nodeid=0,memdev=a|-numa|node,nodeid=1,memdev=b|"
			    "-numa|cpu,node-id=0,socket-id=1|"
			    "-numa|cpu,node-id=1,socket-id=0,core-id=0,thread-id=0|"
			    "-numa|cpu,node-id=1,socket-id=0,core-id=1|");
	assert_int_equal(cells->n, 2);
	expect_vcpus(&cells->list[0], "4-7");
	expect_vcpus(&cells->list[1], "0,2-3");
	/* Behind the options that it needs, or before them. */
	cells = parse("qemu|-numa|node,nodeid=0,memdev=a|-numa|cpu,node-id=0,socket-id=1|" RAM(
		"a", "64M") "-smp|2,sockets=2,dies=1,cores=1,threads=1|");
	assert_int_equal(cells->n, 1);
	expect_vcpus(&cells->list[0], "1");
}

static void test_one_block(void **state)
{
	const struct place_cells *cells;

	(void)state;
	cells = parse("qemu|-m|192|-numa|node,nodeid=0,cpus=0,mem=64|"
		      "-numa|node,nodeid=1,cpus=1,mem=128M|");
	assert_int_equal(cells->n, 2);
	assert_true(cells->is_one_block);
	assert_int_equal(cells->list[0].bytes, 64 * MIB);
	assert_int_equal(cells->list[1].bytes, 128 * MIB);
}

/* Who is not sure has no cells. */
static void test_not_sure(void **state)
{
	static const char *const lines[] = {
		"qemu|-m|64|",
		"qemu|-numa|dist,src=0,dst=1,val=20|",
		"qemu|" TWO "-numa|node,nodeid=0,cpus=2,memdev=b|", /* two of one number */
		"qemu|" TWO "-numa|node,nodeid=1,cpus=1,memdev=b|", /* a vCPU in two */
		"qemu|" TWO "-numa|node,nodeid=1,cpus=2,memdev=c|", /* no such memory */
		"qemu|" TWO "-numa|node,nodeid=1,cpus=2,memdev=a|", /* memory of two */
		"qemu|" TWO "-numa|node,nodeid=1,cpus=2|",	    /* a cell without memory */
		"qemu|" TWO "-numa|node,nodeid=1,cpus=2,mem=64|",
		"qemu|" TWO "-numa|node,nodeid=1,cpus=x,memdev=b|",
		"qemu|" TWO "-numa|node,nodeid=1,cpus=9999,memdev=b|",
		"qemu|" TWO "-numa|node,nodeid=128,cpus=2,memdev=b|",
		"qemu|" TWO "-numa|node,nodeid=-1,cpus=2,memdev=b|",
		"qemu|" TWO "-numa|node,nodeid=1,memdev=b|-numa|cpu,node-id=7,socket-id=0|",
		"qemu|" TWO "-numa|node,nodeid=1,memdev=b|-numa|cpu,node-id=1,core-id=0|",
		"qemu|-smp|4,sockets=1,cores=2,threads=2|" TWO
		"-numa|node,nodeid=1,memdev=b|-numa|cpu,node-id=1,cluster-id=0|",
		"qemu|-smp|4|" RAM("a", "64M") "-numa|node,nodeid=0,memdev=a|", /* no vCPU at all */
		"qemu|" RAM("a", "lots") "-numa|node,nodeid=0,cpus=0,memdev=a|",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(lines); i++)
		if (parse(lines[i])->n)
			fail_msg("%s: %zu cells", lines[i], args.cells.n);
}

/* The line may have been written anew since: it must be one that QEMU could have begun with. */
static void test_sizes_and_all_memory(void **state)
{
	static const char cells[] = "-numa|node,nodeid=1,cpus=2,memdev=b|" TWO;
	char line[1024];

	(void)state;
	snprintf(line, sizeof(line), "qemu|-m|160|%s", cells);
	assert_int_equal(parse(line)->n, 2);
	snprintf(line, sizeof(line), "qemu|-m|size=163840k,slots=2,maxmem=1G|%s", cells);
	assert_int_equal(parse(line)->n, 2);
	snprintf(line, sizeof(line), "qemu|%s-m|161|", cells);
	assert_int_equal(parse(line)->n, 0);
	snprintf(line, sizeof(line), "qemu|-m|lots|%s", cells);
	assert_int_equal(parse(line)->n, 0);
}

static void put_rules(char *line, size_t size, unsigned n)
{
	size_t at = (size_t)snprintf(line, size,
				     "qemu|-smp|512,sockets=512,dies=1,cores=1,threads=1|" RAM(
					     "a", "4M") "-numa|node,nodeid=0,memdev=a|");

	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(line + at, size - at, "-numa|cpu,node-id=0,socket-id=%u|",
				       i);
}

static void test_too_many(void **state)
{
	char line[16384];
	size_t at = 0;

	(void)state;
	at += (size_t)snprintf(line, sizeof(line), "qemu|");
	for (unsigned i = 0; i < PLACE_CELLS_MAX; i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at,
				       "-object|memory-backend-ram,id=r%u,size=4M|"
				       "-numa|node,nodeid=%u,cpus=%u,memdev=r%u|",
				       i, i, i, i);
	assert_int_equal(parse(line)->n, PLACE_CELLS_MAX);
	snprintf(line + at, sizeof(line) - at,
		 "-object|memory-backend-ram,id=x,size=4M|-numa|node,nodeid=99,cpus=99,memdev=x|");
	assert_int_equal(parse(line)->n, 0);
	put_rules(line, sizeof(line), PLACE_CELL_RULES_MAX + 1);
	assert_int_equal(parse(line)->n, 0);
	/* Each is held against 512 vCPUs. */
	put_rules(line, sizeof(line), 128);
	assert_int_equal(parse(line)->n, 1);
	put_rules(line, sizeof(line), 129);
	assert_int_equal(parse(line)->n, 0);
}

/* ---- ranges --------------------------------------------------------------------------------- */

#define LINE(from, to) "7f" from "000000-7f" to "000000 rw-p 00000000 00:00 0 \n"
#define GUARD(at) "7f" at "000000-7f" at "001000 ---p 00000000 00:00 0 \n"
#define LOADER(at)                                                                                 \
	"7f" at "000000-7f" at "001000 r--p 00000000 08:01 99 /usr/lib/ld-linux-x86-64.so.2\n"
#define HEAP "555500000000-555510000000 rw-p 00000000 00:00 0 [heap]\n"

static int find(const char *line, const char *maps, struct place_range *ranges)
{
	const struct place_mounts mounts = { 0 };
	struct place_guest guest = { .known = PLACE_GUEST_MEMORY };
	const struct place_cells *cells = parse(line);

	for (size_t i = 0; i < cells->n; i++)
		guest.memory_bytes += cells->list[i].bytes;
	return place_cells_find(maps, &mounts, &guest, cells, ranges);
}

#define BOTH(first, second)                                                                        \
	RAM("a", first)                                                                            \
	RAM("b", second)                                                                           \
	"-numa|node,nodeid=0,cpus=0,memdev=a|-numa|"                                               \
	"node,nodeid=1,cpus=1,memdev=b|"

static void test_by_size(void **state)
{
	struct place_range ranges[PLACE_CELLS_MAX];

	(void)state;
	assert_int_equal(find("qemu|" BOTH("64M", "96M"),
			      HEAP LINE("10", "16") GUARD("16") LINE("20", "24"), ranges),
			 0);
	assert_int_equal(ranges[0].start, 0x7f20000000);
	assert_int_equal(ranges[0].end, 0x7f24000000);
	assert_int_equal(ranges[1].start, 0x7f10000000);
	assert_int_equal(find("qemu|" BOTH("64M", "96M"), LINE("10", "16"), ranges), -ENODATA);
	assert_int_equal(find("qemu|" BOTH("64M", "96M"), "", ranges), -ENODATA);
	assert_int_equal(find("qemu|-m|64|", LINE("10", "14"), ranges), -ENODATA);
}

/* A thread's stack right below a cell (seen on 6.18), but not half of one. */
static void test_neighbours(void **state)
{
	struct place_range ranges[PLACE_CELLS_MAX];
	static const char whole[] =
		"7f0f800000-7f10000000 rw-p 00000000 00:00 0 \n" LINE("10", "14") GUARD("14")
			LINE("20", "26");

	(void)state;
	assert_int_equal(find("qemu|" BOTH("64M", "96M"), whole, ranges), 0);
	assert_int_equal(ranges[0].start, 0x7f10000000);
	assert_int_equal(ranges[0].end, 0x7f14000000);
	assert_int_equal(find("qemu|" BOTH("48M", "96M"), whole, ranges), -ENODATA);
}

/* As large as each other: the first lies highest, below the loader. */
static void test_by_order(void **state)
{
	struct place_range ranges[PLACE_CELLS_MAX];
	static const char pair[] = LINE("10", "14") GUARD("14") LINE("20", "24");
	char maps[1024];

	(void)state;
	snprintf(maps, sizeof(maps), "%s%s", pair, LOADER("80"));
	assert_int_equal(find("qemu|" BOTH("64M", "64M"), maps, ranges), 0);
	assert_int_equal(ranges[0].start, 0x7f20000000);
	assert_int_equal(ranges[1].start, 0x7f10000000);
	/* From below upwards, as with an unlimited stack. */
	snprintf(maps, sizeof(maps), "%s%s", LOADER("01"), pair);
	assert_int_equal(find("qemu|" BOTH("64M", "64M"), maps, ranges), 0);
	assert_int_equal(ranges[0].start, 0x7f10000000);
	/* No loader, or one in between; and a third that is as large. */
	assert_int_equal(find("qemu|" BOTH("64M", "64M"), pair, ranges), -ENOTUNIQ);
	assert_int_equal(find("qemu|" BOTH("64M", "64M"),
			      LINE("10", "14") LOADER("18") LINE("20", "24"), ranges),
			 -ENOTUNIQ);
	snprintf(maps, sizeof(maps), "%s%s%s", pair, LINE("30", "34"), LOADER("80"));
	assert_int_equal(find("qemu|" BOTH("64M", "64M"), maps, ranges), -ENOTUNIQ);
}

/* Policies and KSM cut mappings up; a cell is one range all the same. */
static void test_cut_mappings(void **state)
{
	struct place_range ranges[PLACE_CELLS_MAX];

	(void)state;
	assert_int_equal(find("qemu|" BOTH("64M", "96M"),
			      LINE("10", "11") LINE("11", "16") GUARD("16") LINE("20", "24"),
			      ranges),
			 0);
	assert_int_equal(ranges[1].end - ranges[1].start, 96 * MIB);
}

static void test_cut_up(void **state)
{
	static const char line[] = "qemu|-numa|node,nodeid=0,cpus=0,mem=64M|"
				   "-numa|node,nodeid=1,cpus=1,mem=32M|";
	struct place_range ranges[PLACE_CELLS_MAX];

	(void)state;
	assert_int_equal(find(line, LINE("10", "16"), ranges), 0);
	assert_int_equal(ranges[0].start, 0x7f10000000);
	assert_int_equal(ranges[0].end, 0x7f14000000);
	assert_int_equal(ranges[1].start, 0x7f14000000);
	assert_int_equal(ranges[1].end, 0x7f16000000);
	assert_int_equal(find(line, LINE("10", "14") LINE("20", "22"), ranges), -ENOTUNIQ);
}

static void test_vcpu_names(void **state)
{
	(void)state;
	assert_int_equal(place_cells_vcpu("CPU 0/KVM\n"), 0);
	assert_int_equal(place_cells_vcpu("CPU 13/TCG"), 13);
	assert_int_equal(place_cells_vcpu("CPU 8191/HVF"), 8191);
	assert_int_equal(place_cells_vcpu("CPU 8192/HVF"), -1);
	assert_int_equal(place_cells_vcpu("CPU /KVM"), -1);
	assert_int_equal(place_cells_vcpu("CPU 3"), -1);
	assert_int_equal(place_cells_vcpu("CPU -3/KVM"), -1);
	assert_int_equal(place_cells_vcpu("IO mon_iothread"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libvirt),	   cmocka_unit_test(test_order),
		cmocka_unit_test(test_rules),	   cmocka_unit_test(test_one_block),
		cmocka_unit_test(test_not_sure),   cmocka_unit_test(test_sizes_and_all_memory),
		cmocka_unit_test(test_too_many),   cmocka_unit_test(test_by_size),
		cmocka_unit_test(test_by_order),   cmocka_unit_test(test_cut_mappings),
		cmocka_unit_test(test_cut_up),	   cmocka_unit_test(test_vcpu_names),
		cmocka_unit_test(test_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
