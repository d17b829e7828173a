/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves a process with the daemon's own mover, for bench/move, stall and locality: one line "PID
 * NODE" on stdin, one line of what became of it on stdout. All lines share one memory of what would
 * not move.
 *
 *	mover [workers=N] [bandwidth_mib_s=N] [stall_budget_ms=N] [start=A end=B] [mems_from=NODE]
 *
 * mems_from moves cpuset.mems of its groups as well. "mend PID FROM TO" narrows what was left wide.
 * "PID NODE FROM" is migrate_pages(2) instead, "loop PID NODE START END" a plain loop of
 * move_pages(2) over those addresses: ask, keep what lies elsewhere, move 512 per call.
 */
#include <errno.h>
#include <inttypes.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "act/mover.h"

static void on_progress(void *data, const struct mover_report *report)
{
	(void)data, (void)report;
}

static void on_done(void *data, const struct mover_report *report)
{
	*(struct mover_report *)data = *report;
}

static uint64_t number_of(int argc, char **argv, const char *key, uint64_t otherwise)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], key, strlen(key)) == 0 && argv[i][strlen(key)] == '=')
			return strtoull(argv[i] + strlen(key) + 1, NULL, 10);
	return otherwise;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int move(sd_event *event, struct mover_order *order)
{
	struct mover_report report = { .end = MOVER_RUNNING };
	const uint64_t begin_ns = now_ns();
	struct mover *mover;
	int r = mover_start(event, order, on_progress, on_done, &report, &mover);

	while (r >= 0 && report.end == MOVER_RUNNING)
		r = sd_event_run(event, UINT64_MAX);
	if (r < 0)
		return r;
	printf("end=%s error=%d us=%" PRIu64 " inside_us=%" PRIu64, mover_end_word(report.end),
	       report.error, (now_ns() - begin_ns) / 1000, report.taken_ns / 1000);
	for (unsigned i = 0; i < ACT_OUTCOME_COUNT; i++)
		printf(" %s=%" PRIu64, act_outcome_word((enum act_outcome)i),
		       report.count.outcome_bytes[i]);
	printf(" right=%" PRIu64 " no_block=%" PRIu64 " calls=%" PRIu64 " longest_us=%" PRIu64
	       " mems=%s\n",
	       report.count.right_bytes, report.count.no_block_bytes, report.count.calls,
	       report.count.longest_ns / 1000, relocate_state_word(report.mems));
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

static void migrate_all(int pid, unsigned to, unsigned from)
{
	const unsigned long to_mask = 1UL << to, from_mask = 1UL << from;
	const uint64_t begin_ns = now_ns();
	const long rc = migrate_pages(pid, 64, &from_mask, &to_mask);

	printf("end=%s us=%" PRIu64 " left=%ld\n", rc < 0 ? strerror(errno) : "done",
	       (now_ns() - begin_ns) / 1000, rc);
}

static void loop(int pid, unsigned to, uint64_t start, uint64_t end)
{
	enum { ASK = 4096, BATCH = 512 };
	static void *pages[ASK];
	static int status[ASK], nodes[BATCH];
	const uint64_t begin_ns = now_ns();

	for (unsigned i = 0; i < BATCH; i++)
		nodes[i] = (int)to;
	while (start < end) {
		unsigned long n = 0, n_wrong = 0;

		for (; n < ASK && start < end; start += 4096)
			pages[n++] = (void *)start;
		if (move_pages(pid, n, pages, NULL, status, 0) < 0)
			break;
		for (unsigned long i = 0; i < n; i++)
			if (status[i] >= 0 && status[i] != (int)to)
				pages[n_wrong++] = pages[i];
		for (unsigned long at = 0; at < n_wrong; at += BATCH)
			(void)move_pages(pid, n_wrong - at < BATCH ? n_wrong - at : BATCH,
					 pages + at, nodes, status, MPOL_MF_MOVE);
	}
	printf("end=%s us=%" PRIu64 "\n", start < end ? strerror(errno) : "done",
	       (now_ns() - begin_ns) / 1000);
}

static void mend(int pid, unsigned from, unsigned to)
{
	struct act *act;

	if (act_linux_new(&act) < 0)
		return;
	printf("r=%d\n", relocate_mend(act, pid, from, to, RELOCATE_BACK));
	act_free(act);
}

int main(int argc, char **argv)
{
	struct pages_range range = {
		.start = number_of(argc, argv, "start", 0),
		.end = number_of(argc, argv, "end", 0),
		.is_shared = number_of(argc, argv, "shared", 0),
		.pool_bytes = number_of(argc, argv, "pool_bytes", 0),
	};
	struct mover_order order = {
		.ranges = range.end ? &range : NULL,
		.n_ranges = range.end != 0,
		.reserve_bytes = number_of(argc, argv, "reserve_mib", 32) << 20,
		.bandwidth_mib_s = number_of(argc, argv, "bandwidth_mib_s", 0),
		.stall_budget_ms = number_of(argc, argv, "stall_budget_ms", 0),
		.workers = (unsigned)number_of(argc, argv, "workers", 1),
		.moves_mems = number_of(argc, argv, "mems_from", UINT64_MAX) != UINT64_MAX,
		.from_node = (unsigned)number_of(argc, argv, "mems_from", 0),
	};
	sd_event *event;
	char line[128];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sd_event_new(&event) < 0 || stuck_new(UINT64_C(2) << 20, &order.stuck) < 0)
		return EXIT_FAILURE;
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t start, end;
		unsigned from, to;
		int pid;

		if (sscanf(line, "loop %d %u %" SCNu64 " %" SCNu64, &pid, &to, &start, &end) == 4) {
			loop(pid, to, start, end);
			continue;
		}
		if (sscanf(line, "mend %d %u %u", &pid, &from, &to) == 3) {
			mend(pid, from, to);
			continue;
		}
		const int n = sscanf(line, "%d %u %u", &order.pid, &order.to_node, &from);

		if (n < 2)
			break;
		if (n == 3)
			migrate_all(order.pid, order.to_node, from);
		else if (move(event, &order) < 0)
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
