/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing of requests and replies, and the words for errors. Reading: wire.c. */
#include "ask/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

#define REQUEST_HEAD "placed 1"

static const struct {
	int error;
	const char *word;
} error_words[] = {
	{ EPERM, "EPERM" },
	{ ENOENT, "ENOENT" },
	{ EIO, "EIO" },
	{ EAGAIN, "EAGAIN" },
	{ ENOMEM, "ENOMEM" },
	{ EACCES, "EACCES" },
	{ EBUSY, "EBUSY" },
	{ EEXIST, "EEXIST" },
	{ EINVAL, "EINVAL" },
	{ EFBIG, "EFBIG" },
	{ ENOSPC, "ENOSPC" },
	{ EROFS, "EROFS" },
	{ ERANGE, "ERANGE" },
	{ ENOSYS, "ENOSYS" },
	{ ESRCH, "ESRCH" },
	{ EMSGSIZE, "EMSGSIZE" },
	{ ETIMEDOUT, "ETIMEDOUT" },
	{ EOPNOTSUPP, "EOPNOTSUPP" },
	{ ENOBUFS, "ENOBUFS" },
	{ ECANCELED, "ECANCELED" },
	{ EPROTONOSUPPORT, "EPROTONOSUPPORT" },
};

const char *place_wire_error_word(int error)
{
	for (size_t i = 0; i < ELEMENTSOF(error_words); i++)
		if (error_words[i].error == error || error_words[i].error == -error)
			return error_words[i].word;
	return "EIO";
}

int place_wire_error_number(const char *word)
{
	for (size_t i = 0; i < ELEMENTSOF(error_words); i++)
		if (!strcmp(error_words[i].word, word))
			return error_words[i].error;
	return EIO;
}

struct writer {
	char *packet;
	size_t size, at;
	bool is_full;
};

static void put(struct writer *writer, const char *text)
{
	const size_t size = strlen(text);

	if (writer->is_full || writer->size - writer->at <= size) {
		writer->is_full = true;
		return;
	}
	memcpy(writer->packet + writer->at, text, size + 1);
	writer->at += size;
}

static void put_number(struct writer *writer, const char *key, int64_t number)
{
	char text[64];

	snprintf(text, sizeof(text), " %s=%lld", key, (long long)number);
	put(writer, text);
}

/* In quotes, escaped; in `most` bytes where it has to be cut. */
static void put_quoted(struct writer *writer, const char *key, const char *value, size_t most)
{
	char text[PLACE_WIRE_TEXT_MAX * 4];

	place_text_escape(value, text, most < sizeof(text) ? most : sizeof(text));
	put(writer, " ");
	put(writer, key);
	put(writer, "=\"");
	put(writer, text);
	put(writer, "\"");
}

static int finish(struct writer *writer)
{
	put(writer, "\n");
	return writer->is_full ? -ENOBUFS : (int)writer->at;
}

int place_wire_format_request(const struct place_wire_request *request, char *packet, size_t size)
{
	struct writer writer = { .packet = packet, .size = size };
	const char letter[] = { request->letter, '\0' };

	put(&writer, REQUEST_HEAD);
	switch (request->kind) {
	case PLACE_WIRE_HELLO:
		put(&writer, " hello");
		break;
	case PLACE_WIRE_ADVICE:
		put(&writer, " advice");
		put_number(&writer, "vcpus_centi", request->advice.vcpus_centi);
		put_number(&writer, "memory_bytes", (int64_t)request->advice.memory_bytes);
		break;
	case PLACE_WIRE_ORDER:
		put(&writer, " order letter=");
		put(&writer, letter);
		put_number(&writer, "arg1", request->arg1);
		put_number(&writer, "arg2", request->arg2);
		break;
	case PLACE_WIRE_COMMAND:
		put(&writer, " command verb=");
		put(&writer, request->verb);
		put_quoted(&writer, "argument", request->argument, SIZE_MAX);
		break;
	}
	return finish(&writer);
}

static void put_nodes(struct writer *writer, const struct place_set *nodes)
{
	put(writer, " nodes=");
	if (!writer->is_full &&
	    place_set_format(nodes, writer->packet + writer->at, writer->size - writer->at) < 0)
		writer->is_full = true;
	if (!writer->is_full)
		writer->at += strlen(writer->packet + writer->at);
}

static int put_line(const struct place_wire_reply *reply, char *packet, size_t size)
{
	const size_t head = strlen("line ");

	if (size <= head + reply->line_size)
		return -ENOBUFS;
	memcpy(packet, "line ", head);
	memcpy(packet + head, reply->line, reply->line_size);
	packet[head + reply->line_size] = '\0';
	return (int)(head + reply->line_size);
}

int place_wire_format_reply(const struct place_wire_reply *reply, char *packet, size_t size)
{
	struct writer writer = { .packet = packet, .size = size };

	if (reply->outcome == PLACE_WIRE_LINE)
		return put_line(reply, packet, size);
	if (reply->outcome == PLACE_WIRE_ERROR) {
		put(&writer, "error code=");
		put(&writer, place_wire_error_word(reply->error));
		put_quoted(&writer, "text", reply->text, PLACE_WIRE_TEXT_MAX);
		return finish(&writer);
	}
	put(&writer, "ok");
	if (reply->pid)
		put_number(&writer, "pid", reply->pid);
	if (reply->has_nodes) {
		put_nodes(&writer, &reply->nodes);
		put(&writer, " verdict=");
		put(&writer, *reply->verdict ? reply->verdict : "unknown");
		put(&writer, reply->is_booked ? " booked=yes" : " booked=no");
	}
	if (*reply->note)
		put_quoted(&writer, "note", reply->note, PLACE_WIRE_TEXT_MAX);
	return finish(&writer);
}

size_t place_wire_cut(const char *text, size_t size)
{
	const size_t most = PLACE_WIRE_MAX - strlen("line ");
	const char *end;

	if (size <= most)
		return size;
	end = memrchr(text, '\n', most);
	return end ? (size_t)(end - text) + 1 : most;
}
