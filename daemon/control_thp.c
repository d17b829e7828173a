/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pause of khugepaged between two scans, in ms (mm/khugepaged.c, 6.18). numad sets it and
 * leaves it; here it is what it was before when we go, or when the setting goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "tell/event.h"
#include "tell/numad_log.h"

static int read_text(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

static int write_text(const char *path, int flags, const char *text)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	const size_t size = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static int read_ms(const struct control_thp *thp, unsigned *ret_ms)
{
	char text[32];
	int r;

	r = read_text(thp->path, text, sizeof(text));
	return r < 0 ? r : place_text_unsigned(text, ret_ms);
}

static int write_ms(const struct control_thp *thp, unsigned from_ms, unsigned to_ms)
{
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%u\n", to_ms);
	r = write_text(thp->path, 0, text);
	if (r == 0)
		numad_line(LOG_NOTICE, "Changing THP scan time in %s from %u to %u ms.", thp->path,
			   from_ms, to_ms);
	return r;
}

/* "BEFORE WRITTEN": of a daemon that was killed. */
static void take_kept(struct control_thp *thp)
{
	uint64_t before_ms, written_ms;
	const char *at;
	char text[64];

	if (thp->is_changed || read_text(thp->kept_path, text, sizeof(text)) < 0)
		return;
	at = text;
	if (place_text_digits(&at, &before_ms) < 0 || *at++ != ' ' ||
	    place_text_u64(at, &written_ms) < 0 || before_ms > 1000000000 ||
	    written_ms > 1000000000)
		return;
	thp->is_changed = true;
	thp->before_ms = (unsigned)before_ms;
	thp->written_ms = (unsigned)written_ms;
}

/*
 * Before the kernel's file is written, and as a whole: a crash at any moment leaves what was
 * before. Returns: 0 or -errno; what was kept stands on failure.
 */
static int keep(const struct control_thp *thp)
{
	char text[64], path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s.new", thp->kept_path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	snprintf(text, sizeof(text), "%u %u\n", thp->before_ms, thp->written_ms);
	(void)unlink(path);
	r = write_text(path, O_CREAT | O_EXCL, text);
	return r == 0 && rename(path, thp->kept_path) < 0 ? -errno : r;
}

static int put_back(struct control_thp *thp, unsigned now_ms)
{
	int r = 0;

	if (!thp->is_changed)
		return 0;
	/* Somebody else has set it since: it is theirs. */
	if (now_ms == thp->written_ms && now_ms != thp->before_ms)
		r = write_ms(thp, now_ms, thp->before_ms);
	if (r < 0)
		return r;
	thp->is_changed = false;
	(void)unlink(thp->kept_path);
	return 0;
}

int control_thp_write(struct control_thp *thp, unsigned ms)
{
	struct control_thp changed;
	unsigned now_ms;
	int r;

	take_kept(thp);
	/* A kernel without it, or without the right to read it: nothing is asked of it. */
	if (ms == 0 && !thp->is_changed)
		return 0;
	r = read_ms(thp, &now_ms);
	if (r < 0)
		return r;
	if (ms == 0)
		return put_back(thp, now_ms);
	if (now_ms == ms && thp->is_changed)
		return 0;
	changed = *thp;
	/* What somebody else has set since is what will be put back. */
	if (!thp->is_changed || now_ms != thp->written_ms)
		changed.before_ms = now_ms;
	changed.is_changed = true;
	changed.written_ms = ms;
	r = keep(&changed);
	if (r < 0)
		return r;
	r = write_ms(thp, now_ms, ms);
	if (r < 0) {
		if (thp->is_changed)
			(void)keep(thp);
		else
			(void)unlink(thp->kept_path);
		return r;
	}
	*thp = changed;
	return 0;
}
