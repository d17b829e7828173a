/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU command lines, from libvirt's long ones to lines that only pretend: how many vCPUs, how
 * much RAM, tied to what. Arguments are written here with "|" for the NUL behind each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/qemu_args.h"

#define MIB (UINT64_C(1) << 20)
#define UNKNOWN UINT64_MAX

/* A copy without a byte to spare, so that a sanitizer sees each step beyond it. */
static struct place_qemu_args parse(const char *line)
{
	struct place_qemu_args args;
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
	return args;
}

static void test_memory(void **state)
{
	static const struct {
		const char *line;
		uint64_t mib;
	} cases[] = {
		{ "", 128 },
		{ "qemu|", 128 },
		{ "qemu|-m|512|", 512 },
		{ "qemu|--m|512|", 512 },
		{ "qemu|-m|4G|", 4096 },
		{ "qemu|-m|size=2048k,slots=4,maxmem=64G|", 2 },
		{ "qemu|-m|slots=4|", 128 },
		{ "qemu|-m|512|-m|1024|", 1024 },
		{ "qemu|-m|lots|", UNKNOWN },
		{ "qemu|-m|-1|", UNKNOWN },
		{ "qemu|-m|99999999999999999999|", UNKNOWN },
		{ "qemu|-m|lots|-m|256|", 256 },
		{ "qemu|-m", 128 }, /* cut before its value */
		{ "qemu|-m|", 128 },
		{ "-m|512|", 128 }, /* argv[0] is no option */
		{ "qemu|512|-m|64|", 64 },
		{ "qemu|-append|-m|999|-m|64|", 64 },
		{ "qemu||||-m|64|", 64 },
		{ "qemu|-M|pc|-mem|5|-m|64|-memory|7|", 64 },
		/* What makes up -m itself is plugged in by no device. */
		{ "qemu|-m|1024|-object|memory-backend-ram,id=pc.ram,size=1024M|", 1024 },
		{ "qemu|-m|1024|-object|memory-backend-ram,id=d,size=512M|"
		  "-device|pc-dimm,id=x,memdev=d|",
		  1536 },
		{ "qemu|-m|1024|-object|{\"qom-type\":\"memory-backend-ram\",\"id\":\"d\","
		  "\"size\":536870912}|-device|{\"driver\":\"pc-dimm\",\"memdev\":\"d\"}|",
		  1536 },
		{ "qemu|-m|1024|-object|memory-backend-file,id=n,size=256M,mem-path=/x|"
		  "-device|nvdimm,memdev=n|",
		  1280 },
		{ "qemu|-m|1024|-object|memory-backend-ram,id=v,size=8G|"
		  "-device|virtio-mem-pci,memdev=v,requested-size=1G|",
		  2048 },
		{ "qemu|-m|1024|-object|memory-backend-ram,id=v,size=1G|"
		  "-device|virtio-mem-pci,memdev=v,requested-size=8G|",
		  2048 },
		{ "qemu|-m|1024|-object|memory-backend-ram,id=v,size=1G|"
		  "-device|virtio-mem-pci,memdev=v,requested-size=0|",
		  1024 },
		{ "qemu|-m|1024|-object|memory-backend-ram,id=d,size=512M|"
		  "-device|ivshmem-plain,memdev=d|",
		  1024 },
		{ "qemu|-m|1024|-object|memory-backend-epc,id=d,size=512M|"
		  "-device|pc-dimm,memdev=d|",
		  1024 },
		{ "qemu|-m|1024|-object|rng-random,id=d,size=512M|-device|pc-dimm,memdev=d|",
		  1024 },
		{ "qemu|-m|1024|-device|pc-dimm,memdev=none|", 1024 },
		{ "qemu|-m|1024|-object|memory-backend-ram,size=512M|-device|pc-dimm|", 1024 },
		{ "qemu|-m|1024|-object|memory-backend-ram,id=a,size=15E|-object|"
		  "memory-backend-ram,id=b,size=15E|-device|pc-dimm,memdev=a|-device|pc-dimm,"
		  "memdev=b|",
		  UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct place_qemu_args args = parse(cases[i].line);
		const uint64_t mib =
			args.known & PLACE_GUEST_MEMORY ? args.memory_bytes / MIB : UNKNOWN;

		if (mib != cases[i].mib)
			fail_msg("%s: %llu MiB", cases[i].line, (unsigned long long)mib);
	}
}

static void test_vcpus(void **state)
{
	static const struct {
		const char *line;
		uint64_t n;
	} cases[] = {
		{ "qemu|", 1 },
		{ "qemu|-smp|4|", 4 },
		{ "qemu|-smp|4,sockets=2,cores=2,threads=1|", 4 },
		{ "qemu|-smp|cpus=3,maxcpus=8|", 3 },
		{ "qemu|-smp|sockets=2,dies=2,cores=3,threads=2|", 24 },
		{ "qemu|-smp|maxcpus=8|", 8 },
		{ "qemu|-smp|maxcpus=8,sockets=2|", 8 },
		{ "qemu|-smp|4|-smp|2|", 2 },
		{ "qemu|-smp|0|", 1 },
		{ "qemu|-smp|x|", 1 },
		{ "qemu|-smp|8192|", 8192 },
		{ "qemu|-smp|8193|", UNKNOWN },
		{ "qemu|-smp|4294967296|", 1 },
		{ "qemu|-smp|sockets=4294967295,cores=4294967295,threads=4294967295|", UNKNOWN },
		{ "qemu|-smp", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct place_qemu_args args = parse(cases[i].line);
		const uint64_t n = args.known & PLACE_GUEST_VCPUS ? args.n_vcpus : UNKNOWN;

		if (n != cases[i].n)
			fail_msg("%s: %llu vCPUs", cases[i].line, (unsigned long long)n);
	}
}

static void test_identity(void **state)
{
	struct place_qemu_args args;
	char line[400], name[300];

	(void)state;
	args = parse("qemu|-name|guest=web,,1,debug-threads=on|-uuid|"
		     "7fac4913-2ad4-4907-a46d-b187cad38516|");
	assert_int_equal(args.known & (PLACE_GUEST_NAME | PLACE_GUEST_UUID),
			 PLACE_GUEST_NAME | PLACE_GUEST_UUID);
	assert_string_equal(args.name, "web,1");
	assert_string_equal(args.uuid, "7fac4913-2ad4-4907-a46d-b187cad38516");
	args = parse("qemu|-name|web|");
	assert_string_equal(args.name, "web");
	args = parse("qemu|-name|debug-threads=on|-uuid|7fac4913-2ad4-4907-a46d-b187cad38516x|");
	assert_int_equal(args.known & (PLACE_GUEST_NAME | PLACE_GUEST_UUID), 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(line, sizeof(line), "qemu|-name|%s|", name);
	args = parse(line);
	assert_in_range(strlen(args.name), 1, PLACE_GUEST_NAME_MAX - 1);
}

static void expect_bind(const char *line, enum place_bind bind, const char *mems)
{
	const struct place_qemu_args args = parse(line);
	static char list[PLACE_SET_TEXT_MAX];

	assert_true(place_set_format(&args.mems, list, sizeof(list)) >= 0);
	if (args.bind != bind || strcmp(list, mems) != 0 ||
	    !(args.known & PLACE_GUEST_MEMS) != (bind == PLACE_BIND_NONE))
		fail_msg("%s: bind %d to %s", line, (int)args.bind, list);
}

static void test_policy(void **state)
{
	(void)state;
	expect_bind("qemu|", PLACE_BIND_NONE, "");
	expect_bind("qemu|-object|memory-backend-ram,id=a,host-nodes=0-1,policy=bind|",
		    PLACE_BIND_STRICT, "0-1");
	expect_bind("qemu|-object|{\"qom-type\":\"memory-backend-memfd\",\"id\":\"a\","
		    "\"host-nodes\":[1,3],\"policy\":\"interleave\"}|",
		    PLACE_BIND_INTERLEAVE, "1,3");
	expect_bind("qemu|-object|memory-backend-ram,id=a,host-nodes=0,host-nodes=2,"
		    "policy=preferred|",
		    PLACE_BIND_PREFERRED, "0,2");
	expect_bind("qemu|-object|memory-backend-ram,id=a,host-nodes=0,policy=bind|-object|"
		    "memory-backend-ram,id=b,host-nodes=1,policy=bind|",
		    PLACE_BIND_STRICT, "0-1");
	expect_bind("qemu|-object|memory-backend-ram,id=a,host-nodes=0,policy=default|",
		    PLACE_BIND_NONE, "");
	expect_bind("qemu|-object|memory-backend-ram,id=a,policy=bind|", PLACE_BIND_NONE, "");
	expect_bind("qemu|-object|memory-backend-ram,id=a,host-nodes=9999999,policy=bind|",
		    PLACE_BIND_NONE, "");
	expect_bind("qemu|-object|thread-context,id=a,host-nodes=0,policy=bind|", PLACE_BIND_NONE,
		    "");
}

#define CELL(n, mib, more)                                                                         \
	"-object|memory-backend-ram,id=m" n ",size=" mib "M" more "|-numa|node,nodeid=" n          \
	",cpus=" n ",memdev=m" n "|"
#define ON(nodes) ",policy=bind,host-nodes=" nodes
#define BY(policy, nodes) ",policy=" policy ",host-nodes=" nodes
#define TWO(more, others) "qemu|-m|64|-smp|2|" CELL("0", "32", more) CELL("1", "32", others)

/* Cells that are bound each in its own way: by the strictest of them, in whatever order. */
static void test_split(void **state)
{
	static const struct {
		const char *line;
		enum place_bind bind;
		const char *mems;
		bool is_split;
	} cases[] = {
		{ TWO(ON("0"), ON("0")), PLACE_BIND_STRICT, "0", false },
		{ TWO(ON("0-1"), ON("0-1")), PLACE_BIND_STRICT, "0-1", false },
		{ TWO(BY("preferred", "1"), BY("preferred", "1")), PLACE_BIND_PREFERRED, "1",
		  false },
		{ TWO(ON("0"), ON("1")), PLACE_BIND_STRICT, "0-1", true },
		{ TWO(ON("0-1"), ON("2-3")), PLACE_BIND_STRICT, "0-3", true },
		{ TWO(BY("interleave", "0-1"), ON("2")), PLACE_BIND_STRICT, "0-2", true },
		{ TWO(BY("interleave", "0-1"), ON("0-1")), PLACE_BIND_STRICT, "0-1", true },
		{ TWO(ON("0"), BY("preferred", "1")), PLACE_BIND_STRICT, "0-1", true },
		{ TWO(BY("preferred", "0"), ON("0")), PLACE_BIND_STRICT, "0", true },
		{ TWO(BY("preferred", "0"), BY("interleave", "0-1")), PLACE_BIND_INTERLEAVE, "0-1",
		  true },
		{ TWO(BY("interleave", "0-1"), BY("preferred", "0")), PLACE_BIND_INTERLEAVE, "0-1",
		  true },
		/* Half of it may come from anywhere, and so from no nodes in particular. */
		{ TWO(ON("0"), ""), PLACE_BIND_NONE, "", true },
		{ TWO("", ON("0")), PLACE_BIND_NONE, "", true },
		{ TWO("", ""), PLACE_BIND_NONE, "", false },
		/* What is in no cell is no part of it: shared memory for another guest. */
		{ TWO(ON("0"), ON("0")) "-object|memory-backend-file,id=x,size=1M,share=on|",
		  PLACE_BIND_STRICT, "0", false },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		expect_bind(cases[i].line, cases[i].bind, cases[i].mems);
		if (parse(cases[i].line).is_split != cases[i].is_split)
			fail_msg("%s", cases[i].line);
	}
}

static void test_hugepages(void **state)
{
	struct place_qemu_args args;

	(void)state;
	args = parse("qemu|-mem-path|/dev/hugepages/x|");
	assert_string_equal(args.mem_path, "/dev/hugepages/x");
	args = parse("qemu|-object|memory-backend-file,id=a,mem-path=/first|-object|"
		     "memory-backend-file,id=b,mem-path=/second|");
	assert_string_equal(args.mem_path, "/first");
	assert_false(args.hugetlb);
	args = parse("qemu|-object|memory-backend-memfd,id=a,hugetlb=on,hugetlbsize=1G|");
	assert_true(args.hugetlb);
	assert_int_equal(args.hugetlb_bytes, 1024 * MIB);
	args = parse("qemu|-object|{\"qom-type\":\"memory-backend-memfd\",\"hugetlb\":true}|");
	assert_true(args.hugetlb);
	assert_int_equal(args.hugetlb_bytes, 0);
	args = parse("qemu|-object|memory-backend-memfd,id=a,hugetlb=off,hugetlbsize=1G|");
	assert_false(args.hugetlb);
}

/* More of everything than there is room for: counted as far as it goes, and no further. */
static void test_too_many(void **state)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&line, &size);
	struct place_qemu_args args;

	(void)state;
	assert_non_null(file);
	fputs("qemu|-m|64|", file);
	for (int i = 0; i < 5000; i++)
		fprintf(file,
			"-object|memory-backend-ram,id=m%d,size=1M|-device|pc-dimm,memdev=m%d|", i,
			i);
	fputs("-smp|6|", file);
	assert_int_equal(fclose(file), 0);
	args = parse(line);
	assert_int_equal(args.n_vcpus, 6);
	assert_in_range(args.memory_bytes / MIB, 64 + 256, 64 + 5000);
	free(line);
}

/* An id that is cut off could name another backend: it names none. */
static void test_long_ids(void **state)
{
	char line[1000], id[200];

	(void)state;
	memset(id, 'i', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	snprintf(line, sizeof(line),
		 "qemu|-m|64|-object|memory-backend-ram,id=%s,size=1M|-device|pc-dimm,memdev=%sx|",
		 id, id);
	assert_int_equal(parse(line).memory_bytes / MIB, 64);
}

/* What kind of guest it is: nothing of it shows in its size. */
static void test_traits(void **state)
{
	const unsigned cells = PLACE_TRAIT_CELLS, slots = PLACE_TRAIT_SLOTS,
		       shared = PLACE_TRAIT_SHARED, confidential = PLACE_TRAIT_CONFIDENTIAL;
	const struct {
		const char *line;
		unsigned traits;
	} cases[] = {
		{ "qemu|-m|512|", 0 },
		{ "qemu|-m|size=1G,slots=4,maxmem=64G|", slots },
		{ "qemu|-m|1G,maxmem=2G|", slots },
		{ "qemu|-device|{\"driver\":\"virtio-mem-pci\",\"memdev\":\"v\"}|", slots },
		{ "qemu|-device|virtio-memory|", slots }, /* too much is safe */
		{ "qemu|-device|virtio-balloon-pci|", 0 },
		{ "qemu|-numa|node,nodeid=0,cpus=0-1,memdev=ram-node0|", cells },
		{ "qemu|-numa|cpu,node-id=0|-numa|dist,src=0,dst=1,val=20|", 0 },
		{ "qemu|-append|-numa|node|", cells },
		{ "qemu|-object|memory-backend-ram,id=x,size=1G,share=on|", shared },
		{ "qemu|-object|memory-backend-ram,id=x,size=1G|", 0 },
		{ "qemu|-object|memory-backend-memfd,id=x,size=1G|", shared },
		{ "qemu|-object|memory-backend-memfd,id=x,size=1G,share=off|", 0 },
		{ "qemu|-object|{\"qom-type\":\"memory-backend-file\",\"id\":\"x\",\"size\":1,"
		  "\"share\":true}|",
		  shared },
		{ "qemu|-object|sev-guest,id=s0,cbitpos=47|", confidential },
		{ "qemu|-object|{\"qom-type\":\"sev-snp-guest\",\"id\":\"s0\"}|", confidential },
		{ "qemu|-object|tdx-guest,id=t|", confidential },
		{ "qemu|-object|sev-guests,id=s0|", 0 },
		{ "qemu|-machine|q35,accel=kvm,confidential-guest-support=l0|", confidential },
		{ "qemu|-M|q35,memory-encryption=l0|", confidential },
		{ "qemu|-machine|q35,accel=kvm|", 0 },
		{ "qemu|-object|memory-backend-ram,id=x,size=1G,guest-memfd=on|", confidential },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (parse(cases[i].line).traits != cases[i].traits)
			fail_msg("%s: %#x", cases[i].line, parse(cases[i].line).traits);
	assert_true(parse("qemu|-m|1|-incoming|defer|").is_incoming);
	assert_true(parse("qemu|-incoming|tcp:0:4444|-S|").is_incoming);
	assert_true(parse("qemu|-incoming|file:/var/lib/libvirt/save/a|").is_incoming);
	assert_true(parse("qemu|--incoming|fd:24|").is_incoming);
	assert_true(parse("qemu|-loadvm|before|").is_incoming);
	assert_false(parse("qemu|-m|1|-incoming").is_incoming);
	assert_false(parse("qemu|-name|-incoming|").is_incoming);
}

/* Which of its memory comes from which node, where each cell and DIMM has one. */
static void test_parts(void **state)
{
	static const char *const none[] = {
		"qemu|-m|96|-smp|2|" CELL("0", "64", ON("1")) CELL("1", "32", ""),
		"qemu|-m|96|-smp|2|" CELL("0", "64", ON("1")) CELL("1", "32", ON("0-1")),
		"qemu|-m|96|-smp|2|" CELL("0", "64", ON("1"))
			CELL("1", "32", ",policy=preferred,host-nodes=0"),
		/* All on one node, by the same set: that is no split. */
		"qemu|-m|96|-smp|2|" CELL("0", "64", ON("1")) CELL("1", "32", ON("1")),
		/* More than -m. */
		"qemu|-m|64|-smp|2|" CELL("0", "64", ON("1")) CELL("1", "32", ON("0")),
		"qemu|-m|96|-smp|2|" CELL("0", "64", ON("1"))
			CELL("1", "32", ON("0")) "-object|memory-backend-ram,id=d,size=16M|-device|"
						 "pc-dimm,memdev=d|",
		"qemu|-m|64|-object|memory-backend-ram,id=m0,size=64M" ON("1") "|",
		"qemu|-m|96|",
	};
	const struct place_qemu_args two = parse("qemu|-m|128|-smp|3|" CELL(
		"0", "64", ON("1")) CELL("1", "32", ON("0")) CELL("2", "32", ON("1")));
	const struct place_qemu_args dimm =
		parse("qemu|-m|96|-smp|2|" CELL("0", "64", ON("1")) CELL(
			"1", "32",
			ON("0")) "-object|memory-backend-ram,id=d,size=16M,policy=bind,host-nodes="
				 "4|-device|pc-dimm,memdev=d|");

	(void)state;
	assert_int_equal(two.n_parts, 2);
	assert_int_equal(two.parts[0].node, 1);
	assert_int_equal(two.parts[0].bytes, 96 * MIB);
	assert_int_equal(two.parts[1].node, 0);
	assert_int_equal(two.parts[1].bytes, 32 * MIB);
	assert_int_equal(dimm.n_parts, 3);
	assert_int_equal(dimm.parts[2].node, 4);
	assert_int_equal(dimm.parts[2].bytes, 16 * MIB);
	for (size_t i = 0; i < ELEMENTSOF(none); i++)
		if (parse(none[i]).n_parts)
			fail_msg("%s", none[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),	  cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_identity),  cmocka_unit_test(test_policy),
		cmocka_unit_test(test_hugepages), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_long_ids),  cmocka_unit_test(test_traits),
		cmocka_unit_test(test_parts),	  cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
