/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numa_maps lines: every policy, paths that are made to look like counts, lines far longer than
 * any buffer, and halves of lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/numa_maps.h"
#include "tree.h"

#define RANGE_START UINT64_C(0x7f0000000000)

static struct place_node nodes[] = { { .id = 0 }, { .id = 1 }, { .id = 8 } };
static const struct place_topology topology = { .n_nodes = 3, .nodes = nodes };
static const struct place_ranges ranges = {
	.n = 1,
	.list = { { .start = RANGE_START, .end = RANGE_START + (UINT64_C(1) << 30) } },
};

static void expect_pages(const char *text, uint64_t n0, uint64_t n1, uint64_t n8)
{
	uint64_t bytes[3] = { 0 };
	const uint64_t sum = place_numa_maps_sum(text, &ranges, &topology, bytes);

	if (bytes[0] != n0 * 4096 || bytes[1] != n1 * 4096 || bytes[2] != n8 * 4096)
		fail_msg("%.200s: %ju %ju %ju", text, (uintmax_t)(bytes[0] / 4096),
			 (uintmax_t)(bytes[1] / 4096), (uintmax_t)(bytes[2] / 4096));
	assert_int_equal(sum, (n0 + n1 + n8) * 4096);
}

static void test_policies(void **state)
{
	static const struct {
		const char *text;
		enum place_bind bind;
		const char *nodes;
	} cases[] = {
		{ "default", PLACE_BIND_NONE, "" },
		{ "local", PLACE_BIND_NONE, "" },
		{ "bind:0-1", PLACE_BIND_STRICT, "0-1" },
		{ "bind=static:1", PLACE_BIND_STRICT, "1" },
		{ "prefer:3", PLACE_BIND_PREFERRED, "3" },
		{ "prefer (many):0,2", PLACE_BIND_PREFERRED, "0,2" },
		{ "interleave:0-3", PLACE_BIND_INTERLEAVE, "0-3" },
		{ "weighted interleave:0-3", PLACE_BIND_INTERLEAVE, "0-3" },
		{ "from-the-future:0", PLACE_BIND_NONE, "0" },
		{ "bind:", PLACE_BIND_STRICT, "" },
		{ "bind:x", PLACE_BIND_STRICT, "" },
	};

	static char list[PLACE_SET_TEXT_MAX];
	struct place_set set;

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_numa_line line;
		char text[200];
		const char *at = text;
		uint64_t pages;
		unsigned node;

		snprintf(text, sizeof(text),
			 "7f0000000000 %s anon=9 dirty=9 N1=9 kernelpagesize_kB=4\n",
			 cases[i].text);
		assert_int_equal(place_numa_maps_next(&at, &line), 0);
		assert_int_equal(line.start, RANGE_START);
		assert_int_equal(line.bind, cases[i].bind);
		assert_int_equal(place_numa_policy_nodes(&line, &set), cases[i].nodes[0] != 0);
		if (cases[i].nodes[0]) {
			assert_true(place_set_format(&set, list, sizeof(list)) >= 0);
			assert_string_equal(list, cases[i].nodes);
		}
		assert_int_equal(line.page_bytes, 4096);
		assert_true(place_numa_counts_next(&line, &node, &pages));
		assert_int_equal(node, 1);
		assert_int_equal(pages, 9);
		assert_false(place_numa_counts_next(&line, &node, &pages));
		assert_int_equal(place_numa_maps_next(&at, &line), -ENODATA);
	}
}

static void test_counts(void **state)
{
	(void)state;
	expect_pages("7f0000000000 default anon=3 dirty=3 N0=1 N1=2 kernelpagesize_kB=4\n", 1, 2,
		     0);
	expect_pages("7f0000000000 bind:8 anon=3 N8=3 kernelpagesize_kB=4", 0, 0, 3);
	expect_pages("7f0000000000 default huge anon=2 dirty=2 N1=2 kernelpagesize_kB=2048\n", 0,
		     1024, 0);
	/* Outside of the ranges, below and above. */
	expect_pages("7effffffffff default anon=3 N0=3 kernelpagesize_kB=4\n"
		     "7f0040000000 default anon=3 N0=3 kernelpagesize_kB=4\n",
		     0, 0, 0);
	/* No pages: no counts and no size. */
	expect_pages("7f0000000000 default\n7f0000001000 default anon=1 N1=1 "
		     "kernelpagesize_kB=4\n",
		     0, 1, 0);
	/* Nodes that the host does not have, and words that are no counts. */
	expect_pages("7f0000000000 default N5=7 N-1=3 N=4 NN0=5 N0=x N0= N0=6x xN0=2 N00=4 "
		     "N99999999999999999999=1 N1=99999999999999999999999 N0:3 n0=3 "
		     "kernelpagesize_kB=4\n",
		     4, 0, 0);
}

/* What a user may call his file: the kernel escapes " ", "=", tab and newline as octal. */
static void test_paths(void **state)
{
	(void)state;
	expect_pages("7f0000000000 default file=/tmp/a\\040N0\\0755 mapped=2 N1=2 "
		     "kernelpagesize_kB=4\n",
		     0, 2, 0);
	expect_pages("7f0000000000 default file=/N0=77 mapped=2 N1=2 kernelpagesize_kB=4\n", 0, 2,
		     0);
	expect_pages("7f0000000000 default file=/tmp/kernelpagesize_kB\\0752048 mapped=2 N1=2 "
		     "kernelpagesize_kB=4\n",
		     0, 2, 0);
	expect_pages("7f0000000000 default file=/memfd:huge\\040(deleted) N1=2 "
		     "kernelpagesize_kB=4\n",
		     0, 2, 0);
	expect_pages("7f0000000000 default heap anon=1 N0=1 kernelpagesize_kB=4\n"
		     "7f0000100000 default stack anon=1 N0=1 kernelpagesize_kB=4\n",
		     2, 0, 0);
}

/* A path of 4096 characters with something like a count at every place where a buffer may end. */
static void test_long_lines(void **state)
{
	char *text = malloc(70000), *at;

	(void)state;
	assert_non_null(text);
	at = stpcpy(text, "7f0000000000 default file=/");
	while (at - text < 4000)
		at = stpcpy(at, "N0=5N1=7\\040N0\\0755/");
	at = stpcpy(at, " mapped=3");
	for (unsigned node = 100; node < 6000; node++)
		at += sprintf(at, " N%u=1", node);
	stpcpy(at, " N0=1 N1=2 kernelpagesize_kB=4\n7f0000001000 default N8=4 "
		   "kernelpagesize_kB=4\n");
	expect_pages(text, 1, 2, 4);
	free(text);
}

/*
 * A real file behind a path of more than 1023 bytes that is made of counts, as the kernel at hand
 * shows it: one page of it is mapped, and one page is found.
 */
static void test_real_path(void **state)
{
	const char *name = "N0=77 N1=88\n7f0000000000 default anon=5 N0=5 kernelpagesize_kB=4";
	_cleanup_text_ struct place_text text = { 0 };
	char path[4096], *memory;
	struct place_ranges mapped = { .n = 1 };
	struct place_node own[64];
	const struct place_topology any = { .n_nodes = 64, .nodes = own };
	uint64_t bytes[64] = { 0 };
	struct place_root root;
	size_t size;
	int fd;

	(void)state;
	for (unsigned i = 0; i < ELEMENTSOF(own); i++)
		own[i].id = i;
	tree_make();
	size = (size_t)snprintf(path, sizeof(path), "%s", tree_path);
	while (size < 1500) {
		size += (size_t)snprintf(path + size, sizeof(path) - size, "/%s", name);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path + size, sizeof(path) - size, "/N0=9");
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0 && ftruncate(fd, 4096) == 0);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	close(fd);
	memory[0] = 1;
	mapped.list[0].start = (uintptr_t)memory;
	mapped.list[0].end = (uintptr_t)memory + 4096;
	assert_int_equal(place_root_open("/", &root), 0);
	if (place_root_read(&root, &text, "proc/self/numa_maps") == 0)
		assert_int_equal(place_numa_maps_sum(text.data, &mapped, &any, bytes), 4096);
	place_root_close(&root);
	munmap(memory, 4096);
	tree_remove();
}

static void test_cut_off(void **state)
{
	static const char whole[] = "7f0000000000 prefer (many):0 file=/a huge anon=3 N0=1 N1=2 "
				    "kernelpagesize_kB=2048\n";

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		char *text = strndup(whole, n);
		uint64_t bytes[3] = { 0 };

		assert_non_null(text);
		(void)place_numa_maps_sum(text, &ranges, &topology, bytes);
		assert_true(bytes[0] <= 2048 * 1024);
		free(text);
	}
	expect_pages("\n\n 7f0000000000 default N0=1 kernelpagesize_kB=4\n"
		     "7F0000000000 default N0=1 kernelpagesize_kB=4\n"
		     "17f00000000000000 default N0=1 kernelpagesize_kB=4\n"
		     "garbage\n7f0000000000 default N1=1 kernelpagesize_kB=4\n",
		     0, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies), cmocka_unit_test(test_counts),
		cmocka_unit_test(test_paths),	 cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_cut_off),	 cmocka_unit_test(test_real_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
