/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the serving files (socket, numad's queue) may ask of the daemon, and nothing else of it.
 * They own sd-event sources and clients; the daemon owns answers and settings.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "flow.h"

/* Who asks. A pid and uid that cannot be known (numad's queue: forgeable) are 0 and -1. */
struct serve_peer {
	pid_t pid;
	uid_t uid;
	bool is_root; /* may book and control */
};

/* An answer; valid during the call that brings it. */
struct serve_answer {
	const struct place_set *nodes; /* never empty */
	const char *verdict;	       /* place_verdict_word() */
	const char *note;	       /* a sentence for the operator, or NULL */
	bool is_booked;
};

/*
 * One question. The serving file allocates it (inside its client) and keeps it until answer() was
 * called, exactly once, now or later; or until it calls forget().
 */
struct serve_ask {
	struct place_request request;
	struct serve_peer peer;
	void (*answer)(struct serve_ask *ask, const struct serve_answer *answer);
	/*
	 * Whether an answer would still reach the asker; NULL where that cannot be known. One who
	 * has gone found his answer himself: he is answered like the others, but nothing is booked.
	 */
	bool (*is_waiting)(const struct serve_ask *ask);
	struct serve_ask *next; /* the daemon's */
};

/* An order of numad's command line: its letter and numbers, units as in its queue. */
struct serve_order {
	char letter; /* one of C H i K l m p r S t u x */
	int64_t arg1, arg2;
	struct serve_peer peer;
};

struct serve_ops {
	void (*ask)(void *daemon, struct serve_ask *ask);
	void (*forget)(void *daemon, struct serve_ask *ask);
	/*
	 * Checks as the command line does, applies, tells. Returns: 0; -EPERM the peer may not;
	 * -EINVAL, -ERANGE a value that is refused; -EOPNOTSUPP a letter that is none.
	 */
	int (*order)(void *daemon, const struct serve_order *order);
	/*
	 * Words of our own protocol (status, explain GUEST, pause, resume, reload ...), lines of
	 * the reply into out. Returns: 0 or -errno as above, -ENOENT no such guest.
	 */
	int (*command)(void *daemon, const struct serve_peer *peer, const char *verb,
		       const char *argument, FILE *out);
	void *daemon;
};
