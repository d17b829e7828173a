/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child per job, with a copy of what we know. It writes one whole record per order, in order, and
 * flushes each: when it hangs, the order behind the last whole one is the one it hangs at.
 */
#include "looks_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "observe/look.h"
#include "observe/mounts.h"
#include "tell/event.h"

/* A look takes 1 ms, for a process of thousands of threads and files 30. */
#define LOOK_DEADLINE_MS 2000
/*
 * A guest that takes memory as fast as it can may hold up who asks for its policy until the
 * deadline, and then its node is full (tests/guest/strict: 2 to 4 s after its start).
 */
#define PEEK_US 50000

/* Of one guest; of one that is new there may be another before, without its policy. */
struct look_record {
	bool is_whole;
	struct place_look look;
};

void looks_done(struct looks *looks)
{
	looks->look_job = job_cancel(looks->look_job);
	looks->peek = sd_event_source_disable_unref(looks->peek);
	looks->sample_job = job_cancel(looks->sample_job);
}

/* ---- looks --------------------------------------------------------------------------------- */

/*
 * Its policy may not come back for as long as the guest takes memory. A cpuset confines it whatever
 * that is: of one that is new this is told first, so that it can be warned of.
 */
static bool is_worth_telling(const struct looks *looks, const struct place_guest *guest)
{
	return guest->bind == PLACE_BIND_CPUSET && place_watch_find(looks->watch, guest->pid) < 0;
}

static int write_record(const struct look_record *record, FILE *out)
{
	return fwrite(record, sizeof(*record), 1, out) == 1 && fflush(out) == 0 ? 0 : -EIO;
}

static int look_at_one(struct looks *looks, const struct place_mounts *mounts, int pid, FILE *out)
{
	struct place_host *host = looks->host;
	struct look_record record = { .is_whole = false };
	struct place_look *look = &record.look;

	if (place_look_facts(&host->root, &host->text, &host->topology, mounts, pid, look) < 0)
		*look = (struct place_look){ .guest.pid = pid };
	if (is_worth_telling(looks, &look->guest) && write_record(&record, out) < 0)
		return -EIO;
	place_look_policy(&host->root, &host->text, &host->topology, look);
	record.is_whole = true;
	return write_record(&record, out);
}

static int look_at_all(void *data, FILE *out)
{
	struct looks *looks = data;
	struct place_host *host = looks->host;
	struct place_mounts mounts;
	int r = 0;

	(void)place_mounts_read(&host->root, &host->text, &mounts);
	for (size_t i = 0; i < looks->n_asked && r == 0; i++)
		r = look_at_one(looks, &mounts, looks->asked[i].pid, out);
	return r;
}

/*
 * Whether the process at hand is what held it up. Many that are slow, not one that hangs, are over
 * the deadline too: who is left is asked for again, and whoever was next is not to blame.
 */
bool looks_is_held_up(const struct job *job, int r, uint64_t deadline_ms)
{
	return r == -EIO || (r == -ETIMEDOUT && job_silent_ms(job) >= deadline_ms / 2);
}

void looks_leave_alone(struct looks *looks, int pid, pid_t child)
{
	const uint64_t now_ns = place_host_now_ns(looks->host);

	hung_add(&looks->hung, pid, child, now_ns);
	looks->n_stuck++;
	(void)place_watch_set_unreadable(looks->watch, pid, now_ns);
	event(LOG_WARNING, EVENT_TROUBLE, KV_U64("pid", (uint64_t)pid),
	      KV("note", "a look at this process does not come back: left alone"));
}

static void take_look(struct looks *looks, struct place_look *look)
{
	looks->on_look(look, looks->data);
	(void)place_watch_adopt(looks->watch, look, place_host_now_ns(looks->host));
}

/* Whoever stands behind the last whole record, where what is known of him came before it. */
static void take_early(struct looks *looks, struct place_look *look)
{
	/* Nothing is done with him before it is known what he is bound to. */
	look->traits |= PLACE_TRAIT_PARTIAL;
	take_look(looks, look);
}

static bool get_last(const void *bytes, size_t size, struct look_record *ret_record)
{
	const size_t n = size / sizeof(*ret_record);

	if (n)
		memcpy(ret_record, (const char *)bytes + (n - 1) * sizeof(*ret_record),
		       sizeof(*ret_record));
	return n;
}

/* What has not gone on since the last time is held up. */
static int on_peek(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct looks *looks = userdata;
	struct look_record record;
	const void *bytes;
	size_t size;

	(void)usec;
	if (!looks->look_job)
		return 0;
	bytes = job_peek(looks->look_job, &size);
	if (size / sizeof(record) != looks->n_peeked) {
		looks->n_peeked = size / sizeof(record);
		looks->is_early = false;
	} else if (!looks->is_early && get_last(bytes, size, &record) && !record.is_whole) {
		looks->is_early = true;
		take_early(looks, &record.look);
		looks->on_early(looks->data);
	}
	(void)sd_event_source_set_time_relative(source, PEEK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Without it all is known, later. */
static void begin_to_peek(struct looks *looks)
{
	looks->n_peeked = 0;
	looks->is_early = false;
	looks->peek = sd_event_source_disable_unref(looks->peek);
	(void)sd_event_add_time_relative(looks->event, &looks->peek, CLOCK_MONOTONIC, PEEK_US, 1000,
					 on_peek, looks);
}

/* Whom a job did not come to. No more are written than were read. */
static void want_rest(struct looks *looks, size_t from, size_t n_asked)
{
	for (size_t i = from; i < n_asked; i++)
		(void)looks_want(looks, looks->asked[i].pid);
}

static void on_looked(void *data, int r, const void *bytes, size_t size)
{
	struct looks *looks = data;
	const size_t n = size / sizeof(struct look_record);
	const size_t n_asked = looks->n_asked;
	const bool is_hung = looks_is_held_up(looks->look_job, r, LOOK_DEADLINE_MS);
	const pid_t child = job_pid(looks->look_job);
	struct look_record record = { .is_whole = true };
	size_t n_whole = 0;

	looks->look_job = NULL;
	looks->peek = sd_event_source_disable_unref(looks->peek);
	looks->n_asked = 0;
	for (size_t i = 0; i < n && n_whole < n_asked; i++) {
		memcpy(&record, (const char *)bytes + i * sizeof(record), sizeof(record));
		if (!record.is_whole)
			continue;
		take_look(looks, &record.look);
		n_whole++;
	}
	looks->n_looks += n_whole;
	if (!record.is_whole)
		take_early(looks, &record.look);
	if (is_hung && n_whole < n_asked)
		looks_leave_alone(looks, looks->asked[n_whole].pid, child);
	/* A job that brought nothing at all is not made again and again. */
	if (is_hung || n)
		want_rest(looks, is_hung ? n_whole + 1 : n_whole, n_asked);
	looks->on_done(looks->data);
}

int looks_want(struct looks *looks, int pid)
{
	if (looks->look_job || looks->n_asked == LOOKS_PER_JOB)
		return -EAGAIN;
	if (hung_is_left_alone(&looks->hung, pid, place_host_now_ns(looks->host)))
		return 0;
	for (size_t i = 0; i < looks->n_asked; i++)
		if (looks->asked[i].pid == pid)
			return 0;
	looks->asked[looks->n_asked++] = (struct looks_order){ .pid = pid };
	return 0;
}

bool looks_await_new(const struct looks *looks)
{
	for (size_t i = 0; i < looks->n_asked; i++)
		if (place_watch_find(looks->watch, looks->asked[i].pid) < 0)
			return true;
	return false;
}

/* ---- the jobs ------------------------------------------------------------------------------- */

static void tell_no_child(void)
{
	event(LOG_WARNING, EVENT_TROUBLE, KV("note", "no child could be made to look at guests"));
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

static void start_look_job(struct looks *looks)
{
	if (job_start(looks->event, look_at_all, on_looked, looks, looks->host->root.fd,
		      LOOK_DEADLINE_MS, &looks->look_job) < 0) {
		looks->n_asked = 0;
		tell_no_child();
		return;
	}
	begin_to_peek(looks);
}

bool looks_start(struct looks *looks)
{
	/* Better blind for new guests than without a child left for anything. */
	if (((!looks->look_job && looks->n_asked) || (!looks->sample_job && looks->n_sampled)) &&
	    !hung_has_room(&looks->hung))
		drop_orders(looks);
	if (!looks->look_job && looks->n_asked)
		start_look_job(looks);
	if (!looks->sample_job && looks->n_sampled && looks_start_samples(looks) < 0)
		tell_no_child();
	return looks->look_job != NULL;
}
