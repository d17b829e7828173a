/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What looks and moves bring, some turns after they were begun. */
#include "act/act.h"
#include "arith.h"
#include "cycle_parts.h"

/* Older than this nothing is decided upon. */
#define OLD_NS NS_PER_S
/* Any longer hold-off is beyond what act_outcome_back_off_ns() says. */
#define DENIED_DOUBLINGS_MAX 16

/*
 * It is there a moment after its file was opened, or seconds: execve() reads that file first, and a
 * host that is short of memory has dropped it (cycle_is_opened()).
 */
void cycle_on_arrival(void *data)
{
	struct cycle *cycle = data;

	cycle->is_new = true;
	cycle->opened_ns = cycle_now_ns(cycle);
	cycle_turn_sooner(cycle);
}

void cycle_on_look(struct place_look *look, void *data)
{
	struct cycle *cycle = data;

	control_mark(cycle->lists, cycle->settings, look);
	/* CPUs that we gave are nobody's choice; those that it had before may be. */
	if (moves_steers(&cycle->moves, look->guest.pid, look->guest.start_ns) &&
	    moves_has_given(&cycle->moves, look->guest.pid, look->guest.start_ns,
			    &look->vcpu_cpus) &&
	    !moves_was_confined(&cycle->moves, look->guest.pid, look->guest.start_ns))
		look->traits &= ~(unsigned)PLACE_TRAIT_CONFINED;
}

/* It may be in danger: whoever could be warned is not to wait for the rest of it. */
void cycle_on_early_look(void *data)
{
	struct cycle *cycle = data;

	/* The watch has one more: what was decided is of the rows before. */
	cycle_compose(cycle);
	cycle->is_decided = false;
	cycle->is_new = true;
	cycle_turn_now(cycle);
}

/*
 * For how long a guest is left alone whose move has ended so. One that is refused is asked for less
 * and less often: one refusal may be a moment's matter, of another writer of the same group.
 */
static uint64_t hold_off_ns(const struct cycle *cycle, enum mover_end end, unsigned n_denied)
{
	const uint64_t least_ns = cycle->settings->holdoff_s * NS_PER_S;

	if (end == MOVER_FULL)
		return place_most(least_ns, act_outcome_back_off_ns(ACT_FULL));
	/* A tenth of the time at most goes to who holds a place for a minute in vain. */
	if (end == MOVER_SPARSE)
		return place_most(least_ns, act_outcome_back_off_ns(ACT_DENIED));
	if (n_denied <= 1)
		return least_ns;
	return place_most(least_ns,
			  place_least(least_ns << place_least(n_denied - 1, DENIED_DOUBLINGS_MAX),
				      act_outcome_back_off_ns(ACT_DENIED)));
}

static void remember_move(struct cycle *cycle, struct cycle_memory *memory, enum mover_end end)
{
	uint64_t held_until_ns;

	memory->n_denied = end == MOVER_DENIED ? memory->n_denied + 1 : 0;
	held_until_ns = cycle_now_ns(cycle) + hold_off_ns(cycle, end, memory->n_denied);
	memory->held_until_ns = held_until_ns;
	/* Many arrive in a minute: who went for one may go for the next. */
	memory->stuck_until_ns = end == MOVER_DONE ? 0 : held_until_ns;
	/* What holds who migrates is dropped when that is over, be it already. */
	if (end == MOVER_MIGRATING)
		cycle_begin_migration(cycle, memory);
	/* Its nodes may be others now. */
	memory->is_look_due = true;
	/* And samples of before say where its memory lay. */
	memory->sampled_ns = 0;
}

void cycle_on_move_end(int pid, uint64_t start_ns, enum mover_end end, void *data)
{
	struct cycle *cycle = data;

	for (size_t i = 0; i < cycle->n_memories; i++)
		if (cycle->memories[i].pid == pid && cycle->memories[i].start_ns == start_ns)
			remember_move(cycle, &cycle->memories[i], end);
	cycle_turn_in(cycle, CYCLE_AFTER_MOVE_US);
}

void cycle_on_moves_ready(void *data)
{
	struct cycle *cycle = data;

	if (cycle->plan.n_steps || cycle->relief.n_steps)
		cycle_turn_in(cycle, 0);
}

bool cycle_start_looks(struct cycle *cycle)
{
	const bool is_wanted = cycle->looks.n_asked && cycle->watch.n_found;
	const bool is_under_way = looks_start(&cycle->looks);

	cycle->is_blind = cycle->is_blind || (is_wanted && !is_under_way);
	return is_under_way;
}

/*
 * New guests are known now: who waited for them gets his answer, once nobody is left who found no
 * place in that job, and they are decided upon. Who was looked at was read with it. The others are
 * read again only where the picture is old, or somebody waits: a crowd is many jobs (1000 guests
 * that are looked at again: 63), and what a refresh costs is all guests.
 */
void cycle_on_looks_done(void *data)
{
	struct cycle *cycle = data;
	const bool is_awaited = cycle->has_refresh_pending && !cycle->looks.look_job;

	if ((is_awaited && cycle->is_crowded) ||
	    cycle_now_ns(cycle) - cycle->refreshed_ns >= OLD_NS)
		cycle_refresh(cycle);
	cycle_compose(cycle);
	if (is_awaited && !cycle_start_looks(cycle))
		cycle_answer_waiting(cycle);
	/* Who is new now need not wait for the next refresh to be known. */
	place_watch_begin(&cycle->watch, cycle_now_ns(cycle));
	cycle_decide_and_tell(cycle);
	(void)cycle_start_looks(cycle);
	cycle_turn_sooner(cycle);
}
