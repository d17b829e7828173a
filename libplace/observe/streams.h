/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a QEMU has begun to stream its memory (observe/tasks.h, place_task_is_migration()), asked
 * again and again while its pages are moved: a list of its threads each time, and the names of
 * those alone that are new. Takes no lock that the process could hold.
 */
#pragma once

#include "host/root.h"

/* Thread ids that were read, ascending; all zero to begin with. */
struct place_streams {
	size_t n, room;
	struct place_stream {
		unsigned tid;
		uint64_t seen_ns; /* first */
	} * list;
	struct place_stream *before; /* of the last time */
};

/*
 * Looks. A thread gives itself its name a moment after it has begun, so that names are read again
 * for PLACE_STREAMS_SETTLED_NS. now_ns: any clock that goes on.
 *
 * Returns: 1 it streams, 0 it does not, or -errno (-ESRCH, -ENOENT it is gone; -ENOMEM).
 * Ownership: place_streams_done().
 */
int place_streams_look(const struct place_root *root, struct place_text *text, int pid,
		       uint64_t now_ns, struct place_streams *streams);
void place_streams_done(struct place_streams *streams);

#define PLACE_STREAMS_SETTLED_NS UINT64_C(1000000000)
