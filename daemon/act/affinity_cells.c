/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/affinity_cells.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "act/affinity.h"
#include "host/cleanup.h"
#include "observe/cells.h"
#include "observe/facts.h"
#include "observe/procstat.h"

/* So many names are read at a taking back: threads beyond that came since, and are no vCPUs. */
#define NAMES_MAX (2 * AFFINITY_THREADS_MAX)

struct cell {
	bool is_held, changes;
	struct intent held, intent; /* as it was, and as it will be */
	struct place_set seen;	    /* of the first thread that has not what we gave */
	unsigned n_threads, n_learned;
};

struct thread {
	int tid;
	struct cell *cell;
};

struct walk {
	struct act *act;
	const struct place_root *root;
	struct place_text *text;
	int pid;
	struct place_set online;
	struct cell *cells;
	size_t n_cells;
	struct thread *threads;
	size_t n_threads, n_walked;
};

/* The index of a vCPU's thread, or -1. */
static int read_vcpu(const struct place_root *root, struct place_text *text, int pid, unsigned tid)
{
	if (place_root_readf(root, text, "proc/%d/task/%u/comm", pid, tid) < 0)
		return -1;
	return place_cells_vcpu(text->data);
}

static int each_thread(const struct place_root *root, int pid, int (*visit)(unsigned, void *),
		       void *data)
{
	char path[32];
	int r;

	snprintf(path, sizeof(path), "proc/%d/task", pid);
	r = place_root_each_id(root, path, "", visit, data);
	return r == -ENOENT ? -ESRCH : r;
}

/* ---- giving -------------------------------------------------------------------------------- */

static struct cell *find_cell(const struct walk *walk, unsigned vcpu)
{
	for (size_t i = 0; i < walk->n_cells; i++)
		if (place_set_has(&walk->cells[i].intent.vcpus, vcpu))
			return &walk->cells[i];
	return NULL;
}

/* Of a cell's threads some may have what we gave, and some what they had before. */
static int learn(const struct walk *walk, struct cell *cell, const struct place_set *cpus)
{
	cell->n_threads++;
	if (cell->is_held && affinity_is_same(cpus, &cell->held.given, &walk->online))
		return 0;
	if (!cell->n_learned++)
		cell->seen = *cpus;
	return affinity_is_same(cpus, &cell->seen, &walk->online) ? 0 : -EBUSY;
}

static int visit(unsigned tid, void *data)
{
	struct walk *walk = data;
	struct place_set cpus;
	struct cell *cell;
	int vcpu;

	if (++walk->n_walked > AFFINITY_THREADS_MAX)
		return -E2BIG;
	vcpu = read_vcpu(walk->root, walk->text, walk->pid, tid);
	cell = vcpu < 0 ? NULL : find_cell(walk, (unsigned)vcpu);
	if (!cell || walk->act->ops->get_affinity(walk->act, (int)tid, &cpus) < 0)
		return 0;
	walk->threads[walk->n_threads++] = (struct thread){ .tid = (int)tid, .cell = cell };
	return learn(walk, cell, &cpus);
}

/* What its intent will be, and whether anything is to be done for it. */
static int plan(const struct walk *walk, struct cell *cell, const struct place_set *cpus)
{
	struct intent *intent = &cell->intent;

	if (!cell->n_threads)
		return 0;
	if (cell->is_held && cell->n_learned &&
	    !affinity_is_same(&cell->seen, &cell->held.before, &walk->online))
		return -EBUSY;
	intent->before = cell->is_held ? cell->held.before : cell->seen;
	if (!cell->is_held)
		affinity_complete(walk->root, walk->text, &walk->online, &intent->before);
	intent->given = intent->before;
	place_set_and(&intent->given, cpus);
	cell->changes = !affinity_is_same(cell->is_held ? &cell->held.given : &intent->before,
					  &intent->given, &walk->online) ||
			(cell->is_held && cell->n_learned);
	return place_set_is_empty(&intent->given) ? -EINVAL : 0;
}

/* Whoever has got other CPUs meanwhile keeps them. */
static int change(const struct walk *walk, const struct thread *thread,
		  const struct place_set *from, const struct place_set *to)
{
	struct place_set cpus;
	int r;

	if (walk->act->ops->get_affinity(walk->act, thread->tid, &cpus) < 0 ||
	    !affinity_is_same(&cpus, from, &walk->online))
		return 0;
	r = walk->act->ops->set_affinity(walk->act, thread->tid, to);
	return r == -ESRCH ? 0 : r;
}

/*
 * By way of what they had: a crash in between leaves no thread with what no line names. Where that
 * does not work the lines stay as they are.
 */
static int leave_held(const struct walk *walk)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < walk->n_threads; i++) {
		const struct thread *thread = &walk->threads[i];
		const struct cell *cell = thread->cell;

		if (cell->changes && cell->is_held &&
		    !place_set_equal(&cell->held.given, &cell->intent.given))
			r = change(walk, thread, &cell->held.given, &cell->held.before);
	}
	return r;
}

static int change_all(const struct walk *walk, bool is_undo)
{
	int r = 0;

	for (size_t i = 0; i < walk->n_threads && (r == 0 || is_undo); i++) {
		const struct thread *thread = &walk->threads[i];
		const struct intent *intent = &thread->cell->intent;

		if (thread->cell->changes)
			r = change(walk, thread, is_undo ? &intent->given : &intent->before,
				   is_undo ? &intent->before : &intent->given);
	}
	return r;
}

static int write_down(const struct walk *walk, struct intents *intents)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < walk->n_cells; i++)
		if (walk->cells[i].changes)
			r = intents_put(intents, &walk->cells[i].intent);
	return r == 0 ? intents_write(intents) : r;
}

static void undo(const struct walk *walk, struct intents *intents)
{
	(void)change_all(walk, true);
	for (size_t i = 0; i < walk->n_cells; i++)
		if (walk->cells[i].changes)
			intents_drop_vcpus(intents, INTENT_AFFINITY, walk->pid,
					   walk->cells[i].intent.start_ns,
					   &walk->cells[i].intent.vcpus);
	(void)intents_write(intents);
}

static int give(struct walk *walk, struct intents *intents)
{
	bool is_any = false;
	int r;

	for (size_t i = 0; i < walk->n_cells; i++)
		is_any = is_any || walk->cells[i].changes;
	if (!is_any)
		return 0;
	r = leave_held(walk);
	if (r < 0)
		return r;
	r = write_down(walk, intents);
	if (r == 0)
		r = change_all(walk, false);
	if (r < 0)
		undo(walk, intents);
	return r;
}

static void begin(struct cell *cell, const struct intents *intents, const struct intent *intent)
{
	const struct intent *held = intents_find_vcpus(intents, INTENT_AFFINITY, intent->pid,
						       intent->start_ns, &intent->vcpus);

	cell->intent = *intent;
	cell->is_held = held;
	if (held)
		cell->held = *held;
}

int affinity_give_cells(struct act *act, const struct place_root *root, struct place_text *text,
			struct intents *intents, int pid, uint64_t start_ns,
			const struct affinity_cell *cells, size_t n)
{
	_cleanup_free_ struct cell *list = calloc(n, sizeof(*list));
	_cleanup_free_ struct thread *threads = calloc(AFFINITY_THREADS_MAX, sizeof(*threads));
	struct walk walk = {
		.act = act,
		.root = root,
		.text = text,
		.pid = pid,
		.cells = list,
		.n_cells = n,
		.threads = threads,
	};
	struct intent intent = { .kind = INTENT_AFFINITY, .pid = pid, .start_ns = start_ns };
	int r;

	if (!list || !threads)
		return -ENOMEM;
	/* Who begins from here on may have been passed by: a start is known by the tick. */
	intent.seen.start_ns = act->ops->now_ns(act) - place_ticks_to_ns(1);
	for (size_t i = 0; i < n; i++) {
		intent.vcpus = *cells[i].vcpus;
		begin(&list[i], intents, &intent);
	}
	affinity_read_online(root, text, &walk.online);
	r = place_facts_check_start(root, text, pid, start_ns) < 0 ? -ESRCH : 0;
	if (r == 0)
		r = each_thread(root, pid, visit, &walk);
	if (r == 0 && !walk.n_threads)
		r = -ENOENT;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = plan(&walk, &list[i], cells[i].cpus);
	return r < 0 ? r : give(&walk, intents);
}

/* ---- taking back --------------------------------------------------------------------------- */

struct taking {
	struct act *act;
	const struct place_root *root;
	struct place_text *text;
	int pid;
	struct place_set online;
	const struct intent *cells[PLACE_CELLS_MAX];
	size_t n, n_names;
};

static bool is_cell(const struct intent *intent, int pid, uint64_t start_ns)
{
	return intent->kind == INTENT_AFFINITY && intent->pid == pid &&
	       intent->start_ns == start_ns && !place_set_is_empty(&intent->vcpus);
}

/* The intent that gave these CPUs, to this vCPU (-1: to any). */
static const struct intent *find_giver(const struct taking *taking, const struct place_set *cpus,
				       int vcpu)
{
	for (size_t i = 0; i < taking->n; i++)
		if ((vcpu < 0 || place_set_has(&taking->cells[i]->vcpus, (unsigned)vcpu)) &&
		    affinity_is_same(&taking->cells[i]->given, cpus, &taking->online))
			return taking->cells[i];
	return NULL;
}

/* Names are what costs: they are read only of those that have what we gave. */
static int take_from(unsigned tid, void *data)
{
	struct taking *taking = data;
	const struct intent *giver;
	struct place_set cpus;
	int vcpu;

	if (taking->act->ops->get_affinity(taking->act, (int)tid, &cpus) < 0 ||
	    !find_giver(taking, &cpus, -1))
		return 0;
	if (++taking->n_names > NAMES_MAX)
		return -E2BIG;
	vcpu = read_vcpu(taking->root, taking->text, taking->pid, tid);
	giver = vcpu < 0 ? NULL : find_giver(taking, &cpus, vcpu);
	if (giver)
		(void)taking->act->ops->set_affinity(taking->act, (int)tid, &giver->before);
	return 0;
}

static void find_cells(struct taking *taking, const struct intents *intents, uint64_t start_ns)
{
	taking->n = 0;
	for (size_t i = 0; i < intents->n && taking->n < PLACE_CELLS_MAX; i++)
		if (is_cell(&intents->list[i], taking->pid, start_ns))
			taking->cells[taking->n++] = &intents->list[i];
}

/* From behind, so that none of them is moved before it is its turn. */
static void drop_cells(struct taking *taking, struct intents *intents)
{
	while (taking->n)
		intents->list[taking->cells[--taking->n] - intents->list] =
			intents->list[--intents->n];
}

void affinity_take_back_cells(struct act *act, const struct place_root *root,
			      struct place_text *text, struct intents *intents, int pid,
			      uint64_t start_ns)
{
	struct taking taking = { .act = act, .root = root, .text = text, .pid = pid };

	affinity_read_online(root, text, &taking.online);
	find_cells(&taking, intents, start_ns);
	/* Once, unless the file from an earlier daemon has more of them than a guest can have. */
	while (taking.n) {
		taking.n_names = 0;
		if (place_facts_check_start(root, text, pid, start_ns) == 0)
			(void)each_thread(root, pid, take_from, &taking);
		drop_cells(&taking, intents);
		find_cells(&taking, intents, start_ns);
	}
}
