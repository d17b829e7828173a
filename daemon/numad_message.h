/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of numad's message queue, both generations (20150602 and 20251104 differ in the key
 * alone): layout, what a message may hold, how a nodeset fits into a reply. Nothing here touches
 * a queue; whatever comes in is hostile.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "flow.h"

#define NUMAD_KEY_2015 ((key_t)0xdeadbeef)
#define NUMAD_KEY_2025 ((key_t)0xaddaadda)

#define NUMAD_TEXT_SIZE 96 /* with its NUL */

/* As numad declares it: `long` is as wide as the machine's. mtype is the pid it is meant for. */
struct numad_message {
	long mtype;
	long src_pid; /* where a reply goes; anybody may write anything there */
	long cmd;     /* the option's letter */
	long arg1, arg2;
	char text[NUMAD_TEXT_SIZE];
};

/*
 * Sizes as msgsnd(2) counts them: without mtype. numad sends the text with its NUL, so a request
 * has no less than the first; what is longer than the second makes its receivers fail (E2BIG).
 */
#define NUMAD_SIZE_MIN (offsetof(struct numad_message, text) - sizeof(long) + 1)
#define NUMAD_SIZE_MAX (sizeof(struct numad_message) - sizeof(long))

/* Room for a message of any size: one byte more than is allowed, and the rest is cut off. */
struct numad_packet {
	struct numad_message message;
	char beyond;
};
#define NUMAD_PACKET_SIZE (NUMAD_SIZE_MAX + 1)

/* What a client wants. */
struct numad_words {
	char letter; /* one of C H i K l m p r S t u w x */
	pid_t from;  /* unproven */
	int64_t arg1, arg2;
};

/*
 * Looks at a message that was sent to `self`; `size` is what msgrcv(2) returned. The values of
 * orders are checked by whoever carries them out, here only that they are ints, as numad's are.
 *
 * Returns: 0 or -errno; *ret_words is untouched on failure.
 * Errors: -E2BIG too long; -EBADMSG too short, no pid to reply to, or our own; a value that no
 * client sends; -EOPNOTSUPP a letter that is none.
 */
int numad_message_parse(const struct numad_message *message, size_t size, pid_t self,
			struct numad_words *ret_words);

/*
 * The size that `w` asks for: hundredths of a CPU and MiB. Never fails: who asked waits without
 * end, so numbers that the command line refuses are taken as the nearest that it does not.
 */
struct place_request numad_message_request(const struct numad_words *words);

/* Fills in a request; returns its size for msgsnd(2). */
size_t numad_message_ask(pid_t daemon, pid_t self, const struct place_request *request,
			 struct numad_message *ret_message);

/*
 * Fills in a reply. A nodeset whose text does not fit is replaced by a part of it: as many nodes
 * as the text holds, whole runs only.
 *
 * Returns: 0, 1 where nodes were left out, -EINVAL for an empty set.
 */
int numad_message_reply(pid_t client, pid_t self, const struct place_set *nodes,
			struct numad_message *ret_message, size_t *ret_size);

/*
 * Reads the reply that `daemon` sent. Returns: 0; -EBADMSG it is none, or holds no nodeset that
 * lies inside `online`.
 */
int numad_message_parse_reply(const struct numad_message *message, size_t size, pid_t daemon,
			      const struct place_set *online, struct place_set *ret_nodes);
