/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host that is read: the live one, or a recorded tree. One directory descriptor, and every
 * file of /proc, /sys, /run and the cgroups is opened below it; no link leads out of it. Nothing
 * is ever written through a root.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct place_root {
	int fd;
	bool is_live; /* the root is "/" */
	char *path;
};

/* A buffer that grows with the largest file read into it and is reused for the next. */
struct place_text {
	char *data;  /* NUL-terminated after a successful read */
	size_t size; /* bytes read, without that NUL */
	size_t room;
};

/* Files larger than this are not ours to read: /proc/zoneinfo of 4096 CPUs is below 8 MiB. */
#define PLACE_TEXT_MAX (16U << 20)

/*
 * Opens a host. NULL or "/" is the live one.
 *
 * Returns: 0 or -errno; *ret_root is untouched on failure.
 * Errors: -ENOENT, -ENOTDIR, -EACCES as open(2); -ENOMEM.
 * Ownership: the caller closes with place_root_close().
 */
int place_root_open(const char *path, struct place_root *ret_root);
void place_root_close(struct place_root *root);

/*
 * Opens a file below the root, for reading. `path` has no leading slash.
 *
 * Returns: a descriptor (O_CLOEXEC) or -errno.
 * Errors: -ENOENT, -EACCES, ... as openat2(2); -ELOOP and -EXDEV where a link leads astray.
 */
int place_root_openat(const struct place_root *root, const char *path, int flags);

/*
 * Reads a whole file. Text files of recorded hosts may end in NUL bytes (an artefact of some
 * recorders); these are cut off.
 *
 * Returns: 0 or -errno; text holds "" then.
 * Errors: as openat2(2) and read(2) (-ESRCH: the process went); -EFBIG past PLACE_TEXT_MAX.
 * Ownership: text->data belongs to text; release with place_text_done().
 */
int place_root_read(const struct place_root *root, struct place_text *text, const char *path);
int place_root_readf(const struct place_root *root, struct place_text *text, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));

/*
 * The same for a file in a folder that others may write into: it must be a regular file and belong
 * to `owner`, and nothing in its place is waited for. Owners mean nothing in a recording.
 *
 * Errors: as above; -EPERM it belongs to somebody else, or is no regular file.
 */
int place_root_read_ownedf(const struct place_root *root, struct place_text *text, uid_t owner,
			   const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Whether a folder belongs to root or to us and nobody else may write into it: only then does
 * what lies in it speak for its owner. Owners mean nothing in a recording.
 *
 * Returns: 0; -EPERM others own it or may write into it; -ENOENT, -EACCES, ... as openat2(2).
 */
int place_root_check_private(const struct place_root *root, const char *path);

/*
 * The target of a symbolic link, cut where it does not fit, and a NUL. One system call on the
 * live host: where a question would otherwise open a file of every process, that counts.
 *
 * Returns: 0 or -errno (-ENOENT, -EACCES, -EINVAL it is no link).
 */
int place_root_readlinkf(const struct place_root *root, char *target, size_t size,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Calls visit() for each entry of a directory whose name begins with `prefix`, with the rest of
 * the name; or, second form, for each where that rest is a decimal number. In no order; a
 * negative return ends the walk and is passed on.
 *
 * Returns: 0, what visit returned, or -errno of opening and reading the directory.
 */
int place_root_each_name(const struct place_root *root, const char *path, const char *prefix,
			 int (*visit)(const char *rest, void *data), void *data);
int place_root_each_id(const struct place_root *root, const char *path, const char *prefix,
		       int (*visit)(unsigned id, void *data), void *data);

void place_text_done(struct place_text *text);

/*
 * Makes room for so many bytes in all; what is there stays, and so does its size.
 * Returns: 0, -ENOMEM, -EFBIG past PLACE_TEXT_MAX.
 */
int place_text_reserve(struct place_text *text, size_t room);

/* Puts bytes behind what is there, and a NUL behind them. Returns: as place_text_reserve(). */
int place_text_append(struct place_text *text, const char *bytes, size_t size);

/* Ends an open_memstream() on text->data and text->size. Returns: 0 or -ENOMEM. */
int place_text_close(struct place_text *text, FILE *file);

static inline void cleanup_text(struct place_text *text)
{
	place_text_done(text);
}

#define _cleanup_text_ __attribute__((cleanup(cleanup_text)))
