/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad's message queues, for foreign `numad` clients: both generations' keys, each a queue of its
 * own. Whoever may send may ask and order, so the queues are root's alone (0600); a sender's pid
 * and uid prove nothing. A client finds us by /run/numad.pid, which is somebody else's task.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "serve/serve.h"

struct numad_queue;

struct numad_queue_counters {
	unsigned n_served;    /* queues that are open: 2, unless the log says why not */
	uint64_t n_answers;   /* replies sent */
	uint64_t n_shortened; /* of them, to fewer nodes since the text was too long */
	uint64_t n_orders;    /* carried out */
	uint64_t n_refused;   /* orders that were not */
	uint64_t n_long;      /* dropped: more than 128 bytes */
	uint64_t n_malformed; /* dropped: too short, nobody to reply to, impossible values */
	uint64_t n_unknown;   /* dropped: no letter of numad's */
	uint64_t n_full;      /* replies dropped since the queue was full */
	uint64_t n_lost;      /* answers that came when the queue of the question was gone */
	uint64_t n_swept;     /* messages taken out that nobody would have taken */
	uint64_t n_made_anew; /* a queue was removed under us, or stayed full */
};

/*
 * Opens what can be opened, and tries again now and then for what cannot; the log says so. To be
 * called by the process that serves (not before it forks into the background), when it holds
 * the pid file, and before CAP_SYS_ADMIN is dropped: removing another user's queue needs it,
 * nothing else does.
 *
 * Returns: 0 or -errno (of memory and the event loop only).
 * Ownership: event is referenced; ops must outlive the queue.
 */
int numad_queue_open(sd_event *event, const struct serve_ops *ops, struct numad_queue **ret_queue);

/* Forgets open questions and removes the queues, which sends waiting clients home. Immediate. */
struct numad_queue *numad_queue_close(struct numad_queue *queue);

const struct numad_queue_counters *numad_queue_counters(const struct numad_queue *queue);
