/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes at which a look hung. Each is left alone for a while: for some seconds at first, since
 * most are only slow, and twice as long each time after that, up to a minute.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Children of ours that hang at once, at most; the unit's TasksMax= is 256. */
#define HUNG_MAX 64

/* All zero: nobody. */
struct hung {
	struct hung_place {
		int pid;     /* 0: free */
		pid_t child; /* the job that hung */
		uint64_t wait_ns, until_ns;
	} places[HUNG_MAX];
};

/* A look at that process hung, in that child. */
void hung_add(struct hung *hung, int pid, pid_t child, uint64_t now_ns);

/* Whether nobody looks at it now: its time is not over, or its child is still there. */
bool hung_is_left_alone(const struct hung *hung, int pid, uint64_t now_ns);

/*
 * Whether the time of that process is over and it was not looked at since. Of the longest times
 * this is never said: they end with the look that is due to everybody.
 */
bool hung_is_due(const struct hung *hung, int pid, uint64_t looked_ns, uint64_t now_ns);

/* When hung_is_due() may come true the next time; UINT64_MAX: not by time alone. */
uint64_t hung_next_ns(const struct hung *hung, uint64_t now_ns);

/* Whether one more child may hang. */
bool hung_has_room(const struct hung *hung);
