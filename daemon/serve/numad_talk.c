/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions are kept until their answer comes; everything else is done on the spot. */
#include "serve/numad_talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <unistd.h>

#include "serve/numad_sysv.h"
#include "tell/event.h"
#include "tell/numad_log.h"

/* One open question. */
struct ask {
	struct serve_ask serve; /* first: the daemon hands back this */
	struct numad_talk *talk;
	struct numad_place place; /* where it came from */
	pid_t client;
	struct ask *previous, *next;
};

/* ---- replies ------------------------------------------------------------------------------ */

static int send_reply(struct numad_talk *talk, int id, const struct numad_message *message,
		      size_t size)
{
	for (unsigned i = 0;; i++) {
		if (msgsnd(id, message, size, IPC_NOWAIT) == 0)
			return 0;
		if (errno == EAGAIN && i == 0)
			numad_talk_sweep(talk, id, true);
		else if (errno != EINTR)
			return -errno;
	}
}

static void reply(const struct ask *ask, const struct place_set *nodes)
{
	struct numad_queue_counters *counters = &ask->talk->counters;
	struct numad_message message;
	size_t size;
	int shortened, r;

	shortened = numad_message_reply(ask->client, getpid(), nodes, &message, &size);
	if (shortened < 0)
		return;
	r = send_reply(ask->talk, ask->place.id, &message, size);
	if (r == 0) {
		counters->n_answers++;
		counters->n_shortened += (unsigned)shortened;
	} else if (r != -EAGAIN) {
		/* The queue is gone, and so is who asked. An id is not used twice. */
		counters->n_lost++;
	} else if (counters->n_full++ == 0) {
		event(LOG_WARNING, EVENT_TROUBLE, KV("queue", ask->place.name),
		      KV("reason", "the queue is full: a reply was dropped"));
	}
}

/* ---- questions and orders ----------------------------------------------------------------- */

/* Only root can send. Which process did, nobody knows. */
static const struct serve_peer root_peer = { .pid = 0, .uid = (uid_t)-1, .is_root = true };

static void drop_ask(struct ask *ask)
{
	struct numad_talk *talk = ask->talk;

	if (ask->previous)
		ask->previous->next = ask->next;
	else
		talk->asks = ask->next;
	if (ask->next)
		ask->next->previous = ask->previous;
	talk->n_asks--;
	free(ask);
}

static void on_answer(struct serve_ask *serve, const struct serve_answer *answer)
{
	struct ask *ask = (struct ask *)serve;
	struct numad_talk *talk = ask->talk;

	reply(ask, answer->nodes);
	drop_ask(ask);
	if (talk->n_asks == NUMAD_ASKS_MAX - 1)
		talk->on_room(talk->data);
}

static void take_question(struct numad_talk *talk, const struct numad_place *place,
			  const struct numad_words *words)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return;
	*ask = (struct ask){
		.serve = { .request = numad_message_request(words),
			   .peer = root_peer,
			   .answer = on_answer },
		.talk = talk,
		.place = *place,
		.client = words->from,
		.next = talk->asks,
	};
	if (ask->next)
		ask->next->previous = ask;
	talk->asks = ask;
	talk->n_asks++;
	/* The answer may come before this returns. */
	talk->ops->ask(talk->ops->daemon, &ask->serve);
}

static void take_order(struct numad_talk *talk, const struct numad_words *words)
{
	const struct serve_order order = {
		.letter = words->letter,
		.arg1 = words->arg1,
		.arg2 = words->arg2,
		.peer = root_peer,
	};

	if (talk->ops->order(talk->ops->daemon, &order) < 0)
		talk->counters.n_refused++;
	else
		talk->counters.n_orders++;
}

/* numad's own words for it. The text need not end within the message; the log escapes it. */
static void tell_unexpected(const struct numad_message *message, size_t size)
{
	const bool is_printable = message->cmd > ' ' && message->cmd < 127;
	char text[NUMAD_TEXT_SIZE] = "";

	memcpy(text, message->text, size - NUMAD_SIZE_MIN);
	numad_line(LOG_WARNING, "Unexpected msg command: %c %ld %ld %s from PID %ld",
		   is_printable ? (char)message->cmd : '?', message->arg1, message->arg2, text,
		   message->src_pid);
}

static void count_dropped(struct numad_talk *talk, const struct numad_place *place, int reason,
			  const struct numad_message *message, size_t size)
{
	struct numad_queue_counters *counters = &talk->counters;
	const char *words = "malformed";

	if (reason == -E2BIG) {
		counters->n_long++;
		words = "longer than 128 bytes";
	} else if (reason == -EOPNOTSUPP) {
		tell_unexpected(message, size);
		counters->n_unknown++;
		words = "unknown command";
	} else {
		counters->n_malformed++;
	}
	event(LOG_WARNING, EVENT_REFUSED, KV("queue", place->name), KV("reason", words),
	      KV_U64("bytes", size));
}

/* ---- what the queues call ------------------------------------------------------------------ */

void numad_talk_take(struct numad_talk *talk, const struct numad_place *place,
		     const struct numad_packet *packet, size_t size)
{
	struct numad_words words;
	int r;

	r = numad_message_parse(&packet->message, size, getpid(), &words);
	if (r < 0)
		count_dropped(talk, place, r, &packet->message, size);
	else if (words.letter == 'w')
		take_question(talk, place, &words);
	else
		take_order(talk, &words);
}

void numad_talk_sweep(struct numad_talk *talk, int id, bool at_once)
{
	const int n = numad_sysv_sweep(id, getpid(), at_once);

	if (n > 0)
		talk->counters.n_swept += (unsigned)n;
}

void numad_talk_forget(struct numad_talk *talk)
{
	while (talk->asks) {
		talk->ops->forget(talk->ops->daemon, &talk->asks->serve);
		drop_ask(talk->asks);
	}
}
