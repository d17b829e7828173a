/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of our own protocol: one request, one reply, one packet each (SOCK_SEQPACKET).
 *
 *   placed 1 hello
 *   placed 1 advice vcpus_centi=400 memory_bytes=8589934592
 *   placed 1 order letter=u arg1=85 arg2=0
 *   placed 1 command verb=explain argument="guest 7"
 *
 *   ok pid=812                                        (hello)
 *   ok nodes=0-1 verdict=one_node booked=yes note="a sentence"
 *   ok                                                (order, and the end of a command)
 *   error code=EPERM text="only root may do that"
 *   line <text of a command, cut at the end of a line where one fits>
 *
 * 1 is the version of the requests. A value stands in quotes when it needs them; inside, what is
 * not printable ASCII, the quote and the backslash are \xNN as in host/text.h. One newline may
 * stand at the end. Requests are taken literally: a key that is unknown, missing or there twice is
 * refused, for half an order is a wrong one. In replies unknown keys are passed over, so that a
 * newer daemon may say more. Both directions are written by strangers: nothing here allocates, and
 * nothing is believed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"

#define PLACE_SOCKET_PATH "/run/placed/socket"

/* A packet, in bytes; also of what a command replies, packet by packet. */
#define PLACE_WIRE_MAX 4096
#define PLACE_WIRE_WORD_MAX 32
#define PLACE_WIRE_TEXT_MAX 512

enum place_wire_kind {
	PLACE_WIRE_HELLO,
	PLACE_WIRE_ADVICE,
	PLACE_WIRE_ORDER,
	PLACE_WIRE_COMMAND,
};

struct place_wire_request {
	enum place_wire_kind kind;
	struct place_request advice;	/* at most what -w can say: INT_MAX hundredths and MiB */
	char letter;			/* order: an ASCII letter, any of them */
	int64_t arg1, arg2;		/* order */
	char verb[PLACE_WIRE_WORD_MAX]; /* command: a-z and _, at least one */
	char argument[PLACE_WIRE_TEXT_MAX];
};

enum place_wire_outcome {
	PLACE_WIRE_OK,
	PLACE_WIRE_ERROR,
	PLACE_WIRE_LINE, /* more packets come */
};

struct place_wire_reply {
	enum place_wire_outcome outcome;
	bool has_nodes;
	struct place_set nodes; /* ok: not empty where has_nodes */
	bool is_booked;
	char verdict[PLACE_WIRE_WORD_MAX]; /* "" where it is not said */
	char note[PLACE_WIRE_TEXT_MAX];	   /* the same */
	int64_t pid;			   /* hello; else 0 */
	int error;			/* error: a positive errno; EIO for a code we do not know */
	char text[PLACE_WIRE_TEXT_MAX]; /* error: a sentence, or "" */
	const char *line;		/* line: points into the packet, not NUL-terminated */
	size_t line_size;
};

/*
 * Reads a packet of `size` bytes, which need not end with a NUL.
 *
 * Returns: 0 or -errno; *ret_ is untouched on failure.
 * Errors: -EINVAL no such line; -ERANGE a number that does not fit; -ENOBUFS a value, or the
 * packet, that is too long; -EPROTONOSUPPORT a request of another version.
 */
int place_wire_parse_request(const char *packet, size_t size,
			     struct place_wire_request *ret_request);
int place_wire_parse_reply(const char *packet, size_t size, struct place_wire_reply *ret_reply);

/*
 * Writes a line with its newline and a NUL. A note or text that is too long is cut; anything else
 * is not. `line` is copied as it is: the caller cuts (place_wire_cut()).
 *
 * Returns: the length without the NUL, or -ENOBUFS.
 */
int place_wire_format_request(const struct place_wire_request *request, char *packet, size_t size);
int place_wire_format_reply(const struct place_wire_reply *reply, char *packet, size_t size);

/*
 * How many bytes of a command's text go into the next packet: whole lines, or as much of one as
 * fits. Returns: 1 to PLACE_WIRE_MAX - 5, for a text that is not empty.
 */
size_t place_wire_cut(const char *text, size_t size);

/* "EPERM" for EPERM and -EPERM; "EIO" for what has no word in this protocol. */
const char *place_wire_error_word(int error);
/* EPERM for "EPERM"; EIO for a word we do not know. */
int place_wire_error_number(const char *word);
