/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that change nodes, before and after the mover: what is written down so that a crash leaves
 * no group wide, what mends those that one left, and what libvirt adds later on the old node.
 * Writing groups may wait for long (cpuset's lock, pages that a narrowing takes along), so it is
 * done in a job.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "child.h"
#include "moves_parts.h"
#include "observe/facts.h"
#include "tell/event.h"

/* A narrowing takes pages along at 0.25 to 4 GiB/s; whoever is killed is tried again. */
#define MEND_DEADLINE_MS 60000
/*
 * A child of a daemon that died may still be on its way out of a write when the next one looks:
 * what it left is looked at twice, so far apart.
 */
#define INHERITED_AGAIN_NS UINT64_C(5000000000)
/*
 * A vCPU's thread is there first, and libvirt makes a group for it a moment later, and gives it
 * CPUs: what is written before would be overwritten.
 */
#define NEWS_AFTER_NS UINT64_C(3000000000)
#define NEWS_FOR_NS UINT64_C(15000000000)
/* Mended in vain: again after so long, and each time after twice as long, up to half a minute. */
#define VAIN_AGAIN_NS UINT64_C(1000000000)
#define VAIN_DOUBLINGS_MAX 5
/* A process that the watch does not list is no guest any more, or one too many. */
#define UNKNOWN_FOR_NS UINT64_C(60000000000)
/* Threads that come and go in the same number between two turns are found this late. */
#define FOLLOW_AGAIN_NS UINT64_C(60000000000)

/* ---- before and after the mover ------------------------------------------------------------ */

int moves_mems_begin(struct moves *moves, const struct place_step *step)
{
	struct intent intent = {
		.kind = INTENT_MEMS,
		.pid = step->pid,
		.start_ns = step->start_ns,
	};
	int r;

	place_set_add(&intent.before, step->from_node);
	place_set_add(&intent.given, step->to_node);
	r = intents_put(&moves->intents, &intent);
	if (r == 0)
		r = intents_write(&moves->intents);
	if (r < 0)
		intents_drop(&moves->intents, INTENT_MEMS, step->pid, step->start_ns);
	return r;
}

/* From here on libvirt's record is wrong, until it is taken back to where that says. */
static int put_record(struct intents *intents, const struct intent *done)
{
	const struct intent *held = intents_find(intents, INTENT_NODES, done->pid, done->start_ns);
	struct intent record = *done;

	record.kind = INTENT_NODES;
	record.looked_ns = record.n_in_vain = 0;
	if (held)
		record.before = held->before;
	if (!place_set_equal(&record.before, &record.given))
		return intents_put(intents, &record);
	intents_drop(intents, INTENT_NODES, done->pid, done->start_ns);
	return 0;
}

/*
 * The groups are where they are to stay. What is lost where the record cannot be kept: vCPUs that
 * come later begin on the old node.
 */
static void end(struct moves *moves, int pid, uint64_t start_ns, enum relocate_state state)
{
	const struct intent *held = intents_find(&moves->intents, INTENT_MEMS, pid, start_ns);
	const struct intent done = held ? *held : (struct intent){ 0 };

	if (!held)
		return;
	intents_drop(&moves->intents, INTENT_MEMS, pid, start_ns);
	/* A look comes later, and what is decided before goes by where it is. */
	if (state == RELOCATE_FORWARD || state == RELOCATE_BACK)
		place_watch_set_mems(moves->watch, pid, start_ns,
				     state == RELOCATE_FORWARD ? &done.given : &done.before);
	if ((state == RELOCATE_FORWARD && put_record(&moves->intents, &done) < 0) ||
	    intents_write(&moves->intents) < 0)
		event(LOG_WARNING, EVENT_TROUBLE, KV_U64("pid", (uint64_t)pid),
		      KV("note", INTENT_PATH " cannot be written"));
}

void moves_mems_end(struct moves *moves, const struct move *move)
{
	const enum relocate_state state = move->report.mems;

	/* Wide, or a vCPU came meanwhile: for the job. */
	if (state != RELOCATE_WIDE && state != RELOCATE_FOREIGN)
		end(moves, move->pid, move->start_ns, state);
}

bool moves_is_mending(const struct moves *moves, int pid, uint64_t start_ns)
{
	return intents_find(&moves->intents, INTENT_MEMS, pid, start_ns) != NULL;
}

bool moves_has_to_mend(const struct moves *moves)
{
	for (size_t i = 0; i < moves->intents.n; i++)
		if (moves->intents.list[i].kind == INTENT_MEMS)
			return true;
	return false;
}

/* COUNT: whoever has that pid is not in the watch. */
static enum place_class class_of(const struct moves *moves, const struct intent *intent)
{
	const int i = place_watch_find(moves->watch, intent->pid);

	return i < 0 ? PLACE_CLASS_COUNT : moves->watch->classes[i];
}

/* Somebody said so, or its threads are about to go elsewhere. Unknown is not that. */
static bool is_left_alone(const struct moves *moves, const struct intent *intent)
{
	const enum place_class class = class_of(moves, intent);

	return class == PLACE_CLASS_EXCLUDED || class == PLACE_CLASS_MIGRATING;
}

static bool is_known(const struct moves *moves, const struct intent *intent)
{
	const int i = place_watch_find(moves->watch, intent->pid);

	return i >= 0 && moves->watch->guests[i].start_ns == intent->start_ns;
}

/* To narrow its groups takes pages along: that waits until it has migrated, or stays here. */
static bool is_migrating(const struct moves *moves, const struct intent *intent)
{
	return is_known(moves, intent) && class_of(moves, intent) == PLACE_CLASS_MIGRATING;
}

/* Of whom nothing is known yet it is not known either whether it migrates. */
static bool waits_to_be_known(struct moves *moves, struct intent *intent, uint64_t now_ns)
{
	if (is_known(moves, intent) ||
	    place_facts_check_start(&moves->host->root, &moves->host->text, intent->pid,
				    intent->start_ns) < 0)
		return false;
	if (!intent->unknown_ns)
		intent->unknown_ns = now_ns;
	return now_ns < intent->unknown_ns + UNKNOWN_FOR_NS;
}

bool moves_mends_soon(const struct moves *moves)
{
	for (size_t i = 0; i < moves->intents.n; i++) {
		const struct intent *intent = &moves->intents.list[i];

		if (intent->kind == INTENT_MEMS && intent->n_in_vain < VAIN_DOUBLINGS_MAX &&
		    is_known(moves, intent) && !is_migrating(moves, intent))
			return true;
	}
	return false;
}

/* ---- what comes of it ---------------------------------------------------------------------- */

static void take_mended(struct moves *moves, struct intent *intent, const struct mended *mended)
{
	const uint64_t now_ns = place_host_now_ns(moves->host);
	const enum relocate_state state = mended->state;

	/* -EBUSY: somebody else lives where libvirt added a thread, and that one stays. */
	if ((mended->r < 0 && mended->r != -EBUSY) || state == RELOCATE_WIDE) {
		if (!intent->is_told)
			event(LOG_WARNING, EVENT_TROUBLE, KV_U64("pid", (uint64_t)intent->pid),
			      KV("note", "its cpuset is wide and cannot be narrowed yet"),
			      KV("error", mended->r < 0 ? strerror(-mended->r) : NULL));
		intent->is_told = true;
		intent->looked_ns = now_ns;
		intent->n_in_vain++;
		return;
	}
	if (intent->is_inherited && state != RELOCATE_NONE &&
	    (!intent->clean_ns || now_ns < intent->clean_ns + INHERITED_AGAIN_NS)) {
		if (!intent->clean_ns)
			intent->clean_ns = now_ns;
		return;
	}
	event(LOG_NOTICE, EVENT_MOVE_FAILED, KV_U64("pid", (uint64_t)intent->pid),
	      KV("note", "what a move left of its cpuset is settled"),
	      KV("mems", relocate_state_word(state)));
	end(moves, intent->pid, intent->start_ns, state);
}

static void take_followed(struct moves *moves, struct intent *intent, const struct mended *mended)
{
	/* On its way to yet another node: what is seen of its groups is that move's. */
	if (moves_is_mending(moves, intent->pid, intent->start_ns))
		return;
	/* Where somebody else has a hand in it, it is looked at again after a while. */
	intent->is_due = mended->r < 0 && mended->r != -EBUSY;
	if (mended->state == RELOCATE_FORWARD) {
		if (mended->r > 0)
			event(LOG_INFO, EVENT_STEER, KV_U64("pid", (uint64_t)intent->pid),
			      KV_U64("to", moves_node_of(&intent->given)),
			      KV_U64("groups", (uint64_t)mended->r),
			      KV("note", "threads that libvirt added go where the others are"));
		return;
	}
	/* libvirt opens a group for a moment while it adds a vCPU. Or it could not be looked at. */
	if (mended->state == RELOCATE_WIDE)
		return;
	/* Gone; or an administrator gave it other nodes, and those stand. */
	intents_drop(&moves->intents, INTENT_NODES, intent->pid, intent->start_ns);
	(void)intents_write(&moves->intents);
}

/* At whom the job was held up waits longer each time; to whom it did not come is next. */
static void put_off(struct moves *moves)
{
	for (size_t i = 0; i < moves->intents.n; i++) {
		struct intent *intent = &moves->intents.list[i];

		if (!moves_is_due(moves, intent))
			continue;
		if (intent->kind == INTENT_MEMS)
			intent->n_in_vain++;
		intent->looked_ns = place_host_now_ns(moves->host);
		return;
	}
}

static void take_one(struct moves *moves, const struct mended *mended)
{
	struct intent *intent =
		intents_find(&moves->intents, mended->kind, mended->pid, mended->start_ns);

	if (!intent)
		return;
	intent->is_due = false;
	if (intent->kind == INTENT_MEMS)
		take_mended(moves, intent, mended);
	else
		take_followed(moves, intent, mended);
}

static void on_mended(void *data, int r, const void *bytes, size_t size)
{
	struct moves *moves = data;
	struct mended mended;

	if (r < 0)
		moves->mend_child = job_pid(moves->mend_job);
	moves->mend_job = NULL;
	for (size_t i = 0; (i + 1) * sizeof(mended) <= size; i++) {
		memcpy(&mended, (const char *)bytes + i * sizeof(mended), sizeof(mended));
		take_one(moves, &mended);
	}
	if (r == 0)
		return;
	put_off(moves);
	event(LOG_WARNING, EVENT_TROUBLE, KV("note", "cpusets could not be mended in time"),
	      KV("error", strerror(-r)));
}

/* ---- each turn ----------------------------------------------------------------------------- */

/* How many threads it has: what a folder says of itself. 0: it is gone. */
static unsigned count_threads(const struct moves *moves, int pid)
{
	struct stat stat;
	char path[32];
	int fd, r;

	snprintf(path, sizeof(path), "proc/%d/task", pid);
	fd = place_root_openat(&moves->host->root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return 0;
	r = fstat(fd, &stat);
	close(fd);
	return r < 0 ? 0 : (unsigned)stat.st_nlink;
}

static uint64_t vain_again_ns(unsigned n_in_vain)
{
	return VAIN_AGAIN_NS << (n_in_vain < VAIN_DOUBLINGS_MAX ? n_in_vain : VAIN_DOUBLINGS_MAX);
}

/* Turns may be further apart than its time: one look at least follows each thread that came. */
static bool is_news(const struct intent *intent, uint64_t now_ns)
{
	const uint64_t from_ns = intent->news_ns + NEWS_AFTER_NS;

	return now_ns >= from_ns &&
	       (now_ns < intent->news_ns + NEWS_FOR_NS || intent->looked_ns < from_ns);
}

/* Its groups are wide: when they are to be mended. */
static bool is_mending_due(struct moves *moves, struct intent *intent, uint64_t now_ns)
{
	return !is_migrating(moves, intent) && !waits_to_be_known(moves, intent, now_ns) &&
	       (!intent->n_in_vain ||
		now_ns >= intent->looked_ns + vain_again_ns(intent->n_in_vain));
}

/* It has another node than libvirt thinks: a thread that came, or a while that has gone by. */
static bool is_following_due(struct moves *moves, struct intent *intent, uint64_t now_ns)
{
	const unsigned n = count_threads(moves, intent->pid);

	if (n != intent->n_threads && intent->n_threads)
		intent->news_ns = now_ns;
	intent->n_threads = n;
	return is_news(intent, now_ns) || now_ns >= intent->looked_ns + FOLLOW_AGAIN_NS;
}

static void mark_due(struct moves *moves, struct intent *intent, uint64_t now_ns)
{
	if (intent->kind == INTENT_MEMS) {
		intent->is_due = is_mending_due(moves, intent, now_ns);
	} else if (moves_is_mending(moves, intent->pid, intent->start_ns)) {
		intent->is_due = false;
	} else if (intent->kind == INTENT_NODES && !is_left_alone(moves, intent) &&
		   is_following_due(moves, intent, now_ns)) {
		intent->looked_ns = now_ns;
		intent->is_due = true;
	}
}

void moves_mems_check(struct moves *moves)
{
	const uint64_t now_ns = place_host_now_ns(moves->host);
	bool is_any = false;

	/* What hangs in there holds the kernel's lock on all cpusets: others would wait for it. */
	if (moves->mend_job || (moves->mend_child && child_runs(moves->mend_child)))
		return;
	moves->mend_child = 0;
	for (size_t i = 0; i < moves->intents.n; i++) {
		mark_due(moves, &moves->intents.list[i], now_ns);
		is_any = is_any || moves_is_due(moves, &moves->intents.list[i]);
	}
	if (is_any && job_start(moves->event, moves_mend_all, on_mended, moves,
				moves->host->root.fd, MEND_DEADLINE_MS, &moves->mend_job) < 0)
		event(LOG_WARNING, EVENT_TROUBLE, KV("note", "no child for cpusets that are wide"));
}
