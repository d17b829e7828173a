/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The path of our own socket: made without a moment in which it is wrong, removed if still ours. */
#pragma once

#include <sys/types.h>

/* Which file is ours; another daemon may have put its own there since. */
struct socket_path {
	dev_t device;
	ino_t inode; /* 0: none is */
};

/* Returns: a listening descriptor (O_CLOEXEC, nonblocking) or -errno, as socket_open(). */
int socket_listen(struct socket_path *ret_path);
/* For a descriptor that was handed to us. Returns: 0 or -errno, as socket_open(). */
int socket_check_listening(int fd);
void socket_unlink(const struct socket_path *path);
