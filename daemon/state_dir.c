/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lock, write beside, rename. No fsync: /run is memory, and the ledger ends with the boot. */
#include "state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/clock.h"
#include "observe/ledger.h"

#define LOCK_NAME "lock"

int state_dir_make(void)
{
	const bool is_new = mkdir(STATE_DIR, 0755) == 0;
	struct stat status;
	int fd;

	if (!is_new && errno != EEXIST)
		return -errno;
	fd = open(STATE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & 022)) {
		close(fd);
		return -EPERM;
	}
	/* Whatever umask the caller has: anybody may read it. */
	if (is_new)
		(void)fchmod(fd, 0755);
	return fd;
}

/* flock() has no time limit of its own, and a signal for one would reach the whole program. */
static int lock_within(int fd, unsigned wait_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const int64_t end_ms = place_clock_ms() + wait_ms;

	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (place_clock_ms() >= end_ms)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

int state_dir_open(unsigned wait_ms, struct state_dir *ret_state)
{
	struct state_dir state = { .lock_fd = -1 };
	int r;

	state.fd = state_dir_make();
	if (state.fd < 0)
		return state.fd;
	state.lock_fd = openat(state.fd, LOCK_NAME,
			       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	r = state.lock_fd < 0 ? -errno : lock_within(state.lock_fd, wait_ms);
	if (r < 0) {
		state_dir_close(&state);
		return r;
	}
	*ret_state = state;
	return 0;
}

void state_dir_close(struct state_dir *state)
{
	if (state->lock_fd >= 0)
		close(state->lock_fd);
	if (state->fd >= 0)
		close(state->fd);
	*state = (struct state_dir){ .fd = -1, .lock_fd = -1 };
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		const ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

int state_dir_replace(const struct state_dir *state, const char *name, const char *text,
		      size_t size)
{
	_cleanup_close_ int fd = -1;
	char beside[64];
	int r;

	/* Left by a crash, perhaps; the lock says that nobody is writing it now. */
	snprintf(beside, sizeof(beside), "%s.new", name);
	if (unlinkat(state->fd, beside, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(state->fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	(void)fchmod(fd, 0644);
	r = write_all(fd, text, size);
	if (r == 0 && renameat(state->fd, beside, state->fd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(state->fd, beside, 0);
	return r;
}

int state_dir_put_ledger(const struct state_dir *state, const struct place_ledger *ledger,
			 const char *boot_id)
{
	_cleanup_text_ struct place_text text = { 0 };
	int r = place_ledger_format(ledger, boot_id, &text);

	return r < 0 ? r :
		       state_dir_replace(state, strrchr(PLACE_LEDGER_PATH, '/') + 1, text.data,
					 text.size);
}
