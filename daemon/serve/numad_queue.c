/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two channels, each a queue and its reader, and a timer that sweeps them and tries again. Nothing
 * that comes through a queue ends the daemon or makes it wait.
 */
#include "serve/numad_queue.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/clock.h"
#include "numad_message.h"
#include "serve/numad_reader.h"
#include "serve/numad_sysv.h"
#include "serve/numad_talk.h"
#include "tell/event.h"

#define SECOND_US UINT64_C(1000000)
#define TICK_US (NUMAD_SYSV_AGE_S * SECOND_US)

/* Messages taken per turn of the loop. */
#define TURN_MAX 16

struct channel {
	struct numad_queue *queue;
	key_t key;
	struct numad_place place; /* its id means something while there is a reader */
	struct numad_reader *reader;
	sd_event_source *source;
	uint64_t made_ns;
	bool was_full;	 /* at the last tick */
	int said_reason; /* why it is not served, already told */
};

struct numad_queue {
	sd_event *event;
	sd_event_source *timer;
	struct channel channels[2];
	struct numad_talk talk;
};

/* ---- channels ----------------------------------------------------------------------------- */

/* Readers rest while there are too many questions; the messages wait in the queues. */
static void enable_readers(struct numad_queue *queue, bool on)
{
	for (size_t i = 0; i < ELEMENTSOF(queue->channels); i++)
		if (queue->channels[i].source)
			(void)sd_event_source_set_enabled(queue->channels[i].source,
							  on ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void on_room(void *data)
{
	enable_readers(data, true);
}

static void close_channel(struct channel *channel)
{
	channel->source = sd_event_source_disable_unref(channel->source);
	if (channel->reader)
		channel->queue->talk.counters.n_served--;
	channel->reader = numad_reader_stop(channel->reader);
}

/* NULL: not even root may look whose it is. */
static const char *owner_of(const struct numad_sysv_found *found, char text[16])
{
	if (found->owner == -1U)
		return NULL;
	snprintf(text, 16, "%u", found->owner);
	return text;
}

static void tell_not_served(struct channel *channel, int reason,
			    const struct numad_sysv_found *found)
{
	char owner[16];

	if (channel->said_reason == reason)
		return;
	channel->said_reason = reason;
	if (found->is_foreign)
		event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->place.name),
		      KV("reason",
			 "not served: others made it or may use it, and it cannot be removed"),
		      KV("owner", owner_of(found, owner)), KV("error", strerror(-reason)));
	else
		event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->place.name),
		      KV("reason", "not served"), KV("error", strerror(-reason)));
}

static int on_packet(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static int watch_reader(struct channel *channel)
{
	struct numad_queue *queue = channel->queue;
	int r;

	r = numad_reader_start(channel->place.id, &channel->reader);
	if (r < 0) {
		(void)numad_sysv_remove(channel->place.id);
		return r;
	}
	queue->talk.counters.n_served++;
	r = sd_event_add_io(queue->event, &channel->source, numad_reader_fd(channel->reader),
			    EPOLLIN, on_packet, channel);
	if (r < 0)
		close_channel(channel);
	return r;
}

static void open_channel(struct channel *channel)
{
	struct numad_sysv_found found;
	char owner[16];
	int r;

	channel->made_ns = place_clock_ns();
	channel->was_full = false;
	r = numad_sysv_make(channel->key, &channel->place.id, &found);
	if (r == 0)
		r = watch_reader(channel);
	if (r < 0) {
		tell_not_served(channel, r, &found);
		return;
	}
	channel->said_reason = 0;
	if (found.is_foreign)
		event(LOG_WARNING, EVENT_FINDING, KV("queue", channel->place.name),
		      KV("reason", "a queue that others made or might use was replaced"),
		      KV("owner", owner_of(&found, owner)));
	if (channel->queue->talk.n_asks >= NUMAD_ASKS_MAX)
		enable_readers(channel->queue, false);
}

/* At once, but not in a circle with somebody who keeps removing it. */
static void make_anew(struct channel *channel, const char *reason)
{
	struct numad_queue *queue = channel->queue;

	event(LOG_WARNING, EVENT_TROUBLE, KV("queue", channel->place.name), KV("reason", reason));
	close_channel(channel);
	queue->talk.counters.n_made_anew++;
	if (place_clock_ns() - channel->made_ns >= SECOND_US * 1000)
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
	for (unsigned i = 0; i < TURN_MAX && channel->queue->talk.n_asks < NUMAD_ASKS_MAX; i++) {
		r = numad_reader_take(channel->reader, &packet, &size);
		if (r <= 0)
			break;
		numad_talk_take(&channel->queue->talk, &channel->place, &packet, size);
	}
	if (r < 0)
		make_anew(channel, "the queue was removed: it is made anew");
	if (channel->queue->talk.n_asks >= NUMAD_ASKS_MAX)
		enable_readers(channel->queue, false);
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
	is_full = numad_sysv_is_full(channel->place.id);
	numad_talk_sweep(&channel->queue->talk, channel->place.id, is_full);
	if (is_full)
		is_full = numad_sysv_is_full(channel->place.id);
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
		.talk = { .ops = ops, .on_room = on_room, .data = queue },
		.channels = { { .queue = queue, .key = NUMAD_KEY_2015, .place.name = "0xdeadbeef" },
			      { .queue = queue,
				.key = NUMAD_KEY_2025,
				.place.name = "0xaddaadda" } },
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
	numad_talk_forget(&queue->talk);
	sd_event_unref(queue->event);
	free(queue);
	return NULL;
}

const struct numad_queue_counters *numad_queue_counters(const struct numad_queue *queue)
{
	return &queue->talk.counters;
}
