/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a step of the plan to a mover, and from its end to the log. A guest's CPUs go first where
 * they may: what it touches meanwhile then lies right already.
 */
#include "moves.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "arith.h"
#include "child.h"
#include "decide/model.h"
#include "decide/reason.h"
#include "moves_parts.h"
#include "tell/event.h"

/* ---- bandwidth ----------------------------------------------------------------------------- */

/* The limit is for all moves together; each of n has some of it. 0: there is no limit. */
static uint64_t share_of_bandwidth(const struct moves *moves, size_t n)
{
	const uint64_t share = n ? moves->settings->bandwidth_mib_s / n : 0;

	return moves->settings->bandwidth_mib_s && !share ? 1 : share;
}

/* Moves under the limit: who makes room for somebody in danger is not. */
static size_t count_limited(const struct moves *moves)
{
	size_t n = 0;

	for (size_t i = 0; i < MOVES_MAX; i++)
		n += moves->list[i].mover && !moves->list[i].is_urgent;
	return n;
}

void moves_share_bandwidth(struct moves *moves)
{
	const uint64_t share = share_of_bandwidth(moves, count_limited(moves));

	for (size_t i = 0; i < MOVES_MAX; i++)
		if (moves->list[i].mover)
			mover_set_bandwidth(moves->list[i].mover,
					    moves->list[i].is_urgent ? 0 : share);
}

void moves_settings_changed(struct moves *moves)
{
	moves_share_bandwidth(moves);
}

/* ---- who may, and where it is remembered --------------------------------------------------- */

/*
 * Only who was killed can hang: who tells of its end has come out of the kernel, and may be gone a
 * moment after the next move began.
 */
static bool is_hung(const struct move *move)
{
	return !move->mover && move->report.is_killed && child_runs(move->child);
}

/*
 * Whoever keeps a mover from ending gets no second one, and many who do stop all moves: a child in
 * the kernel on behalf of somebody's memory cannot be killed.
 */
bool moves_is_barred(const struct moves *moves, int pid, uint64_t start_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &moves->list[i];

		if (!is_hung(move))
			continue;
		if (move->pid == pid && move->start_ns == start_ns)
			return true;
		n++;
	}
	return n >= MOVES_HUNG_MAX;
}

/* The oldest that has ended makes place. */
static struct move *take_place(struct moves *moves)
{
	for (size_t n = 0; n < MOVES_MAX; n++) {
		struct move *move = &moves->list[moves->next];

		moves->next = (moves->next + 1) % MOVES_MAX;
		if (move->mover || is_hung(move))
			continue;
		stuck_free(move->stuck);
		*move = (struct move){ .moves = moves };
		return move;
	}
	return NULL;
}

/* What the guest's last move learned of its pages goes with the guest. */
static struct stuck *take_stuck(struct moves *moves, int pid, uint64_t start_ns)
{
	struct stuck *stuck = NULL;

	for (size_t i = 0; i < MOVES_MAX && !stuck; i++) {
		struct move *move = &moves->list[i];

		if (!move->mover && move->stuck && move->pid == pid && move->start_ns == start_ns) {
			stuck = move->stuck;
			move->stuck = NULL;
		}
	}
	if (!stuck)
		(void)stuck_new(STUCK_SLOT_PAGES * moves->act->base_bytes, &stuck);
	return stuck;
}

/* ---- one move ------------------------------------------------------------------------------ */

/* A batch takes some ms, a page of 1 GiB part of a second: somebody has the CPU, or the lock. */
#define SLOW_CALL_NS UINT64_C(1000000000)

static void on_progress(void *data, const struct mover_report *report)
{
	struct move *move = data;

	move->report = *report;
	move->heard_ns = place_host_now_ns(move->moves->host);
	if (report->call_ns < SLOW_CALL_NS || move->is_slow_told)
		return;
	move->is_slow_told = true;
	event(LOG_WARNING, EVENT_TROUBLE, KV_U64("pid", (uint64_t)move->pid),
	      KV("note", "a call for its memory has not come back for so long"),
	      KV_U64("ms", report->call_ns / 1000000));
}

/*
 * What was to come and did not. Of a move that went through all of it that is what stayed, but for
 * what was busy: marked by the kernel's balancing it may lie anywhere, and nobody touches it.
 */
static uint64_t stayed_bytes(const struct move *move)
{
	const struct pages_count *count = &move->report.count;

	if (move->end == MOVER_DONE || (move->end == MOVER_DENIED && move->report.error == -EBUSY))
		return pages_count_left(count) - count->outcome_bytes[ACT_BUSY];
	return place_subtract(move->planned_bytes, count->outcome_bytes[ACT_MOVED]);
}

/* With its CPUs where most of its memory is not it would be worse off than before. */
static void keep_together(struct moves *moves, const struct move *move)
{
	const uint64_t there =
		place_add(move->there_bytes, move->report.count.outcome_bytes[ACT_MOVED]);

	/* Who migrates goes on when he is back. */
	if (move->end != MOVER_GONE && move->end != MOVER_MIGRATING && stayed_bytes(move) > there)
		moves_release_from(moves, move);
}

static void on_done(void *data, const struct mover_report *report)
{
	struct move *move = data;
	struct moves *moves = move->moves;
	enum mover_end end = report->end;

	/* Nobody needs the room any more: that is no failure, and it may be needed again soon. */
	if (move->is_relieved && end == MOVER_STOPPED)
		end = MOVER_DONE;
	/* Who holds a mover up is asked for less and less often. */
	else if (move->hangs && end == MOVER_STOPPED)
		end = MOVER_DENIED;

	move->report = *report;
	move->child = mover_pid(move->mover);
	move->mover = NULL;
	move->end = report->end;
	move->end_ns = place_host_now_ns(moves->host);
	moves->n_ended++;
	moves->n_failed += report->end != MOVER_DONE && !move->is_relieved;
	moves->n_for_others += move->cause != PLACE_CAUSE_LOCALITY;
	moves->n_moved_bytes += report->count.outcome_bytes[ACT_MOVED];
	moves_mems_end(moves, move);
	keep_together(moves, move);
	moves_tell_end(move);
	moves_share_bandwidth(moves);
	if (report->end == MOVER_MIGRATING)
		place_watch_set_migrating(moves->watch, move->pid, move->start_ns);
	moves->on_end(move->pid, move->start_ns, end, moves->data);
}

/* More of them than CPUs that we may use, those of other moves among them, only wait. */
static unsigned n_workers(const struct moves *moves)
{
	const unsigned set = moves->settings->workers;
	const unsigned wanted = set < MOVER_WORKERS_MAX ? set : MOVER_WORKERS_MAX;
	cpu_set_t cpus;
	unsigned n;

	/* Fails beyond 1024 CPUs. */
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return wanted;
	n = (unsigned)CPU_COUNT(&cpus) / ((unsigned)moves_n_running(moves) + 1);
	n = n ? n : 1;
	return wanted < n ? wanted : n;
}

static int start_mover(struct moves *moves, struct move *move, const struct place_step *step,
		       size_t i, const struct pages_range *range)
{
	struct mover_order order = {
		.pid = move->pid,
		.start_ns = move->start_ns,
		.to_node = move->to_node,
		.guest = &moves->watch->guests[i],
		.is_guest = moves_is_guest(moves, i),
		.ranges = range,
		.n_ranges = range ? 1 : 0,
		.reserve_bytes = moves->reserve_on(moves->data, i, step->to_node, step->cause),
		.bandwidth_mib_s =
			move->is_urgent ? 0 : share_of_bandwidth(moves, count_limited(moves) + 1),
		.stall_budget_ms = moves->settings->stall_budget_ms,
		.planned_bytes = step->bytes,
		.most_bytes = step->most_bytes,
		.bears_pressure = step->cause == PLACE_CAUSE_ARRIVAL,
		.keep = step->keep,
		.workers = n_workers(moves),
		.stuck = move->stuck,
		.moves_mems = step->changes_nodes,
		.from_node = step->from_node,
	};
	int r = step->changes_nodes ? moves_mems_begin(moves, step) : 0;

	if (r < 0)
		return r;
	if (step->changes_nodes) {
		moves_mems_find_cpus(moves, step, &order.cpus);
		order.from_reserve_bytes =
			moves->reserve_on(moves->data, i, step->from_node, PLACE_CAUSE_LOCALITY);
	}
	r = mover_start(moves->event, &order, on_progress, on_done, move, &move->mover);
	if (r < 0 && step->changes_nodes)
		moves_mems_end(moves, move);
	return r;
}

static void name_whom(const struct moves *moves, const struct place_step *step, struct move *move)
{
	const int i = step->for_pid ? place_watch_find(moves->watch, step->for_pid) : -1;

	move->for_pid = step->for_pid;
	if (i >= 0 && moves->watch->guests[i].known & PLACE_GUEST_NAME)
		memcpy(move->for_whom, moves->watch->guests[i].name, sizeof(move->for_whom));
	else if (step->for_pid)
		snprintf(move->for_whom, sizeof(move->for_whom), "pid %d", step->for_pid);
	else if (step->for_bytes)
		snprintf(move->for_whom, sizeof(move->for_whom), "promise of %" PRIu64 " MiB",
			 step->for_bytes >> 20);
}

/* It is promised where it is until its groups say otherwise. */
static void find_claim(const struct moves *moves, const struct place_guest *guest,
		       struct move *move)
{
	struct place_policy policy;

	settings_policy(moves->settings, &policy);
	place_model_guest_claim(&policy, guest, &move->claim_bytes, &move->pool_claim_bytes);
}

static void describe(struct moves *moves, struct move *move, const struct place_step *step,
		     size_t i, const struct pages_range *range)
{
	const struct place_guest *guest = &moves->watch->guests[i];
	const struct place_topology *topology = &moves->host->topology;

	move->pid = step->pid;
	move->start_ns = step->start_ns;
	move->to_node = step->to_node;
	move->planned_bytes = step->bytes;
	move->is_part = range != NULL;
	move->changes_nodes = step->changes_nodes;
	if (range)
		move->page_bytes = range->pool_bytes;
	else if (guest->resident_pool_bytes)
		move->page_bytes = guest->hugepage_bytes;
	if (step->changes_nodes)
		find_claim(moves, guest, move);
	move->cause = step->cause;
	move->most_bytes = step->most_bytes;
	move->is_urgent = moves->is_hurried && step->cause == PLACE_CAUSE_ARRIVAL;
	name_whom(moves, step, move);
	move->begin_ns = move->heard_ns = place_host_now_ns(moves->host);
	if (guest->known & PLACE_GUEST_NAME)
		memcpy(move->name, guest->name, sizeof(move->name));
	for (size_t j = 0; j < topology->n_nodes; j++) {
		const uint64_t bytes = moves->watch->activities[i].bytes[j];

		if (topology->nodes[j].id == step->to_node)
			move->there_bytes = bytes;
		else if (!place_set_has(&step->keep, topology->nodes[j].id) && bytes)
			place_set_add(&move->from, topology->nodes[j].id);
	}
}

int moves_start(struct moves *moves, const struct place_step *step, size_t i,
		const struct pages_range *range)
{
	struct stuck *stuck;
	struct move *move;
	int r;

	if (moves_is_barred(moves, step->pid, step->start_ns)) {
		event(LOG_WARNING, EVENT_MOVE_FAILED, KV_U64("pid", (uint64_t)step->pid),
		      KV("note", "an earlier move still hangs in the kernel"));
		return -EBUSY;
	}
	stuck = take_stuck(moves, step->pid, step->start_ns);
	move = take_place(moves);
	if (!move) {
		stuck_free(stuck);
		return -EAGAIN;
	}
	move->stuck = stuck;
	describe(moves, move, step, i, range);
	r = start_mover(moves, move, step, i, range);
	if (r < 0) {
		move->end = MOVER_DIED;
		move->end_ns = move->begin_ns;
		event(LOG_WARNING, EVENT_MOVE_FAILED, KV_U64("pid", (uint64_t)step->pid),
		      KV("error", strerror(-r)));
		return r;
	}
	moves_share_bandwidth(moves);
	event(LOG_INFO, EVENT_MOVE_BEGIN, KV_U64("pid", (uint64_t)move->pid),
	      KV("guest", move->name[0] ? move->name : NULL), KV_U64("to", move->to_node),
	      KV_U64("bytes", step->bytes), KV_U64("remote_permille", step->remote_permille),
	      KV("cause", move->cause ? place_cause_word(move->cause) : NULL),
	      KV("for", move->for_whom[0] ? move->for_whom : NULL));
	return 0;
}
