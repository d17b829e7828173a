/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lock and a look whether the name still means what is locked; write beside, rename. */
#include "life/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "foreign.h"
#include "host/cleanup.h"
#include "host/text.h"

/* Longer content is no pid. */
#define PID_TEXT_MAX 32

/* How often a name may change under us before we give up; with waiting 0.1 s, for who ends 2 s. */
#define TRIES 100

/* Returns: the pid that the file names, or 0 where that is none. */
static pid_t read_pid(int fd)
{
	char text[PID_TEXT_MAX];
	const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t pid;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (place_text_u64(text, &pid) < 0 || pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

static int write_pid(int fd)
{
	char text[PID_TEXT_MAX];
	const int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (pwrite(fd, text, (size_t)size, 0) != size)
		return -EIO;
	/* Whatever umask the caller has: anybody may read it. */
	return fchmod(fd, 0644) < 0 ? -errno : 0;
}

static bool is_same_file(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

/* A file that somebody else can write, or reach by another name, proves nothing. */
static int check_own(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink > 1)
		return -EPERM;
	return 0;
}

/*
 * An flock() lives on in every copy of the descriptor, so in every child, and one that hangs in the
 * kernel may outlive us for long. A record lock (F_SETLK) would not, but is lost as soon as anybody
 * in this process opens the file and closes it again. So children close their copy at birth.
 */
static int held_fd = -1;

static void close_in_child(void)
{
	if (held_fd >= 0)
		close(held_fd);
	held_fd = -1;
}

/*
 * Who was killed gives its memory back at once (statm is all zero then, fs/proc/array.c
 * proc_pid_statm()), and its locks when all files are closed: behind an inotify instance that is
 * some 50 ms later (fs/notify/mark.c waits for its readers).
 */
static bool is_ending(pid_t pid)
{
	_cleanup_close_ int fd = -1;
	char path[32], text[4];

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	return read(fd, text, sizeof(text)) < 2 || memcmp(text, "0 ", 2) == 0;
}

/* Returns: 0; -EEXIST with the pid of who holds it; -EAGAIN they write it, or end; or -errno. */
static int lock_file(int fd, pid_t *ret_other)
{
	struct timespec moment = { .tv_nsec = 1000000 };

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;
	*ret_other = read_pid(fd);
	if (*ret_other && !is_ending(*ret_other))
		return -EEXIST;
	if (*ret_other)
		moment.tv_nsec *= 20;
	(void)nanosleep(&moment, NULL);
	return -EAGAIN;
}

/* -EAGAIN: what we hold is not, or no longer, what the name means. */
static int try_take(const char *path, struct pidfile *ret_file, pid_t *ret_other)
{
	_cleanup_close_ int fd = -1;
	struct pidfile file = { .path = path, .owner = getpid() };
	pid_t before;
	int r;

	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EPERM : -errno;
	r = check_own(fd);
	if (r == 0)
		r = lock_file(fd, ret_other);
	/* Removed meanwhile: whoever held it is on the way out. */
	if ((r == 0 || r == -EEXIST) && !is_same_file(fd, path))
		return -EAGAIN;
	if (r < 0)
		return r;
	before = read_pid(fd);
	if (before)
		snprintf(file.note, sizeof(file.note),
			 "%s named PID %d, which did not stop in an orderly way", path, before);
	r = write_pid(fd);
	if (r < 0)
		return r;
	held_fd = file.fd = fd;
	fd = -1;
	*ret_file = file;
	return 0;
}

int pidfile_take(const char *path, struct pidfile *ret_file, pid_t *ret_other)
{
	static bool is_ready;
	int r = -EAGAIN;

	*ret_other = 0;
	if (!is_ready && pthread_atfork(NULL, NULL, close_in_child) != 0)
		return -ENOMEM;
	is_ready = true;
	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = try_take(path, ret_file, ret_other);
	return r == -EAGAIN ? -EEXIST : r;
}

int pidfile_find(const char *path, pid_t *ret_pid)
{
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = check_own(fd);
	if (r < 0)
		return r;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return -ENOENT;
	if (errno != EWOULDBLOCK)
		return -errno;
	*ret_pid = read_pid(fd);
	return *ret_pid ? 0 : -ENOENT;
}

/* ---- numad's ---- */

/* Of a process of root's: who else has that name, or has started our program, is no daemon. */
static bool read_roots_name(pid_t pid, char name[64])
{
	char path[64], text[4096], uids[64];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return place_text_find_word(text, "Name:", name, 64) >= 0 &&
	       place_text_find_word(text, "Uid:", uids, sizeof(uids)) >= 0 &&
	       strcmp(uids, "0\t0\t0\t0") == 0;
}

/*
 * numad; or one of ours, somebody having removed its files in /run/placed. Whom we cannot see is
 * taken for numad: better no start than two that move guests.
 */
static bool is_rival(pid_t pid)
{
	char name[64];
	int r;

	if (!read_roots_name(pid, name))
		return false;
	r = foreign_is_placed(pid);
	return r == 1 ? !is_ending(pid) : strcmp(name, "numad") == 0 && r != -ENOENT;
}

static bool is_alive(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return access(path, F_OK) == 0;
}

/*
 * What stands there. Returns: 0 it may be replaced, a note says why if that is worth one; -ENOENT
 * nothing; -EEXIST a numad that runs, or one of ours.
 */
static int judge_numad(const char *path, char *note, size_t size, pid_t *ret_other)
{
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;
	pid_t pid;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		snprintf(note, size, "Replacing %s, which is not a plain file", path);
		return 0;
	}
	pid = read_pid(fd);
	/* In a container a start has the pids of the one before: who waits for us is no other. */
	if (pid == getpid() || pid == getppid())
		return 0;
	if (!pid) {
		snprintf(note, size, "Replacing %s, which names no process", path);
	} else if (!is_alive(pid)) {
		/* numad's words. */
		snprintf(note, size,
			 "Removing out-of-date numad run file because /proc/%d doesn't exist", pid);
	} else if (is_rival(pid)) {
		*ret_other = pid;
		return -EEXIST;
	} else {
		snprintf(note, size, "Replacing %s, whose PID %d is no numad", path, pid);
	}
	return 0;
}

/* Under a name that only we use: in /run only root makes files. */
static int make_beside(const char *beside)
{
	int fd, r;

	if (unlink(beside) < 0 && errno != ENOENT)
		return -errno;
	fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = write_pid(fd);
	if (r < 0) {
		close(fd);
		(void)unlink(beside);
		return r;
	}
	return fd;
}

/* Where nothing stood, a numad that starts at the same time must not be overwritten: link(). */
static int put_in_place(const char *beside, const char *path, bool is_new)
{
	if (is_new)
		return link(beside, path) < 0 ? -errno : 0;
	/* An empty folder is in nobody's use. */
	if (rename(beside, path) < 0 &&
	    (errno != EISDIR || rmdir(path) < 0 || rename(beside, path) < 0))
		return errno == ENOTEMPTY ? -EISDIR : -errno;
	return 0;
}

static int try_write_numad(const char *path, const char *beside, struct pidfile *ret_file,
			   pid_t *ret_other)
{
	struct pidfile file = { .path = path, .owner = getpid() };
	bool is_new;
	int r;

	r = judge_numad(path, file.note, sizeof(file.note), ret_other);
	if (r < 0 && r != -ENOENT)
		return r;
	is_new = r == -ENOENT;
	file.fd = make_beside(beside);
	if (file.fd < 0)
		return file.fd;
	r = put_in_place(beside, path, is_new);
	(void)unlink(beside);
	if (r < 0) {
		close(file.fd);
		return is_new && r == -EEXIST ? -EAGAIN : r;
	}
	*ret_file = file;
	return 0;
}

int pidfile_write_numad(const char *path, struct pidfile *ret_file, pid_t *ret_other)
{
	char beside[PATH_MAX];
	int r = -EAGAIN;

	*ret_other = 0;
	if (snprintf(beside, sizeof(beside), "%s.placed", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = try_write_numad(path, beside, ret_file, ret_other);
	return r;
}

/* In this order: while the name stands, the lock is held. */
void pidfile_release(struct pidfile *file)
{
	if (file->fd < 0 || file->owner != getpid())
		return;
	if (is_same_file(file->fd, file->path))
		(void)unlink(file->path);
	if (held_fd == file->fd)
		held_fd = -1;
	close(file->fd);
	*file = PIDFILE_NONE;
}
