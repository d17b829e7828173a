/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves under way: what they bring, when they must stop, the beginning and the end of them all. */
#include "moves.h"

#include <syslog.h>

#include "arith.h"
#include "decide/plan.h"
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

static uint64_t bytes_to_come(const struct move *move, uint64_t page_bytes)
{
	const uint64_t moved_bytes = move->report.count.outcome_bytes[ACT_MOVED];
	const bool is_any = page_bytes == MOVES_ANY_PAGES;
	uint64_t bytes = 0;

	if (is_any || move->page_bytes == page_bytes) {
		bytes = place_subtract(move->planned_bytes, moved_bytes);
		if (move->page_bytes)
			bytes = place_add(bytes, move->pool_claim_bytes);
	}
	return is_any || !page_bytes ? place_add(bytes, move->claim_bytes) : bytes;
}

uint64_t moves_coming_bytes(const struct moves *moves, unsigned node, uint64_t page_bytes)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < MOVES_MAX; i++)
		if (moves->list[i].mover && moves->list[i].to_node == node)
			bytes = place_add(bytes, bytes_to_come(&moves->list[i], page_bytes));
	return bytes;
}

/* ---- while they run ------------------------------------------------------------------------ */

/* So long the looks may take that bring all guests into a watch that began anew. */
#define ANEW_NS UINT64_C(15000000000)

bool moves_is_watch_anew(const struct moves *moves)
{
	return moves->anew_ns && place_host_now_ns(moves->host) < moves->anew_ns + ANEW_NS;
}

/*
 * Its memory was to follow its vCPUs, and they are on another node by now. Not of who had CPUs from
 * us, nor of cells, nor where room is made for others.
 */
static bool is_gain_gone(const struct moves *moves, const struct move *move, size_t i)
{
	const struct place_topology *topology = &moves->host->topology;
	const struct place_activity *activity = &moves->watch->activities[i];

	if (move->cause != PLACE_CAUSE_LOCALITY || move->is_part ||
	    !(activity->known & PLACE_ACTIVITY_RUN) || (activity->known & PLACE_ACTIVITY_BRIEF) ||
	    moves_steers(moves, move->pid, move->start_ns))
		return false;
	for (size_t j = 0; j < topology->n_nodes; j++)
		if (topology->nodes[j].id != move->to_node &&
		    activity->run_permille[j] >= PLACE_RUN_HOME_PERMILLE)
			return true;
	return false;
}

/*
 * No batch takes so long, nor does reading its ranges: the child waits in the kernel for somebody
 * who holds the guest's mmap lock, or for a CPU that a realtime thread has. While groups are made
 * wide or narrow it says nothing, and the kernel moves what there is in one go.
 */
#define HANGS_AFTER_NS UINT64_C(30000000000)
#define SETTLES_FOR_NS UINT64_C(600000000000)

/* Where the whole host stood still reports wait to be read: so long that takes at most. */
#define DOUBTFUL_FOR_NS UINT64_C(5000000000)

static bool is_hanging(const struct moves *moves, struct move *move)
{
	const uint64_t silent_ns = move->changes_nodes ? SETTLES_FOR_NS : HANGS_AFTER_NS;
	const uint64_t now_ns = place_host_now_ns(moves->host);

	if (move->report.call_ns <= HANGS_AFTER_NS && now_ns <= move->heard_ns + silent_ns)
		move->doubtful_ns = 0;
	else if (!move->doubtful_ns)
		move->doubtful_ns = now_ns;
	return move->doubtful_ns && now_ns > move->doubtful_ns + DOUBTFUL_FOR_NS;
}

/* Whoever pauses for longer than that does not mean these moves: what they would bring is free. */
#define PAUSED_MOST_NS UINT64_C(60000000000)

static bool is_paused_too_long(const struct moves *moves, const struct move *move, bool is_paused)
{
	return is_paused && (move->changes_nodes ||
			     (move->is_paused &&
			      place_host_now_ns(moves->host) > move->paused_ns + PAUSED_MOST_NS));
}

static const char *why_stop(const struct moves *moves, const struct move *move)
{
	const int i = place_watch_find(moves->watch, move->pid);

	/* A mover sees its guest's end by itself. */
	if (i < 0 && moves_is_watch_anew(moves))
		return NULL;
	if (i < 0 || moves->watch->guests[i].start_ns != move->start_ns)
		return "gone";
	if (is_gain_gone(moves, move, (size_t)i))
		return "elsewhere";
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

static void stop(const struct moves *moves, struct move *move)
{
	const int i = place_watch_find(moves->watch, move->pid);

	if (i >= 0 && moves->watch->classes[i] == PLACE_CLASS_MIGRATING)
		mover_hold(move->mover);
	else
		mover_stop(move->mover);
}

static void check(const struct moves *moves, struct move *move, bool is_paused)
{
	const bool hangs = is_hanging(moves, move);
	const char *reason = hangs ? "hangs" : why_stop(moves, move);

	if (reason) {
		if (!move->reason)
			move->hangs = hangs;
		move->reason = reason;
		stop(moves, move);
	} else if (is_paused_too_long(moves, move, is_paused)) {
		move->reason = "paused";
		mover_stop(move->mover);
	} else if (is_paused != move->is_paused) {
		move->is_paused = is_paused;
		move->paused_ns = place_host_now_ns(moves->host);
		if (is_paused)
			mover_pause(move->mover);
		else
			mover_resume(move->mover);
	}
}

void moves_check(struct moves *moves, bool is_paused)
{
	moves_let_go(moves);
	moves_follow(moves);
	moves_mems_check(moves);
	for (size_t i = 0; i < MOVES_MAX; i++)
		if (moves->list[i].mover)
			check(moves, &moves->list[i], is_paused);
}

/* What is promised keeps groups wide until so many mendings came to nothing, for half a minute. */
#define PROMISED_FOR_N 4

/* Of the node that its guest leaves, perhaps to make room for somebody who has not taken it yet. */
static void keep_behind(struct moves *moves, struct intent *intent)
{
	const int i = place_watch_find(moves->watch, intent->pid);

	intent->promised_bytes = 0;
	if (intent->n_in_vain < PROMISED_FOR_N && i >= 0 &&
	    moves->watch->guests[i].start_ns == intent->start_ns)
		intent->promised_bytes =
			moves->reserve_on(moves->data, (size_t)i, moves_node_of(&intent->before),
					  PLACE_CAUSE_LOCALITY);
}

void moves_keep_free(struct moves *moves)
{
	for (size_t k = 0; k < moves->intents.n; k++)
		if (moves->intents.list[k].kind == INTENT_MEMS)
			keep_behind(moves, &moves->intents.list[k]);
	for (size_t k = 0; k < MOVES_MAX; k++) {
		const struct move *move = &moves->list[k];
		const int i = move->mover ? place_watch_find(moves->watch, move->pid) : -1;
		const struct intent *intent;

		if (i < 0)
			continue;
		intent = intents_find(&moves->intents, INTENT_MEMS, move->pid, move->start_ns);
		mover_set_reserve(
			move->mover,
			moves->reserve_on(moves->data, (size_t)i, move->to_node, move->cause),
			intent ? intent->promised_bytes : 0);
	}
}

void moves_watch_anew(struct moves *moves)
{
	moves->anew_ns = place_host_now_ns(moves->host);
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
