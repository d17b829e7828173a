/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to the system's log, without waiting for it. syslog(3) and sd_journal_sendv(3) both wait
 * where the log's socket is full (glibc 2.36, systemd 252: a stopped journald stops the caller),
 * and so does a terminal that somebody stopped: what is not taken at once is given up here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LOG_SOCKET_JOURNAL "/run/systemd/journal/socket"
#define LOG_SOCKET_SYSLOG "/dev/log"

struct log_socket {
	const char *path;
	int fd; /* -1: not connected; each message tries again */
	bool is_stream;
};

/* Returns: 0 or -errno of connect(2). The path must outlive it. */
int log_socket_open(struct log_socket *log, const char *path);
void log_socket_close(struct log_socket *log);

/*
 * Sends a message, connecting anew where the log went away meanwhile.
 * Returns: 0 or -errno: -EAGAIN where the log does not take it now.
 */
int log_socket_send(struct log_socket *log, const char *message, size_t size);

/* The same for a descriptor of ours: a terminal, a pipe, a file. */
int log_descriptor_send(int fd, const char *message, size_t size);
