/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One directory descriptor, openat2(RESOLVE_IN_ROOT) below it: the live host and a recorded one
 * go through the same lines, and a recording sent by a stranger cannot point outside itself.
 */
#include "host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/cleanup.h"
#include "host/text.h"

/* Most files of /proc and /sys fit: nodeN/meminfo is 1.5 KiB, /proc/PID/status 1.4 KiB (6.1). */
#define TEXT_ROOM_LEAST 4096

int place_root_open(const char *path, struct place_root *ret_root)
{
	struct place_root root = { .fd = -1 };

	if (!path || !*path)
		path = "/";
	root.path = strdup(path);
	if (!root.path)
		return -ENOMEM;
	root.is_live = strcmp(path, "/") == 0;
	root.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0) {
		int r = -errno;

		free(root.path);
		return r;
	}
	*ret_root = root;
	return 0;
}

void place_root_close(struct place_root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	free(root->path);
	*root = (struct place_root){ .fd = -1 };
}

/*
 * A rename or mount during the walk makes openat2() answer EAGAIN (fs/namei.c, 6.18): once more,
 * but not for ever. ENOSYS: kernels before 5.6; EPERM: container runtimes whose filter does not
 * know the call. The live root loses nothing there, a recording would lose its fence.
 */
int place_root_openat(const struct place_root *root, const char *path, int flags)
{
	/* openat2() refuses what O_PATH has no use for. */
	const int more = flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NOCTTY;
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | more),
		.resolve = RESOLVE_IN_ROOT,
	};
	long fd = -1;

	for (int tries = 0; tries < 8; tries++) {
		fd = syscall(SYS_openat2, root->fd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd < 0 && root->is_live && (errno == ENOSYS || errno == EPERM))
		fd = openat(root->fd, path, flags | more);
	return fd < 0 ? -errno : (int)fd;
}

/*
 * An attribute of sysfs or a cgroup is one record, and what one read does not fill ends there
 * (fs/kernfs/file.c, 6.18): that spares every other call. /proc may return less than there is.
 */
static int text_read_fd(struct place_text *text, int fd, bool is_attribute)
{
	for (;;) {
		ssize_t n;
		int r;

		/* One byte stays for the NUL. */
		if (text->size + 1 >= text->room) {
			r = place_text_reserve(text, text->room * 2);
			if (r < 0)
				return r;
		}
		n = read(fd, text->data + text->size, text->room - text->size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text->size += (size_t)n;
		if (n == 0 || (is_attribute && text->size + 1 < text->room))
			return 0;
	}
}

/*
 * Live files are the kernel's or root's own. A recording may hold anything, and to open a FIFO
 * would wait for its writer: it reads as an empty file instead.
 */
static int open_file(const struct place_root *root, const char *path)
{
	return place_root_openat(root, path, root->is_live ? O_RDONLY : O_RDONLY | O_NONBLOCK);
}

static int text_begin(struct place_text *text)
{
	const int r = place_text_reserve(text, TEXT_ROOM_LEAST);

	if (r < 0)
		return r;
	text->size = 0;
	text->data[0] = '\0';
	return 0;
}

static int text_fill(struct place_text *text, int fd, bool is_attribute)
{
	const int r = text_read_fd(text, fd, is_attribute);

	if (r < 0)
		text->size = 0;
	text->data[text->size] = '\0';
	return r;
}

int place_root_read(const struct place_root *root, struct place_text *text, const char *path)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = text_begin(text);
	if (r < 0)
		return r;
	fd = open_file(root, path);
	if (fd < 0)
		return fd;
	return text_fill(text, fd, root->is_live && !strncmp(path, "sys/", 4));
}

static int __attribute__((format(printf, 3, 0)))
format_path(char *path, size_t size, const char *format, va_list arguments)
{
	const int n = vsnprintf(path, size, format, arguments);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int place_root_readf(const struct place_root *root, struct place_text *text, const char *format,
		     ...)
{
	char path[PATH_MAX];
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = format_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	if (r < 0)
		return r;
	return place_root_read(root, text, path);
}

int place_root_read_ownedf(const struct place_root *root, struct place_text *text, uid_t owner,
			   const char *format, ...)
{
	_cleanup_close_ int fd = -1;
	struct stat status;
	char path[PATH_MAX];
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = format_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	if (r == 0)
		r = text_begin(text);
	if (r < 0)
		return r;
	fd = place_root_openat(root, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || (root->is_live && status.st_uid != owner))
		return -EPERM;
	return text_fill(text, fd, false);
}

int place_root_check_private(const struct place_root *root, const char *path)
{
	_cleanup_close_ int fd = place_root_openat(root, path, O_PATH | O_DIRECTORY);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (root->is_live &&
	    ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & 022)))
		return -EPERM;
	return 0;
}

int place_root_readlinkf(const struct place_root *root, char *target, size_t size,
			 const char *format, ...)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	va_list arguments;
	ssize_t n;
	int r;

	va_start(arguments, format);
	r = format_path(path, sizeof(path), format, arguments);
	va_end(arguments);
	if (r < 0)
		return r;
	if (root->is_live) {
		n = readlinkat(root->fd, path, target, size - 1);
	} else {
		fd = place_root_openat(root, path, O_PATH | O_NOFOLLOW);
		if (fd < 0)
			return fd;
		n = readlinkat(fd, "", target, size - 1);
	}
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return 0;
}

int place_root_each_name(const struct place_root *root, const char *path, const char *prefix,
			 int (*visit)(const char *rest, void *data), void *data)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const size_t prefix_size = strlen(prefix);
	int fd;

	fd = place_root_openat(root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		const int r = -errno;

		close(fd);
		return r;
	}
	for (;;) {
		const struct dirent *entry;
		int r;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (strncmp(entry->d_name, prefix, prefix_size) != 0)
			continue;
		r = visit(entry->d_name + prefix_size, data);
		if (r < 0)
			return r;
	}
}

struct id_walk {
	int (*visit)(unsigned id, void *data);
	void *data;
};

static int visit_if_id(const char *rest, void *data)
{
	const struct id_walk *walk = data;
	unsigned id;

	return place_text_unsigned(rest, &id) < 0 ? 0 : walk->visit(id, walk->data);
}

int place_root_each_id(const struct place_root *root, const char *path, const char *prefix,
		       int (*visit)(unsigned id, void *data), void *data)
{
	struct id_walk walk = { .visit = visit, .data = data };

	return place_root_each_name(root, path, prefix, visit_if_id, &walk);
}

int place_text_reserve(struct place_text *text, size_t room)
{
	char *data;

	if (room <= text->room)
		return 0;
	if (room > PLACE_TEXT_MAX)
		return -EFBIG;
	data = realloc(text->data, room);
	if (!data)
		return -ENOMEM;
	text->data = data;
	text->room = room;
	return 0;
}

int place_text_append(struct place_text *text, const char *bytes, size_t size)
{
	const size_t need = text->size + size + 1;
	size_t room = need * 2;
	int r;

	if (room > PLACE_TEXT_MAX && need <= PLACE_TEXT_MAX)
		room = PLACE_TEXT_MAX;
	r = need > text->room ? place_text_reserve(text, room) : 0;
	if (r < 0)
		return r;
	memcpy(text->data + text->size, bytes, size);
	text->size += size;
	text->data[text->size] = '\0';
	return 0;
}

int place_text_close(struct place_text *text, FILE *file)
{
	int r = ferror(file) ? -ENOMEM : 0;

	if (fclose(file) != 0)
		r = -ENOMEM;
	text->room = text->size;
	return r;
}

void place_text_done(struct place_text *text)
{
	free(text->data);
	*text = (struct place_text){ 0 };
}
