/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a step of the plan to a mover, and from its end to the log. A guest's CPUs go first where
 * they may: what it touches meanwhile then lies right already.
 */
#include "moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "arith.h"
#include "child.h"
#include "decide/reason.h"
#include "moves_parts.h"
#include "tell/event.h"

/* ---- the list ------------------------------------------------------------------------------ */

bool moves_is_moving(const struct moves *moves, int pid, uint64_t start_ns)
{
	for (size_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &moves->list[i];

		if (move->mover && move->pid == pid && move->start_ns == start_ns)
			return true;
	}
	return false;
}

size_t moves_n_running(const struct moves *moves)
{
	size_t n = 0;

	for (size_t i = 0; i < MOVES_MAX; i++)
		n += moves->list[i].mover != NULL;
	return n;
}

uint64_t moves_coming_bytes(const struct moves *moves, unsigned node)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &moves->list[i];
		const uint64_t moved_bytes = move->report.count.outcome_bytes[ACT_MOVED];

		if (move->mover && move->to_node == node)
			bytes = place_add(bytes, place_subtract(move->planned_bytes, moved_bytes));
	}
	return bytes;
}

/* The limit is for all moves together; each has some of it. */
static uint64_t share_of_bandwidth(const struct moves *moves, size_t n)
{
	const uint64_t share = n ? moves->settings->bandwidth_mib_s / n : 0;

	return moves->settings->bandwidth_mib_s && !share ? 1 : share;
}

static void share_bandwidth(struct moves *moves)
{
	const uint64_t share = share_of_bandwidth(moves, moves_n_running(moves));

	for (size_t i = 0; i < MOVES_MAX; i++)
		if (moves->list[i].mover)
			mover_set_bandwidth(moves->list[i].mover, share);
}

void moves_settings_changed(struct moves *moves)
{
	share_bandwidth(moves);
}

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
static bool may_hang(const struct moves *moves, int pid, uint64_t start_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &moves->list[i];

		if (!is_hung(move))
			continue;
		if (move->pid == pid && move->start_ns == start_ns)
			return false;
		n++;
	}
	return n < MOVES_HUNG_MAX;
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

static void on_progress(void *data, const struct mover_report *report)
{
	struct move *move = data;

	move->report = *report;
}

static void on_done(void *data, const struct mover_report *report)
{
	struct move *move = data;
	struct moves *moves = move->moves;

	move->report = *report;
	move->child = mover_pid(move->mover);
	move->mover = NULL;
	move->end = report->end;
	move->end_ns = place_host_now_ns(moves->host);
	moves->n_ended++;
	moves->n_failed += report->end != MOVER_DONE;
	moves->n_moved_bytes += report->count.outcome_bytes[ACT_MOVED];
	moves_mems_end(moves, move);
	moves_tell_end(move);
	share_bandwidth(moves);
	moves->on_end(move->pid, move->start_ns, moves->data);
}

static int start_mover(struct moves *moves, struct move *move, const struct place_step *step,
		       size_t i, uint64_t reserve_bytes, const struct pages_range *range)
{
	struct mover_order order = {
		.pid = move->pid,
		.start_ns = move->start_ns,
		.to_node = move->to_node,
		.guest = &moves->watch->guests[i],
		.is_guest = moves_is_guest(moves, i),
		.ranges = range,
		.n_ranges = range ? 1 : 0,
		.reserve_bytes = reserve_bytes,
		.bandwidth_mib_s = share_of_bandwidth(moves, moves_n_running(moves) + 1),
		.stall_budget_ms = moves->settings->stall_budget_ms,
		.workers = moves->settings->workers < MOVER_WORKERS_MAX ? moves->settings->workers :
									  MOVER_WORKERS_MAX,
		.stuck = move->stuck,
		.moves_mems = step->changes_nodes,
		.from_node = step->from_node,
	};
	int r = step->changes_nodes ? moves_mems_begin(moves, step) : 0;

	if (r < 0)
		return r;
	if (step->changes_nodes)
		moves_mems_find_cpus(moves, step, &order.cpus);
	r = mover_start(moves->event, &order, on_progress, on_done, move, &move->mover);
	if (r < 0 && step->changes_nodes)
		moves_mems_end(moves, move);
	return r;
}

static void describe(struct moves *moves, struct move *move, const struct place_step *step,
		     size_t i)
{
	const struct place_guest *guest = &moves->watch->guests[i];
	const struct place_topology *topology = &moves->host->topology;

	move->pid = step->pid;
	move->start_ns = step->start_ns;
	move->to_node = step->to_node;
	move->planned_bytes = step->bytes;
	move->changes_nodes = step->changes_nodes;
	move->begin_ns = place_host_now_ns(moves->host);
	if (guest->known & PLACE_GUEST_NAME)
		memcpy(move->name, guest->name, sizeof(move->name));
	for (size_t j = 0; j < topology->n_nodes; j++)
		if (topology->nodes[j].id != step->to_node && moves->watch->activities[i].bytes[j])
			place_set_add(&move->from, topology->nodes[j].id);
}

int moves_start(struct moves *moves, const struct place_step *step, size_t i,
		uint64_t reserve_bytes, const struct pages_range *range)
{
	struct stuck *stuck;
	struct move *move;
	int r;

	if (!may_hang(moves, step->pid, step->start_ns)) {
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
	describe(moves, move, step, i);
	r = start_mover(moves, move, step, i, reserve_bytes, range);
	if (r < 0) {
		move->end = MOVER_DIED;
		move->end_ns = move->begin_ns;
		event(LOG_WARNING, EVENT_MOVE_FAILED, KV_U64("pid", (uint64_t)step->pid),
		      KV("error", strerror(-r)));
		return r;
	}
	share_bandwidth(moves);
	event(LOG_INFO, EVENT_MOVE_BEGIN, KV_U64("pid", (uint64_t)move->pid),
	      KV("guest", move->name[0] ? move->name : NULL), KV_U64("to", move->to_node),
	      KV_U64("bytes", step->bytes), KV_U64("remote_permille", step->remote_permille));
	return 0;
}

/* ---- while they run ------------------------------------------------------------------------ */

static const char *why_stop(const struct moves *moves, const struct move *move)
{
	const int i = place_watch_find(moves->watch, move->pid);

	if (i < 0 || moves->watch->guests[i].start_ns != move->start_ns)
		return "gone";
	switch (moves->watch->classes[i]) {
	case PLACE_CLASS_MIGRATING:
	case PLACE_CLASS_EXCLUDED:
	case PLACE_CLASS_CONFIDENTIAL:
	case PLACE_CLASS_DEVICE:
		return place_class_word(moves->watch->classes[i]);
	case PLACE_CLASS_FREE:
	case PLACE_CLASS_AUTO:
	case PLACE_CLASS_STATIC:
	case PLACE_CLASS_PINNED:
	case PLACE_CLASS_INTERLEAVED:
	case PLACE_CLASS_UNREADABLE:
	case PLACE_CLASS_COUNT:
		break;
	}
	return NULL;
}

void moves_check(struct moves *moves, bool is_paused)
{
	moves_let_go(moves);
	moves_follow(moves);
	moves_mems_check(moves);
	for (size_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &moves->list[i];
		const char *reason = move->mover ? why_stop(moves, move) : NULL;

		if (!move->mover)
			continue;
		if (reason) {
			move->reason = reason;
			mover_stop(move->mover);
		} else if (is_paused && move->changes_nodes) {
			move->reason = "paused";
			mover_stop(move->mover);
		} else if (is_paused != move->is_paused) {
			move->is_paused = is_paused;
			if (is_paused)
				mover_pause(move->mover);
			else
				mover_resume(move->mover);
		}
	}
}

/* ---- begin and end ------------------------------------------------------------------------- */

int moves_init(sd_event *event, struct place_host *host, struct place_watch *watch,
	       const struct settings *settings, bool is_dry_run, struct moves *moves)
{
	size_t n_damaged = 0;
	int r;

	*moves = (struct moves){
		.event = event,
		.host = host,
		.watch = watch,
		.settings = settings,
	};
	r = act_linux_new(&moves->act);
	/* To take back is a change too: they wait for a daemon that may. */
	if (r == 0 && host->root.is_live && !is_dry_run)
		r = intents_read(&host->root, &host->text, &moves->intents, &n_damaged);
	if (r < 0)
		return r;
	for (size_t i = 0; i < moves->intents.n; i++)
		moves->intents.list[i].is_inherited = true;
	if (n_damaged)
		event(LOG_WARNING, EVENT_TROUBLE, KV("note", INTENT_PATH " is damaged"));
	moves_take_back(moves);
	return 0;
}

void moves_done(struct moves *moves)
{
	moves->realtime_job = job_cancel(moves->realtime_job);
	if (moves->mend_job)
		moves->mend_child = job_pid(moves->mend_job);
	moves->mend_job = job_cancel(moves->mend_job);
	for (size_t i = 0; i < MOVES_MAX; i++) {
		if (moves->list[i].mover)
			moves->list[i].child = mover_pid(moves->list[i].mover);
		moves->list[i].mover = mover_cancel(moves->list[i].mover);
		moves->list[i].stuck = stuck_free(moves->list[i].stuck);
	}
	if (moves->act) {
		moves_mems_stop(moves);
		moves_take_back(moves);
	}
	intents_done(&moves->intents);
	moves->act = act_free(moves->act);
}
