/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Samples of guests' pages, in jobs like those of looks.c and beside them. */
#include "looks_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/mounts.h"
#include "observe/pages.h"
#include "observe/residency.h"

/* 4096 samples take 1.5 ms (performance on 6.18), in an emulated host 50. */
#define SAMPLE_DEADLINE_MS 5000
/* 1024 samples that see each page are within 41. */
#define SAMPLE_ERROR_MOST_PERMILLE 150

/* Of one guest; behind it stand its bytes per node, by index. */
struct sample_record {
	int outcome; /* 0 or -errno */
	struct place_residency residency;
};

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

/* The orders from there on are the next job's. */
static void keep_rest(struct looks *looks, size_t from)
{
	const size_t n = from < looks->n_sampled ? looks->n_sampled - from : 0;

	memmove(looks->sampled, looks->sampled + from, n * sizeof(looks->sampled[0]));
	looks->n_sampled = n;
}

static void on_sampled(void *data, int r, const void *bytes, size_t size)
{
	struct looks *looks = data;
	const size_t one =
		sizeof(struct sample_record) + looks->host->topology.n_nodes * sizeof(uint64_t);
	const size_t n = size / one;
	const bool is_hung = looks_is_held_up(looks->sample_job, r, SAMPLE_DEADLINE_MS);
	const pid_t child = job_pid(looks->sample_job);

	looks->sample_job = NULL;
	for (size_t i = 0; i < n && i < looks->n_sampled; i++)
		take_sample(looks, &looks->sampled[i], (const char *)bytes + i * one);
	if (is_hung && n < looks->n_sampled)
		looks_leave_alone(looks, looks->sampled[n].pid, child);
	keep_rest(looks, is_hung || n ? n + is_hung : looks->n_sampled);
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

int looks_start_samples(struct looks *looks)
{
	int r;

	looks->seed++;
	looks->n_sample_jobs++;
	r = job_start(looks->event, sample_all, on_sampled, looks, looks->host->root.fd,
		      SAMPLE_DEADLINE_MS, &looks->sample_job);
	if (r < 0)
		looks->n_sampled = 0;
	return r;
}
