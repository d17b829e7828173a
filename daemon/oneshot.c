/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer that libvirt waits for. A child reads and decides under a deadline; should it not
 * come back, the parent answers from the node files and the ledger, which no other process can
 * hold up. What is said of the answer is in oneshot_tell.c.
 */
#include "oneshot_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask/inquiry.h"
#include "decide/reason.h"
#include "guard.h"
#include "host/cleanup.h"
#include "observe/cores.h"
#include "observe/ledger.h"
#include "observe/load.h"
#include "state_dir.h"

#define SECOND_DEADLINE_MS 150
#define LOCK_WAIT_MS 400
#define LOCK_TO_DEADLINE_MS 150 /* what stays for the rest, and for reading before it */

/* The window of CPU load: kept times are replaced when they are older. */
#define LOAD_WINDOW_NS UINT64_C(60000000000)

static void put_note(FILE *out, const char *note)
{
	fprintf(out, "note %s\n", note);
}

static void put_answer(FILE *out, const struct place_advice *advice, bool is_booked)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);

	if (!nodes || place_set_format(&advice->nodes, nodes, PLACE_SET_TEXT_MAX) < 0)
		return;
	fprintf(out, "nodes %s\nverdict %s\nbooked %s\n", nodes,
		place_verdict_word(advice->verdict), is_booked ? "yes" : "no");
	if (advice->verdict == PLACE_VERDICT_NO_ROOM || advice->verdict == PLACE_VERDICT_BLIND)
		put_note(out, place_verdict_text(advice->verdict));
}

static void keep_text(const struct state_dir *state, const char *path, struct place_text *text)
{
	(void)state_dir_replace(state, strrchr(path, '/') + 1, text->data, text->size);
}

/* What spares the next question some reading. Failing to keep it harms nothing. */
static void keep_readings(const struct state_dir *state, struct place_host *host)
{
	_cleanup_text_ struct place_text text = { 0 };
	const uint64_t kept_ns = host->loads.taken_ns, now_ns = host->sample.taken_ns;

	if (host->topology.boot_id[0] == '\0')
		return;
	if (host->sample.n_guests && (!host->loads.list || now_ns > kept_ns + LOAD_WINDOW_NS) &&
	    place_loads_format(&host->sample, host->topology.boot_id, &text) == 0)
		keep_text(state, PLACE_LOAD_PATH, &text);
	if (host->cores_are_new && place_cores_format(&host->topology, &text) == 0)
		keep_text(state, PLACE_CORES_PATH, &text);
}

static bool keep_ledger(const struct state_dir *state, struct place_host *host,
			const struct place_ledger *ledger)
{
	const int r = state_dir_put_ledger(state, ledger, host->topology.boot_id);

	if (r < 0)
		place_host_note(host, "the answer is not booked: %s", strerror(-r));
	return r == 0;
}

/*
 * Only root's answers are booked, and only on the live host. The sample is taken before the
 * lock, so that nobody waits while /proc is read; the time of the answer is taken behind it,
 * so that no booking is later than now. A promise that the sample does not see taken up counts
 * in full: an older sample errs on the safe side.
 */
static bool may_book(const struct oneshot_work *work, const struct place_host *host)
{
	return host->root.is_live && geteuid() == 0 && !work->options->is_dry_run;
}

static void open_state(struct place_host *host, unsigned wait_ms, struct state_dir *state)
{
	int r;

	/* A ledger of no boot would wipe out that of this one. */
	if (host->topology.boot_id[0] == '\0') {
		place_host_note(host, "the boot id cannot be read: the answer is not booked");
		return;
	}
	r = state_dir_open(wait_ms, state);
	if (r < 0)
		place_host_note(host, STATE_DIR ": %s: the answer is not booked", strerror(-r));
}

static int answer_from(struct place_host *host, const struct oneshot_work *work,
		       unsigned lock_wait_ms, FILE *out)
{
	struct state_dir state = { .fd = -1, .lock_fd = -1 };
	struct place_inquiry inquiry = { 0 };
	struct place_ledger ledger = { 0 };
	bool is_booked = false;
	uint64_t now_ns;
	int r;

	if (may_book(work, host))
		open_state(host, lock_wait_ms, &state);
	if (state.fd >= 0)
		keep_readings(&state, host);
	r = place_ledger_load(host, &ledger);
	/* Behind the load: without the lock, others go on booking. */
	now_ns = place_host_now_ns(host);
	if (r == 0)
		r = place_inquiry_run(host, &ledger, &work->policy, &work->request, now_ns,
				      state.fd >= 0, &inquiry);
	/* Not every answer becomes a promise; one that does is the last of them. */
	if (r == 0 && state.fd >= 0)
		is_booked = keep_ledger(&state, host, &ledger) && ledger.n &&
			    ledger.promises[ledger.n - 1].booked_ns == now_ns;
	if (r == -ENOSPC) {
		place_host_note(host, "the ledger is full: the answer is not booked");
		r = 0;
	}
	/* At once: an answer that is booked and gets lost would hold room for nobody. */
	if (r == 0)
		put_answer(out, &inquiry.advice, is_booked);
	state_dir_close(&state);
	place_inquiry_done(&inquiry);
	place_ledger_done(&ledger);
	return r;
}

static unsigned lock_wait_ms(const struct oneshot_work *work)
{
	const unsigned most_ms = work->deadline_ms - LOCK_TO_DEADLINE_MS;

	return most_ms < LOCK_WAIT_MS ? most_ms : LOCK_WAIT_MS;
}

/* only_nodes: no guests, no cores, no waiting: nothing that another process can hold up. */
static int work_on_host(const struct oneshot_work *work, bool only_nodes, FILE *out)
{
	struct place_host host;
	int r;

	r = place_host_init(work->options->root, &host);
	if (r < 0)
		return r;
	r = place_host_read_topology(&host, only_nodes);
	if (r == 0)
		r = place_host_take_sample(&host, only_nodes);
	if (r == 0)
		r = answer_from(&host, work, only_nodes ? 0 : lock_wait_ms(work), out);
	if (work->trouble)
		place_host_note(&host, "answered without looking at the guests: %s",
				strerror(-work->trouble));
	for (size_t i = 0; i < host.n_notes; i++)
		put_note(out, host.notes[i]);
	place_host_done(&host);
	return r;
}

static int work_fully(void *data, FILE *out)
{
	return work_on_host(data, false, out);
}

static int work_on_nodes(void *data, FILE *out)
{
	return work_on_host(data, true, out);
}

/* In this process, as the last resort. */
static int work_here(struct oneshot_work *work, struct place_text *text)
{
	FILE *out;
	int r;

	place_text_done(text);
	out = open_memstream(&text->data, &text->size);
	if (!out)
		return -ENOMEM;
	r = work_on_nodes(work, out);
	return fclose(out) != 0 ? -ENOMEM : r;
}

/*
 * Guests are read by a child alone, since nothing but its end would end that; where none can be
 * made they are left out. Not even the node files should hold anybody up, but a child costs little.
 * Only a live host is then read without one: a recorded host may lie on a file system that hangs.
 */
static int answer(struct oneshot_work *work, struct place_text *text)
{
	const bool is_live = !work->options->root;
	int r;

	r = guard_run(work_fully, work, work->deadline_ms, text);
	if (r >= 0 || (!is_live && r != -EIO && r != -ETIMEDOUT))
		return r;
	work->trouble = r;
	r = guard_run(work_on_nodes, work, SECOND_DEADLINE_MS, text);
	return r < 0 && is_live ? work_here(work, text) : r;
}

/*
 * Whatever is wrong with the settings, the guest gets its answer, by the defaults. Those of this
 * host mean nothing for a recorded one.
 */
static void load_settings(struct oneshot_work *work)
{
	const struct options *options = work->options;
	struct settings settings;
	FILE *errors = NULL;

	settings_default(&settings);
	if (!options->root || options->config)
		errors = open_memstream(&work->complaints.data, &work->complaints.size);
	if (errors && settings_load(options->config, &settings, errors) < 0)
		fputs("the settings cannot be used: answered by the defaults\n", errors);
	if (errors)
		(void)place_text_close(&work->complaints, errors);
	settings_override(&settings, options);
	settings_policy(&settings, &work->policy);
	work->log_level = (int)settings.log_level;
	oneshot_choose_log(options, settings.log_file, work->log_file);
	settings_done(&settings);
}

int oneshot_run(const struct options *options, unsigned deadline_ms)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct oneshot_work work = {
		.options = options,
		.request = options->request,
		.deadline_ms = deadline_ms,
	};
	int r;

	load_settings(&work);
	r = answer(&work, &text);
	if (r < 0)
		fprintf(stderr, "%s: %s: %s\n", options->program,
			options->root ? options->root : "/", strerror(-r));
	else
		r = oneshot_print_and_tell(&work, text.data);
	place_text_done(&work.complaints);
	return r < 0 ? EXIT_FAILURE : r;
}
