/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* numad's messages, checked and filled in. */
#include "numad_message.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* offsetof() of both releases on x86_64; the text starts behind five longs everywhere. */
_Static_assert(offsetof(struct numad_message, text) == 5 * sizeof(long), "as numad lays it out");
_Static_assert(sizeof(struct numad_message) == 5 * sizeof(long) + NUMAD_TEXT_SIZE,
	       "as numad lays it out");
_Static_assert(sizeof(long) != 8 || (NUMAD_SIZE_MIN == 33 && NUMAD_SIZE_MAX == 128),
	       "as numad lays it out");
_Static_assert(offsetof(struct numad_packet, beyond) == sizeof(struct numad_message),
	       "as numad lays it out");

static const char letters[] = "CHiKlmprStuwx";

static bool is_int(long number)
{
	return number >= INT_MIN && number <= INT_MAX;
}

int numad_message_parse(const struct numad_message *message, size_t size, pid_t self,
			struct numad_words *ret_words)
{
	const long cmd = message->cmd;

	if (size > NUMAD_SIZE_MAX)
		return -E2BIG;
	if (size < NUMAD_SIZE_MIN)
		return -EBADMSG;
	/* A reply to ourselves would be the next request. */
	if (message->src_pid <= 0 || !is_int(message->src_pid) || message->src_pid == self)
		return -EBADMSG;
	if (cmd <= 0 || cmd > CHAR_MAX || !strchr(letters, (char)cmd))
		return -EOPNOTSUPP;
	if (cmd != 'w' && (!is_int(message->arg1) || !is_int(message->arg2)))
		return -EBADMSG;
	*ret_words = (struct numad_words){
		.letter = (char)cmd,
		.from = (pid_t)message->src_pid,
		.arg1 = message->arg1,
		.arg2 = message->arg2,
	};
	return 0;
}

static uint32_t limit(int64_t number)
{
	return number < 0 ? 0 : number > INT_MAX ? INT_MAX : (uint32_t)number;
}

struct place_request numad_message_request(const struct numad_words *words)
{
	return (struct place_request){
		.vcpus_centi = limit(words->arg1),
		.memory_bytes = (uint64_t)limit(words->arg2) << 20,
	};
}

size_t numad_message_ask(pid_t daemon, pid_t self, const struct place_request *request,
			 struct numad_message *ret_message)
{
	*ret_message = (struct numad_message){
		.mtype = daemon,
		.src_pid = self,
		.cmd = 'w',
		.arg1 = (long)request->vcpus_centi,
		.arg2 = (long)(request->memory_bytes >> 20),
	};
	return NUMAD_SIZE_MIN;
}

/* ---- a nodeset that is too long ---------------------------------------------------------- */

struct run {
	unsigned first, last;
	size_t cost; /* of its text, with a comma */
};

static bool find_run(const struct place_set *set, unsigned from, struct run *ret_run)
{
	const int first = place_set_next(set, from);
	char text[32];
	unsigned last;

	if (first < 0)
		return false;
	for (last = (unsigned)first; place_set_has(set, last + 1); last++)
		;
	*ret_run = (struct run){ .first = (unsigned)first, .last = last };
	ret_run->cost =
		(size_t)(last == ret_run->first ?
				 snprintf(text, sizeof(text), "%u,", last) :
				 snprintf(text, sizeof(text), "%u-%u,", ret_run->first, last));
	return true;
}

static size_t count(const struct run *run)
{
	return run->last - run->first + 1;
}

/* The run with most nodes per character that still fits; the first of equals. */
static bool find_best_run(const struct place_set *set, size_t room, struct run *ret_best)
{
	struct run run = { 0 };
	bool found = false;

	for (unsigned from = 0; find_run(set, from, &run); from = run.last + 1) {
		if (run.cost > room)
			continue;
		if (found && count(&run) * ret_best->cost <= count(ret_best) * run.cost)
			continue;
		*ret_best = run;
		found = true;
	}
	return found;
}

/* Runs hardly differ in cost, so that taking the best one each time is as good as any search. */
static struct place_set shorten(const struct place_set *nodes)
{
	struct place_set rest = *nodes, chosen = { 0 };
	size_t room = NUMAD_TEXT_SIZE; /* the last comma is the NUL */
	struct run run = { 0 };

	while (find_best_run(&rest, room, &run)) {
		for (unsigned id = run.first; id <= run.last; id++) {
			place_set_remove(&rest, id);
			place_set_add(&chosen, id);
		}
		room -= run.cost;
	}
	return chosen;
}

int numad_message_reply(pid_t client, pid_t self, const struct place_set *nodes,
			struct numad_message *ret_message, size_t *ret_size)
{
	bool is_short = false;
	int n;

	*ret_message = (struct numad_message){ .mtype = client, .src_pid = self, .cmd = 'w' };
	if (place_set_is_empty(nodes))
		return -EINVAL;
	n = place_set_format(nodes, ret_message->text, NUMAD_TEXT_SIZE);
	if (n < 0) {
		const struct place_set part = shorten(nodes);

		is_short = true;
		n = place_set_format(&part, ret_message->text, NUMAD_TEXT_SIZE);
		if (n < 0)
			return -EINVAL;
	}
	*ret_size = NUMAD_SIZE_MIN + (size_t)n;
	return is_short;
}

int numad_message_parse_reply(const struct numad_message *message, size_t size, pid_t daemon,
			      const struct place_set *online, struct place_set *ret_nodes)
{
	struct place_set nodes;

	if (size < NUMAD_SIZE_MIN || size > NUMAD_SIZE_MAX)
		return -EBADMSG;
	if (message->src_pid != daemon || message->cmd != 'w')
		return -EBADMSG;
	if (!memchr(message->text, '\0', size - NUMAD_SIZE_MIN + 1) ||
	    place_set_parse_list(message->text, &nodes) < 0 || place_set_is_empty(&nodes) ||
	    !place_set_is_subset(&nodes, online))
		return -EBADMSG;
	*ret_nodes = nodes;
	return 0;
}
