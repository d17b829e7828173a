/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events: made into a line, or into fields for the journal, and sent. The one place that keeps
 * the state of the log: it belongs to the process, as its descriptors do.
 */
#include "tell/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/text.h"
#include "tell/log_socket.h"

#define IDENTIFIER "placed"

/*
 * Names are at most 127 bytes, four times that escaped; syslog's line is 1 KiB by RFC 3164, but
 * every daemon takes 2 KiB and more.
 */
#define TEXT_MAX 600
#define LINE_MAX_BYTES 2048
#define MESSAGE_MAX_BYTES 8192

/*
 * burst: lines of that kind within WINDOW_NS; beyond it they are counted, not said. 0: no limit,
 * for what only we or root can cause. Guests are started by the dozen, not by the thousand.
 */
#define WINDOW_NS UINT64_C(10000000000)

static const struct {
	const char *word;
	const char *message_id;
	unsigned burst;
} kinds[EVENT_COUNT] = {
	[EVENT_START] = { "start", "ad52de46161544919ff35db652b1f6ce", 0 },
	[EVENT_READY] = { "ready", "fff3e0dc8d4f4ee88d5eeb84746d906d", 0 },
	[EVENT_STOP] = { "stop", "152d67f7a3e549f98bb588fe4b05734d", 0 },
	[EVENT_RELOAD] = { "reload", "9a0d1dbd67a54050a4d6df26597452a5", 0 },
	[EVENT_SETTING] = { "setting", "fddd31f091a34d049e501083fcfd9980", 0 },
	[EVENT_RESCAN] = { "rescan", "f6b659f48dad47b8812ea99ef2467b2c", 20 },
	[EVENT_GUEST_SEEN] = { "guest_seen", "92d664ff2ba34336b1d6208d1438b004", 100 },
	[EVENT_GUEST_GONE] = { "guest_gone", "1c6397416e9b4673af5121653453cd1d", 100 },
	[EVENT_GUEST_CHANGED] = { "guest_changed", "c5e65567d2334d40a8fc7a8412f694c8", 100 },
	[EVENT_PLAN] = { "plan", "bd660d3a631349a6aefd438045c69d63", 100 },
	[EVENT_STEER] = { "steer", "0c0e7d6a9f2b4f7e8a553d1c7b5e9a10", 0 },
	[EVENT_MOVE_BEGIN] = { "move_begin", "f41486d797774f489e591dc81cd6c2c3", 0 },
	[EVENT_MOVE_END] = { "move_end", "7f51bb008e8a4ff38298d8c33c85458a", 0 },
	[EVENT_MOVE_FAILED] = { "move_failed", "42977bd523d54bb796f8f568d142e3ab", 100 },
	[EVENT_ADVICE] = { "advice", "afb55ccc54184ca6a43118ccc9c27340", 200 },
	[EVENT_REFUSED] = { "refused", "deb63737e95943e5912fec8808f9c77e", 10 },
	[EVENT_PAUSE] = { "pause", "11a5fb82fa0e4807b713982d97aa12dc", 0 },
	[EVENT_RESUME] = { "resume", "8c2cdb6edcd842279e2a34ed2e76afd7", 0 },
	[EVENT_FINDING] = { "finding", "99a09cac23f1427dba2c77b00e6489bf", 50 },
	[EVENT_TROUBLE] = { "trouble", "5bd45cd649344b6580df1f535cae1894", 20 },
};

static struct {
	bool is_open;
	bool is_journal;
	bool to_stderr;
	struct log_socket log;
	uint64_t n_lost, n_held;	 /* in all */
	uint64_t lost_since, held_since; /* not said yet */
	struct {
		uint64_t begin_ns;
		unsigned n;
	} windows[EVENT_COUNT];
} state = { .log = { .fd = -1 } };

const char *event_kind_word(enum event_kind kind)
{
	return (unsigned)kind < EVENT_COUNT ? kinds[kind].word : "unknown";
}

uint64_t event_lost_count(void)
{
	return state.n_lost;
}

uint64_t event_held_count(void)
{
	return state.n_held;
}

/* ---- text ---------------------------------------------------------------------------- */

struct text {
	char *data;
	size_t size, n;
};

/* Whole or not at all, so that no field is cut into another one. */
static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text->data + text->n, text->size - text->n, format, arguments);
	va_end(arguments);
	if (n > 0 && (size_t)n < text->size - text->n)
		text->n += (size_t)n;
	text->data[text->n] = '\0';
}

static bool is_left_out(const struct event_field *field)
{
	return !field->key || (!field->is_number && !field->text);
}

static void put_field(struct text *text, const struct event_field *field)
{
	char value[TEXT_MAX];

	if (field->is_number) {
		put(text, " %s=%" PRIu64, field->key, field->number);
		return;
	}
	place_text_escape(field->text, value, sizeof(value));
	if (value[0] == '\0' || strpbrk(value, " ="))
		put(text, " %s=\"%s\"", field->key, value);
	else
		put(text, " %s=%s", field->key, value);
}

void event_format(enum event_kind kind, const struct event_field *fields, size_t n_fields,
		  char *line, size_t size)
{
	struct text text = { .data = line, .size = size };

	put(&text, "%s", event_kind_word(kind));
	for (size_t i = 0; i < n_fields; i++)
		if (!is_left_out(&fields[i]))
			put_field(&text, &fields[i]);
}

/* ---- the journal, syslog, stderr ----------------------------------------------------- */

/*
 * systemd.io/JOURNAL_NATIVE_PROTOCOL: "KEY=value\n" where the value has no newline, and ours are
 * escaped. Fields are upper case.
 */
static void put_journal_field(struct text *text, const struct event_field *field)
{
	char key[64], value[TEXT_MAX];
	size_t n;

	for (n = 0; field->key[n] && n < sizeof(key) - 1; n++)
		key[n] = (char)(field->key[n] >= 'a' && field->key[n] <= 'z' ? field->key[n] - 32 :
									       field->key[n]);
	key[n] = '\0';
	if (field->is_number) {
		put(text, "PLACED_%s=%" PRIu64 "\n", key, field->number);
		return;
	}
	place_text_escape(field->text, value, sizeof(value));
	put(text, "PLACED_%s=%s\n", key, value);
}

static void format_journal(int priority, enum event_kind kind, const struct event_field *fields,
			   size_t n_fields, const char *line, struct text *text)
{
	put(text,
	    "MESSAGE=%s\nMESSAGE_ID=%s\nPRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_"
	    "IDENTIFIER=" IDENTIFIER "\nPLACED_EVENT=%s\n",
	    line, kinds[kind].message_id, priority, LOG_FAC(LOG_DAEMON), kinds[kind].word);
	for (size_t i = 0; i < n_fields; i++)
		if (!is_left_out(&fields[i]))
			put_journal_field(text, &fields[i]);
}

/* RFC 3164, as syslog(3) sends it to the local daemon: no host name. */
static void format_syslog(int priority, const char *line, struct text *text)
{
	const time_t now = time(NULL);
	struct tm local;
	char stamp[32] = "";

	if (localtime_r(&now, &local))
		strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &local);
	put(text, "<%d>%s " IDENTIFIER "[%d]: %s", LOG_DAEMON | priority, stamp, (int)getpid(),
	    line);
}

static void send_to_stderr(const char *line)
{
	char whole[LINE_MAX_BYTES + 32];
	const int n = snprintf(whole, sizeof(whole), IDENTIFIER ": %s\n", line);

	(void)log_descriptor_send(STDERR_FILENO, whole, (size_t)n);
}

static bool send_to_log(int priority, enum event_kind kind, const struct event_field *fields,
			size_t n_fields, const char *line)
{
	char message[MESSAGE_MAX_BYTES] = "";
	struct text text = { .data = message, .size = sizeof(message) };

	if (state.is_journal)
		format_journal(priority, kind, fields, n_fields, line, &text);
	else
		format_syslog(priority, line, &text);
	return log_socket_send(&state.log, text.data, text.n) == 0;
}

/* $JOURNAL_STREAM is the device and inode of the stream that the journal gave us as stderr. */
static bool is_stderr_the_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char text[48];
	struct stat status;

	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return !strcmp(stream, text);
}

void event_open_at(bool is_foreground, const char *journal_path, const char *syslog_path)
{
	event_close();
	state.is_open = true;
	state.to_stderr = is_foreground && !is_stderr_the_journal();
	state.is_journal = log_socket_open(&state.log, journal_path) == 0;
	if (!state.is_journal)
		(void)log_socket_open(&state.log, syslog_path);
}

void event_open(bool is_foreground)
{
	event_open_at(is_foreground, LOG_SOCKET_JOURNAL, LOG_SOCKET_SYSLOG);
}

void event_close(void)
{
	log_socket_close(&state.log);
	state.is_open = false;
}

/* ---- saying it ----------------------------------------------------------------------- */

static bool is_too_many(enum event_kind kind)
{
	const uint64_t now_ns = place_clock_ns();

	if (!kinds[kind].burst)
		return false;
	if (now_ns - state.windows[kind].begin_ns >= WINDOW_NS) {
		state.windows[kind].begin_ns = now_ns;
		state.windows[kind].n = 0;
	}
	return ++state.windows[kind].n > kinds[kind].burst;
}

/* Returns: whether whoever reads the log will see it. */
static bool deliver(int priority, enum event_kind kind, const struct event_field *fields,
		    size_t n_fields)
{
	char line[LINE_MAX_BYTES];

	event_format(kind, fields, n_fields, line, sizeof(line));
	if (state.to_stderr || !state.is_open)
		send_to_stderr(line);
	if (!state.is_open || send_to_log(priority, kind, fields, n_fields, line))
		return true;
	/* A container without a log has its stderr. */
	if (state.to_stderr && state.log.fd < 0)
		return true;
	state.n_lost++;
	state.lost_since++;
	return false;
}

/* What was not said is said to be missing, behind the first line that is. */
static void deliver_gap(void)
{
	const uint64_t lost = state.lost_since, held = state.held_since;
	const struct event_field fields[] = {
		KV("what", "lines_missing"),
		KV_U64("lost", lost),
		KV_U64("held_back", held),
	};

	state.lost_since = state.held_since = 0;
	if (deliver(LOG_WARNING, EVENT_TROUBLE, fields, sizeof(fields) / sizeof(fields[0])))
		return;
	state.lost_since = lost;
	state.held_since = held;
}

void event_send(int priority, enum event_kind kind, const struct event_field *fields,
		size_t n_fields)
{
	if ((unsigned)kind >= EVENT_COUNT)
		return;
	if (is_too_many(kind)) {
		state.n_held++;
		state.held_since++;
		return;
	}
	if (deliver(priority, kind, fields, n_fields) && (state.lost_since || state.held_since))
		deliver_gap();
}
