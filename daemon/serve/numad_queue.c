/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two channels, each a queue and its reader; the questions that are open; a timer that sweeps
 * and tries again. Nothing that comes through a queue ends the daemon or makes it wait.
 */
#include "serve/numad_queue.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "numad_message.h"
#include "serve/numad_reader.h"
#include "serve/numad_sysv.h"
#include "tell/event.h"

#define SECOND_US UINT64_C(1000000)
#define TICK_US (NUMAD_SYSV_AGE_S * SECOND_US)

/* Questions that may be open at once; further ones wait in the queue. */
#define ASKS_MAX 64

/* Messages taken per turn of the loop. */
#define TURN_MAX 16

struct channel {
	struct numad_queue *queue;
	key_t key;
	const char *name;
	int id; /* meaningful while reader is set */
	struct numad_reader *reader;
	sd_event_source *source;
	uint64_t made_us;
	bool was_full;	 /* at the last tick */
	int said_reason; /* why it is not served, already told */
};

/* One open question. */
struct ask {
	struct serve_ask serve; /* first: the daemon hands back this */
	struct channel *channel;
	int id; /* of the queue it came from */
	pid_t client;
	struct ask *previous, *next;
};

struct numad_queue {
	sd_event *event;
	const struct serve_ops *ops;
	sd_event_source *timer;
	struct channel channels[2];
	struct ask *asks;
	unsigned n_asks;
	struct numad_queue_counters counters;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
}

/* ---- replies ------------------------------------------------------------------------------ */

static void sweep(struct channel *channel, bool at_once)
{
	const int n = numad_sysv_sweep(channel->id, getpid(), at_once);

	if (n > 0)
		channel->queue->counters.n_swept += (unsigned)n;
}

static int send_reply(struct channel *channel, const struct numad_message *message, size_t size)
{
	for (unsigned i = 0;; i++) {
		if (msgsnd(channel->id, message, size, IPC_NOWAIT) == 0)
			return 0;
		if (errno == EAGAIN && i == 0)
			sweep(channel, true);
		else if (errno != EINTR)
			return -errno;
	}
}

static void reply(const struct ask *ask, const struct place_set *nodes)
{
	struct numad_queue_counters *counters = &ask->channel->queue->counters;
	struct channel *channel = ask->channel;
	struct numad_message message;
	size_t size;
	int shortened, r;

	if (!channel->reader || channel->id != ask->id) {
		counters->n_lost++;
		return;
	}
	shortened = numad_message_reply(ask->client, getpid(), nodes, &message, &size);
	if (shortened < 0)
		return;
	r = send_reply(channel, &message, size);
	if (r == 0) {
		counters->n_answers++;
		counters->n_shortened += (unsigned)shortened;
	} else if (r != -EAGAIN) {
		counters->n_lost++;
	} else if (counters->n_full++ == 0) {
		event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->name),
		      KV("reason", "the queue is full: a reply was dropped"));
	}
}

/* ---- questions and orders ----------------------------------------------------------------- */

/* Only root can send. Which process did, nobody knows. */
static const struct serve_peer root_peer = { .pid = 0, .uid = (uid_t)-1, .is_root = true };

/* Readers rest while there are too many questions; the messages wait in the queues. */
static void enable_readers(struct numad_queue *queue, bool on)
{
	for (size_t i = 0; i < ELEMENTSOF(queue->channels); i++)
		if (queue->channels[i].source)
			(void)sd_event_source_set_enabled(queue->channels[i].source,
							  on ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void drop_ask(struct ask *ask)
{
	struct numad_queue *queue = ask->channel->queue;

	if (ask->previous)
		ask->previous->next = ask->next;
	else
		queue->asks = ask->next;
	if (ask->next)
		ask->next->previous = ask->previous;
	if (queue->n_asks-- == ASKS_MAX)
		enable_readers(queue, true);
	free(ask);
}

static void on_answer(struct serve_ask *serve, const struct serve_answer *answer)
{
	struct ask *ask = (struct ask *)serve;

	reply(ask, answer->nodes);
	drop_ask(ask);
}

static void take_question(struct channel *channel, const struct numad_words *words)
{
	struct numad_queue *queue = channel->queue;
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return;
	*ask = (struct ask){
		.serve = { .request = numad_message_request(words),
			   .peer = root_peer,
			   .answer = on_answer },
		.channel = channel,
		.id = channel->id,
		.client = words->from,
		.next = queue->asks,
	};
	if (ask->next)
		ask->next->previous = ask;
	queue->asks = ask;
	if (++queue->n_asks == ASKS_MAX)
		enable_readers(queue, false);
	/* The answer may come before this returns. */
	queue->ops->ask(queue->ops->daemon, &ask->serve);
}

static void take_order(struct numad_queue *queue, const struct numad_words *words)
{
	const struct serve_order order = {
		.letter = words->letter,
		.arg1 = words->arg1,
		.arg2 = words->arg2,
		.peer = root_peer,
	};

	if (queue->ops->order(queue->ops->daemon, &order) < 0)
		queue->counters.n_refused++;
	else
		queue->counters.n_orders++;
}

static void count_dropped(struct channel *channel, int reason, size_t size)
{
	struct numad_queue_counters *counters = &channel->queue->counters;
	const char *words = "malformed";

	if (reason == -E2BIG) {
		counters->n_long++;
		words = "longer than 128 bytes";
	} else if (reason == -EOPNOTSUPP) {
		counters->n_unknown++;
		words = "unknown command";
	} else {
		counters->n_malformed++;
	}
	event(LOG_WARNING, EVENT_REFUSED, KV("queue", channel->name), KV("reason", words),
	      KV_U64("bytes", size));
}

static void take_packet(struct channel *channel, const struct numad_packet *packet, size_t size)
{
	struct numad_words words;
	int r;

	r = numad_message_parse(&packet->message, size, getpid(), &words);
	if (r < 0)
		count_dropped(channel, r, size);
	else if (words.letter == 'w')
		take_question(channel, &words);
	else
		take_order(channel->queue, &words);
}

/* ---- channels ----------------------------------------------------------------------------- */

static void close_channel(struct channel *channel)
{
	channel->source = sd_event_source_disable_unref(channel->source);
	if (channel->reader)
		channel->queue->counters.n_served--;
	channel->reader = numad_reader_stop(channel->reader);
}

static void tell_not_served(struct channel *channel, int reason,
			    const struct numad_sysv_found *found)
{
	if (channel->said_reason == reason)
		return;
	channel->said_reason = reason;
	if (found->is_foreign)
		event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->name),
		      KV("reason", "not served: another user made it, and it cannot be removed"),
		      KV_U64("owner", found->owner), KV("error", strerror(-reason)));
	else
		event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->name),
		      KV("reason", "not served"), KV("error", strerror(-reason)));
}

static int on_packet(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static int watch_reader(struct channel *channel)
{
	struct numad_queue *queue = channel->queue;
	int r;

	r = numad_reader_start(channel->id, &channel->reader);
	if (r < 0) {
		(void)numad_sysv_remove(channel->id);
		return r;
	}
	queue->counters.n_served++;
	r = sd_event_add_io(queue->event, &channel->source, numad_reader_fd(channel->reader),
			    EPOLLIN, on_packet, channel);
	if (r < 0)
		close_channel(channel);
	return r;
}

static void open_channel(struct channel *channel)
{
	struct numad_sysv_found found;
	int r;

	channel->made_us = now_us();
	channel->was_full = false;
	r = numad_sysv_make(channel->key, &channel->id, &found);
	if (r == 0)
		r = watch_reader(channel);
	if (r < 0) {
		tell_not_served(channel, r, &found);
		return;
	}
	channel->said_reason = 0;
	if (found.is_foreign)
		event(LOG_WARNING, EVENT_FINDING, KV("queue", channel->name),
		      KV("reason", "a queue that another user made was replaced"),
		      KV_U64("owner", found.owner));
	if (channel->queue->n_asks >= ASKS_MAX)
		enable_readers(channel->queue, false);
}

/* At once, but not in a circle with somebody who keeps removing it. */
static void make_anew(struct channel *channel, const char *reason)
{
	struct numad_queue *queue = channel->queue;

	event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->name), KV("reason", reason));
	close_channel(channel);
	queue->counters.n_made_anew++;
	if (now_us() - channel->made_us >= SECOND_US)
		open_channel(channel);
	else
		(void)sd_event_source_set_time_relative(queue->timer, SECOND_US);
}

static int on_packet(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct channel *channel = userdata;
	struct numad_packet packet;
	size_t size;
	int r = 1;

	(void)source, (void)fd, (void)revents;
	for (unsigned i = 0; i < TURN_MAX && channel->queue->n_asks < ASKS_MAX; i++) {
		r = numad_reader_take(channel->reader, &packet, &size);
		if (r <= 0)
			break;
		take_packet(channel, &packet, size);
	}
	if (r < 0)
		make_anew(channel, "the queue was removed: it is made anew");
	return 0;
}

/* A queue stays full when what fills it is meant for processes that live and do not read. */
static void check_channel(struct channel *channel)
{
	bool is_full;

	if (!channel->reader) {
		open_channel(channel);
		return;
	}
	is_full = numad_sysv_is_full(channel->id);
	sweep(channel, is_full);
	if (is_full)
		is_full = numad_sysv_is_full(channel->id);
	if (is_full && channel->was_full)
		make_anew(channel, "the queue stayed full: it is made anew");
	else
		channel->was_full = is_full;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct numad_queue *queue = userdata;

	(void)usec;
	/* Before, so that one who needs it earlier may say so. */
	(void)sd_event_source_set_time_relative(source, TICK_US);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	for (size_t i = 0; i < ELEMENTSOF(queue->channels); i++)
		check_channel(&queue->channels[i]);
	return 0;
}

/* ---- open and close ------------------------------------------------------------------------ */

int numad_queue_open(sd_event *event, const struct serve_ops *ops, struct numad_queue **ret_queue)
{
	struct numad_queue *queue = calloc(1, sizeof(*queue));
	int r;

	if (!queue)
		return -ENOMEM;
	*queue = (struct numad_queue){
		.event = sd_event_ref(event),
		.ops = ops,
		.channels = { { .queue = queue, .key = NUMAD_KEY_2015, .name = "0xdeadbeef" },
			      { .queue = queue, .key = NUMAD_KEY_2025, .name = "0xaddaadda" } },
	};
	r = sd_event_add_time_relative(event, &queue->timer, CLOCK_MONOTONIC, TICK_US, SECOND_US,
				       on_tick, queue);
	if (r < 0) {
		numad_queue_close(queue);
		return r;
	}
	for (size_t i = 0; i < ELEMENTSOF(queue->channels); i++)
		open_channel(&queue->channels[i]);
	*ret_queue = queue;
	return 0;
}

struct numad_queue *numad_queue_close(struct numad_queue *queue)
{
	if (!queue)
		return NULL;
	sd_event_source_disable_unref(queue->timer);
	for (size_t i = 0; i < ELEMENTSOF(queue->channels); i++)
		close_channel(&queue->channels[i]);
	while (queue->asks) {
		queue->ops->forget(queue->ops->daemon, &queue->asks->serve);
		drop_ask(queue->asks);
	}
	sd_event_unref(queue->event);
	free(queue);
	return NULL;
}

const struct numad_queue_counters *numad_queue_counters(const struct numad_queue *queue)
{
	return &queue->counters;
}
