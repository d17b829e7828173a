/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to watch guests, and what they feel of it: the first tier beside reading the same
 * guests' numa_maps and beside numastat -c, for 10, 100 and 1000 guests in groups of their own,
 * for one of 4 GiB, and for 12 GiB against 1 GiB; the listing of 2000 processes; the latency of
 * mmap() in a guest of 8 GiB while nobody looks, while cycles run, and while numa_maps is read.
 *
 *   bench/observe [--quick] [SCENE...]      all scenes, or: ten hundred thousand one growth
 *                                           listing felt
 *
 * Times are CPU time of the observer (and of numastat, by its rusage), medians of rounds that take
 * turns. Sizes are cut where the machine has less memory. Exit status: 1 where a goal is missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guests.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "observe/pages.h"
#include "observe/residency.h"
#include "observe/topology.h"
#include "observe/watch.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define S UINT64_C(1000000000)
#define GUESTS_MAX 1000
#define SAMPLES_MAX 64
#define IDLE_PROCESSES 2000
#define CYCLE_S 5 /* the shortest interval: what a share of a core is reckoned for */

#define GOAL_CHEAPER 100.0  /* times, than numastat -c of 4 GiB */
#define GOAL_GROWTH 1.1	    /* 12 GiB to 1 GiB */
#define GOAL_FELT_FIRST 1.2 /* p99 of mmap(), to unwatched */
#define GOAL_FELT_SECOND 20.0
#define AIM_SHARE 0.5 /* per cent of a core with 1000 guests */

extern char **environ;

static struct place_root root;
static struct place_text text;
static struct place_topology topology;
static struct place_mounts mounts;
static uint64_t *sampled_bytes;
static bool is_quick, is_missed;

/* ---- telling ---- */

static void __attribute__((format(printf, 3, 4)))
row(const char *what, const char *verdict, const char *format, ...)
{
	char value[96];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	printf("%-58s %14s%s%s\n", what, value, verdict[0] ? "  " : "", verdict);
	fflush(stdout);
}

/* A row with a goal: "at most" or "at least". */
static void goal(const char *what, double value, bool at_most, double limit)
{
	const bool is_met = at_most ? value <= limit : value >= limit;
	char verdict[64];

	snprintf(verdict, sizeof(verdict), "%s %.4g x  %s", at_most ? "<=" : ">=", limit,
		 is_met ? "met" : "MISSED");
	row(what, verdict, "%.2f x", value);
	is_missed = is_missed || !is_met;
}

/* ---- clocks and medians ---- */

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

struct samples {
	size_t n;
	double us[SAMPLES_MAX];
};

static void add_sample(struct samples *samples, double us)
{
	if (samples->n < SAMPLES_MAX)
		samples->us[samples->n++] = us;
}

static int compare_double(const void *a, const void *b)
{
	const double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static double median(struct samples *samples)
{
	if (!samples->n)
		return 0;
	qsort(samples->us, samples->n, sizeof(samples->us[0]), compare_double);
	return samples->us[samples->n / 2];
}

/* ---- observers ---- */

static struct place_watch watch;
static uint64_t now_ns;

static int tell_nobody(int pid, void *data)
{
	(void)pid, (void)data;
	return 0;
}

static void watch_guests(const struct guests *guests, unsigned thread_reads)
{
	size_t n_own = 0;

	now_ns = 1000 * S;
	if (place_watch_init(&watch, &root, &topology, NULL) < 0)
		exit(2);
	watch.thread_reads = thread_reads;
	for (size_t i = 0; i < guests->n; i++)
		if (place_watch_adopt(&watch, &guests->looks[i], now_ns) < 0)
			exit(2);
	for (size_t i = 0; i < watch.n; i++)
		n_own += place_watch_has_own_group(&watch, i);
	if (guests->group[0] && n_own != guests->n)
		fprintf(stderr, "observe: only %zu of %zu groups are a guest's own\n", n_own,
			guests->n);
}

/* Until threads are listed, buffers have grown and groups were compared. */
static void warm_up(void)
{
	for (unsigned i = 0; i < 20; i++)
		(void)place_watch_refresh(&watch, now_ns += CYCLE_S * S);
}

/* One refresh, of n in a row. */
static double time_refresh(unsigned n)
{
	const double from = cpu_us();

	for (unsigned i = 0; i < n; i++)
		(void)place_watch_refresh(&watch, now_ns += CYCLE_S * S);
	return (cpu_us() - from) / n;
}

static double time_scan(unsigned n)
{
	const double from = cpu_us();

	for (unsigned i = 0; i < n; i++)
		(void)place_watch_scan(&watch, now_ns, tell_nobody, NULL);
	return (cpu_us() - from) / n;
}

static double time_numa_maps(const struct guests *guests)
{
	const double from = cpu_us();

	for (size_t i = 0; i < guests->n; i++)
		if (place_root_readf(&root, &text, "proc/%d/numa_maps", guests->pids[i]) < 0)
			exit(2);
	return cpu_us() - from;
}

/* CPU time of numastat -c PID...; 0 where there is none. */
static double time_numastat(const struct guests *guests)
{
	static char numbers[GUESTS_MAX][12];
	static char program[] = "numastat", condensed[] = "-c";
	static char *words[GUESTS_MAX + 3] = { program, condensed };
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	int status = 1;
	pid_t pid;

	for (size_t i = 0; i < guests->n; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", guests->pids[i]);
		words[i + 2] = numbers[i];
	}
	words[guests->n + 2] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, "numastat", &actions, NULL, words, environ) == 0 &&
	    wait4(pid, &status, 0, &usage) != pid)
		status = 1;
	posix_spawn_file_actions_destroy(&actions);
	if (status != 0)
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The second tier: so many random pages, of one guest. Returns CPU time. */
#define PAGES_SAMPLED 4096
static double time_samples(const struct guests *guests)
{
	const double from = cpu_us();
	const struct place_residency_how how = {
		.n_samples = PAGES_SAMPLED,
		.seed = now_ns++,
		.ask = place_pages_ask,
	};
	struct place_residency residency;

	if (place_residency_read(&root, &text, &topology, &mounts, &guests->looks[0].guest, false,
				 &how, sampled_bytes, &residency) < 0)
		exit(2);
	return cpu_us() - from;
}

/* ---- scenes ---- */

static uint64_t available_bytes(void)
{
	uint64_t bytes = 0;

	if (place_root_read(&root, &text, "proc/meminfo") == 0)
		(void)place_text_find_kib(text.data, "MemAvailable:", &bytes);
	return bytes;
}

/* What fits beside 2 GiB for everybody else, in whole units. */
static uint64_t cut_to_fit(uint64_t bytes, uint64_t unit)
{
	const uint64_t available = available_bytes();
	const uint64_t room = available > 2 * GIB ? available - 2 * GIB : available / 2;

	return bytes <= room ? bytes : room / unit * unit;
}

struct costs {
	struct samples first_tier, threads, scan, numa_maps, numastat, sampled;
};

static void measure(const struct guests *guests, unsigned rounds, struct costs *costs)
{
	const unsigned repeat = guests->n < 100 ? 50 : 5;

	for (unsigned i = 0; i < rounds; i++) {
		const unsigned thread_reads = watch.thread_reads;
		double us;

		watch.thread_reads = 0;
		us = time_refresh(repeat);
		add_sample(&costs->first_tier, us);
		watch.thread_reads = thread_reads;
		add_sample(&costs->threads, time_refresh(repeat));
		add_sample(&costs->scan, time_scan(repeat));
		add_sample(&costs->numa_maps, time_numa_maps(guests));
		us = time_numastat(guests);
		if (us > 0)
			add_sample(&costs->numastat, us);
	}
}

static void report_many(size_t n, uint64_t bytes, struct costs *costs)
{
	const double first = median(&costs->first_tier), all = median(&costs->threads);
	const double scan = median(&costs->scan), numa_maps = median(&costs->numa_maps);
	const double numastat = median(&costs->numastat);
	char what[96];

	snprintf(what, sizeof(what), "%zu guests of %llu MiB: memory and CPU time, per guest", n,
		 (unsigned long long)(bytes / MIB));
	row(what, "", "%.2f us", first / (double)n);
	row("  with vCPU threads in rotation, per guest", "", "%.2f us", all / (double)n);
	row("  listing the processes, per cycle", "", "%.2f ms", scan / 1e3);
	row("  one cycle", "", "%.2f ms", (all + scan) / 1e3);
	row("  their numa_maps / memory and CPU time", "", "%.1f x", numa_maps / first);
	row("  their numa_maps / one cycle", "", "%.1f x", numa_maps / (all + scan));
	if (numastat > 0) {
		row("  numastat -c of them / memory and CPU time", "", "%.1f x", numastat / first);
		row("  numastat -c of them / one cycle", "", "%.1f x", numastat / (all + scan));
	} else {
		row("  numastat -c of them", "", "none");
	}
	snprintf(what, sizeof(what), "  share of a core, a cycle every %u s", CYCLE_S);
	row(what, n == GUESTS_MAX ? "(aim: 0.5 %)" : "", "%.3f %%",
	    (all + scan) / (CYCLE_S * 1e6) * 100);
}

static size_t heap_bytes(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void report_heap(size_t bytes, size_t n)
{
	char what[96];

	snprintf(what, sizeof(what), "%zu guests: memory of the watch, per guest", n);
	row(what, "", "%.1f KiB", (double)bytes / (double)n / 1024);
}

static void scene_many(size_t n, uint64_t bytes_each)
{
	const uint64_t bytes = cut_to_fit(n * bytes_each, n * MIB) / n;
	struct costs costs = { 0 };
	struct guests guests;
	size_t before;

	if (bytes < MIB) {
		row("guests", "", "too little memory for %zu", n);
		return;
	}
	guests_start(&guests, n, bytes, false);
	before = heap_bytes();
	watch_guests(&guests, PLACE_WATCH_THREAD_READS);
	warm_up();
	report_heap(heap_bytes() - before, n);
	measure(&guests, is_quick ? 3 : 9, &costs);
	report_many(n, bytes, &costs);
	if (watch.counts.n_kept_files < n * 2)
		row("  descriptors kept (the limit on open files is low)", "", "%zu",
		    watch.counts.n_kept_files);
	place_watch_done(&watch);
	guests_stop(&guests);
}

/* First tier, threads and all, of one guest; and the same by other means. */
struct one {
	double us, sampled_us, numa_maps_us, numastat_us;
};

static struct one measure_one(uint64_t bytes)
{
	struct costs costs = { 0 };
	struct one one;
	struct guests guests;

	guests_start(&guests, 1, bytes, false);
	watch_guests(&guests, PLACE_WATCH_THREAD_READS);
	warm_up();
	for (unsigned i = 0; i < (is_quick ? 3 : 9); i++) {
		double us;

		add_sample(&costs.threads, time_refresh(500));
		add_sample(&costs.sampled, time_samples(&guests));
		add_sample(&costs.numa_maps, time_numa_maps(&guests));
		us = time_numastat(&guests);
		if (us > 0)
			add_sample(&costs.numastat, us);
	}
	one = (struct one){
		.us = median(&costs.threads),
		.sampled_us = median(&costs.sampled),
		.numa_maps_us = median(&costs.numa_maps),
		.numastat_us = median(&costs.numastat),
	};
	place_watch_done(&watch);
	guests_stop(&guests);
	return one;
}

static void scene_one(void)
{
	const uint64_t bytes = cut_to_fit(4 * GIB, GIB / 4);
	const struct one one = measure_one(bytes);
	char what[96];

	snprintf(what, sizeof(what), "one guest of %.2f GiB, 4 KiB pages, vCPU threads too",
		 (double)bytes / (double)GIB);
	row(what, "", "%.2f us", one.us);
	row("  second tier, 4096 pages", "", "%.2f ms", one.sampled_us / 1e3);
	row("  numa_maps", "", "%.2f ms", one.numa_maps_us / 1e3);
	row("  numastat -c PID", "", "%.2f ms", one.numastat_us / 1e3);
	row("  numa_maps / first tier", "", "%.0f x", one.numa_maps_us / one.us);
	row("  numa_maps / second tier", "", "%.1f x", one.numa_maps_us / one.sampled_us);
	if (bytes == 4 * GIB)
		goal("  numastat -c PID / first tier", one.numastat_us / one.us, false,
		     GOAL_CHEAPER);
	else
		row("  numastat -c PID / first tier", "(smaller)", "%.0f x",
		    one.numastat_us / one.us);
}

static void scene_growth(void)
{
	const uint64_t large_bytes = cut_to_fit(12 * GIB, GIB);
	struct one small, large;
	char what[96];

	if (large_bytes < 2 * GIB) {
		row("growth with memory", "", "too little memory");
		return;
	}
	small = measure_one(GIB);
	large = measure_one(large_bytes);
	snprintf(what, sizeof(what), "one guest of %llu GiB / one of 1 GiB",
		 (unsigned long long)(large_bytes / GIB));
	goal(what, large.us / small.us, true, GOAL_GROWTH);
	row("  the same by 4096 pages", "", "%.1f x", large.sampled_us / small.sampled_us);
	row("  the same by numa_maps", "", "%.1f x", large.numa_maps_us / small.numa_maps_us);
}

static void scene_listing(void)
{
	struct guests guests;
	struct samples with = { 0 }, without = { 0 };
	size_t n;

	guests_start_idle(&guests, IDLE_PROCESSES);
	if (place_watch_init(&watch, &root, &topology, NULL) < 0)
		exit(2);
	for (unsigned i = 0; i < (is_quick ? 5 : 15); i++)
		add_sample(&with, time_scan(3));
	n = watch.counts.n_processes;
	guests_stop(&guests);
	for (unsigned i = 0; i < 5; i++)
		add_sample(&without, time_scan(3));
	row("listing /proc, processes that are no guests", "", "%zu", n);
	row("  one listing", "", "%.2f ms", median(&with) / 1e3);
	row("  per process", "", "%.2f us",
	    (median(&with) - median(&without)) / (double)IDLE_PROCESSES);
	place_watch_done(&watch);
}

/* ---- what the guest feels ---- */

static void sleep_us(long us)
{
	const struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&time, NULL);
}

static void observe_nothing(const struct guests *guests)
{
	(void)guests;
	sleep_us(5000);
}

/* A thousand times more often than a daemon does. */
static void observe_first_tier(const struct guests *guests)
{
	(void)guests;
	(void)place_watch_refresh(&watch, now_ns += CYCLE_S * S);
	sleep_us(5000);
}

/* A quarter of the time is sampling, which no daemon does. */
static void observe_second_tier(const struct guests *guests)
{
	(void)place_watch_refresh(&watch, now_ns += CYCLE_S * S);
	(void)time_samples(guests);
	sleep_us(5000);
}

static void observe_numa_maps(const struct guests *guests)
{
	(void)time_numa_maps(guests);
	sleep_us(5000);
}

static int compare_latency(const void *a, const void *b)
{
	const uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return (first > second) - (first < second);
}

#define PROBES 1000
/* 99th percentile of the guest's mmap() in us, of as many probes in every round. */
static double felt_us(const struct guests *guests, void (*observe)(const struct guests *guests))
{
	struct probe *probe = guests->probe;
	unsigned n;

	observe(guests);
	atomic_store(&probe->n, 0);
	atomic_store(&probe->is_on, true);
	while (atomic_load(&probe->n) < PROBES)
		observe(guests);
	atomic_store(&probe->is_on, false);
	sleep_us(2000);
	n = atomic_load(&probe->n);
	qsort(probe->latencies_ns, n, sizeof(probe->latencies_ns[0]), compare_latency);
	return probe->latencies_ns[n - n / 100 - 1] / 1e3;
}

/*
 * The observer is not interrupted by what else runs beside it while it holds a lock of the
 * guest; neither is the guest's prober.
 */
static void be_undisturbed(bool is_on)
{
	const struct sched_param priority = { .sched_priority = is_on };

	(void)sched_setscheduler(0, is_on ? SCHED_FIFO : SCHED_OTHER, &priority);
}

static void scene_felt(void)
{
	static const struct {
		const char *name;
		void (*observe)(const struct guests *guests);
		double limit;
		unsigned every; /* the near ones need many short rounds on a busy machine */
	} observers[] = {
		{ "unwatched", observe_nothing, 0, 1 },
		{ "first tier, 5 ms apart", observe_first_tier, GOAL_FELT_FIRST, 1 },
		{ "second tier, 5 ms apart", observe_second_tier, GOAL_FELT_SECOND, 4 },
		{ "numa_maps, 5 ms apart", observe_numa_maps, 0, 8 },
	};
	const uint64_t bytes = cut_to_fit(8 * GIB, GIB / 4);
	struct samples felt[ELEMENTSOF(observers)] = { 0 };
	double unwatched;
	struct guests guests;
	char what[96];

	guests_start(&guests, 1, bytes, true);
	watch_guests(&guests, PLACE_WATCH_THREAD_READS);
	warm_up();
	be_undisturbed(true);
	for (unsigned i = 0; i < (is_quick ? 12 : 40); i++)
		for (size_t j = 0; j < ELEMENTSOF(observers); j++)
			if (i % observers[j].every == 0)
				add_sample(&felt[j], felt_us(&guests, observers[j].observe));
	be_undisturbed(false);
	unwatched = median(&felt[0]);
	for (size_t j = 0; j < ELEMENTSOF(observers); j++) {
		snprintf(what, sizeof(what), "p99 of mmap(), guest of %.2f GiB, %s",
			 (double)bytes / (double)GIB, observers[j].name);
		row(what, "", "%.1f us", median(&felt[j]));
		if (observers[j].limit > 0)
			goal("  / unwatched", median(&felt[j]) / unwatched, true,
			     observers[j].limit);
		else if (j)
			row("  / unwatched", "", "%.0f x", median(&felt[j]) / unwatched);
	}
	place_watch_done(&watch);
	guests_stop(&guests);
}

static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void scene_ten(void)
{
	scene_many(10, 64 * MIB);
}

static void scene_hundred(void)
{
	scene_many(100, (is_quick ? 8 : 32) * MIB);
}

static void scene_thousand(void)
{
	scene_many(GUESTS_MAX, (is_quick ? 2 : 4) * MIB);
}

static const struct {
	const char *name;
	void (*play)(void);
} scenes[] = {
	{ "ten", scene_ten },	{ "hundred", scene_hundred }, { "thousand", scene_thousand },
	{ "one", scene_one },	{ "growth", scene_growth },   { "listing", scene_listing },
	{ "felt", scene_felt },
};

static bool is_asked_for(char **words, const char *name)
{
	for (size_t i = 0; words[i]; i++)
		if (!strcmp(words[i], name))
			return true;
	return !words[0];
}

static bool is_scene(const char *word)
{
	for (size_t i = 0; i < ELEMENTSOF(scenes); i++)
		if (!strcmp(scenes[i].name, word))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	char **words = argv + 1;

	is_quick = argc > 1 && !strcmp(words[0], "--quick");
	words += is_quick;
	for (size_t i = 0; words[i]; i++)
		if (!is_scene(words[i])) {
			fprintf(stderr, "usage: observe [--quick] [SCENE...]\n");
			return 2;
		}
	raise_files();
	if (place_root_open(NULL, &root) < 0 || place_topology_read(&root, &text, &topology) < 0)
		return 2;
	(void)place_mounts_read(&root, &text, &mounts);
	sampled_bytes = calloc(topology.n_nodes, sizeof(*sampled_bytes));
	if (!sampled_bytes)
		return 2;
	for (size_t i = 0; i < ELEMENTSOF(scenes); i++)
		if (is_asked_for(words, scenes[i].name))
			scenes[i].play();
	puts(is_missed ? "a goal was missed" : "all goals met");
	free(sampled_bytes);
	place_topology_done(&topology);
	place_text_done(&text);
	place_root_close(&root);
	return is_missed;
}
