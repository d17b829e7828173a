/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading: one pass over the packet, field by field, into fixed buffers. Writing: wire_format.c. */
#include "ask/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

/* ---- reading ----------------------------------------------------------------------------- */

struct reader {
	const char *at, *end;
};

/* key=value, unescaped; a value may be as long as a packet (a set of nodes). */
struct field {
	char key[PLACE_WIRE_WORD_MAX];
	char value[PLACE_WIRE_MAX];
};

static bool is_at_end(const struct reader *reader)
{
	return reader->at == reader->end;
}

static bool take_text(struct reader *reader, const char *text)
{
	const size_t size = strlen(text);

	if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, text, size) != 0)
		return false;
	reader->at += size;
	return true;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Lower-case letters, digits and underscores. */
static int take_word(struct reader *reader, char *word, size_t size)
{
	size_t n = 0;

	for (; !is_at_end(reader) && is_word_char(*reader->at); reader->at++) {
		if (n + 1 >= size)
			return -ENOBUFS;
		word[n++] = *reader->at;
	}
	word[n] = '\0';
	return n ? 0 : -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash: xNN. A NUL would end the value for whoever reads it. */
static int take_escaped(struct reader *reader, char *ret_char)
{
	int high, low;

	if (reader->end - reader->at < 3 || reader->at[0] != 'x')
		return -EINVAL;
	high = hex_digit(reader->at[1]);
	low = hex_digit(reader->at[2]);
	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -EINVAL;
	reader->at += 3;
	*ret_char = (char)(high << 4 | low);
	return 0;
}

static bool is_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static int take_value(struct reader *reader, char *value, size_t size)
{
	const bool is_quoted = take_text(reader, "\"");
	size_t n = 0;

	while (!is_at_end(reader)) {
		char c = *reader->at;
		int r;

		if (is_quoted ? c == '"' : c == ' ')
			break;
		reader->at++;
		r = 0;
		if (is_quoted && c == '\\')
			r = take_escaped(reader, &c);
		else if (!is_plain(c) && !(is_quoted && c == ' '))
			r = -EINVAL;
		if (r < 0)
			return r;
		if (n + 1 >= size)
			return -ENOBUFS;
		value[n++] = c;
	}
	value[n] = '\0';
	if (is_quoted)
		return take_text(reader, "\"") ? 0 : -EINVAL;
	return n ? 0 : -EINVAL;
}

/* Returns: 1 a field, 0 the end, or -errno. */
static int take_field(struct reader *reader, struct field *field)
{
	int r;

	if (is_at_end(reader))
		return 0;
	if (!take_text(reader, " "))
		return -EINVAL;
	r = take_word(reader, field->key, sizeof(field->key));
	if (r < 0)
		return r;
	if (!take_text(reader, "="))
		return -EINVAL;
	r = take_value(reader, field->value, sizeof(field->value));
	return r < 0 ? r : 1;
}

static int take_u64(const char *value, uint64_t most, uint64_t *ret_number)
{
	uint64_t number;
	int r;

	r = place_text_u64(value, &number);
	if (r < 0)
		return r;
	if (number > most)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

static int take_i64(const char *value, int64_t *ret_number)
{
	const bool is_negative = *value == '-';
	uint64_t number;
	int r;

	r = take_u64(value + is_negative, INT64_MAX, &number);
	if (r == 0)
		*ret_number = is_negative ? -(int64_t)number : (int64_t)number;
	return r;
}

static int copy_value(const char *value, char *text, size_t size)
{
	if (strlen(value) >= size)
		return -ENOBUFS;
	strcpy(text, value);
	return 0;
}

/* ---- requests ---------------------------------------------------------------------------- */

static int take_verb(const char *value, struct place_wire_request *request)
{
	for (const char *at = value; *at; at++)
		if (!is_word_char(*at))
			return -EINVAL;
	return *value ? copy_value(value, request->verb, sizeof(request->verb)) : -EINVAL;
}

static int take_letter(const char *value, struct place_wire_request *request)
{
	const char letter = value[0];

	if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) || value[1])
		return -EINVAL;
	request->letter = letter;
	return 0;
}

/* The keys of each kind; all of them have to be there. Returns: which one it was, or -errno. */
static int take_request_field(const struct field *field, struct place_wire_request *request)
{
	static const char *const keys[][3] = {
		[PLACE_WIRE_HELLO] = { NULL },
		[PLACE_WIRE_ADVICE] = { "vcpus_centi", "memory_bytes" },
		[PLACE_WIRE_ORDER] = { "letter", "arg1", "arg2" },
		[PLACE_WIRE_COMMAND] = { "verb", "argument" },
	};
	const char *value = field->value;
	uint64_t number;
	int key = 0, r;

	while (key < 3 && keys[request->kind][key] &&
	       strcmp(keys[request->kind][key], field->key) != 0)
		key++;
	if (key == 3 || !keys[request->kind][key])
		return -EINVAL;
	if (request->kind == PLACE_WIRE_ADVICE) {
		r = take_u64(value, key == 0 ? INT_MAX : (uint64_t)INT_MAX << 20, &number);
		if (r == 0 && key == 0)
			request->advice.vcpus_centi = (uint32_t)number;
		else if (r == 0)
			request->advice.memory_bytes = number;
	} else if (request->kind == PLACE_WIRE_ORDER) {
		r = key == 0 ? take_letter(value, request) :
			       take_i64(value, key == 1 ? &request->arg1 : &request->arg2);
	} else {
		r = key == 0 ? take_verb(value, request) :
			       copy_value(value, request->argument, sizeof(request->argument));
	}
	return r < 0 ? r : key;
}

static int take_kind(struct reader *reader, enum place_wire_kind *ret_kind)
{
	static const char *const words[] = {
		[PLACE_WIRE_HELLO] = "hello",
		[PLACE_WIRE_ADVICE] = "advice",
		[PLACE_WIRE_ORDER] = "order",
		[PLACE_WIRE_COMMAND] = "command",
	};
	char word[PLACE_WIRE_WORD_MAX];
	int r;

	if (!take_text(reader, "placed "))
		return -EINVAL;
	if (!take_text(reader, "1 "))
		return -EPROTONOSUPPORT;
	r = take_word(reader, word, sizeof(word));
	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTSOF(words); i++)
		if (!strcmp(word, words[i])) {
			*ret_kind = (enum place_wire_kind)i;
			return 0;
		}
	return -EINVAL;
}

/* Returns: a reader of the packet without its newline; of none where it is too long. */
static int open_reader(const char *packet, size_t size, struct reader *ret_reader)
{
	if (size > PLACE_WIRE_MAX)
		return -ENOBUFS;
	if (size && packet[size - 1] == '\n')
		size--;
	*ret_reader = (struct reader){ packet, packet + size };
	return 0;
}

int place_wire_parse_request(const char *packet, size_t size,
			     struct place_wire_request *ret_request)
{
	static const unsigned all_keys[] = {
		[PLACE_WIRE_HELLO] = 0,
		[PLACE_WIRE_ADVICE] = 3,
		[PLACE_WIRE_ORDER] = 7,
		[PLACE_WIRE_COMMAND] = 3,
	};
	struct place_wire_request request = { 0 };
	struct reader reader;
	struct field field;
	unsigned seen = 0;
	int r;

	r = open_reader(packet, size, &reader);
	if (r == 0)
		r = take_kind(&reader, &request.kind);
	while (r == 0) {
		r = take_field(&reader, &field);
		if (r == 0)
			break;
		if (r > 0)
			r = take_request_field(&field, &request);
		if (r >= 0 && seen & 1U << r)
			return -EINVAL;
		if (r >= 0) {
			seen |= 1U << r;
			r = 0;
		}
	}
	if (r < 0)
		return r;
	if (seen != all_keys[request.kind])
		return -EINVAL;
	*ret_request = request;
	return 0;
}

/* ---- replies ----------------------------------------------------------------------------- */

static int take_nodes(const char *value, struct place_wire_reply *reply)
{
	int r;

	r = place_set_parse_list(value, &reply->nodes);
	if (r == 0 && place_set_is_empty(&reply->nodes))
		r = -EINVAL;
	reply->has_nodes = r == 0;
	return r;
}

static int take_pid(const char *value, struct place_wire_reply *reply)
{
	uint64_t pid;
	int r;

	r = take_u64(value, INT_MAX, &pid);
	if (r == 0)
		reply->pid = (int64_t)pid;
	return r;
}

static int take_ok_field(const struct field *field, struct place_wire_reply *reply)
{
	const char *key = field->key, *value = field->value;

	if (!strcmp(key, "nodes"))
		return take_nodes(value, reply);
	if (!strcmp(key, "pid"))
		return take_pid(value, reply);
	if (!strcmp(key, "verdict"))
		return copy_value(value, reply->verdict, sizeof(reply->verdict));
	if (!strcmp(key, "note"))
		return copy_value(value, reply->note, sizeof(reply->note));
	if (strcmp(key, "booked") != 0)
		return 0;
	reply->is_booked = !strcmp(value, "yes");
	return reply->is_booked || !strcmp(value, "no") ? 0 : -EINVAL;
}

static int take_error_field(const struct field *field, struct place_wire_reply *reply)
{
	if (!strcmp(field->key, "code"))
		reply->error = place_wire_error_number(field->value);
	else if (!strcmp(field->key, "text"))
		return copy_value(field->value, reply->text, sizeof(reply->text));
	return 0;
}

static int take_reply_fields(struct reader *reader, struct place_wire_reply *reply)
{
	struct field field;
	int r;

	while ((r = take_field(reader, &field)) > 0) {
		r = reply->outcome == PLACE_WIRE_OK ? take_ok_field(&field, reply) :
						      take_error_field(&field, reply);
		if (r < 0)
			break;
	}
	return r;
}

int place_wire_parse_reply(const char *packet, size_t size, struct place_wire_reply *ret_reply)
{
	struct place_wire_reply reply = { 0 };
	struct reader reader;
	int r;

	r = open_reader(packet, size, &reader);
	if (r < 0)
		return r;
	if (take_text(&reader, "line ")) {
		reply.outcome = PLACE_WIRE_LINE;
		reply.line = reader.at;
		/* The newline is part of the text here. */
		reply.line_size = size - (size_t)(reader.at - packet);
	} else if (take_text(&reader, "ok")) {
		r = take_reply_fields(&reader, &reply);
	} else if (take_text(&reader, "error")) {
		reply.outcome = PLACE_WIRE_ERROR;
		r = take_reply_fields(&reader, &reply);
		if (r == 0 && !reply.error)
			r = -EINVAL;
	} else {
		r = -EINVAL;
	}
	if (r == 0)
		*ret_reply = reply;
	return r;
}
