/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon that runs is asked first; where there is none, a numad daemon that is not ours; and
 * whatever comes of it, this process can find the answer itself.
 */
#include "question.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "client.h"
#include "foreign.h"
#include "guard.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "oneshot.h"

/*
 * All that happens stays below the second that the design allows; numad takes two. Who was asked in
 * vain has had its time from the deadline of our own computation, which has 150 ms behind it: 500
 * of the socket's at the most, 200 and 150 are 850.
 */
#define COMPUTE_LIMIT_MS 700
#define FOREIGN_LIMIT_MS 250
#define COMPUTE_LEAST_MS 200
#define TELL_LIMIT_MS 100

/* The daemon has told everybody else. */
static int print_reply(const struct options *options, const struct place_wire_reply *reply)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);

	if (!nodes || place_set_format(&reply->nodes, nodes, PLACE_SET_TEXT_MAX) < 0)
		return EXIT_FAILURE;
	if (!oneshot_print(options, nodes))
		return EXIT_FAILURE;
	guard_limit_rest(TELL_LIMIT_MS);
	if (*reply->note)
		fprintf(stderr, "%s: %s\n", options->program, reply->note);
	if (options->have_reserved_cpus)
		fprintf(stderr, "%s: -R is passed over: the daemon that runs has its own\n",
			options->program);
	return EXIT_SUCCESS;
}

/* numad has logged it; that it is a promise, nobody notes. */
static int print_foreign(const struct options *options, const char *nodes)
{
	if (!oneshot_print(options, nodes))
		return EXIT_FAILURE;
	guard_limit_rest(TELL_LIMIT_MS);
	openlog("placed", LOG_PID, LOG_DAEMON);
	syslog(LOG_INFO, "advice vcpus_centi=%u memory_mib=%llu nodes=%s reason=numad booked=no",
	       options->request.vcpus_centi,
	       (unsigned long long)options->request.memory_bytes >> 20, nodes);
	return EXIT_SUCCESS;
}

static unsigned left_ms(int64_t start_ms)
{
	const int64_t left = COMPUTE_LIMIT_MS - (place_clock_ms() - start_ms);

	return left < COMPUTE_LEAST_MS ? COMPUTE_LEAST_MS : (unsigned)left;
}

/*
 * After a time-out the foreign daemon is not asked: whoever holds our socket is ours, and is
 * stopped or busy.
 */
static int ask_or_compute(const struct options *options, bool *ret_is_refused)
{
	const int64_t start_ms = place_clock_ms();
	struct client_advice advice;
	char nodes[96];
	int r;

	r = client_ask(options, &advice);
	*ret_is_refused = advice.is_refused;
	if (r == 0)
		return print_reply(options, &advice.reply);
	if ((r == -ENOENT || r == -ECONNREFUSED) &&
	    foreign_ask(&options->request, FOREIGN_LIMIT_MS, nodes, sizeof(nodes)) == 0)
		return print_foreign(options, nodes);
	return oneshot_run(options, left_ms(start_ms));
}

int question_run(const struct options *options)
{
	bool is_refused;
	int status;

	/* A recorded host is not what a daemon looks at; and it would book. */
	if (options->root || options->is_dry_run)
		return oneshot_run(options, COMPUTE_LIMIT_MS);
	status = ask_or_compute(options, &is_refused);
	return is_refused ? EXIT_FAILURE : status;
}
