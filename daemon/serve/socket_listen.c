/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folder, bind beside, mode, listen, rename. */
#include "serve/socket_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ask/wire.h"
#include "host/cleanup.h"
#include "serve/socket.h"
#include "state_dir.h"

/*
 * Connections that wait for us while we are stopped or busy; the kernel cuts it to
 * net.core.somaxconn (4096 since 5.4). Past it our clients wait their turn inside their deadline.
 */
#define BACKLOG 4096

const char *socket_trouble(int r)
{
	switch (r) {
	case -EADDRINUSE:
		return "another process answers at " PLACE_SOCKET_PATH;
	case -EPERM:
		return STATE_DIR " belongs to somebody else, or others may write into it";
	case -EEXIST:
		return PLACE_SOCKET_PATH " is no socket, and is left alone";
	case -EINVAL:
	case -ENOTSOCK:
		return "what was handed over is not a listening SOCK_SEQPACKET socket";
	default:
		return strerror(-r);
	}
}

/* Who may write into the folder may put another socket there, and answer in our place. */
static int check_folder(void)
{
	_cleanup_close_ int fd = state_dir_make();

	return fd < 0 ? fd : 0;
}

static int new_socket(void)
{
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Returns: 0 when nobody serves it, -EADDRINUSE when somebody does, -EEXIST when it is none. */
static int check_stale(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = -1;
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = new_socket();
	if (fd < 0)
		return fd;
	/* EAGAIN: its queue is full, so it is alive. EPROTOTYPE: alive, and none of ours. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno == EAGAIN || errno == EPROTOTYPE)
		return -EADDRINUSE;
	return errno == ECONNREFUSED ? 0 : -errno;
}

/* Renamed when all is right: nobody meets a socket that is not served, or not for him. */
static int listen_beside(int fd, const struct sockaddr_un *address, struct socket_path *ret_path)
{
	struct sockaddr_un beside = { .sun_family = AF_UNIX, .sun_path = PLACE_SOCKET_PATH ".new" };
	struct stat status;
	int r = 0;

	if (unlink(beside.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&beside, sizeof(beside)) < 0)
		return -errno;
	if (chmod(beside.sun_path, 0666) < 0 || lstat(beside.sun_path, &status) < 0 ||
	    listen(fd, BACKLOG) < 0 || rename(beside.sun_path, address->sun_path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(beside.sun_path);
	else
		*ret_path = (struct socket_path){ status.st_dev, status.st_ino };
	return r;
}

int socket_listen(struct socket_path *ret_path)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PLACE_SOCKET_PATH };
	int fd, r;

	r = check_folder();
	if (r == 0)
		r = check_stale(&address);
	if (r < 0)
		return r;
	fd = new_socket();
	if (fd < 0)
		return fd;
	r = listen_beside(fd, &address, ret_path);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int socket_check_listening(int fd)
{
	int type = 0, is_listening = 0;
	socklen_t size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET || !is_listening)
		return -EINVAL;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

void socket_unlink(const struct socket_path *path)
{
	struct stat status;

	if (path->inode && lstat(PLACE_SOCKET_PATH, &status) == 0 &&
	    status.st_dev == path->device && status.st_ino == path->inode)
		(void)unlink(PLACE_SOCKET_PATH);
}
