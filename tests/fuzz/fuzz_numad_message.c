/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message as msgrcv(2) hands it over, to whom it concerns: the daemon, and a client that waits
 * for nodes. Its text as a nodeset must always make a reply that a client takes.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "numad_message.h"

#define SELF 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reply(const struct place_set *nodes)
{
	struct numad_message message;
	struct place_set sent;
	size_t size;

	if (numad_message_reply(1234, SELF, nodes, &message, &size) < 0 || size > NUMAD_SIZE_MAX)
		abort();
	if (numad_message_parse_reply(&message, size, SELF, nodes, &sent) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct numad_packet packet = { 0 };
	struct numad_words words;
	struct place_set all, nodes;

	if (size < sizeof(long))
		return 0;
	memcpy(&packet, data, size < sizeof(packet) ? size : sizeof(packet));
	size -= sizeof(long);
	memset(&all, 0xff, sizeof(all));
	if (numad_message_parse(&packet.message, size, SELF, &words) == 0) {
		const struct place_request request = numad_message_request(&words);

		if (words.from <= 0 || words.from == SELF || request.vcpus_centi > INT_MAX)
			abort();
	}
	if (numad_message_parse_reply(&packet.message, size, SELF, &all, &nodes) == 0)
		check_reply(&nodes);
	return 0;
}
