/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child per job, with a copy of what we know. It writes one record per order, in order, and
 * flushes each: when it hangs, the order behind the last record is the one it hangs at.
 */
#include "looks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "child.h"
#include "observe/look.h"
#include "observe/mounts.h"
#include "observe/pages.h"
#include "observe/residency.h"
#include "tell/event.h"

/* A look takes 1 ms, for a process of thousands of threads and files 30. */
#define LOOK_DEADLINE_MS 2000
/* 4096 samples take 1.5 ms (performance on 6.18), in an emulated host 50. */
#define SAMPLE_DEADLINE_MS 5000
/* 1024 samples that see each page are within 41. */
#define SAMPLE_ERROR_MOST_PERMILLE 150
#define STUCK_NS UINT64_C(60000000000)

/* Of one guest; behind it stand its bytes per node, by index. */
struct sample_record {
	int outcome; /* 0 or -errno */
	struct place_residency residency;
};

void looks_done(struct looks *looks)
{
	looks->look_job = job_cancel(looks->look_job);
	looks->sample_job = job_cancel(looks->sample_job);
}

/* ---- looks --------------------------------------------------------------------------------- */

static int look_at_all(void *data, FILE *out)
{
	struct looks *looks = data;
	struct place_host *host = looks->host;
	struct place_mounts mounts;

	(void)place_mounts_read(&host->root, &host->text, &mounts);
	for (size_t i = 0; i < looks->n_asked; i++) {
		struct place_look look = { 0 };

		if (place_look(&host->root, &host->text, &host->topology, &mounts,
			       looks->asked[i].pid, &look) < 0) {
			look = (struct place_look){ 0 };
			look.guest.pid = looks->asked[i].pid;
		}
		if (fwrite(&look, sizeof(look), 1, out) != 1 || fflush(out) != 0)
			return -EIO;
	}
	return 0;
}

/*
 * A killed child may stay, hung in the kernel, for as long as the process likes that it looked at.
 * Its place is not given away before: there is one such child per process, and no more than places.
 */
static bool is_stuck(const struct looks *looks, const struct looks_stuck *stuck)
{
	return stuck->pid &&
	       (stuck->until_ns > place_host_now_ns(looks->host) || child_is_there(stuck->child));
}

/* The place of that pid, or one that is free, or else the oldest whose child has gone. */
static struct looks_stuck *find_stuck_place(struct looks *looks, int pid)
{
	struct looks_stuck *best = NULL;

	for (size_t i = 0; i < LOOKS_STUCK_MAX; i++) {
		struct looks_stuck *stuck = &looks->stuck[i];

		if (stuck->pid == pid)
			return stuck;
		if (stuck->pid && child_is_there(stuck->child))
			continue;
		if (!best || stuck->until_ns < best->until_ns)
			best = stuck;
	}
	return best;
}

/*
 * Whether the process at hand is what held it up. Many that are slow, not one that hangs, are over
 * the deadline too: the next scan finds again who is left, and whoever was next is not to blame.
 */
static bool is_held_up(const struct job *job, int r, uint64_t deadline_ms)
{
	return r == -EIO || (r == -ETIMEDOUT && job_silent_ms(job) >= deadline_ms / 2);
}

static void leave_alone(struct looks *looks, int pid, pid_t child)
{
	const uint64_t now_ns = place_host_now_ns(looks->host);
	struct looks_stuck *stuck = find_stuck_place(looks, pid);

	if (stuck)
		*stuck = (struct looks_stuck){ .pid = pid,
					       .child = child,
					       .until_ns = now_ns + STUCK_NS };
	looks->n_stuck++;
	(void)place_watch_set_unreadable(looks->watch, pid, now_ns);
	event(LOG_WARNING, EVENT_TROUBLE, KV_U64("pid", (uint64_t)pid),
	      KV("note", "a look at this process does not come back: left alone"));
}

static void on_looked(void *data, int r, const void *bytes, size_t size)
{
	struct looks *looks = data;
	const size_t n = size / sizeof(struct place_look);
	const size_t n_asked = looks->n_asked;
	const bool is_hung = is_held_up(looks->look_job, r, LOOK_DEADLINE_MS);
	const pid_t child = job_pid(looks->look_job);
	struct place_look look;

	looks->look_job = NULL;
	looks->n_asked = 0;
	for (size_t i = 0; i < n && i < n_asked; i++) {
		memcpy(&look, (const char *)bytes + i * sizeof(look), sizeof(look));
		looks->on_look(&look, looks->data);
		(void)place_watch_adopt(looks->watch, &look, place_host_now_ns(looks->host));
		looks->n_looks++;
	}
	/* The others of that job are found again by the next scan. */
	if (is_hung && n < n_asked)
		leave_alone(looks, looks->asked[n].pid, child);
	looks->on_done(looks->data);
}

static bool is_left_alone(const struct looks *looks, int pid)
{
	for (size_t i = 0; i < LOOKS_STUCK_MAX; i++)
		if (looks->stuck[i].pid == pid)
			return is_stuck(looks, &looks->stuck[i]);
	return false;
}

int looks_want(struct looks *looks, int pid)
{
	if (looks->look_job || looks->n_asked == LOOKS_PER_JOB)
		return -EAGAIN;
	if (is_left_alone(looks, pid))
		return 0;
	for (size_t i = 0; i < looks->n_asked; i++)
		if (looks->asked[i].pid == pid)
			return 0;
	looks->asked[looks->n_asked++] = (struct looks_order){ .pid = pid };
	return 0;
}

/* ---- samples ------------------------------------------------------------------------------- */

static void sample_one(struct looks *looks, const struct place_mounts *mounts,
		       const struct looks_order *order, uint64_t *bytes,
		       struct sample_record *record)
{
	const int i = place_watch_find(looks->watch, order->pid);
	struct place_host *host = looks->host;
	const struct place_residency_how how = {
		.n_samples = looks->n_samples,
		.seed = looks->seed,
		.ask = place_pages_ask,
	};

	record->outcome = -ESRCH;
	if (i < 0)
		return;
	record->outcome = place_residency_read(
		&host->root, &host->text, &host->topology, mounts, &looks->watch->guests[i],
		!(looks->watch->traits[i] & PLACE_TRAIT_INCLUDED), &how, bytes, &record->residency);
}

static int sample_all(void *data, FILE *out)
{
	struct looks *looks = data;
	const size_t n_nodes = looks->host->topology.n_nodes;
	uint64_t *bytes = calloc(n_nodes, sizeof(*bytes));
	struct place_mounts mounts;

	if (!bytes)
		return -ENOMEM;
	(void)place_mounts_read(&looks->host->root, &looks->host->text, &mounts);
	for (size_t i = 0; i < looks->n_sampled; i++) {
		struct sample_record record = { 0 };

		sample_one(looks, &mounts, &looks->sampled[i], bytes, &record);
		if (fwrite(&record, sizeof(record), 1, out) != 1 ||
		    fwrite(bytes, sizeof(*bytes), n_nodes, out) != n_nodes || fflush(out) != 0)
			return -EIO;
	}
	return 0;
}

/* Records follow each other without padding: nothing at `at` is aligned. */
static void take_sample(struct looks *looks, const struct looks_order *order, const char *at)
{
	const size_t n_nodes = looks->host->topology.n_nodes;
	const int i = place_watch_find(looks->watch, order->pid);
	struct sample_record record;
	uint64_t *bytes;

	memcpy(&record, at, sizeof(record));
	if (i < 0 || record.outcome < 0 || looks->watch->guests[i].start_ns != order->start_ns)
		return;
	/* Pages that the kernel hides: what is not known is better than what is wrong. */
	if (record.residency.error_permille > SAMPLE_ERROR_MOST_PERMILLE)
		return;
	bytes = calloc(n_nodes, sizeof(*bytes));
	if (!bytes)
		return;
	memcpy(bytes, at + sizeof(record), n_nodes * sizeof(*bytes));
	place_watch_set_bytes(looks->watch, (size_t)i, bytes, PLACE_BYTES_SAMPLES,
			      place_host_now_ns(looks->host));
	free(bytes);
}

static void on_sampled(void *data, int r, const void *bytes, size_t size)
{
	struct looks *looks = data;
	const size_t one =
		sizeof(struct sample_record) + looks->host->topology.n_nodes * sizeof(uint64_t);
	const size_t n = size / one;
	const bool is_hung = is_held_up(looks->sample_job, r, SAMPLE_DEADLINE_MS);
	const pid_t child = job_pid(looks->sample_job);

	looks->sample_job = NULL;
	for (size_t i = 0; i < n && i < looks->n_sampled; i++)
		take_sample(looks, &looks->sampled[i], (const char *)bytes + i * one);
	if (is_hung && n < looks->n_sampled)
		leave_alone(looks, looks->sampled[n].pid, child);
	looks->n_sampled = 0;
	looks->on_done(looks->data);
}

int looks_want_sample(struct looks *looks, size_t i)
{
	const struct place_guest *guest = &looks->watch->guests[i];

	if (looks->sample_job || looks->n_sampled == SAMPLES_PER_JOB)
		return -EAGAIN;
	looks->sampled[looks->n_sampled++] = (struct looks_order){
		.pid = guest->pid,
		.start_ns = guest->start_ns,
	};
	return 0;
}

static void tell_no_child(void)
{
	event(LOG_WARNING, EVENT_TROUBLE, KV("note", "no child could be made to look at guests"));
}

/* Better blind for new guests than without a child left for anything. */
static bool may_hang(const struct looks *looks)
{
	for (size_t i = 0; i < LOOKS_STUCK_MAX; i++)
		if (!looks->stuck[i].pid || !child_is_there(looks->stuck[i].child))
			return true;
	return false;
}

static void drop_orders(struct looks *looks)
{
	if (!looks->look_job)
		looks->n_asked = 0;
	if (!looks->sample_job)
		looks->n_sampled = 0;
	event(LOG_WARNING, EVENT_TROUBLE,
	      KV("note", "too many looks hang: nobody is looked at until one comes back"));
}

bool looks_start(struct looks *looks)
{
	if (((!looks->look_job && looks->n_asked) || (!looks->sample_job && looks->n_sampled)) &&
	    !may_hang(looks))
		drop_orders(looks);
	if (!looks->look_job && looks->n_asked &&
	    job_start(looks->event, look_at_all, on_looked, looks, looks->host->root.fd,
		      LOOK_DEADLINE_MS, &looks->look_job) < 0) {
		looks->n_asked = 0;
		tell_no_child();
	}
	if (!looks->sample_job && looks->n_sampled) {
		looks->seed++;
		looks->n_sample_jobs++;
		if (job_start(looks->event, sample_all, on_sampled, looks, looks->host->root.fd,
			      SAMPLE_DEADLINE_MS, &looks->sample_job) < 0) {
			looks->n_sampled = 0;
			tell_no_child();
		}
	}
	return looks->look_job != NULL;
}
