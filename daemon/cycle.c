/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The turn, in the order in which things flow. No step waits: what could is a job (looks.c), and
 * what it brings is there in a later turn. A steady turn allocates nothing.
 */
#include "cycle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cycle_memory.h"
#include "cycle_parts.h"
#include "cycle_tell.h"
#include "host/cleanup.h"
#include "tell/numad_tables.h"

/* A picture as young as this answers questions: of 400 at once the first pays for all. */
#define FRESH_NS (100 * NS_PER_MS)
/* Older than this nothing is decided upon. */
#define OLD_NS NS_PER_S
/* So long a question waits for the look at a new guest; its client waits 250 ms. */
#define PATIENCE_US 150000
/* A crowd of new processes is looked at in as many jobs as it takes, so far apart. */
#define CROWD_US 500000
/* So fast it is learned what a new guest does, and for how long this is tried; also how soon a
 * move is stopped whose guest begins to migrate. */
#define LEARNING_US 1000000
#define LEARN_FOR_NS (10 * NS_PER_S)
/* The first word on it comes sooner: after a window of observe/watch_refresh.c. */
#define NEW_US 220000
#define NEW_FOR_NS NS_PER_S
/* After a move there may be room for the next. */
#define AFTER_MOVE_US 100000
/*
 * Anybody can begin processes all the time that look new. Turns sooner than after a second are ten
 * at once, and then one for each second that goes by.
 */
#define QUICK_TURN_NS NS_PER_S
#define QUICK_FOR_NS (10 * QUICK_TURN_NS)
#define QUICK_BELOW_NS (900 * NS_PER_MS)

/* ---- observing ---------------------------------------------------------------------------- */

static int want_look(int pid, void *data)
{
	struct cycle *cycle = data;
	const int r = looks_want(&cycle->looks, pid);

	cycle->is_crowded = cycle->is_crowded || r < 0;
	return r;
}

static uint64_t now_ns(struct cycle *cycle)
{
	return place_host_now_ns(cycle->host);
}

/* Puts the picture together. What it points to belongs to the host and the watch. */
static void compose(struct cycle *cycle)
{
	struct place_sample *sample = &cycle->sample;

	sample->taken_ns = cycle->refreshed_ns;
	sample->n_nodes = cycle->host->sample.n_nodes;
	sample->nodes = cycle->host->sample.nodes;
	sample->guests = cycle->watch.guests;
	sample->n_guests = cycle->watch.n;
	sample->guests_complete = cycle->watch.is_complete && cycle->looks.n_asked == 0;
	sample->confine = cycle->host->sample.confine;
}

/* The first tier in one burst. Guests before nodes: what is touched in between counts twice,
 * which errs on the safe side. */
static void refresh(struct cycle *cycle)
{
	const uint64_t now = now_ns(cycle);

	cycle->is_crowded = cycle->is_decided = cycle->is_new = false;
	if (!cycle->is_stale) {
		(void)place_watch_scan(&cycle->watch, now, want_look, cycle);
		(void)place_watch_refresh(&cycle->watch, now);
	}
	cycle->refreshed_ns = now;
	/* machine.slice comes with the first guest. */
	place_host_read_confine(cycle->host, 0);
	if (place_host_refresh_nodes(cycle->host) < 0)
		cycle_tell_trouble("the memory of no node can be read");
	compose(cycle);
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
		cycle->is_moving[i] = moves_is_moving(&cycle->moves, memory->pid, memory->start_ns);
		cycle->may_steer[i] = cycle_may_steer(cycle, i);
		cycle->may_change_nodes[i] = cycle_may_change_nodes(cycle, i);
		cycle->is_wide[i] = cycle_is_wide(cycle, i);
	}
	for (size_t i = 0; i < cycle->host->topology.n_nodes; i++)
		cycle->coming_bytes[i] =
			moves_coming_bytes(&cycle->moves, cycle->host->topology.nodes[i].id);
}

static void plan(struct cycle *cycle)
{
	const struct place_ledger *ledger = advice_settle(&cycle->advice);
	const struct place_plan_input input = {
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

	if (place_plan_make(&input, &cycle->scratch, &cycle->plan) < 0)
		cycle->plan.n_steps = 0;
}

static void turn_in(struct cycle *cycle, uint64_t us)
{
	(void)sd_event_source_set_time_relative(cycle->timer, us);
	(void)sd_event_source_set_enabled(cycle->timer, SD_EVENT_ONESHOT);
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

/* Nodes or CPUs came or went: everything that is counted by node begins anew. */
static bool has_host_changed(struct cycle *cycle)
{
	struct place_text *text = &cycle->host->text;
	bool has_changed = false;
	const struct {
		const char *path;
		char *kept;
	} files[] = {
		{ "sys/devices/system/node/online", cycle->nodes_online },
		{ "sys/devices/system/cpu/online", cycle->cpus_online },
	};

	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		if (place_root_read(&cycle->host->root, text, files[i].path) < 0)
			continue;
		if (strncmp(files[i].kept, text->data, sizeof(cycle->cpus_online) - 1) == 0)
			continue;
		has_changed = has_changed || files[i].kept[0];
		snprintf(files[i].kept, sizeof(cycle->cpus_online), "%s", text->data);
	}
	return has_changed;
}

/* What a big process does is seen by the next scan, which need not be a whole interval away. */
static bool is_wanted(const struct place_process *process, void *data)
{
	struct cycle *cycle = data;

	if (process->have_usage && !process->knows_busy &&
	    process->resident_bytes >= (uint64_t)cycle->settings->big_mib << 20)
		cycle->is_new = true;
	return control_wants(cycle->lists, cycle->settings, process);
}

static int begin_watch(struct cycle *cycle)
{
	const struct place_watch_ops ops = {
		.is_wanted = is_wanted,
		.with_usage = cycle->settings->scan_all,
		.data = cycle,
	};

	return place_watch_init(&cycle->watch, &cycle->host->root, &cycle->host->topology, &ops);
}

static int begin_anew(struct cycle *cycle)
{
	int r;

	looks_done(&cycle->looks);
	wide_done(&cycle->wide);
	place_watch_done(&cycle->watch);
	r = place_host_read_topology(cycle->host, false);
	if (r == 0)
		r = begin_watch(cycle);
	if (r == 0)
		r = advice_resize(&cycle->advice);
	if (r == 0)
		r = cycle_scratch_resize(cycle);
	if (r == 0)
		r = risks_resize(&cycle->risks, cycle->host->topology.n_nodes);
	cycle_tell_rescan(&cycle->host->topology);
	return r;
}

static void count_turn(struct cycle *cycle)
{
	const uint64_t now = now_ns(cycle);

	if (now > QUICK_FOR_NS && cycle->quick_ns < now - QUICK_FOR_NS)
		cycle->quick_ns = now - QUICK_FOR_NS;
	if (cycle->n_turns++ && now < cycle->turned_ns + QUICK_BELOW_NS)
		cycle->quick_ns += QUICK_TURN_NS;
	/* Moves that end ask for turns as well: what they owe is paid back some day. */
	if (cycle->quick_ns > now + QUICK_FOR_NS)
		cycle->quick_ns = now + QUICK_FOR_NS;
	cycle->turned_ns = now;
}

/* How soon a turn may be that is wanted so soon. */
static uint64_t soon_us(struct cycle *cycle, uint64_t us)
{
	const bool is_spent = cycle->quick_ns + QUICK_TURN_NS > now_ns(cycle);

	return is_spent && us < LEARNING_US ? LEARNING_US : us;
}

static void set_next_turn(struct cycle *cycle)
{
	const uint64_t s =
		cycle->is_quick ? cycle->settings->interval_min_s : cycle->settings->interval_max_s;

	turn_in(cycle, cycle->is_hurried  ? soon_us(cycle, AFTER_MOVE_US) :
		       cycle->is_new	  ? soon_us(cycle, NEW_US) :
		       cycle->is_crowded  ? soon_us(cycle, CROWD_US) :
		       cycle->is_learning ? LEARNING_US :
					    s * 1000000);
}

/* New guests are worth a few early turns: until it is known what they do, or they are idle. */
static bool is_unknown_since(const struct cycle *cycle, uint64_t ns)
{
	for (size_t i = 0; i < cycle->watch.n; i++)
		if (cycle->plan.fates[i] == PLACE_FATE_UNKNOWN &&
		    cycle->refreshed_ns < cycle->memories[i].seen_ns + ns)
			return true;
	return false;
}

/* What was found of guests by their place in the watch is not of those that are there now. */
static void decide_nothing(struct cycle *cycle)
{
	cycle->plan.n_steps = 0;
	cycle->risks.n = 0;
	cycle->is_decided = false;
}

static void decide_and_tell(struct cycle *cycle)
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
	for (size_t i = 0; i < cycle->watch.n; i++) {
		cycle_find_evidence(cycle, i);
		cycle_find_wide_evidence(cycle, i);
	}
	mark(cycle);
	cycle_look_closer(cycle);
	plan(cycle);
	cycle_tell_turn(cycle);
	cycle_tell_risks(cycle);
	cycle->is_new = cycle->is_new || is_unknown_since(cycle, NEW_FOR_NS);
	cycle_act(cycle);
	cycle_act_wide(cycle);
	cycle->is_decided = true;
	cycle->is_learning = moves_n_running(&cycle->moves) > 0 ||
			     moves_mends_soon(&cycle->moves) ||
			     is_unknown_since(cycle, LEARN_FOR_NS);
	cycle->is_quick = cycle->plan.n_steps || cycle->looks.n_asked;
}

void cycle_turn(struct cycle *cycle)
{
	count_turn(cycle);
	cycle->is_stale = has_host_changed(cycle) || cycle->is_stale;
	if (cycle->is_stale && begin_anew(cycle) < 0) {
		cycle_tell_trouble("the nodes changed and could not be read again");
		decide_nothing(cycle);
		turn_in(cycle, LEARNING_US);
		return;
	}
	cycle->is_stale = false;
	refresh(cycle);
	decide_and_tell(cycle);
	cycle_tell_host(cycle);
	(void)looks_start(&cycle->looks);
	set_next_turn(cycle);
}

/* Only ever brings the next turn nearer: orders in a row must not put it off. */
static void turn_soon(struct cycle *cycle, uint64_t us)
{
	uint64_t now_us, next_us;

	if (sd_event_now(cycle->event, CLOCK_MONOTONIC, &now_us) < 0 ||
	    sd_event_source_get_time(cycle->timer, &next_us) < 0 || next_us > now_us + us)
		turn_in(cycle, us);
}

void cycle_settings_changed(struct cycle *cycle)
{
	take_settings(cycle);
	moves_settings_changed(&cycle->moves);
	turn_soon(cycle, (uint64_t)cycle->settings->interval_min_s * 1000000);
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
	if (now_ns(cycle) - cycle->refreshed_ns < FRESH_NS && cycle->is_decided)
		return;
	refresh(cycle);
	decide_and_tell(cycle);
	(void)looks_start(&cycle->looks);
}

/* ---- questions ---------------------------------------------------------------------------- */

static void answer_waiting(struct cycle *cycle, const char *note)
{
	(void)sd_event_source_set_enabled(cycle->patience, SD_EVENT_OFF);
	cycle->has_refresh_pending = false;
	compose(cycle);
	advice_answer_all(&cycle->advice, note);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	answer_waiting(data,
		       "a new guest could not be looked at in time: its memory is not counted");
	return 0;
}

/* All that were read meanwhile are answered together. */
static int on_gathered(sd_event_source *source, void *userdata)
{
	struct cycle *cycle = userdata;

	(void)source;
	if (cycle->has_refresh_pending)
		return 0;
	if (now_ns(cycle) - cycle->refreshed_ns >= FRESH_NS)
		refresh(cycle);
	if (!looks_start(&cycle->looks)) {
		answer_waiting(cycle, NULL);
		return 0;
	}
	cycle->has_refresh_pending = true;
	(void)sd_event_source_set_time_relative(cycle->patience, PATIENCE_US);
	(void)sd_event_source_set_enabled(cycle->patience, SD_EVENT_ONESHOT);
	return 0;
}

void cycle_ask(struct cycle *cycle, struct serve_ask *ask)
{
	advice_park(&cycle->advice, ask);
	if (!cycle->has_refresh_pending)
		(void)sd_event_source_set_enabled(cycle->gathering, SD_EVENT_ONESHOT);
}

/* ---- jobs --------------------------------------------------------------------------------- */

static void on_look(struct place_look *look, void *data)
{
	struct cycle *cycle = data;

	control_mark(cycle->lists, cycle->settings, look);
	/* CPUs that we gave are nobody's choice; those that it had before may be. */
	if (moves_steers(&cycle->moves, look->guest.pid, look->guest.start_ns) &&
	    !moves_was_confined(&cycle->moves, look->guest.pid, look->guest.start_ns))
		look->traits &= ~(unsigned)PLACE_TRAIT_CONFINED;
}

static void on_move_end(int pid, uint64_t start_ns, void *data)
{
	struct cycle *cycle = data;

	for (size_t i = 0; i < cycle->n_memories; i++)
		if (cycle->memories[i].pid == pid && cycle->memories[i].start_ns == start_ns) {
			cycle->memories[i].held_until_ns =
				now_ns(cycle) + cycle->settings->holdoff_s * NS_PER_S;
			/* Its nodes may be others now. */
			cycle->memories[i].is_look_due = true;
		}
	turn_in(cycle, AFTER_MOVE_US);
}

static void on_moves_ready(void *data)
{
	struct cycle *cycle = data;

	if (cycle->plan.n_steps)
		turn_in(cycle, 0);
}

/*
 * New guests are known now: who waited for them gets his answer, and they are decided upon. Who
 * was looked at was read with it. The others are read again only where the picture is old: a crowd
 * is many jobs (1000 guests that are looked at again: 63), and what a refresh costs is all guests.
 */
static void on_looks_done(void *data)
{
	struct cycle *cycle = data;

	if (now_ns(cycle) - cycle->refreshed_ns >= OLD_NS)
		refresh(cycle);
	compose(cycle);
	if (cycle->has_refresh_pending && !cycle->looks.look_job)
		answer_waiting(cycle, NULL);
	/* Who is new now need not wait for the next refresh to be known. */
	place_watch_begin(&cycle->watch, now_ns(cycle));
	decide_and_tell(cycle);
	(void)looks_start(&cycle->looks);
	if (cycle->is_hurried || cycle->is_new || cycle->is_learning)
		turn_soon(cycle, cycle->is_hurried ? soon_us(cycle, AFTER_MOVE_US) :
				 cycle->is_new	   ? soon_us(cycle, NEW_US) :
						     LEARNING_US);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	cycle_turn(data);
	return 0;
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
		.looks = { .event = event,
			   .host = host,
			   .watch = &cycle->watch,
			   .on_look = on_look,
			   .on_done = on_looks_done,
			   .data = cycle },
	};
	take_settings(cycle);
	r = begin_watch(cycle);
	if (r == 0)
		r = cycle_scratch_resize(cycle);
	if (r == 0)
		r = risks_resize(&cycle->risks, cycle->host->topology.n_nodes);
	if (r == 0)
		r = moves_init(event, host, &cycle->watch, settings, is_dry_run, &cycle->moves);
	cycle->moves.on_end = on_move_end;
	cycle->moves.on_ready = on_moves_ready;
	cycle->moves.data = cycle;
	if (r == 0)
		r = advice_init(host, &cycle->sample, &cycle->policy, host->root.is_live,
				&cycle->advice);
	if (r == 0)
		r = sd_event_add_time_relative(event, &cycle->timer, CLOCK_MONOTONIC, 0, 0,
					       on_timer, cycle);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &cycle->patience, CLOCK_MONOTONIC, 0, 1000,
					       on_patience, cycle);
	if (r >= 0)
		r = sd_event_source_set_enabled(cycle->patience, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(event, &cycle->gathering, on_gathered, cycle);
	if (r >= 0)
		r = sd_event_source_set_enabled(cycle->gathering, SD_EVENT_OFF);
	if (r < 0)
		cycle_done(cycle);
	return r < 0 ? r : 0;
}

void cycle_done(struct cycle *cycle)
{
	numad_tables_cancel();
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
