/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/stat: command names that look like the fields behind them, lines that end early,
 * numbers that do not fit; and which thread names are vCPUs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/procstat.h"

/* Of a 6.18 kernel: utime 11, stime 22, 7 threads, start 91837, rss 413, processor 5. */
#define REST                                                                                       \
	" S 19550 19550 9259 0 -1 4194304 101 0 0 0 11 22 0 0 20 0 7 0 91837 3133440 413 "         \
	"18446744073709551615 94096075304960 94096075324841 140730723069856 0 0 0 0 0 0 0 0 0 17 " \
	"5 0 0 0 0 0 94096075340848 94096075342464 94096409403392 140730723076737 "                \
	"140730723076757 140730723076757 140730723078123 0\n"

static void expect_comm(const char *comm, const char *expected)
{
	struct place_procstat stat;
	char text[1024];

	snprintf(text, sizeof(text), "19556 (%s)" REST, comm);
	memset(&stat, 0x5a, sizeof(stat));
	if (place_procstat_parse(text, &stat) != 0)
		fail_msg("refused: %s", comm);
	assert_string_equal(stat.comm, expected);
	assert_int_equal(stat.state, 'S');
	assert_false(stat.is_kernel);
	assert_int_equal(stat.cpu_ticks, 33);
	assert_int_equal(stat.n_threads, 7);
	assert_int_equal(stat.start_ticks, 91837);
	assert_int_equal(stat.resident_pages, 413);
	assert_int_equal(stat.processor, 5);
}

static void test_names(void **state)
{
	static const char *const names[] = {
		"qemu-system-x86",
		"",
		" ",
		"a b c",
		"(",
		")",
		") R 1 2 3 4 5",
		"((x))",
		"a\nb",
		") Z 1 1 1 1 1 1 1 1",
		"\t\\\"",
		"CPU 0/KVM",
	};
	char longest[PLACE_COMM_MAX + 10], cut[PLACE_COMM_MAX];

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(names); i++)
		expect_comm(names[i], names[i]);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(cut, 'x', sizeof(cut) - 1);
	cut[sizeof(cut) - 1] = '\0';
	expect_comm(longest, cut);
}

/* Cut at every place: refused, or what is there is what it was. */
static void test_cut(void **state)
{
	static const char whole[] = "19556 (cat)" REST;
	char text[sizeof(whole)];

	(void)state;
	for (size_t size = 0; size < sizeof(whole); size++) {
		struct place_procstat stat = { .cpu_ticks = 4711 };

		memcpy(text, whole, size);
		text[size] = '\0';
		if (place_procstat_parse(text, &stat) == 0)
			assert_int_equal(stat.cpu_ticks, 33);
		else
			assert_int_equal(stat.cpu_ticks, 4711);
	}
}

static void test_damaged(void **state)
{
	struct place_procstat stat;

	(void)state;
	assert_int_equal(place_procstat_parse("", &stat), -EINVAL);
	assert_int_equal(place_procstat_parse("1 (a", &stat), -EINVAL);
	assert_int_equal(place_procstat_parse("1 (a)", &stat), -EINVAL);
	assert_int_equal(place_procstat_parse("1 (a) ", &stat), -EINVAL);
	assert_int_equal(place_procstat_parse("1 (a) S", &stat), -EINVAL);
	assert_int_equal(place_procstat_parse("1 (a) S x", &stat), -EINVAL);
	assert_int_equal(place_procstat_parse("1 (a) S 99999999999999999999999", &stat), -ERANGE);
	assert_int_equal(
		place_procstat_parse("1 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 5000000000 1 1 1 1 "
				     "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n",
				     &stat),
		-ERANGE);
	/* A recording that has no more. */
	assert_int_equal(
		place_procstat_parse("1 (a) S 1 1 1 1 1 1 1 1 1 1 2 3 1 1 1 1 5 1 77\n", &stat), 0);
	assert_int_equal(stat.start_ticks, 77);
	assert_true(stat.processor == UINT32_MAX);
	assert_int_equal(stat.resident_pages, 0);
	/* CPU times that only a recording can have. */
	assert_int_equal(
		place_procstat_parse("1 (a) S 1 1 1 1 1 1 1 1 1 1 18446744073709551615 9 1 1 1 1 5 "
				     "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 3\n",
				     &stat),
		0);
	assert_true(stat.cpu_ticks == UINT64_MAX);
	assert_true(place_ticks_to_ns(stat.cpu_ticks) == UINT64_MAX);
	assert_int_equal(place_ticks_to_ns(0), 0);
}

static void test_vcpus(void **state)
{
	static const struct {
		const char *comm;
		bool is_vcpu;
	} cases[] = {
		{ "CPU 0/KVM", true },
		{ "CPU 4095/KVM", true },
		{ "CPU 7/TCG", true },
		{ "ALL CPUs/TCG", true },
		{ "CPU /KVM", false },
		{ "CPU 1/KVM2", false },
		{ "CPU 1/KVM\n", false },
		{ "CPU 1", false },
		{ "CPU -1/KVM", false },
		{ "CPU  1/KVM", false },
		{ "qemu-kvm", false },
		{ "IO mon_iothread", false },
		{ "", false },
		{ "CPU 1/HVF", false },
		{ "xCPU 1/KVM", false },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (place_comm_is_vcpu(cases[i].comm) != cases[i].is_vcpu)
			fail_msg("%s", cases[i].comm);
}

static void test_resident(void **state)
{
	uint64_t plain = 1, pool = 2;

	(void)state;
	assert_true(
		place_status_resident("Name:\tx\nVmRSS:\t 90 kB\nRssAnon:\t 7 kB\nRssFile:\t 50 "
				      "kB\nRssShmem:\t 5 kB\nHugetlbPages:\t 2048 kB\n",
				      &plain, &pool));
	assert_int_equal(plain, 12 * 1024);
	assert_int_equal(pool, 2048 * 1024);
	/* Before 4.5 there is no more to be had. */
	assert_true(place_status_resident("VmRSS:\t 90 kB\n", &plain, &pool));
	assert_int_equal(plain, 90 * 1024);
	assert_int_equal(pool, 0);
	plain = 3;
	/* A zombie has no memory at all. */
	assert_false(place_status_resident("Name:\tx\nState:\tZ (zombie)\n", &plain, &pool));
	assert_int_equal(plain, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),	 cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_resident),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
