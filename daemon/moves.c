/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a step of the plan to a mover, and from its end to the log. A guest's CPUs go first where
 * they may: what it touches meanwhile then lies right already.
 */
#include "moves.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "act/affinity.h"
#include "child.h"
#include "decide/class.h"
#include "decide/reason.h"
#include "tell/event.h"
#include "tell/numad_log.h"

/* Realtime threads come and go; the check costs a file per thread of the host. */
#define REALTIME_AGAIN_NS UINT64_C(300000000000)
#define REALTIME_DEADLINE_MS 10000

/* ---- realtime threads ---------------------------------------------------------------------- */

static int check_realtime(void *data, FILE *out)
{
	struct moves *moves = data;
	struct realtime_finding finding;

	realtime_check(&moves->host->root, &moves->host->text, &finding);
	return fwrite(&finding, sizeof(finding), 1, out) == 1 ? 0 : -EIO;
}

static void on_realtime(void *data, int r, const void *bytes, size_t size)
{
	struct moves *moves = data;
	const enum realtime_risk before = moves->realtime.risk;

	moves->realtime_job = NULL;
	moves->realtime_ns = place_host_now_ns(moves->host);
	moves->realtime = (struct realtime_finding){ .risk = REALTIME_UNKNOWN };
	if (r == 0 && size == sizeof(moves->realtime))
		memcpy(&moves->realtime, bytes, size);
	moves->realtime_text[0] = '\0';
	if (moves->realtime.risk != REALTIME_SAFE)
		realtime_say(&moves->realtime, moves->realtime_text, sizeof(moves->realtime_text));
	if (moves->realtime.risk != REALTIME_SAFE && moves->realtime.risk != before)
		event(LOG_WARNING, EVENT_FINDING, KV("what", "realtime"),
		      KV("note", moves->realtime_text));
	moves->on_ready(moves->data);
}

int moves_may_start(struct moves *moves)
{
	const uint64_t now_ns = place_host_now_ns(moves->host);

	if (moves->realtime_job)
		return -EINPROGRESS;
	if (!moves->realtime_ns || now_ns >= moves->realtime_ns + REALTIME_AGAIN_NS) {
		const int r =
			job_start(moves->event, check_realtime, on_realtime, moves,
				  moves->host->root.fd, REALTIME_DEADLINE_MS, &moves->realtime_job);

		return r < 0 ? r : -EINPROGRESS;
	}
	return moves->realtime.risk == REALTIME_SAFE ? 0 : -EPERM;
}

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

static bool is_hung(const struct move *move)
{
	return !move->mover && move->child && child_is_there(move->child);
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

static void tell_end(const struct move *move)
{
	const struct pages_count *count = &move->report.count;
	const bool is_good = move->end == MOVER_DONE;
	struct place_set to = { 0 };

	event(is_good ? LOG_INFO : LOG_NOTICE, is_good ? EVENT_MOVE_END : EVENT_MOVE_FAILED,
	      KV_U64("pid", (uint64_t)move->pid), KV("guest", move->name[0] ? move->name : NULL),
	      KV_U64("to", move->to_node), KV_U64("bytes", count->outcome_bytes[ACT_MOVED]),
	      KV_U64("pinned_bytes", count->outcome_bytes[ACT_PINNED]),
	      KV_U64("busy_bytes", count->outcome_bytes[ACT_BUSY]),
	      KV_U64("denied_bytes", count->outcome_bytes[ACT_DENIED]),
	      KV_U64("ms", move->report.taken_ns / 1000000),
	      KV_U64("longest_call_us", count->longest_ns / 1000),
	      KV("reason", move->reason ? move->reason : mover_end_word(move->end)),
	      KV("error", move->report.error ? strerror(-move->report.error) : NULL));
	if (!is_good)
		return;
	place_set_add(&to, move->to_node);
	numad_tell_moved(move->pid, &to, move->report.taken_ns);
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
	tell_end(move);
	moves->on_end(move->pid, move->start_ns, moves->data);
}

static bool is_guest(const struct moves *moves, size_t i)
{
	return !(moves->watch->traits[i] & PLACE_TRAIT_INCLUDED);
}

int moves_steer(struct moves *moves, const struct place_step *step, size_t i)
{
	const struct place_topology *topology = &moves->host->topology;
	int r;

	r = affinity_give(moves->act, &moves->host->root, &moves->host->text, &moves->intents,
			  step->pid, step->start_ns, is_guest(moves, i),
			  &topology->nodes[place_topology_index(topology, step->to_node)].cpus);
	if (r < 0)
		event(LOG_NOTICE, EVENT_TROUBLE, KV_U64("pid", (uint64_t)step->pid),
		      KV("note", "its vCPUs stay where they are"), KV("error", strerror(-r)));
	else
		event(LOG_INFO, EVENT_STEER, KV_U64("pid", (uint64_t)step->pid),
		      KV_U64("to", step->to_node), KV_U64("bytes_elsewhere", step->bytes));
	return r;
}

static int start_mover(struct moves *moves, struct move *move, size_t i, uint64_t reserve_bytes)
{
	const struct mover_order order = {
		.pid = move->pid,
		.start_ns = move->start_ns,
		.to_node = move->to_node,
		.guest = &moves->watch->guests[i],
		.is_guest = is_guest(moves, i),
		.reserve_bytes = reserve_bytes,
		.bandwidth_mib_s = moves->settings->bandwidth_mib_s,
		.stall_budget_ms = moves->settings->stall_budget_ms,
		.workers = moves->settings->workers < MOVER_WORKERS_MAX ? moves->settings->workers :
									  MOVER_WORKERS_MAX,
		.stuck = move->stuck,
	};

	return mover_start(moves->event, &order, on_progress, on_done, move, &move->mover);
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
	move->begin_ns = place_host_now_ns(moves->host);
	if (guest->known & PLACE_GUEST_NAME)
		memcpy(move->name, guest->name, sizeof(move->name));
	for (size_t j = 0; j < topology->n_nodes; j++)
		if (topology->nodes[j].id != step->to_node && moves->watch->activities[i].bytes[j])
			place_set_add(&move->from, topology->nodes[j].id);
}

int moves_start(struct moves *moves, const struct place_step *step, size_t i,
		uint64_t reserve_bytes)
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
	r = start_mover(moves, move, i, reserve_bytes);
	if (r < 0) {
		move->end = MOVER_DIED;
		move->end_ns = move->begin_ns;
		event(LOG_WARNING, EVENT_MOVE_FAILED, KV_U64("pid", (uint64_t)step->pid),
		      KV("error", strerror(-r)));
		return r;
	}
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

/* Of who has ended the intent goes; who was excluded, or is no guest any more, is let go. */
static void let_go(struct moves *moves)
{
	const struct place_watch *watch = moves->watch;
	bool has_changed = false;

	for (size_t n = moves->intents.n; n-- > 0;) {
		const struct intent *intent = &moves->intents.list[n];
		const int i = place_watch_find(watch, intent->pid);

		if (intent->kind != INTENT_AFFINITY ||
		    (i >= 0 && watch->guests[i].start_ns == intent->start_ns &&
		     watch->classes[i] != PLACE_CLASS_EXCLUDED))
			continue;
		affinity_take_back(moves->act, &moves->host->root, &moves->host->text,
				   &moves->intents, intent->pid, intent->start_ns);
		has_changed = true;
	}
	if (has_changed)
		(void)intents_write(&moves->intents);
}

void moves_check(struct moves *moves, bool is_paused)
{
	let_go(moves);
	for (size_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &moves->list[i];
		const char *reason = move->mover ? why_stop(moves, move) : NULL;

		if (!move->mover)
			continue;
		if (reason) {
			move->reason = reason;
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

bool moves_steers(const struct moves *moves, int pid, uint64_t start_ns)
{
	return intents_find(&moves->intents, INTENT_AFFINITY, pid, start_ns) != NULL;
}

/* ---- begin and end ------------------------------------------------------------------------- */

static void take_all_back(struct moves *moves)
{
	const bool has_any = moves->intents.n > 0;

	for (size_t n = moves->intents.n; n-- > 0;) {
		const struct intent *intent = &moves->intents.list[n];

		if (intent->kind == INTENT_AFFINITY)
			affinity_take_back(moves->act, &moves->host->root, &moves->host->text,
					   &moves->intents, intent->pid, intent->start_ns);
	}
	if (has_any)
		(void)intents_write(&moves->intents);
}

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
	if (n_damaged)
		event(LOG_WARNING, EVENT_TROUBLE, KV("note", INTENT_PATH " is damaged"));
	take_all_back(moves);
	return 0;
}

void moves_done(struct moves *moves)
{
	moves->realtime_job = job_cancel(moves->realtime_job);
	for (size_t i = 0; i < MOVES_MAX; i++) {
		moves->list[i].mover = mover_cancel(moves->list[i].mover);
		moves->list[i].stuck = stuck_free(moves->list[i].stuck);
	}
	if (moves->act)
		take_all_back(moves);
	intents_done(&moves->intents);
	moves->act = act_free(moves->act);
}

static enum report_move_state state_of(const struct move *move)
{
	if (move->mover)
		return move->is_paused ? REPORT_MOVE_PAUSED : REPORT_MOVE_RUNNING;
	switch (move->end) {
	case MOVER_DONE:
		return REPORT_MOVE_DONE;
	case MOVER_STOPPED:
	case MOVER_GONE:
		return REPORT_MOVE_STOPPED;
	case MOVER_RUNNING:
	case MOVER_FULL:
	case MOVER_PRESSURE:
	case MOVER_SLOW:
	case MOVER_DENIED:
	case MOVER_DIED:
	case MOVER_END_COUNT:
		break;
	}
	return REPORT_MOVE_FAILED;
}

size_t moves_report(const struct moves *moves, struct report_move reports[MOVES_MAX])
{
	size_t n = 0;

	for (size_t k = 0; k < MOVES_MAX; k++) {
		const struct move *move = &moves->list[(moves->next + k) % MOVES_MAX];
		const struct pages_count *count = &move->report.count;

		if (!move->moves)
			continue;
		reports[n++] = (struct report_move){
			.pid = move->pid,
			.name = move->name,
			.from = move->from,
			.to_node = move->to_node,
			.planned_bytes = move->planned_bytes,
			.moved_bytes = count->outcome_bytes[ACT_MOVED],
			.failed_bytes = count->outcome_bytes[ACT_PINNED] +
					count->outcome_bytes[ACT_BUSY] +
					count->outcome_bytes[ACT_DENIED],
			.begin_ns = move->begin_ns,
			.end_ns = move->end_ns,
			.state = state_of(move),
			.reason = move->reason ? move->reason :
				  move->mover  ? "" :
						 mover_end_word(move->end),
		};
	}
	return n;
}
