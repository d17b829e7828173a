/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The promise ledger as text: a round trip, other boots, and damage of every kind, where the
 * good lines have to be kept and the bad ones counted.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/ledger.h"

#define BOOT "5cdfe7b1-ed1f-4b13-a5c2-6ec8cf7bb1dc"
#define HEAD "placed promises 1 boot " BOOT "\n"
#define GOOD                                                                                       \
	"booked_ns 1 vcpus_centi 400 memory_bytes 1073741824 pid 0 start_ns 0 seen_ns 0 nodes 1\n"

static struct place_ledger parse(const char *text, size_t n, size_t n_damaged)
{
	struct place_ledger ledger;
	size_t damaged = 4711;

	assert_int_equal(place_ledger_parse(text, BOOT, &ledger, &damaged), 0);
	if (ledger.n != n || damaged != n_damaged)
		fail_msg("%s: %zu promises, %zu damaged", text, ledger.n, damaged);
	assert_int_equal(ledger.capacity, PLACE_LEDGER_MAX);
	return ledger;
}

static void expect(const char *text, size_t n, size_t n_damaged)
{
	struct place_ledger ledger = parse(text, n, n_damaged);

	place_ledger_done(&ledger);
	assert_int_equal(ledger.n, 0);
}

static void test_fields(void **state)
{
	struct place_ledger ledger = parse(
		HEAD GOOD
		"booked_ns 18446744073709551615 vcpus_centi 4294967295 memory_bytes "
		"18446744073709551615 pid 2147483647 start_ns 9 seen_ns 7 nodes 0,8,252-255\n",
		2, 0);

	(void)state;
	assert_int_equal(ledger.promises[0].booked_ns, 1);
	assert_int_equal(ledger.promises[0].vcpus_centi, 400);
	assert_int_equal(ledger.promises[0].memory_bytes, 1073741824);
	assert_true(place_set_has(&ledger.promises[0].nodes, 1));
	assert_int_equal(place_set_count(&ledger.promises[0].nodes), 1);
	assert_true(ledger.promises[1].booked_ns == UINT64_MAX);
	assert_int_equal(ledger.promises[1].vcpus_centi, UINT32_MAX);
	assert_true(ledger.promises[1].memory_bytes == UINT64_MAX);
	assert_int_equal(ledger.promises[1].pid, INT_MAX);
	assert_int_equal(ledger.promises[1].start_ns, 9);
	assert_int_equal(ledger.promises[1].seen_ns, 7);
	assert_int_equal(place_set_count(&ledger.promises[1].nodes), 6);
	place_ledger_done(&ledger);
}

static void test_headings(void **state)
{
	(void)state;
	expect("", 0, 0);
	expect(HEAD, 0, 0);
	expect(HEAD GOOD GOOD, 2, 0);
	/* Of another boot: not damaged, only not ours. */
	expect("placed promises 1 boot 00000000-ed1f-4b13-a5c2-6ec8cf7bb1dc\n" GOOD, 0, 0);
	expect("placed promises 1 boot \n" GOOD, 0, 0);
	expect("placed promises 1 boot " BOOT "x\n" GOOD, 0, 0);
	expect("placed promises 1 boot " BOOT, 0, 0);
	expect("placed promises 1 boot 5cdfe7b1\n" GOOD, 0, 0);
	/* Not a ledger at all. */
	expect("placed promises 2 boot " BOOT "\n" GOOD, 0, 1);
	expect("root:x:0:0\n" GOOD, 0, 1);
	expect("placed", 0, 1);
	expect(GOOD HEAD GOOD, 0, 1);
	expect("\n" HEAD GOOD, 0, 1);
}

static void test_damaged_lines(void **state)
{
	static const char *const bad[] = {
		"booked_ns 1",
		"booked_ns  1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 1",
		"booked_ns -1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 1",
		"booked_ns 18446744073709551616 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 "
		"seen_ns 0 nodes 1",
		"booked_ns 1 vcpus_centi 4294967296 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 "
		"nodes 1",
		"booked_ns 1 vcpus_centi 4 memory_bytes x pid 0 start_ns 0 seen_ns 0 nodes 1",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 2147483648 start_ns 0 seen_ns 0 "
		"nodes 1",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid -1 start_ns 0 seen_ns 0 nodes 1",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 nodes 1",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 start_ns 0 seen_ns 0 nodes 1",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes ",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 8192",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 3-1",
		"booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 1 x",
		" booked_ns 1 vcpus_centi 4 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 1",
		"vcpus_centi 4 booked_ns 1 memory_bytes 1 pid 0 start_ns 0 seen_ns 0 nodes 1",
		"\x1b[2J",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		char text[600];

		snprintf(text, sizeof(text), "%s%s%s\n%s", HEAD, GOOD, bad[i], GOOD);
		expect(text, 2, 1);
		/* The last line, without its end. */
		snprintf(text, sizeof(text), "%s%s%s", HEAD, GOOD, bad[i]);
		expect(text, 1, 1);
	}
}

static void test_too_many(void **state)
{
	char *text = malloc(sizeof(HEAD) + (PLACE_LEDGER_MAX + 5) * sizeof(GOOD)), *at;

	(void)state;
	assert_non_null(text);
	at = stpcpy(text, HEAD);
	for (size_t i = 0; i < PLACE_LEDGER_MAX + 5; i++)
		at = stpcpy(at, GOOD);
	expect(text, PLACE_LEDGER_MAX, 5);
	free(text);
}

static void test_round_trip(void **state)
{
	struct place_ledger ledger = parse(HEAD GOOD GOOD, 2, 0);
	_cleanup_text_ struct place_text text = { 0 };

	(void)state;
	place_set_add(&ledger.promises[1].nodes, 8191);
	ledger.promises[1].pid = 4711;
	assert_int_equal(place_ledger_format(&ledger, BOOT, &text), 0);
	assert_string_equal(text.data,
			    HEAD GOOD "booked_ns 1 vcpus_centi 400 memory_bytes 1073741824 pid "
				      "4711 start_ns 0 seen_ns 0 nodes 1,8191\n");
	assert_int_equal(text.size, strlen(text.data));
	/* Into the same buffer again, and smaller. */
	ledger.n = 0;
	assert_int_equal(place_ledger_format(&ledger, BOOT, &text), 0);
	assert_string_equal(text.data, HEAD);
	place_ledger_done(&ledger);
}

static void write_ledger(const char *bytes, size_t size)
{
	FILE *file = fopen("run/placed/promises", "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void test_load(void **state)
{
	static const char with_nul[] = HEAD GOOD "x\0y\n" GOOD "\0\0";
	char folder[] = "/tmp/test_ledger.XXXXXX";
	struct place_ledger ledger = { 0 };
	struct place_host host;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(mkdir("run", 0755), 0);
	assert_int_equal(mkdir("run/placed", 0755), 0);
	assert_int_equal(place_host_init(folder, &host), 0);
	strcpy(host.topology.boot_id, BOOT);

	/* None there: nothing to tell. */
	assert_int_equal(place_ledger_load(&host, &ledger), 0);
	assert_int_equal(ledger.n, 0);
	assert_int_equal(host.n_notes, 0);
	write_ledger(HEAD GOOD, sizeof(HEAD GOOD) - 1);
	assert_int_equal(place_ledger_load(&host, &ledger), 0);
	assert_int_equal(ledger.n, 1);
	assert_int_equal(host.n_notes, 0);
	/* A NUL hides nothing behind it. */
	write_ledger(with_nul, sizeof(with_nul) - 1);
	assert_int_equal(place_ledger_load(&host, &ledger), 0);
	assert_int_equal(ledger.n, 2);
	assert_int_equal(host.n_notes, 1);
	assert_non_null(strstr(host.notes[0], "2 lines left out: damaged"));
	/* A folder in its place: said, and counted as empty. */
	assert_int_equal(unlink("run/placed/promises"), 0);
	assert_int_equal(mkdir("run/placed/promises", 0755), 0);
	assert_int_equal(place_ledger_load(&host, &ledger), 0);
	assert_int_equal(ledger.n, 0);
	assert_int_equal(host.n_notes, 2);

	place_ledger_done(&ledger);
	place_host_done(&host);
	assert_int_equal(rmdir("run/placed/promises"), 0);
	assert_int_equal(rmdir("run/placed"), 0);
	assert_int_equal(rmdir("run"), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	      cmocka_unit_test(test_headings),
		cmocka_unit_test(test_damaged_lines), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
