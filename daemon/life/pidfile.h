/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two pid files. Our own says that we run, and its lock proves it. numad's is there for foreign
 * numad programs: they send to the pid that it names, so it must name the process that reads the
 * queue, and it is no proof of anything. Nothing in here logs; what is worth a line is left in a
 * note.
 */
#pragma once

#include <sys/types.h>

#define PLACED_PID_PATH "/run/placed/placed.pid"
#define NUMAD_PID_PATH "/run/numad.pid"

struct pidfile {
	const char *path;
	pid_t owner;
	int fd; /* numad's file: the file that we made, to know it again; ours: it holds the lock */
	/* A sentence for the log about what stood there before, or empty. */
	char note[160];
};

#define PIDFILE_NONE                                                                               \
	(struct pidfile)                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Takes our own pid file: creates it, locks it (flock), writes our pid and a newline. The folder
 * must be ours (state_dir.h). The process that will run calls this, not its parent: children made
 * with fork() do not keep the lock. One such file per process.
 *
 * Returns: 0 or -errno; *ret_file is untouched on failure.
 * Errors: -EEXIST somebody holds it, *ret_other is the pid that they wrote, or 0; -EPERM it is not
 * a plain file of ours; -ENOENT no folder. Ownership: pidfile_release(). `path` must stay valid
 * until then.
 */
int pidfile_take(const char *path, struct pidfile *ret_file, pid_t *ret_other);

/*
 * Who holds our own pid file. Returns: 0, *ret_pid holds it; -ENOENT nobody; or -errno.
 */
int pidfile_find(const char *path, pid_t *ret_pid);

/*
 * Writes numad's pid file, atomically. What stands there is replaced, whatever it is and whomever
 * it names, with two exceptions. Call it with our own pid file taken: that keeps two of us apart.
 *
 * Returns: 0 or -errno; *ret_file is untouched on failure.
 * Errors: -EEXIST it names a numad of root's that runs, or another placed, *ret_other is its pid:
 * do not start; -EISDIR a folder with something in it stands there, or -EACCES, -EROFS ...: foreign
 * numad programs will not find us, all else works.
 * Ownership: pidfile_release(). `path` must stay valid until then.
 */
int pidfile_write_numad(const char *path, struct pidfile *ret_file, pid_t *ret_other);

/*
 * Removes the file if it is still the one that we made, and lets go. Does nothing on
 * PIDFILE_NONE, and nothing in a child, which has but a copy of it.
 */
void pidfile_release(struct pidfile *file);
