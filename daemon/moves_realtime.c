/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this host may be moved on at all: a finding that a job makes, kept for some minutes. */
#include "moves.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "tell/event.h"

/* Realtime threads come and go; the check costs a file per thread of the host. */
#define REALTIME_AGAIN_NS UINT64_C(300000000000)
#define REALTIME_DEADLINE_MS 10000

static int check_realtime(void *data, FILE *out)
{
	struct moves *moves = data;
	struct realtime_finding finding;

	realtime_check(&moves->host->root, &moves->host->text, &finding);
	return fwrite(&finding, sizeof(finding), 1, out) == 1 ? 0 : -EIO;
}

static void on_realtime(void *data, int r, const void *bytes, size_t size)
{
	struct moves *moves = data;
	const enum realtime_risk before = moves->realtime.risk;

	moves->realtime_job = NULL;
	moves->realtime_ns = place_host_now_ns(moves->host);
	moves->realtime = (struct realtime_finding){ .risk = REALTIME_UNKNOWN };
	if (r == 0 && size == sizeof(moves->realtime))
		memcpy(&moves->realtime, bytes, size);
	moves->realtime_text[0] = '\0';
	if (moves->realtime.risk != REALTIME_SAFE)
		realtime_say(&moves->realtime, moves->realtime_text, sizeof(moves->realtime_text));
	if (moves->realtime.risk != REALTIME_SAFE && moves->realtime.risk != before)
		event(LOG_WARNING, EVENT_FINDING, KV("what", MOVES_FINDING_REALTIME),
		      KV("note", moves->realtime_text));
	moves->on_ready(moves->data);
}

int moves_may_start(struct moves *moves)
{
	const uint64_t now_ns = place_host_now_ns(moves->host);

	if (moves->realtime_job)
		return -EINPROGRESS;
	if (!moves->realtime_ns || now_ns >= moves->realtime_ns + REALTIME_AGAIN_NS) {
		const int r =
			job_start(moves->event, check_realtime, on_realtime, moves,
				  moves->host->root.fd, REALTIME_DEADLINE_MS, &moves->realtime_job);

		return r < 0 ? r : -EINPROGRESS;
	}
	return moves->realtime.risk == REALTIME_SAFE ? 0 : -EPERM;
}
