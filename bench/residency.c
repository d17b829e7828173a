/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far samples of a process's memory are from the truth: lays memory out over two nodes in
 * several ways, reads numa_maps once, samples it many times. Exit status 1 where the 99th
 * percentile of the error is above the limit of a layout.
 *
 *   bench/residency [MIB [TRIALS]]      needs two nodes: tests/guest/run --topology 2n
 *   bench/residency --hidden            where kernel.numa_balancing is on
 *
 * SAID is the error that the sampler itself gives, SEEN the share of the pages that it found:
 * fewer than are there where Linux 6.1 to 6.5 have kernel.numa_balancing on, which hides pages.
 */
#include <inttypes.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "observe/look.h"
#include "observe/numa_maps.h"
#include "observe/pages.h"
#include "observe/residency.h"
#include "observe/sample.h"

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define RUN (2 * MIB)
#define SAMPLES 4096
#define ABSENT (-1)

static uint64_t chance = 1;

static unsigned draw(unsigned bound)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(chance >> 33) % bound;
}

/* The node of the next piece, by its number. */
static int half_and_half(size_t i)
{
	(void)i;
	return (int)draw(2);
}

static int three_in_ten(size_t i)
{
	(void)i;
	return draw(10) < 3;
}

static int in_turn(size_t i)
{
	return (int)(i % 2);
}

static int with_holes(size_t i)
{
	(void)i;
	return draw(10) < 4 ? ABSENT : (int)draw(2);
}

static int split_once(size_t i)
{
	return i >= 7;
}

static const struct {
	const char *name;
	int (*node_of)(size_t i);
	size_t piece_bytes; /* 0: a tenth of the memory */
	double limit;	    /* percentage points, of the 99th percentile */
	enum { PLAIN, TRANSPARENT, POOL } kind;
} layouts[] = {
	{ "2 MiB runs, half", half_and_half, RUN, 1.0, PLAIN },
	{ "2 MiB runs, 30 %", three_in_ten, RUN, 1.0, PLAIN },
	{ "2 MiB runs, holes", with_holes, RUN, 1.5, PLAIN },
	{ "2 MiB huge pages, half", half_and_half, RUN, 1.0, TRANSPARENT },
	{ "2 MiB pool pages, half", half_and_half, RUN, 0.0, POOL }, /* each is asked for */
	{ "split once, 70/30", split_once, 0, 1.0, PLAIN },
	{ "single pages in turn", in_turn, PAGE, 2.1, PLAIN },
	{ "single pages, half", half_and_half, PAGE, 2.3, PLAIN }, /* 2.01 in theory */
	{ "single pages, 30 %", three_in_ten, PAGE, 2.1, PLAIN },  /* 1.85 */
};

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

/* The thread's policy decides where a page comes from: the mapping stays one. */
static void lay_out(char *memory, size_t size, size_t layout)
{
	const size_t piece =
		layouts[layout].piece_bytes ? layouts[layout].piece_bytes : size / 10 / RUN * RUN;
	int last = ABSENT;

	for (size_t at = 0; at < size; at += piece) {
		const int node = layouts[layout].node_of(at / piece);
		const unsigned long mask = 1UL << (node == ABSENT ? 0 : node);

		if (node == ABSENT)
			continue;
		if (node != last && set_mempolicy(MPOL_BIND, &mask, 64) < 0)
			fail("set_mempolicy");
		last = node;
		for (size_t page = at; page < at + piece && page < size; page += PAGE)
			memory[page] = 1;
	}
	if (set_mempolicy(MPOL_DEFAULT, NULL, 0) < 0)
		fail("set_mempolicy");
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
	const double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static double share(const uint64_t *bytes)
{
	return (double)bytes[1] * 100 / (double)(bytes[0] + bytes[1]);
}

/* Returns whether the 99th percentile is within the limit. */
static bool try_layout(struct place_host *host, char *memory, size_t size, size_t layout, size_t n)
{
	const struct place_ranges ranges = {
		.n = 1,
		.list = { { (uintptr_t)memory, (uintptr_t)memory + size,
			    layouts[layout].kind == POOL ? RUN : PAGE, false } },
		.bytes = size,
	};
	_cleanup_free_ double *errors = calloc(n, sizeof(*errors));
	uint64_t truth[64] = { 0 }, bytes[64], us;
	struct place_residency residency;
	struct place_residency_how how = { SAMPLES, layout * 1000003, place_pages_ask, NULL };
	int r = 0;
	double truth_share;

	us = now_us();
	if (!errors || place_root_read(&host->root, &host->text, "proc/self/numa_maps") < 0)
		fail("numa_maps");
	(void)place_numa_maps_sum(host->text.data, &ranges, &host->topology, truth);
	us = now_us() - us;
	truth_share = share(truth);
	printf("%-24s %5.1f%% %8" PRIu64, layouts[layout].name, truth_share, us);
	us = now_us();
	for (size_t i = 0; i < n && r == 0; i++) {
		how.seed++;
		r = place_residency_sample(&ranges, &host->topology, getpid(), &how, bytes,
					   &residency);
		errors[i] = share(bytes) - truth_share;
		errors[i] = errors[i] < 0 ? -errors[i] : errors[i];
	}
	if (r < 0)
		fail("move_pages");
	us = now_us() - us;
	qsort(errors, n, sizeof(*errors), compare);
	printf(" %8" PRIu64 " %6.2f %6.2f %6.2f %6.2f %5.1f %4" PRIu64 "%%\n", us / n,
	       errors[n / 2], errors[n * 99 / 100], errors[n - 1], layouts[layout].limit,
	       residency.error_permille / 10.0, residency.n_present * 100 / residency.n_asked);
	fflush(stdout);
	return errors[n * 99 / 100] <= layouts[layout].limit;
}

static char *get_memory(size_t size, int kind)
{
	char *memory;

	if (kind == POOL) {
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		return memory == MAP_FAILED ? NULL : memory;
	}
	memory = mmap(NULL, size + RUN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	/* Aligned, so that a run can be one huge page. */
	memory = (char *)(((uintptr_t)memory + RUN - 1) & ~(uintptr_t)(RUN - 1));
	if (madvise(memory, size, kind == TRANSPARENT ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) < 0)
		fail("madvise");
	return memory;
}

/*
 * Waits until the kernel's NUMA balancing hides pages of our own from samples, and shows what a
 * whole reading makes of that. Returns whether it is right all the same.
 */
static bool try_hidden(struct place_host *host)
{
	const size_t size = 1024 * MIB;
	char *memory = get_memory(size, PLAIN);
	const struct place_ranges ranges = {
		.n = 1,
		.list = { { (uintptr_t)memory, (uintptr_t)memory + size, PAGE, false } },
		.bytes = size,
	};
	struct place_residency_how how = { SAMPLES, 1, place_pages_ask, NULL };
	uint64_t truth[64] = { 0 }, bytes[64], sampled[64];
	const uint64_t end_us = now_us() + 60 * 1000000;
	struct place_residency residency;
	struct place_mounts mounts;
	static struct place_look look;
	double error, sampled_error;

	lay_out(memory, size, 4);
	/* It marks pages while we run, of memory that we do not touch. */
	do {
		how.seed++;
		if (place_residency_sample(&ranges, &host->topology, getpid(), &how, sampled,
					   &residency) < 0)
			fail("move_pages");
	} while (residency.n_present * 100 > residency.n_asked * 80 && now_us() < end_us);
	(void)place_mounts_read(&host->root, &host->text, &mounts);
	if (place_root_read(&host->root, &host->text, "proc/self/numa_maps") < 0)
		fail("numa_maps");
	(void)place_numa_maps_sum(host->text.data, &ranges, &host->topology, truth);
	printf("hidden: seen=%" PRIu64 "%% ", residency.n_present * 100 / residency.n_asked);
	if (place_look(&host->root, &host->text, &host->topology, &mounts, getpid(), &look) < 0 ||
	    place_residency_read(&host->root, &host->text, &host->topology, &mounts, &look.guest,
				 false, &how, bytes, &residency) < 0)
		fail("place_residency_read");
	sampled_error = share(sampled) - share(truth);
	error = share(bytes) - share(truth);
	printf("samples alone %+.2f, whole reading %+.2f, hidden_mib=%" PRIu64 "\n", sampled_error,
	       error, residency.hidden_bytes / MIB);
	return error < 1 && error > -1;
}

int main(int argc, char **argv)
{
	const bool is_hidden = argc > 1 && !strcmp(argv[1], "--hidden");
	const size_t size = (argc > 1 && !is_hidden ? strtoul(argv[1], NULL, 10) : 2560) * MIB;
	const size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
	static struct place_host host;
	bool is_good = true;

	if (size < 64 * MIB || !n || place_host_init("/", &host) < 0 ||
	    place_host_read_topology(&host, true) < 0 || host.topology.n_nodes < 2 ||
	    host.topology.n_nodes > 64) {
		fprintf(stderr,
			"Usage: residency [MIB [TRIALS] | --hidden], on a host with two nodes\n");
		return 2;
	}
	if (is_hidden)
		return !try_hidden(&host);
	printf("%zu MiB, %d samples, %zu trials; errors of node 1's share in percentage points\n",
	       size / MIB, SAMPLES, n);
	printf("%-24s %6s %8s %8s %6s %6s %6s %6s %5s %5s\n", "LAYOUT", "NODE1", "MAPS_US",
	       "SMPL_US", "P50", "P99", "MAX", "LIMIT", "SAID", "SEEN");
	for (size_t i = 0; i < ELEMENTSOF(layouts); i++) {
		char *memory = get_memory(size, layouts[i].kind);

		if (!memory) {
			printf("%-24s no pool\n", layouts[i].name);
			continue;
		}
		lay_out(memory, size, i);
		is_good &= try_layout(&host, memory, size, i, n);
		munmap(memory, size);
	}
	place_host_done(&host);
	return is_good ? 0 : 1;
}
