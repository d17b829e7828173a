/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon says it did or decided anew: one line of key=value per event, to the journal
 * with a field per key where there is one, else to syslog; in the foreground to stderr too.
 *
 *   event(LOG_INFO, EVENT_MOVE_END, KV("guest", guest->name), KV_U64("bytes", bytes));
 *   -> move_end guest=web1 bytes=2147483648
 *
 * Never waits: what the log does not take at once is lost, counted, and the count is said with
 * the next line that gets through. Kinds that others can provoke are limited in number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

/* Kinds, their words and their MESSAGE_IDs (kinds[] in event.c) are part of the interface. */
enum event_kind {
	EVENT_START,
	EVENT_READY,
	EVENT_STOP,
	EVENT_RELOAD,
	EVENT_SETTING, /* a setting changed in the running daemon */
	EVENT_RESCAN,  /* nodes came or went */
	EVENT_GUEST_SEEN,
	EVENT_GUEST_GONE,
	EVENT_GUEST_CHANGED, /* its class or its fate is another than before */
	EVENT_PLAN,	     /* a move was decided; in a dry run all there is of it */
	EVENT_STEER,	     /* vCPUs were given the CPUs of a node */
	EVENT_MOVE_BEGIN,
	EVENT_MOVE_END,
	EVENT_MOVE_FAILED,
	EVENT_ADVICE,
	EVENT_REFUSED, /* an order, a message or a client that was not served */
	EVENT_PAUSE,
	EVENT_RESUME,
	EVENT_FINDING, /* what an operator should know of this host */
	EVENT_TROUBLE, /* of the daemon itself: what it could not do */
	EVENT_COUNT,
};

/* Made by KV and KV_U64 only. Keys are lower_case words of ours; texts may be anybody's. */
struct event_field {
	const char *key;
	const char *text;
	uint64_t number;
	bool is_number;
};

#define KV(key_, text_)                                                                            \
	{                                                                                          \
		.key = (key_), .text = (text_)                                                     \
	}
#define KV_U64(key_, number_)                                                                      \
	{                                                                                          \
		.key = (key_), .number = (number_), .is_number = true                              \
	}

/*
 * Says it. priority: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO (done, or decided otherwise than
 * before). A NULL text is left out.
 */
#define event(priority, kind, ...)                                                                 \
	event_send((priority), (kind), (const struct event_field[]){ { 0 }, ##__VA_ARGS__ },       \
		   sizeof((const struct event_field[]){ { 0 }, ##__VA_ARGS__ }) /                  \
			   sizeof(struct event_field))

void event_send(int priority, enum event_kind kind, const struct event_field *fields,
		size_t n_fields);

/*
 * is_foreground: lines go to stderr as well, unless stderr is the journal. Events before this
 * go to stderr alone. Call it again after a fork that closed descriptors.
 */
void event_open(bool is_foreground);
void event_open_at(bool is_foreground, const char *journal_path, const char *syslog_path);
void event_close(void);

/* How many lines the log did not take, and how many were held back as too many of their kind. */
uint64_t event_lost_count(void);
uint64_t event_held_count(void);

/* "move_end"; "unknown" for a value that is none. */
const char *event_kind_word(enum event_kind kind);

/*
 * The line of an event, without a newline, cut where it does not fit. Texts are escaped as
 * place_text_escape() does and quoted where they hold a blank, an equals sign or nothing.
 */
void event_format(enum event_kind kind, const struct event_field *fields, size_t n_fields,
		  char *line, size_t size);
