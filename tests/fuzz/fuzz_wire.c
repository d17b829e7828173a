/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets of our own protocol, from either side. What is understood comes back when written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ask/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const char *packet, size_t size)
{
	struct place_wire_request request, again;
	char text[PLACE_WIRE_MAX];
	int n;

	if (place_wire_parse_request(packet, size, &request) < 0)
		return;
	n = place_wire_format_request(&request, text, sizeof(text));
	if (n < 0 || place_wire_parse_request(text, (size_t)n, &again) < 0 ||
	    memcmp(&request, &again, sizeof(request)) != 0)
		abort();
}

static void check_reply(const char *packet, size_t size)
{
	struct place_wire_reply reply;
	char text[PLACE_SET_TEXT_MAX];

	if (place_wire_parse_reply(packet, size, &reply) < 0)
		return;
	if (reply.has_nodes && (place_set_is_empty(&reply.nodes) ||
				place_set_format(&reply.nodes, text, sizeof(text)) < 0))
		abort();
	if (reply.outcome == PLACE_WIRE_LINE && reply.line + reply.line_size != packet + size)
		abort();
	if (reply.outcome == PLACE_WIRE_ERROR && reply.error <= 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_request((const char *)data, size);
	check_reply((const char *)data, size);
	return 0;
}
