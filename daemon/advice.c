/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file /run/placed/promises is the truth, for this daemon too: a client that cannot wait for
 * us (we are stopped, or slow) answers itself, and books there. We keep a copy, and read it again
 * when the file is another than the one that we left. What could not be written there stays in the
 * copy, so that our own answers see it, and is written with what is booked next.
 */
#include "advice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "decide/answer.h"
#include "decide/promise.h"
#include "decide/reason.h"
#include "host/cleanup.h"
#include "observe/ledger.h"
#include "state_dir.h"
#include "tell/event.h"
#include "tell/numad_log.h"

/* Others hold it for a millisecond; the loop serves nobody meanwhile. */
#define LOCK_WAIT_MS 50

/* Answers that are made under one lock; a set of nodes each, 1 KiB. */
#define BATCH_MAX 64

/* So many answers to others than root are told in that time. */
#define STRANGERS_TOLD 20
#define STRANGERS_WINDOW_NS UINT64_C(10000000000)

#define LEDGER_FILE "/" PLACE_LEDGER_PATH

int advice_resize(struct advice *advice)
{
	const size_t n = advice->host->topology.n_nodes;
	struct place_advise_scratch *scratch = &advice->scratch;

	if (n == advice->n_nodes)
		return 0;
	free(advice->nodes);
	free(scratch->candidates);
	free(scratch->reasons);
	advice->nodes = calloc(n, sizeof(*advice->nodes));
	scratch->candidates = calloc(n, sizeof(*scratch->candidates));
	scratch->reasons = calloc(n, sizeof(*scratch->reasons));
	scratch->n_nodes = advice->n_nodes = n;
	if (advice->nodes && scratch->candidates && scratch->reasons)
		return 0;
	scratch->n_nodes = advice->n_nodes = 0;
	return -ENOMEM;
}

int advice_init(struct place_host *host, struct place_sample *sample,
		const struct place_policy *policy, bool books, struct advice *ret_advice)
{
	*ret_advice = (struct advice){
		.host = host,
		.sample = sample,
		.policy = policy,
		.books = books,
	};
	ret_advice->last = &ret_advice->first;
	return advice_resize(ret_advice);
}

void advice_done(struct advice *advice)
{
	free(advice->nodes);
	free(advice->scratch.candidates);
	free(advice->scratch.reasons);
	place_ledger_done(&advice->ledger);
	*advice = (struct advice){ .last = &advice->first };
}

void advice_park(struct advice *advice, struct serve_ask *ask)
{
	ask->next = NULL;
	*advice->last = ask;
	advice->last = &ask->next;
}

void advice_forget(struct advice *advice, const struct serve_ask *ask)
{
	for (struct serve_ask **at = &advice->first; *at; at = &(*at)->next)
		if (*at == ask) {
			*at = ask->next;
			if (!*at)
				advice->last = at;
			return;
		}
}

/* ---- the ledger ---------------------------------------------------------------------------- */

static struct ledger_stamp look_at_file(void)
{
	struct stat status;

	if (stat(LEDGER_FILE, &status) < 0)
		return (struct ledger_stamp){ 0 };
	return (struct ledger_stamp){
		.inode = (uint64_t)status.st_ino,
		.changed_ns = (uint64_t)status.st_ctim.tv_sec * 1000000000 +
			      (uint64_t)status.st_ctim.tv_nsec,
		.size_bytes = (uint64_t)status.st_size,
	};
}

static bool is_same(const struct ledger_stamp *a, const struct ledger_stamp *b)
{
	return a->inode == b->inode && a->changed_ns == b->changed_ns &&
	       a->size_bytes == b->size_bytes;
}

static void tell_notes(struct place_host *host)
{
	for (size_t i = 0; i < host->n_notes; i++)
		event(LOG_WARNING, EVENT_TROUBLE, KV("note", host->notes[i]));
	host->n_notes = 0;
}

static bool has_unwritten(const struct place_ledger *ledger)
{
	for (size_t i = 0; i < ledger->n; i++)
		if (ledger->promises[i].is_unwritten)
			return true;
	return false;
}

static void add_unwritten(struct place_ledger *ledger, const struct place_ledger *from)
{
	for (size_t i = 0; i < from->n && ledger->n < ledger->capacity; i++)
		if (from->promises[i].is_unwritten)
			ledger->promises[ledger->n++] = from->promises[i];
}

/* On failure the copy stays as it was. */
static void read_if_changed(struct advice *advice)
{
	const bool is_live = advice->host->root.is_live;
	const struct ledger_stamp now = is_live ? look_at_file() : advice->stamp;
	struct place_ledger ledger = { 0 };

	if (advice->is_read && is_same(&now, &advice->stamp))
		return;
	if (place_ledger_load(advice->host, &ledger) < 0)
		return;
	add_unwritten(&ledger, &advice->ledger);
	place_ledger_done(&advice->ledger);
	advice->ledger = ledger;
	tell_notes(advice->host);
	advice->stamp = now;
	advice->is_read = true;
}

static int write_ledger(struct advice *advice, const struct state_dir *state)
{
	const int r = state_dir_put_ledger(state, &advice->ledger, advice->host->topology.boot_id);

	if (r < 0) {
		advice->is_read = false; /* what is on disk counts */
		return r;
	}
	advice->stamp = look_at_file();
	for (size_t i = 0; i < advice->ledger.n; i++)
		advice->ledger.promises[i].is_unwritten = false;
	return 0;
}

const struct place_ledger *advice_settle(struct advice *advice)
{
	read_if_changed(advice);
	/* Behind the reading: what was booked later than now would be taken for damage. */
	advice->ledger.n =
		place_promises_settle(advice->ledger.promises, advice->ledger.n, advice->sample,
				      advice->policy, place_host_now_ns(advice->host));
	return &advice->ledger;
}

/* ---- answers ------------------------------------------------------------------------------- */

struct made {
	struct serve_ask *ask;
	struct place_advice advice; /* its reasons are the scratch's: of the last one alone */
	bool is_booked;		    /* in our copy of the ledger, and at last on disk */
};

/* Anybody may ask without end; that fills no log, and leaves root's answers their place in it. */
static bool may_tell(struct advice *advice, const struct serve_ask *ask)
{
	const uint64_t now_ns = place_host_now_ns(advice->host);

	if (ask->peer.is_root)
		return true;
	if (now_ns >= advice->strangers_ns + STRANGERS_WINDOW_NS) {
		advice->strangers_ns = now_ns;
		advice->n_strangers = 0;
	}
	return advice->n_strangers++ < STRANGERS_TOLD;
}

static void tell(const struct serve_ask *ask, const struct serve_answer *answer, const char *nodes)
{
	const uint64_t memory_mib = ask->request.memory_bytes >> 20;

	numad_tell_question(ask->request.vcpus_centi, ask->request.memory_bytes);
	numad_tell_advice(-1, "unknown", answer->nodes, answer->nodes);
	event(answer->note ? LOG_WARNING : LOG_INFO, EVENT_ADVICE,
	      KV_U64("vcpus_centi", ask->request.vcpus_centi), KV_U64("memory_mib", memory_mib),
	      KV("nodes", nodes), KV("reason", answer->verdict),
	      KV("booked", answer->is_booked ? "yes" : "no"),
	      KV_U64("pid", (uint64_t)ask->peer.pid), KV("note", answer->note));
}

static void send_answer(struct advice *advice, struct serve_ask *ask,
			const struct place_advice *made, bool is_booked, const char *note)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);
	struct serve_answer answer = {
		.nodes = &made->nodes,
		.verdict = place_verdict_word(made->verdict),
		.note = note,
		.is_booked = is_booked,
	};
	/* answer() may free the question. */
	const struct serve_ask asked = *ask;

	if (made->verdict == PLACE_VERDICT_NO_ROOM || made->verdict == PLACE_VERDICT_BLIND)
		answer.note = place_verdict_text(made->verdict);
	advice->n_answered++;
	advice->n_booked += is_booked;
	ask->answer(ask, &answer);
	if (nodes && may_tell(advice, &asked) &&
	    place_set_format(&made->nodes, nodes, PLACE_SET_TEXT_MAX) >= 0)
		tell(&asked, &answer, nodes);
}

/* Whatever went wrong, there is an answer: the nodes that exist. */
static void make_blind_answer(const struct advice *advice, struct place_advice *made)
{
	*made = (struct place_advice){
		.nodes = advice->host->topology.node_ids,
		.verdict = PLACE_VERDICT_BLIND,
	};
	if (place_set_is_empty(&made->nodes))
		place_set_add(&made->nodes, 0);
}

bool advice_has_place(const struct advice *advice)
{
	return advice->n_nodes == advice->host->topology.n_nodes;
}

/* Adds what was answered to our copy of the ledger, where that is wanted. */
static void make_answer(struct advice *advice, struct made *made, bool may_book)
{
	/* The asker's cpuset is his alone: plans, and what others see, go by that of the guests. */
	const struct place_confine guests = advice->host->sample.confine;
	const struct serve_ask *ask = made->ask;
	struct place_model model;
	uint64_t now_ns;
	int r;

	place_host_read_confine(advice->host, ask->peer.pid);
	advice->sample->confine = advice->host->sample.confine;
	advice->host->sample.confine = guests;
	/* Behind the lock: no booking is later than now. */
	now_ns = place_host_now_ns(advice->host);
	r = !advice_has_place(advice) ?
		    -ENOMEM :
		    place_answer(&advice->host->topology, advice->sample, advice->policy,
				 &ask->request, now_ns, may_book, &advice->ledger, advice->nodes,
				 &advice->scratch, &model, &made->advice);
	advice->sample->confine = guests;
	made->is_booked = r == 0 && may_book && advice->ledger.n &&
			  advice->ledger.promises[advice->ledger.n - 1].booked_ns == now_ns;
	if (made->is_booked) {
		advice->ledger.promises[advice->ledger.n - 1].is_unwritten = true;
		advice->has_unfit =
			advice->has_unfit || made->advice.verdict == PLACE_VERDICT_NO_ROOM;
	}
	if (r < 0 && r != -ENOSPC)
		make_blind_answer(advice, &made->advice);
}

static bool may_book(const struct advice *advice, const struct serve_ask *ask)
{
	/* A ledger of no boot would wipe out that of this one. */
	return advice->books && ask->peer.is_root && advice->host->topology.boot_id[0] != '\0';
}

/* One lock and one write for all of them: beside forty others that book, each lock is a wait. */
static void make_answers(struct advice *advice, struct made *made, size_t n, const char **note)
{
	struct state_dir state = { .fd = -1, .lock_fd = -1 };
	bool books = false, is_locked, is_written;

	for (size_t i = 0; i < n; i++)
		books = books || may_book(advice, made[i].ask);
	is_locked = books && state_dir_open(LOCK_WAIT_MS, &state) == 0;
	read_if_changed(advice);
	for (size_t i = 0; i < n; i++) {
		const struct serve_ask *ask = made[i].ask;

		/* Asked as late as can be: the time of many runs out while we wait for the lock. */
		make_answer(advice, &made[i],
			    may_book(advice, ask) && (!ask->is_waiting || ask->is_waiting(ask)));
	}
	is_written = !books || !has_unwritten(&advice->ledger) ||
		     (is_locked && write_ledger(advice, &state) == 0);
	if (!is_written && !*note)
		*note = "the ledger cannot be written: the answer is not booked yet";
	for (size_t i = 0; i < n; i++)
		made[i].is_booked = made[i].is_booked && is_written;
	state_dir_close(&state);
}

void advice_answer_all(struct advice *advice, const char *note)
{
	struct serve_ask *ask = advice->first;
	struct made made[BATCH_MAX];

	/* Taken off first: answer() may let the same client ask again. */
	advice->first = NULL;
	advice->last = &advice->first;
	while (ask) {
		const char *note_here = note;
		size_t n = 0;

		for (; ask && n < BATCH_MAX; ask = ask->next)
			made[n++] = (struct made){ .ask = ask };
		make_answers(advice, made, n, &note_here);
		for (size_t i = 0; i < n; i++)
			send_answer(advice, made[i].ask, &made[i].advice, made[i].is_booked,
				    note_here);
	}
}
