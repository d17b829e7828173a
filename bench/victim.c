/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process whose memory others move, for bench/move, stall and locality: it puts MIB on a node,
 * keeps it busy if it is asked to, and measures what it feels. Commands come on stdin, one answer
 * line each on stdout.
 *
 *	victim MIB NODE [huge] [shared] [hugetlb] [keep] [mergeable] [split=NODE]
 *	       [pin=half|pin=odd] [busy] [duty]
 *
 * busy is two threads that access and map memory; with duty they leave a quarter of a CPU.
 * keep leaves the policy bind:NODE in place, hugetlb takes 2 MiB pages of the pool, mergeable lets
 * KSM have it (all pages are alike).
 *
 *	begin    forget what was felt so far
 *	end      longest access and longest mmap() since then, and accesses per ms
 *	where    pages per node, and huge pages
 *	grow MIB touch as much more, wherever the kernel puts it
 *	quit
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <numaif.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define NODES 16
/* It grows by a page each 10 ms, to no more than that. */
#define GROWTH_NS 10000000
#define GROWTH (32UL << 20)

static char *memory;
static size_t size;
static _Atomic uint64_t longest_access_ns, longest_map_ns, accesses;
static _Atomic uint64_t access_since_ns, map_since_ns; /* when what is under way began */
static atomic_bool is_ending;
static bool has_duty;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void keep_longest(_Atomic uint64_t *longest, uint64_t ns)
{
	if (ns > atomic_load(longest))
		atomic_store(longest, ns);
}

/* 0 is no time; another CPU's clock may be a little ahead. */
static uint64_t time_since(uint64_t since_ns)
{
	const uint64_t now = now_ns();

	return since_ns && now > since_ns ? now - since_ns : 0;
}

/*
 * A CPU of its own is more than a node of one CPU has (numad wants 15 % left), and less than half
 * of one is idle to numad: with the other thread, and late wake-ups, this is 65 to 80 %.
 */
static void rest(uint64_t *since_ns)
{
	const struct timespec nap = { .tv_nsec = 1500000 };

	if (!has_duty || now_ns() < *since_ns + 4000000)
		return;
	nanosleep(&nap, NULL);
	*since_ns = now_ns();
}

static void access_page(volatile char *page)
{
	const uint64_t before = now_ns();

	atomic_store_explicit(&access_since_ns, before, memory_order_relaxed);
	(*page)++;
	keep_longest(&longest_access_ns, now_ns() - before);
	atomic_store_explicit(&access_since_ns, 0, memory_order_relaxed);
	atomic_fetch_add(&accesses, 1);
}

/*
 * Where it grows, as processes do: a page that is not there yet. Without that it is a toss-up
 * whether it meets a page that is on its way while another thread waits to map something, and so
 * stands still for all of a migrate_pages(2).
 */
static char *map_growth(void)
{
	char *growth = mmap(NULL, GROWTH, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (growth == MAP_FAILED)
		abort();
	(void)madvise(growth, GROWTH, MADV_NOHUGEPAGE);
	return growth;
}

/* Writes to random pages; a stall is the longest time one write took. */
static void *access_pages(void *data)
{
	char *growth = map_growth();
	uint64_t seed = 88172645463325252U, since, grown_ns;
	size_t grown = 0;

	(void)data;
	since = grown_ns = now_ns();
	while (!atomic_load(&is_ending)) {
		rest(&since);
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		access_page(&memory[seed % (size / PAGE) * PAGE]);
		if (now_ns() < grown_ns + GROWTH_NS || grown == GROWTH)
			continue;
		grown_ns = now_ns();
		access_page(&growth[grown]);
		grown += PAGE;
	}
	return NULL;
}

/* As a thread of QEMU that starts another one, or malloc in a new arena. */
static void *map_memory(void *data)
{
	const struct timespec nap = { .tv_nsec = has_duty ? 1000000 : 200000 };

	(void)data;
	while (!atomic_load(&is_ending)) {
		const uint64_t before = now_ns();
		char *mapped;

		atomic_store(&map_since_ns, before);
		mapped = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);

		if (mapped == MAP_FAILED)
			abort();
		mapped[0] = 1;
		munmap(mapped, 16 * PAGE);
		atomic_store(&map_since_ns, 0);
		keep_longest(&longest_map_ns, now_ns() - before);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void fail(const char *what)
{
	fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

enum {
	WANT_HUGE = 1,
	WANT_SHARED = 2,
	WANT_POOL = 4,
	WANT_POLICY = 8,
	WANT_BUSY = 16,
	WANT_KSM = 32
};

static void make_memory(size_t mib, unsigned node, unsigned other_node, unsigned wants)
{
	const unsigned long mask = 1UL << node, other_mask = 1UL << other_node;
	char *start;

	size = mib << 20;
	/* A pool has no pages for what is only there to be cut off. */
	start = mmap(NULL, size + (wants & WANT_POOL ? 0 : HUGE), PROT_READ | PROT_WRITE,
		     MAP_ANONYMOUS | (wants & WANT_SHARED ? MAP_SHARED : MAP_PRIVATE) |
			     (wants & WANT_POOL ? MAP_HUGETLB : 0),
		     -1, 0);
	if (start == MAP_FAILED)
		fail("mmap");
	memory = (char *)(((uintptr_t)start + HUGE - 1) / HUGE * HUGE);
	(void)madvise(memory, size, wants & WANT_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (mbind(memory, size, MPOL_BIND, &mask, 64, 0) < 0 ||
	    mbind(memory + size / 2, size / 2, MPOL_BIND, &other_mask, 64, 0) < 0)
		fail("mbind");
	if (wants & WANT_KSM)
		(void)madvise(memory, size, MADV_MERGEABLE);
	memset(memory, 1, size);
	if (!(wants & WANT_POLICY) && mbind(memory, size, MPOL_DEFAULT, NULL, 0, 0) < 0)
		fail("mbind");
}

/* Buffers that io_uring holds as a device would (FOLL_LONGTERM): half in one, or every second page.
 */
static void pin_memory(bool every_second)
{
	const unsigned n = every_second ? (unsigned)(size / PAGE / 2) : 1;
	struct io_uring_params params = { 0 };
	struct iovec *vectors = calloc(n, sizeof(*vectors));
	int fd = (int)syscall(SYS_io_uring_setup, 4, &params);

	if (fd < 0 || !vectors)
		fail("io_uring_setup");
	for (unsigned i = 0; i < n; i++)
		vectors[i] = every_second ? (struct iovec){ memory + (2 * i + 1) * PAGE, PAGE } :
					    (struct iovec){ memory, size / 2 };
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, vectors, n) < 0)
		fail("io_uring_register");
	free(vectors);
}

static unsigned count_huge(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	unsigned long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "AnonHugePages:", 14) == 0)
			kib = strtoul(line + 14, NULL, 10);
	if (file)
		fclose(file);
	return (unsigned)(kib >> 11);
}

static void tell_where(void)
{
	static void *pages[16384];
	static int status[16384];
	unsigned long n_on[NODES] = { 0 };

	for (size_t at = 0; at < size;) {
		unsigned long n = 0;

		for (; n < 16384 && at < size; at += PAGE)
			pages[n++] = memory + at;
		if (move_pages(0, n, pages, NULL, status, 0) < 0)
			fail("move_pages");
		for (unsigned long i = 0; i < n; i++)
			if (status[i] >= 0 && status[i] < NODES)
				n_on[status[i]]++;
	}
	for (unsigned node = 0; node < NODES; node++)
		if (n_on[node])
			printf("node%u=%lu ", node, n_on[node]);
	printf("huge=%u\n", count_huge());
}

static void grow(size_t mib)
{
	char *more =
		mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (more == MAP_FAILED)
		fail("mmap");
	memset(more, 1, mib << 20);
	printf("grown=%zu\n", mib);
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "huge", "shared", "hugetlb",
					     "keep", "busy",   "mergeable" };
	unsigned wants = 0;
	const char *pin = NULL, *split = NULL;
	unsigned node;
	pthread_t threads[2];
	uint64_t begin_ns = 0;
	char line[64];

	if (argc < 3)
		return EXIT_FAILURE;
	for (int i = 3; i < argc; i++) {
		for (unsigned word = 0; word < 6; word++)
			if (strcmp(argv[i], words[word]) == 0)
				wants |= 1U << word;
		has_duty = has_duty || strcmp(argv[i], "duty") == 0;
		if (strncmp(argv[i], "pin=", 4) == 0)
			pin = argv[i] + 4;
		if (strncmp(argv[i], "split=", 6) == 0)
			split = argv[i] + 6;
	}
	node = (unsigned)strtoul(argv[2], NULL, 10);
	make_memory(strtoul(argv[1], NULL, 10), node,
		    split ? (unsigned)strtoul(split, NULL, 10) : node, wants);
	if (pin)
		pin_memory(strcmp(pin, "odd") == 0);
	if ((wants & WANT_BUSY) && (pthread_create(&threads[0], NULL, access_pages, NULL) != 0 ||
				    pthread_create(&threads[1], NULL, map_memory, NULL) != 0))
		fail("pthread_create");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("pid=%d start=%lu end=%lu\n", getpid(), (unsigned long)memory,
	       (unsigned long)memory + size);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n") != 0) {
		if (strcmp(line, "begin\n") == 0) {
			begin_ns = now_ns();
			longest_access_ns = longest_map_ns = accesses = 0;
			printf("begun\n");
		} else if (strcmp(line, "end\n") == 0) {
			/* What still waits has waited, too. */
			keep_longest(&longest_access_ns, time_since(access_since_ns));
			keep_longest(&longest_map_ns, time_since(map_since_ns));
			printf("access_us=%lu map_us=%lu accesses_per_ms=%lu\n",
			       (unsigned long)(longest_access_ns / 1000),
			       (unsigned long)(longest_map_ns / 1000),
			       (unsigned long)(accesses / ((now_ns() - begin_ns) / 1000000 + 1)));
		} else if (strncmp(line, "grow ", 5) == 0) {
			grow(strtoul(line + 5, NULL, 10));
		} else {
			tell_where();
		}
	}
	return EXIT_SUCCESS;
}
