/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a job does with the groups of guests that change nodes, in a child since writing them may
 * wait for long; and the last thing that is done at a stop. What comes of it: moves_mems.c.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/relocate.h"
#include "child.h"
#include "moves_parts.h"
#include "observe/facts.h"
#include "observe/streams.h"

/* So long a stop waits for groups to be narrowed. What takes longer goes on without us. */
#define STOP_WAIT_MS 2000

unsigned moves_node_of(const struct place_set *set)
{
	return (unsigned)place_set_next(set, 0);
}

/* Its mover is at work, or was killed and has not come out of the kernel yet. */
static bool is_in_work(const struct moves *moves, const struct intent *intent)
{
	for (size_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &moves->list[i];

		if (move->pid == intent->pid && move->start_ns == intent->start_ns &&
		    (move->mover || (move->child && child_is_there(move->child))))
			return true;
	}
	return false;
}

bool moves_is_due(const struct moves *moves, const struct intent *intent)
{
	return (intent->kind == INTENT_MEMS || intent->kind == INTENT_NODES) && intent->is_due &&
	       !is_in_work(moves, intent);
}

/* libvirt's name of it: without one its CPUs stay. */
static bool find_cpus(const struct moves *moves, const struct intent *intent,
		      struct cgroup_cpus *cpus)
{
	const struct place_topology *topology = &moves->host->topology;
	const size_t from = place_topology_index(topology, moves_node_of(&intent->before));
	const size_t to = place_topology_index(topology, moves_node_of(&intent->given));
	const int i = place_watch_find(moves->watch, intent->pid);

	if (i < 0 || from == topology->n_nodes || to == topology->n_nodes ||
	    !(moves->watch->guests[i].known & PLACE_GUEST_NAME))
		return false;
	*cpus = (struct cgroup_cpus){
		.name = moves->watch->guests[i].name,
		.from = &topology->nodes[from].cpus,
		.to = &topology->nodes[to].cpus,
	};
	return true;
}

void moves_mems_find_cpus(const struct moves *moves, const struct place_step *step,
			  struct cgroup_cpus *cpus)
{
	const struct intent *intent =
		intents_find(&moves->intents, INTENT_MEMS, step->pid, step->start_ns);

	if (intent)
		(void)find_cpus(moves, intent, cpus);
}

/* Returns: 0 nothing is wide, or -errno. */
static int narrow(struct moves *moves, const struct intent *intent, unsigned from, unsigned to)
{
	enum relocate_state state, choice;
	int r, chosen;

	r = relocate_look(moves->act, intent->pid, from, to, &state);
	if (r < 0 || state != RELOCATE_WIDE)
		return r;
	chosen = moves_choose(moves, intent, &choice);
	r = relocate_mend(moves->act, intent->pid, from, to, choice);
	return r == -ENOSPC && chosen < 0 ? chosen : r;
}

static void mend_one(struct moves *moves, const struct intent *intent, struct mended *mended)
{
	const unsigned from = moves_node_of(&intent->before), to = moves_node_of(&intent->given);
	struct act *act = moves->act;
	struct cgroup_cpus cpus;
	int r;

	mended->state = RELOCATE_NONE;
	if (place_facts_check_start(&moves->host->root, &moves->host->text, intent->pid,
				    intent->start_ns) < 0)
		return;
	if (intent->kind == INTENT_MEMS)
		mended->r = narrow(moves, intent, from, to);
	r = relocate_look(act, intent->pid, from, to, &mended->state);
	if (r < 0)
		mended->r = r;
	if (mended->state != RELOCATE_FORWARD || mended->r < 0)
		return;
	if (!find_cpus(moves, intent, &cpus)) {
		mended->r = relocate_follow(act, intent->pid, from, to, NULL);
		return;
	}
	if (intent->kind == INTENT_MEMS)
		(void)relocate_cpus(act, intent->pid, &cpus);
	mended->r = relocate_follow(act, intent->pid, from, to, &cpus);
}

/* Its class may be of half a minute ago. */
static bool is_streaming(const struct moves *moves, const struct intent *intent)
{
	struct place_host *host = moves->host;
	struct place_streams streams = { 0 };
	const int r = place_streams_look(&host->root, &host->text, intent->pid,
					 place_host_now_ns(host), &streams);

	place_streams_done(&streams);
	return r > 0;
}

int moves_mend_all(void *data, FILE *out)
{
	struct moves *moves = data;

	for (size_t i = 0; i < moves->intents.n; i++) {
		const struct intent *intent = &moves->intents.list[i];
		struct mended mended = {
			.kind = intent->kind,
			.pid = intent->pid,
			.start_ns = intent->start_ns,
		};

		if (!moves_is_due(moves, intent))
			continue;
		if (intent->kind == INTENT_MEMS && is_streaming(moves, intent))
			mended.state = RELOCATE_WIDE;
		else
			mend_one(moves, intent, &mended);
		if (fwrite(&mended, sizeof(mended), 1, out) != 1 || fflush(out) != 0)
			return -EIO;
	}
	return 0;
}

/* ---- the stop ------------------------------------------------------------------------------ */

static void wait_for_end(pid_t pid, unsigned *left_ms)
{
	while (waitpid(pid, NULL, WNOHANG) == 0 && *left_ms) {
		usleep(10000);
		*left_ms -= *left_ms < 10 ? *left_ms : 10;
	}
}

static _Noreturn void mend_alone(struct moves *moves)
{
	const int kept = moves->host->root.fd;
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < 3; i++)
		(void)signal((int[]){ SIGHUP, SIGINT, SIGTERM }[i], SIG_IGN);
	/* Not the daemon's lock, nor its sockets. */
	child_close_between(STDERR_FILENO, kept);
	child_close_between(kept > STDERR_FILENO ? kept : STDERR_FILENO, INT_MAX);
	for (size_t i = 0; i < moves->intents.n; i++) {
		struct intent *intent = &moves->intents.list[i];
		struct mended mended = { .kind = intent->kind };

		/* Perhaps nobody comes who would try again. */
		intent->promised_bytes = 0;
		if (intent->kind == INTENT_MEMS)
			mend_one(moves, intent, &mended);
	}
	_exit(EXIT_SUCCESS);
}

/* The intents stay on disk: the next daemon looks at what came of it. */
void moves_mems_stop(struct moves *moves)
{
	unsigned left_ms = STOP_WAIT_MS;
	pid_t pid;

	if (!moves_has_to_mend(moves))
		return;
	/* They were killed; what they are writing now comes before what we write. */
	for (size_t i = 0; i < MOVES_MAX; i++)
		if (moves->list[i].child)
			wait_for_end(moves->list[i].child, &left_ms);
	if (moves->mend_child)
		wait_for_end(moves->mend_child, &left_ms);
	pid = fork();
	if (pid == 0)
		mend_alone(moves);
	if (pid > 0)
		wait_for_end(pid, &left_ms);
}
