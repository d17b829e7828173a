/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a program that somebody called to a daemon: what was inherited is let go, and the caller
 * gets its prompt back when the daemon is ready, not before. (numad's parent exits 0 at once, even
 * where its child then fails.)
 *
 * Until background_ready(), print what goes wrong on stderr and leave with a status, in the
 * foreground and in the background alike: the caller sees both. Make no children until then: they
 * would hold the caller's descriptors.
 */
#pragma once

#include <stdbool.h>

struct background {
	int ready_fd; /* -1 in the foreground */
	bool keeps_stderr;
};

/*
 * First of all, before anything is opened: closes what was inherited above stderr but for sockets
 * that systemd passed, puts signals back to their defaults (nohup's, or a blocked mask, would be
 * ours for good), ignores SIGPIPE, umask 022.
 */
void background_clean(void);

/*
 * Goes into the background, or, with in_foreground, only says so to background_ready().
 *
 * The parent does not come back from here: it waits and exits, with 0 when the child is ready, with
 * the child's status where it ended before, with 1 and a message where it was killed or takes
 * longer than 30 s (it is killed then). The child has a session of its own. There is no second
 * fork: it would only keep us from getting a controlling terminal by opening one, and all files are
 * opened with O_NOCTTY or are no terminals.
 *
 * Returns: 0 or -errno (no process could be made).
 */
int background_begin(const char *program, bool in_foreground, struct background *ret_background);

/*
 * Ready: stdin, stdout and stderr become /dev/null, the working directory /, and the caller gets
 * its prompt back. In the foreground stderr stays: on a terminal, in the journal, and in a
 * container, which has no other log. Paths that are used later must be absolute.
 *
 * Returns: 0 or -errno. Errors: -EPIPE the parent is gone: whoever wanted this start has given it
 * up, so stop.
 */
int background_ready(struct background *background);
