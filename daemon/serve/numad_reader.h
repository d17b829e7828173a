/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A SysV queue has no descriptor that a loop could poll. So a thread waits in it and hands on what
 * comes, through a socket that can be polled. It makes three system calls and nothing else: no
 * lock, no memory, no capability is ever in its hands when the loop forks or stops.
 */
#pragma once

#include <stddef.h>

#include "numad_message.h"

struct numad_reader;

/*
 * Starts reading what is addressed to this process. Returns: 0 or -errno.
 * Ownership: the queue belongs to the reader from then on; numad_reader_stop() removes it.
 */
int numad_reader_start(int id, struct numad_reader **ret_reader);

/* Readable when there is something to take. */
int numad_reader_fd(const struct numad_reader *reader);

/*
 * Takes one message; never waits. Returns: 1; 0 nothing there; -errno the thread has ended: -EIDRM
 * or -EINVAL the queue was removed. What is in the packet beyond *ret_size is not the sender's.
 */
int numad_reader_take(struct numad_reader *reader, struct numad_packet *ret_packet,
		      size_t *ret_size);

/* Removes the queue, which ends the thread, and waits for nothing else. Returns: NULL. */
struct numad_reader *numad_reader_stop(struct numad_reader *reader);
