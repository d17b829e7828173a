/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One command through the daemon's socket. */
#include "ask.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask/client.h"
#include "host/clock.h"

/*
 * A daemon answers from what it has, in milliseconds; one that first looks anew at a thousand
 * guests takes some hundred. Whoever waits longer looks at one that is stopped.
 */
#define DEADLINE_MS 5000
/* So long it may take until who has just begun is known. */
#define NEW_MS 2000
#define NEW_AGAIN_MS 50

void ctl_options_parse(int argc, char **argv, bool has_json, int n_words, const char *usage,
		       struct ctl_options *ret_options)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct ctl_options options = { .socket_path = PLACE_SOCKET_PATH };
	int option;

	while (!options.is_done &&
	       (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (option == 'j' && has_json)
			options.as_json = true;
		else if (option == 's')
			options.socket_path = optarg;
		else
			options =
				(struct ctl_options){ .is_done = true,
						      .exit_status = option == 'h' ? EXIT_SUCCESS :
										     EXIT_FAILURE };
	}
	if (!options.is_done && argc - optind != n_words)
		options = (struct ctl_options){ .is_done = true, .exit_status = EXIT_FAILURE };
	if (options.is_done)
		fputs(usage, options.exit_status == EXIT_SUCCESS ? stdout : stderr);
	*ret_options = options;
}

static int fail_to_reach(const char *path, int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		fprintf(stderr, "placectl: placed is not running: nobody listens at %s\n", path);
		return CTL_NOT_RUNNING;
	case -EPERM:
		fprintf(stderr, "placectl: %s belongs to somebody else than root or you\n", path);
		break;
	case -EACCES:
		fprintf(stderr, "placectl: %s: you may not ask placed; try as root\n", path);
		break;
	case -ETIMEDOUT:
		fprintf(stderr, "placectl: placed does not answer: it has too much to do, or was "
				"stopped\n");
		break;
	case -ECONNRESET:
	case -EPIPE:
		fprintf(stderr, "placectl: placed went away before it answered\n");
		break;
	default:
		fprintf(stderr, "placectl: %s: %s\n", path, strerror(-r));
		break;
	}
	return EXIT_FAILURE;
}

static int fail_as_refused(const char *verb, const char *argument,
			   const struct place_wire_reply *reply)
{
	if ((reply->error == ENOENT || reply->error == EAGAIN) &&
	    (argument[0] || !strcmp(verb, "explain"))) {
		fprintf(stderr, "placectl: no guest has that name, uuid or pid: %s\n", argument);
		return CTL_NO_SUCH_GUEST;
	}
	if (reply->error == EPERM || reply->error == EACCES)
		fprintf(stderr, "placectl: %s: only root may do that\n", verb);
	else if (reply->error == EOPNOTSUPP || reply->error == ENOSYS)
		fprintf(stderr, "placectl: %s: the placed that runs does not know that\n", verb);
	else
		fprintf(stderr, "placectl: %s: %s\n", verb,
			reply->text[0] ? reply->text : strerror(reply->error));
	return EXIT_FAILURE;
}

static int ask_once(const struct ctl_options *options, const char *verb, const char *argument,
		    struct place_text *ret_text, struct place_wire_reply *ret_reply)
{
	const int64_t end_ms = place_clock_ms() + DEADLINE_MS;
	int fd, r;

	*ret_reply = (struct place_wire_reply){ 0 };
	r = place_client_open(options->socket_path, end_ms, &fd);
	if (r < 0)
		return r;
	r = place_client_command(fd, verb, argument, end_ms, ret_text, ret_reply);
	close(fd);
	return r;
}

/* Somebody has just begun: what is asked is answered when it is known who that is. */
static bool is_to_wait(int r, const struct place_wire_reply *reply)
{
	return r < 0 && reply->error == EAGAIN;
}

int ctl_ask(const struct ctl_options *options, const char *verb, const char *argument,
	    struct place_text *ret_text)
{
	const int64_t end_ms = place_clock_ms() + NEW_MS;
	struct place_wire_reply reply;
	int r;

	while (is_to_wait(r = ask_once(options, verb, argument, ret_text, &reply), &reply) &&
	       place_clock_ms() < end_ms)
		(void)poll(NULL, 0, NEW_AGAIN_MS);
	/* They come without end: then as far as it is known. */
	if (is_to_wait(r, &reply) && !strcmp(verb, "doctor"))
		r = ask_once(options, verb, "now", ret_text, &reply);
	if (r == 0)
		return EXIT_SUCCESS;
	if (reply.error)
		return fail_as_refused(verb, argument, &reply);
	if (r != -ENAMETOOLONG && r != -ENOBUFS)
		return fail_to_reach(options->socket_path, r);
	fprintf(stderr, "placectl: too long: %s\n", argument);
	return EXIT_FAILURE;
}
