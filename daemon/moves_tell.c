/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of moves: a log line when one ends, and a row each in reports. */
#include "moves.h"

#include <string.h>
#include <syslog.h>

#include "decide/reason.h"
#include "moves_parts.h"
#include "tell/event.h"
#include "tell/numad_log.h"

void moves_tell_end(const struct move *move)
{
	const struct pages_count *count = &move->report.count;
	const bool is_good = move->end == MOVER_DONE || move->is_relieved;
	struct place_set to = { 0 };

	event(is_good ? LOG_INFO : LOG_NOTICE, is_good ? EVENT_MOVE_END : EVENT_MOVE_FAILED,
	      KV_U64("pid", (uint64_t)move->pid), KV("guest", move->name[0] ? move->name : NULL),
	      KV_U64("to", move->to_node), KV_U64("bytes", count->outcome_bytes[ACT_MOVED]),
	      KV_U64("pinned_bytes", count->outcome_bytes[ACT_PINNED]),
	      KV_U64("busy_bytes", count->outcome_bytes[ACT_BUSY]),
	      KV_U64("denied_bytes", count->outcome_bytes[ACT_DENIED]),
	      KV_U64("ms", move->report.taken_ns / 1000000),
	      KV_U64("longest_call_us", count->longest_ns / 1000),
	      KV("mems", move->report.mems == RELOCATE_NONE ?
				 NULL :
				 relocate_state_word(move->report.mems)),
	      KV("cause", move->cause ? place_cause_word(move->cause) : NULL),
	      KV("for", move->for_whom[0] ? move->for_whom : NULL),
	      KV("reason", move->reason ? move->reason : mover_end_word(move->end)),
	      KV("error", is_good || !move->report.error ? NULL : strerror(-move->report.error)));
	if (move->end != MOVER_DONE)
		return;
	place_set_add(&to, move->to_node);
	numad_tell_moved(move->pid, &to, move->report.taken_ns);
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
	case MOVER_MIGRATING:
		return REPORT_MOVE_STOPPED;
	case MOVER_RUNNING:
	case MOVER_FULL:
	case MOVER_PRESSURE:
	case MOVER_SLOW:
	case MOVER_SPARSE:
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
			.failed_bytes = pages_count_left(count),
			.begin_ns = move->begin_ns,
			.end_ns = move->end_ns,
			.state = state_of(move),
			.cause = move->cause,
			.for_whom = move->for_whom,
			.for_pid = move->for_pid,
			.reason = move->reason ? move->reason :
				  move->mover  ? "" :
						 mover_end_word(move->end),
		};
	}
	return n;
}
