/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that are read in every cycle. Kept open they cost a third (measured 2026-11 on 6.18:
 * numa_stat 2.9 against 7.9 us, stat 3.1 against 7.4), and one of /proc/PID is bound to its
 * process: after that is gone it says ESRCH, whoever has the pid then. Where descriptors run out,
 * a file is opened for each read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "observe/watched.h"

/* Descriptors that are left to everybody else: clients, jobs, the log. */
#define FILES_LEFT 128
/* memory.numa_stat of v2: some 30 lines, 15 bytes per node in each; 32 nodes fit. */
#define TEXT_ROOM_LEAST 16384

static bool may_keep(const struct place_watch *watch)
{
	struct rlimit limit;
	rlim_t left = FILES_LEFT;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	if (limit.rlim_cur / 2 < left)
		left = limit.rlim_cur / 2;
	return watch->counts.n_kept_files < limit.rlim_cur - left;
}

/* Keeps the descriptor, or closes it after `use` is done with it. */
static bool keep(struct place_watch *watch, struct watch_file *file, int fd)
{
	if (!may_keep(watch)) {
		watch->counts.n_files_refused++;
		return false;
	}
	file->fd = fd;
	watch->counts.n_kept_files++;
	return true;
}

int watch_file_set(struct place_watch *watch, struct watch_file *file, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	watch_file_done(watch, file);
	file->path = copy;
	return 0;
}

int watch_file_set_fd(struct place_watch *watch, struct watch_file *file, const char *path, int fd)
{
	const int r = watch_file_set(watch, file, path);

	if (r < 0 || !keep(watch, file, fd))
		close(fd);
	return r;
}

void watch_file_done(struct place_watch *watch, struct watch_file *file)
{
	if (file->fd >= 0) {
		close(file->fd);
		watch->counts.n_kept_files--;
	}
	free(file->path);
	*file = (struct watch_file){ .fd = -1 };
}

/* From the beginning in one call: the kernel makes the whole text for it (fs/seq_file.c, 6.18). */
int watch_read_fd(struct place_watch *watch, int fd)
{
	struct place_text *text = &watch->text;

	text->size = 0;
	for (;;) {
		ssize_t n;

		if (text->room) {
			n = pread(fd, text->data, text->room - 1, 0);
			if (n < 0 && errno == EINTR)
				continue;
			text->data[n > 0 ? n : 0] = '\0';
			if (n < 0)
				return -errno;
			if ((size_t)n < text->room - 1) {
				text->size = (size_t)n;
				return 0;
			}
		}
		n = place_text_reserve(text, text->room ? text->room * 2 : TEXT_ROOM_LEAST);
		if (n < 0)
			return (int)n;
	}
}

int watch_file_read(struct place_watch *watch, struct watch_file *file)
{
	int fd, r;

	if (file->fd >= 0)
		return watch_read_fd(watch, file->fd);
	if (!file->path)
		return -ENOENT;
	fd = place_root_openat(watch->root, file->path, O_RDONLY | O_NONBLOCK);
	if (fd < 0) {
		watch->counts.n_files_refused += fd == -EMFILE || fd == -ENFILE;
		return fd;
	}
	r = watch_read_fd(watch, fd);
	if (r < 0 || !keep(watch, file, fd))
		close(fd);
	return r;
}
