/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of cycle*.c share; others include cycle.h. */
#pragma once

#include "cycle.h"
#include "decide/model.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* A picture as young as this answers questions: of 400 at once the first pays for all. */
#define CYCLE_FRESH_NS (100 * NS_PER_MS)
/*
 * So fast it is learned what a new guest does, and for how long this is tried; also how soon one is
 * decided upon that has migrated.
 */
#define CYCLE_LEARNING_US 1000000
#define CYCLE_LEARN_FOR_NS (10 * NS_PER_S)
/* For so long it is new. */
#define CYCLE_NEW_FOR_NS NS_PER_S
/* After a move there may be room for the next. */
#define CYCLE_AFTER_MOVE_US 100000

uint64_t cycle_now_ns(struct cycle *cycle);

/* Puts the picture together. What it points to belongs to the host and the watch. */
void cycle_compose(struct cycle *cycle);

/*
 * The first tier in one burst. Guests before nodes: what is touched in between counts twice, which
 * errs on the safe side.
 */
void cycle_refresh(struct cycle *cycle);

/* Decides upon the picture, tells what is new, and does it. */
void cycle_decide_and_tell(struct cycle *cycle);

/* Whether nodes or CPUs came or went since the last time. */
bool cycle_has_host_changed(struct cycle *cycle);

/* Watches guests of the topology as it is. Returns: 0 or -errno. */
int cycle_begin_watch(struct cycle *cycle);

/* The same again, with everything that is counted by node. Returns: 0 or -errno. */
int cycle_begin_anew(struct cycle *cycle);

/* The next turn is in so long. */
void cycle_turn_in(struct cycle *cycle, uint64_t us);

/* Only ever brings the next turn nearer: orders in a row must not put it off. */
void cycle_turn_soon(struct cycle *cycle, uint64_t us);

/* The same, as soon as what happened between turns is worth. */
void cycle_turn_sooner(struct cycle *cycle);

/* A turn begins: it pays for being a quick one. */
void cycle_count_turn(struct cycle *cycle);

/* At once, as often as turns may be early. */
void cycle_turn_now(struct cycle *cycle);

/* After a turn: when the next one is. */
void cycle_set_next_turn(struct cycle *cycle);

/* Whether somebody who opened the program of guests may have become one by the next turn. */
bool cycle_is_opened(const struct cycle *cycle);

/* New guests are worth a few early turns: until it is known what they do, or they are idle. */
bool cycle_is_unknown_since(const struct cycle *cycle, uint64_t ns);

/* Answers all questions that wait, and says so where guests are known to be left out. */
void cycle_answer_waiting(struct cycle *cycle);
int cycle_on_patience(sd_event_source *source, uint64_t usec, void *cycle);
int cycle_on_gathered(sd_event_source *source, void *cycle);

/* A QEMU may have been started. */
void cycle_on_arrival(void *cycle);
/* A look came back: what only this daemon knows of the guest is added to it. */
void cycle_on_look(struct place_look *look, void *cycle);
void cycle_on_early_look(void *cycle);
void cycle_on_looks_done(void *cycle);
/* Looks at who was asked for. Returns: whether a look is under way. */
bool cycle_start_looks(struct cycle *cycle);
void cycle_on_move_end(int pid, uint64_t start_ns, enum mover_end end, void *cycle);
void cycle_on_moves_ready(void *cycle);

/* Who says how much of each guest's access is remote, into its activity. */
void cycle_find_all_evidence(struct cycle *cycle);

/* Asks for looks at guests again, and for samples of those whose group says too little. */
void cycle_look_closer(struct cycle *cycle);

/* It migrates, by its class or by what its mover saw: remembered until its class is another one. */
void cycle_begin_migration(const struct cycle *cycle, struct cycle_memory *memory);

/* Begins and ends of its migration: what was held against guest i, or known of it, ends with it. */
void cycle_follow_migration(struct cycle *cycle, size_t i);

/* How old a look at guest i may be because it migrates; UINT64_MAX where it does not. */
uint64_t cycle_migration_look_ns(const struct cycle *cycle, size_t i, uint64_t now);

/* How soon the next turn should be because somebody migrates, or just has. */
enum cycle_pace { CYCLE_PACE_ANY, CYCLE_PACE_QUICK, CYCLE_PACE_SECOND };
enum cycle_pace cycle_migration_pace(const struct cycle *cycle);

/* How long after a look at a guest of which nothing is expected the next one is. */
uint64_t cycle_look_again_ns(size_t n_guests);

/* Whether the CPUs of guest i may go with its memory. */
bool cycle_may_steer(const struct cycle *cycle, size_t i);
/* The move of that step did not begin: its CPUs go back, unless most of its memory is there. */
void cycle_keep_together(struct cycle *cycle, const struct place_step *step, size_t i);

/* Whether guest i may be given another node than the one that it is confined to. */
bool cycle_may_change_nodes(const struct cycle *cycle, size_t i);

/* Whether guest i is placed by its cells, and not by the plan. */
bool cycle_is_wide(struct cycle *cycle, size_t i);

/* What is remote of a guest that is placed by its cells, into its activity. */
void cycle_find_wide_evidence(struct cycle *cycle, size_t i);

/* Looks at the cells of wide guests, and moves them. */
void cycle_act_wide(struct cycle *cycle);

/*
 * The host as it would be without guest i (place_model_build_without()), with the promises of now;
 * its nodes are the scratch's. Returns: 0 or -errno.
 */
int cycle_model_without(struct cycle *cycle, size_t i, struct place_model *ret_model);

/*
 * What must stay free on a node for others than guest i: its reserve, and what was promised of it;
 * of that clean page cache will give some, where the guest makes room for somebody.
 */
uint64_t cycle_reserve_on(void *cycle, size_t i, unsigned node, enum place_cause cause);

/*
 * Finds who may come to harm, beside what was promised. *ret_model and *ret_input are of this turn,
 * and its model of the advice's nodes, up to the next question. Returns: 0 or -errno: nobody is
 * said to be at risk.
 */
int cycle_find_risks(struct cycle *cycle, const struct place_ledger *ledger,
		     struct place_model *ret_model, struct place_pressure_input *ret_input);

/* A risk_memory_of(), of what turns remember. */
struct risk_memory *cycle_risk_memory(size_t i, void *cycle);

/* Who takes memory these moments, before the plan. */
void cycle_find_growing(struct cycle *cycle);

/*
 * Who makes room for them: fills cycle->relief, and marks whom it moves for the plan, with what
 * that brings to nodes; and tells moves under way whether they must hurry, or are not needed any
 * more.
 */
void cycle_find_relief(struct cycle *cycle, const struct place_plan_input *plan,
		       const struct place_pressure_input *pressure);

/*
 * After the plan: what of it would bring somebody into danger is taken out, those who make room get
 * their verdicts, and for locality alone nobody makes room beside the plan.
 */
void cycle_settle_relief(struct cycle *cycle, const struct place_plan_input *plan,
			 const struct place_pressure_input *pressure);

/* Does it, where this host may be moved on. */
void cycle_relieve(struct cycle *cycle);

/*
 * What moves under way will still bring to nodes is no room for answers: taken off the picture's
 * nodes, and given back.
 */
void cycle_hide_coming(struct cycle *cycle);
void cycle_show_coming(struct cycle *cycle);

/* Does what the plan says, where this host may be moved on. */
void cycle_act(struct cycle *cycle);
