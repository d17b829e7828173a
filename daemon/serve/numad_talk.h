/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a message from a foreign numad leads to: a question that is open until the daemon has its
 * answer, an order, or a count. Knows nothing of how messages come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "numad_message.h"
#include "serve/numad_queue.h"

/* Questions that may be open at once; whoever reads the queues takes no more then. */
#define NUMAD_ASKS_MAX 64

struct ask;

/* The queue that a message came from: its reply goes there. */
struct numad_place {
	int id;
	const char *name; /* lives as long as the talk */
};

struct numad_talk {
	const struct serve_ops *ops;
	struct numad_queue_counters counters;
	struct ask *asks;
	unsigned n_asks;
	void (*on_room)(void *data); /* questions may be taken again */
	void *data;
};

/* A message as it was received; see numad_message_parse(). */
void numad_talk_take(struct numad_talk *talk, const struct numad_place *place,
		     const struct numad_packet *packet, size_t size);

/* numad_sysv_sweep(), counted. */
void numad_talk_sweep(struct numad_talk *talk, int id, bool at_once);

/* Forgets the questions that are open. */
void numad_talk_forget(struct numad_talk *talk);
