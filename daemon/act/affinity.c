/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/affinity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "act/affinity_cells.h"
#include "observe/cells.h"
#include "observe/procstat.h"

/* One way through all threads of a process: what they may use now, or from one set to another. */
struct walk {
	struct act *act;
	const struct place_root *root;
	struct place_text *text;
	int pid;
	uint64_t start_ns;
	bool is_guest;
	const struct place_set *from; /* threads with this set only; NULL: learn it */
	const struct place_set *to;   /* NULL: only look */
	struct place_set seen;	      /* of the first thread */
	struct place_set online;      /* CPUs; empty: not known */
	unsigned n_threads, n_changed;
	unsigned n_walked, n_named; /* threads met, and those whose name was read */
	int r;			    /* of what could not be changed */
};

/*
 * A process that starts threads faster than they are read has no last one, and this is the loop. It
 * had no more than AFFINITY_THREADS_MAX when it was given CPUs.
 */
#define WALK_MOST (8 * AFFINITY_THREADS_MAX)
#define NAMES_MOST (2 * AFFINITY_THREADS_MAX)

/* Returns: 1, 0, or -E2BIG after too many of them. Of what is no guest all threads count as one. */
static int is_vcpu(struct walk *walk, unsigned tid)
{
	if (++walk->n_named > NAMES_MOST)
		return -E2BIG;
	if (!walk->is_guest)
		return true;
	if (place_root_readf(walk->root, walk->text, "proc/%d/task/%u/comm", walk->pid, tid) < 0)
		return false;
	walk->text->data[strcspn(walk->text->data, "\n")] = '\0';
	return place_comm_is_vcpu(walk->text->data);
}

void affinity_read_online(const struct place_root *root, struct place_text *text,
			  struct place_set *ret_online)
{
	if (place_root_read(root, text, "sys/devices/system/cpu/online") < 0 ||
	    place_set_parse_list(text->data, ret_online) < 0)
		place_set_clear(ret_online);
}

void affinity_complete(const struct place_root *root, struct place_text *text,
		       const struct place_set *online, struct place_set *cpus)
{
	struct place_set possible;

	if (!place_set_is_empty(online) && place_set_equal(cpus, online) &&
	    place_root_read(root, text, "sys/devices/system/cpu/possible") == 0 &&
	    place_set_parse_list(text->data, &possible) == 0)
		place_set_or(cpus, &possible);
}

bool affinity_is_same(const struct place_set *a, const struct place_set *b,
		      const struct place_set *online)
{
	struct place_set a_online = *a, b_online = *b;

	place_set_and(&a_online, online);
	place_set_and(&b_online, online);
	return place_set_equal(a, b) ||
	       (!place_set_is_empty(&a_online) && place_set_equal(&a_online, &b_online));
}

static int learn_one(struct walk *walk, const struct place_set *cpus)
{
	if (walk->n_threads == 1)
		walk->seen = *cpus;
	return affinity_is_same(cpus, &walk->seen, &walk->online) ? 0 : -EBUSY;
}

/* A name is a file to be read, affinities are not: few are compared with success. */
static int visit(unsigned tid, void *data)
{
	struct walk *walk = data;
	struct place_set cpus;
	int r;

	/* Whoever looks only may turn away; what was given is taken back from all. */
	if (++walk->n_walked > (walk->to ? WALK_MOST : AFFINITY_THREADS_MAX))
		return -E2BIG;
	if (walk->act->ops->get_affinity(walk->act, (int)tid, &cpus) < 0)
		return 0; /* the thread has ended */
	if (walk->to && !affinity_is_same(&cpus, walk->from, &walk->online))
		return 0;
	r = is_vcpu(walk, tid);
	if (r <= 0)
		return r;
	walk->n_threads++;
	if (!walk->to)
		return learn_one(walk, &cpus);
	r = walk->act->ops->set_affinity(walk->act, (int)tid, walk->to);
	if (r == 0)
		walk->n_changed++;
	else if (r != -ESRCH)
		walk->r = r;
	return 0;
}

/* Whoever has the pid now may be another process. Returns: 0 or -ESRCH. */
static int read_process(const struct walk *walk, struct place_procstat *stat)
{
	if (place_root_readf(walk->root, walk->text, "proc/%d/stat", walk->pid) < 0 ||
	    place_procstat_parse(walk->text->data, stat) < 0 ||
	    place_ticks_to_ns(stat->start_ticks) != walk->start_ns)
		return -ESRCH;
	return 0;
}

static int walk_threads(struct walk *walk)
{
	struct place_procstat stat;
	char path[32];
	int r = read_process(walk, &stat);

	if (r < 0)
		return r;
	if (!walk->to && stat.n_threads > AFFINITY_THREADS_MAX)
		return -E2BIG;
	affinity_read_online(walk->root, walk->text, &walk->online);
	snprintf(path, sizeof(path), "proc/%d/task", walk->pid);
	r = place_root_each_id(walk->root, path, "", visit, walk);
	return r == -ENOENT ? -ESRCH : r;
}

/* What all of its threads may use now: walk->seen. */
static int learn(struct walk *walk)
{
	const int r = walk_threads(walk);

	return r == 0 && !walk->n_threads ? -ENOENT : r;
}

/* Whoever has exactly `from` gets `to`. `of` says whose threads. Returns: how many, or -errno. */
static int change(const struct walk *of, const struct place_set *from, const struct place_set *to)
{
	struct walk walk = *of;
	int r;

	walk.from = from;
	walk.to = to;
	walk.n_threads = walk.n_changed = walk.n_walked = walk.n_named = 0;
	r = walk_threads(&walk);
	if (r == 0)
		r = walk.r;
	return r < 0 ? r : (int)walk.n_changed;
}

/* What of `cpus` a guest gets that has walk->seen now, and had intent->before without us. */
static int choose(const struct walk *walk, const struct intent *held, const struct place_set *cpus,
		  struct intent *intent)
{
	if (held && !affinity_is_same(&walk->seen, &held->given, &walk->online))
		return -EBUSY;
	intent->before = held ? held->before : walk->seen;
	if (!held)
		affinity_complete(walk->root, walk->text, &walk->online, &intent->before);
	/* Of what is outside their cpuset the kernel gives nothing. */
	intent->given = intent->before;
	place_set_and(&intent->given, cpus);
	return place_set_is_empty(&intent->given) ? -EINVAL : 0;
}

/* All of them have what they had before us. So they have where they cannot get anything else. */
static int give(const struct walk *walk, struct intents *intents, const struct intent *intent)
{
	int r = intents_put(intents, intent);

	if (r == 0)
		r = intents_write(intents);
	if (r == 0)
		r = change(walk, &intent->before, &intent->given);
	if (r > 0)
		return 0;
	(void)change(walk, &intent->given, &intent->before);
	intents_drop(intents, INTENT_AFFINITY, intent->pid, intent->start_ns);
	(void)intents_write(intents);
	/* None had it any more: somebody was quicker. */
	return r == 0 ? -EBUSY : r;
}

/*
 * By way of what they had: a crash in between leaves no thread with what no line names. Where that
 * does not work the line stays as it is.
 */
static int give_others(const struct walk *walk, struct intents *intents, const struct intent *held,
		       const struct intent *intent)
{
	const struct intent old = *held;
	int r = change(walk, &old.given, &old.before);

	if (r < 0)
		return r;
	r = give(walk, intents, intent);
	if (r < 0)
		(void)give(walk, intents, &old);
	return r;
}

int affinity_give(struct act *act, const struct place_root *root, struct place_text *text,
		  struct intents *intents, int pid, uint64_t start_ns, bool is_guest,
		  const struct place_set *cpus)
{
	struct walk walk = {
		.act = act,
		.root = root,
		.text = text,
		.pid = pid,
		.start_ns = start_ns,
		.is_guest = is_guest,
	};
	const struct intent *held = intents_find(intents, INTENT_AFFINITY, pid, start_ns);
	struct intent intent = { .kind = INTENT_AFFINITY, .pid = pid, .start_ns = start_ns };
	int r;

	/* Who begins from here on may have been passed by: a start is known by the tick. */
	intent.seen.start_ns = act->ops->now_ns(act) - place_ticks_to_ns(1);
	r = learn(&walk);
	if (r == 0)
		r = choose(&walk, held, cpus, &intent);
	if (r < 0 || affinity_is_same(&walk.seen, &intent.given, &walk.online))
		return r;
	return held ? give_others(&walk, intents, held, &intent) : give(&walk, intents, &intent);
}

/* Whether a thread of that name is a vCPU, and one of these (NULL: any). */
static bool is_meant(const struct place_set *vcpus, const char *comm)
{
	const int vcpu = vcpus ? place_cells_vcpu(comm) : -1;

	return vcpus ? vcpu >= 0 && place_set_has(vcpus, (unsigned)vcpu) : place_comm_is_vcpu(comm);
}

int affinity_follow(struct act *act, const struct place_root *root, struct place_text *text,
		    struct intent *intent, bool is_guest, const struct place_thread *thread)
{
	struct place_procstat stat;
	struct place_set cpus, online;
	int r;

	intent->seen = *thread;
	if (place_root_readf(root, text, "proc/%d/task/%d/stat", intent->pid, thread->tid) < 0 ||
	    place_procstat_parse(text->data, &stat) < 0 ||
	    place_ticks_to_ns(stat.start_ticks) != thread->start_ns)
		return -ESRCH;
	if (is_guest &&
	    !is_meant(place_set_is_empty(&intent->vcpus) ? NULL : &intent->vcpus, stat.comm))
		return 0;
	r = act->ops->get_affinity(act, thread->tid, &cpus);
	if (r < 0)
		return r;
	affinity_read_online(root, text, &online);
	if (!affinity_is_same(&cpus, &intent->before, &online))
		return 0;
	r = act->ops->set_affinity(act, thread->tid, &intent->given);
	return r < 0 ? r : 1;
}

/* Returns: -EEXIST at the first one, so that no more names are read. */
static int find_vcpu(unsigned tid, void *data)
{
	const int r = is_vcpu(data, tid);

	return r > 0 ? -EEXIST : r;
}

/* Whether it is a guest, which an intent that an earlier daemon left does not tell. */
static bool has_vcpu(const struct walk *of)
{
	struct walk walk = *of;
	char path[32];

	walk.is_guest = true;
	snprintf(path, sizeof(path), "proc/%d/task", walk.pid);
	return place_root_each_id(walk.root, path, "", find_vcpu, &walk) == -EEXIST;
}

void affinity_take_back(struct act *act, const struct place_root *root, struct place_text *text,
			struct intents *intents, int pid, uint64_t start_ns)
{
	struct walk all = {
		.act = act,
		.root = root,
		.text = text,
		.pid = pid,
		.start_ns = start_ns,
	};
	const struct intent *held;

	affinity_take_back_cells(act, root, text, intents, pid, start_ns);
	held = intents_find(intents, INTENT_AFFINITY, pid, start_ns);
	if (!held)
		return;
	/* What another thread of a guest has, somebody gave it: be it a whole node, too. */
	all.is_guest = has_vcpu(&all);
	(void)change(&all, &held->given, &held->before);
	intents_drop(intents, INTENT_AFFINITY, pid, start_ns);
}
