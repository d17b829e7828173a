/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of the daemon's socket, for placed -w and placectl. Every wait has a deadline, an
 * absolute one of place_clock_ms(): a daemon that is stopped or stuck costs its time and no
 * more. libc only, no allocation but in place_client_command().
 */
#pragma once

#include <stdint.h>

#include "ask/wire.h"
#include "host/root.h"

/*
 * Connects, and makes sure that root or our own user is at the other end.
 *
 * Returns: 0 or -errno.
 * Errors: -ENOENT, -ECONNREFUSED nobody is there; -EPERM somebody is whom we do not believe;
 * -ETIMEDOUT all of the daemon's queue is taken.
 * Ownership: close(*ret_fd).
 */
int place_client_open(const char *path, int64_t end_ms, int *ret_fd);

/*
 * Sends one request, and takes the next packet as its reply. After -ETIMEDOUT nothing can come
 * any more: whoever takes the time to answer then finds that it has not been delivered.
 *
 * Returns: 0 or -errno; *ret_reply is untouched on failure. `packet` is where reply->line points.
 * Errors: -ETIMEDOUT; -ECONNRESET, -EPIPE the other end is gone; -EINVAL, -ERANGE, -ENOBUFS what
 * came is no reply.
 */
int place_client_exchange(int fd, const struct place_wire_request *request, int64_t end_ms,
			  char packet[PLACE_WIRE_MAX], struct place_wire_reply *ret_reply);

/*
 * Runs a command, and collects the text it replies with, newlines and all.
 *
 * Returns: 0 or -errno; where the daemon refused, its code and sentence are in *ret_reply, and that
 * code is returned; else *ret_reply is untouched. -EFBIG: more than PLACE_TEXT_MAX.
 * Ownership: place_text_done(ret_text), on success.
 */
int place_client_command(int fd, const char *verb, const char *argument, int64_t end_ms,
			 struct place_text *ret_text, struct place_wire_reply *ret_reply);
