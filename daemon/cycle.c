/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The turn, in the order in which things flow. No step waits: what could is a job (looks.c), and
 * what it brings is there in a later turn. A steady turn allocates nothing.
 */
#include "cycle.h"

#include <errno.h>
#include <syslog.h>

#include "cycle_memory.h"
#include "cycle_parts.h"
#include "cycle_tell.h"
#include "tell/numad_tables.h"

/* ---- observing ---------------------------------------------------------------------------- */

static int want_look(int pid, void *data)
{
	struct cycle *cycle = data;
	const int r = looks_want(&cycle->looks, pid);

	cycle->is_crowded = cycle->is_crowded || r < 0;
	return r;
}

uint64_t cycle_now_ns(struct cycle *cycle)
{
	return place_host_now_ns(cycle->host);
}

void cycle_compose(struct cycle *cycle)
{
	struct place_sample *sample = &cycle->sample;

	sample->taken_ns = cycle->refreshed_ns;
	sample->n_nodes = cycle->host->sample.n_nodes;
	sample->nodes = cycle->host->sample.nodes;
	sample->guests = cycle->watch.guests;
	sample->n_guests = cycle->watch.n;
	sample->guests_complete = cycle->watch.is_complete && !cycle->is_crowded &&
				  !cycle->is_blind && cycle->looks.n_asked == 0;
	sample->confine = cycle->host->sample.confine;
}

void cycle_refresh(struct cycle *cycle)
{
	const uint64_t now = cycle_now_ns(cycle);

	cycle->is_crowded = cycle->is_blind = cycle->is_decided = cycle->is_new = false;
	if (!cycle->is_stale) {
		(void)place_watch_scan(&cycle->watch, now, want_look, cycle);
		(void)place_watch_refresh(&cycle->watch, now);
		if (cycle->watch.n_found)
			arrivals_renew(&cycle->arrivals);
	}
	cycle->refreshed_ns = now;
	/* machine.slice comes with the first guest. */
	place_host_read_confine(cycle->host, 0);
	if (place_host_refresh_nodes(cycle->host) < 0)
		cycle_tell_trouble("the memory of no node can be read");
	cycle_compose(cycle);
}

/* ---- deciding ----------------------------------------------------------------------------- */

/* Of the rows as they are now: before anything else that goes by them. */
static void mark(struct cycle *cycle)
{
	/* Nearly never: not a search for each guest of a steady host. */
	const bool has_to_mend = moves_has_to_mend(&cycle->moves);

	for (size_t i = 0; i < cycle->watch.n; i++) {
		const struct cycle_memory *memory = &cycle->memories[i];
		const bool is_mending = has_to_mend && moves_is_mending(&cycle->moves, memory->pid,
									memory->start_ns);

		cycle->held_until_ns[i] = is_mending ? UINT64_MAX : memory->held_until_ns;
		cycle->stuck_until_ns[i] = is_mending ? UINT64_MAX : memory->stuck_until_ns;
		cycle->is_moving[i] = moves_is_moving(&cycle->moves, memory->pid, memory->start_ns);
		cycle->may_steer[i] = cycle_may_steer(cycle, i);
		cycle->may_change_nodes[i] = cycle_may_change_nodes(cycle, i);
		cycle->is_wide[i] = cycle_is_wide(cycle, i);
	}
	for (size_t i = 0; i < cycle->host->topology.n_nodes; i++)
		cycle->coming_bytes[i] = moves_coming_bytes(
			&cycle->moves, cycle->host->topology.nodes[i].id, MOVES_ANY_PAGES);
}

static struct place_plan_input plan_input(const struct cycle *cycle,
					  const struct place_ledger *ledger)
{
	return (struct place_plan_input){
		.topology = &cycle->host->topology,
		.sample = &cycle->sample,
		.classes = cycle->watch.classes,
		.traits = cycle->watch.traits,
		.activities = cycle->watch.activities,
		.held_until_ns = cycle->held_until_ns,
		.is_moving = cycle->is_moving,
		.may_steer = cycle->may_steer,
		.may_change_nodes = cycle->may_change_nodes,
		.is_wide = cycle->is_wide,
		.coming_bytes = cycle->coming_bytes,
		.promises = ledger->promises,
		.n_promises = ledger->n,
		.policy = &cycle->policy,
		.move = &cycle->move,
		.now_ns = cycle->refreshed_ns,
	};
}

/* Who makes room for others goes first: what that takes the plan cannot have. */
static void plan(struct cycle *cycle)
{
	/* Once: settling again may read the file, and free the promises that the plan has. */
	const struct place_ledger *ledger = advice_settle(&cycle->advice);
	struct place_plan_input input = plan_input(cycle, ledger);
	struct place_move_policy move = cycle->move;
	struct place_pressure_input pressure;
	struct place_model model;
	const bool has_risks = cycle_find_risks(cycle, ledger, &model, &pressure) == 0;

	/* Cells come behind the plan: where the system's found no place, it leaves them one. */
	if (cycle->wide.is_crowded_out && move.steps_max)
		move.steps_max--;
	input.move = &move;
	cycle->relief.n_steps = 0;
	if (has_risks)
		cycle_find_relief(cycle, &input, &pressure);
	if (place_plan_make(&input, &cycle->scratch, &cycle->plan) < 0)
		cycle->plan.n_steps = 0;
	if (has_risks)
		cycle_settle_relief(cycle, &input, &pressure);
}

/* ---- the turn ----------------------------------------------------------------------------- */

static void take_settings(struct cycle *cycle)
{
	settings_policy(cycle->settings, &cycle->policy);
	settings_move_policy(cycle->settings, &cycle->move);
	if (cycle->is_paused)
		cycle->move.is_enabled = false;
	cycle->looks.n_samples = cycle->settings->samples;
	cycle->watch.ops.with_usage = cycle->settings->scan_all;
}

/* What was found of guests by their place in the watch is not of those that are there now. */
static void decide_nothing(struct cycle *cycle)
{
	cycle->plan.n_steps = 0;
	cycle->relief.n_steps = 0;
	cycle->risks.n = 0;
	cycle->is_decided = false;
}

/* What makes the next turn come sooner than after the longest interval (cycle_when.c). */
static void note_haste(struct cycle *cycle)
{
	const enum cycle_pace pace = cycle_migration_pace(cycle);

	cycle->is_learning =
		cycle_is_opened(cycle) || moves_n_running(&cycle->moves) > 0 ||
		moves_mends_soon(&cycle->moves) || moves_is_watch_anew(&cycle->moves) ||
		cycle_is_unknown_since(cycle, CYCLE_LEARN_FOR_NS) || pace == CYCLE_PACE_SECOND;
	cycle->is_quick = cycle->plan.n_steps || cycle->relief.n_steps || cycle->looks.n_asked ||
			  pace == CYCLE_PACE_QUICK;
}

void cycle_decide_and_tell(struct cycle *cycle)
{
	/* What is counted by node may be of other nodes than those that there are. */
	if (cycle->is_stale) {
		decide_nothing(cycle);
		return;
	}
	if (cycle_align_memories(cycle) < 0) {
		cycle_tell_trouble("out of memory: this turn decides nothing");
		decide_nothing(cycle);
		return;
	}
	cycle_find_all_evidence(cycle);
	mark(cycle);
	cycle_find_growing(cycle);
	cycle_look_closer(cycle);
	plan(cycle);
	cycle_tell_turn(cycle);
	cycle_tell_risks(cycle);
	cycle->is_new = cycle->is_new || cycle_is_unknown_since(cycle, CYCLE_NEW_FOR_NS);
	cycle_act(cycle);
	cycle_relieve(cycle);
	cycle_act_wide(cycle);
	cycle->is_decided = true;
	note_haste(cycle);
}

void cycle_turn(struct cycle *cycle)
{
	cycle_count_turn(cycle);
	cycle->is_stale = cycle_has_host_changed(cycle) || cycle->is_stale;
	if (cycle->is_stale && cycle_begin_anew(cycle) < 0) {
		cycle_tell_trouble("the nodes changed and could not be read again");
		decide_nothing(cycle);
		cycle_turn_in(cycle, CYCLE_LEARNING_US);
		return;
	}
	cycle->is_stale = false;
	cycle_refresh(cycle);
	cycle_decide_and_tell(cycle);
	cycle_tell_host(cycle);
	(void)cycle_start_looks(cycle);
	cycle_set_next_turn(cycle);
}

void cycle_settings_changed(struct cycle *cycle)
{
	take_settings(cycle);
	moves_settings_changed(&cycle->moves);
	cycle_turn_soon(cycle, (uint64_t)cycle->settings->interval_min_s * 1000000);
}

void cycle_lists_changed(struct cycle *cycle, int pid)
{
	control_mark_listed(cycle->lists, &cycle->watch);
	for (size_t i = 0; i < cycle->n_memories; i++)
		if (!pid || cycle->memories[i].pid == pid)
			cycle->memories[i].is_look_due = true;
	cycle_settings_changed(cycle);
}

void cycle_show(struct cycle *cycle)
{
	if (cycle_now_ns(cycle) - cycle->refreshed_ns < CYCLE_FRESH_NS && cycle->is_decided)
		return;
	cycle_refresh(cycle);
	cycle_decide_and_tell(cycle);
	(void)cycle_start_looks(cycle);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	cycle_turn(data);
	return 0;
}

/* What turns work with. Returns: 0 or -errno. */
static int begin_parts(struct cycle *cycle)
{
	int r;

	r = cycle_begin_watch(cycle);
	if (r == 0)
		r = cycle_scratch_resize(cycle);
	if (r == 0)
		r = risks_resize(&cycle->risks, cycle->host->topology.n_nodes);
	if (r == 0)
		r = moves_init(cycle->event, cycle->host, &cycle->watch, cycle->settings,
			       cycle->is_dry_run, &cycle->moves);
	cycle->moves.on_end = cycle_on_move_end;
	cycle->moves.on_ready = cycle_on_moves_ready;
	cycle->moves.reserve_on = cycle_reserve_on;
	cycle->moves.data = cycle;
	if (r == 0)
		r = advice_init(cycle->host, &cycle->sample, &cycle->policy,
				cycle->host->root.is_live, &cycle->advice);
	return r;
}

/* The first turn is at once; the other two wait for questions. Returns: 0 or -errno. */
static int add_sources(struct cycle *cycle)
{
	int r;

	r = sd_event_add_time_relative(cycle->event, &cycle->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
				       cycle);
	if (r >= 0)
		r = sd_event_add_time_relative(cycle->event, &cycle->patience, CLOCK_MONOTONIC, 0,
					       1000, cycle_on_patience, cycle);
	if (r >= 0)
		r = sd_event_source_set_enabled(cycle->patience, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(cycle->event, &cycle->gathering, cycle_on_gathered, cycle);
	if (r >= 0)
		r = sd_event_source_set_enabled(cycle->gathering, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int cycle_init(sd_event *event, struct place_host *host, const struct settings *settings,
	       struct control_lists *lists, bool is_dry_run, struct cycle *cycle)
{
	int r;

	*cycle = (struct cycle){
		.event = event,
		.host = host,
		.settings = settings,
		.lists = lists,
		.is_dry_run = is_dry_run,
		.arrivals = { .fd = -1 },
		.looks = { .event = event,
			   .host = host,
			   .watch = &cycle->watch,
			   .on_look = cycle_on_look,
			   .on_early = cycle_on_early_look,
			   .on_done = cycle_on_looks_done,
			   .data = cycle },
	};
	take_settings(cycle);
	r = begin_parts(cycle);
	/* Of a recorded host nobody begins. */
	if (r == 0 && host->root.is_live)
		r = arrivals_begin(event, arrivals_usual, cycle_on_arrival, cycle,
				   &cycle->arrivals);
	if (r == 0)
		r = add_sources(cycle);
	if (r < 0)
		cycle_done(cycle);
	return r;
}

void cycle_done(struct cycle *cycle)
{
	numad_tables_cancel();
	arrivals_done(&cycle->arrivals);
	looks_done(&cycle->looks);
	wide_done(&cycle->wide);
	moves_done(&cycle->moves);
	sd_event_source_disable_unref(cycle->timer);
	sd_event_source_disable_unref(cycle->patience);
	sd_event_source_disable_unref(cycle->gathering);
	advice_done(&cycle->advice);
	place_watch_done(&cycle->watch);
	cycle_scratch_done(cycle);
	cycle_memories_done(cycle);
	risks_done(&cycle->risks);
	*cycle = (struct cycle){ 0 };
}
