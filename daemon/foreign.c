/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nothing is believed that root did not write: the pid file, the process and the queue must be
 * root's, so whoever is not root gets nothing here. The queue that the daemon waits in is read
 * from /proc, since one of the other release may have been left behind.
 */
#include "foreign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/clock.h"
#include "host/text.h"
#include "numad_message.h"

/* A 2015 daemon answers in about a millisecond unless it is busy; so long between two looks. */
#define PAUSE_MIN_NS 500000L
#define PAUSE_MAX_NS 10000000L

/* Machines whose libc goes through ipc(2) have another number there: then nothing is found. */
#ifdef SYS_msgrcv
#define WAITING SYS_msgrcv
#else
#define WAITING -1
#endif

/* More looks than a queue of 16 KiB has messages. */
#define TIDY_MAX 2048

static const key_t keys[] = { NUMAD_KEY_2015, NUMAD_KEY_2025 };

/* ---- the daemon -------------------------------------------------------------------------- */

/* A small file; whose it is when `owner` is asked for. Returns: its length or -errno. */
static int read_small(const char *path, char *text, size_t size, struct stat *ret_status)
{
	/* O_NONBLOCK: not even for the writer of a FIFO do we wait. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EPERM;
	n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (ret_status)
		*ret_status = status;
	return (int)n;
}

static int read_pid(pid_t *ret_pid)
{
	struct stat status;
	unsigned pid;
	char text[32];
	int r;

	r = read_small(FOREIGN_PID_PATH, text, sizeof(text), &status);
	if (r < 0)
		return r;
	if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	if (place_text_unsigned(text, &pid) < 0 || pid == 0 || pid > INT_MAX)
		return -ENOENT;
	*ret_pid = (pid_t)pid;
	return 0;
}

int foreign_is_placed(pid_t pid)
{
	char path[64], target[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	/* The second: its file was replaced since. */
	return !strcmp(name, "placed") || !strcmp(name, "placed (deleted)");
}

static int find_daemon(pid_t *ret_pid)
{
	struct stat status;
	char path[64], comm[32];
	pid_t pid;
	int r;

	r = read_pid(&pid);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	r = read_small(path, comm, sizeof(comm), &status);
	if (r < 0)
		return r;
	if (strcmp(comm, "numad\n") != 0 || foreign_is_placed(pid) > 0)
		return -ENOENT;
	if (status.st_uid != 0)
		return -EPERM;
	*ret_pid = pid;
	return 0;
}

/* ---- its queue --------------------------------------------------------------------------- */

/*
 * Whether one of its threads waits in that queue (proc_pid_syscall(), fs/proc/base.c: number and
 * arguments of the system call that a thread sleeps in).
 */
static bool waits_in(pid_t pid, int id)
{
	const struct dirent *entry;
	char path[320], text[128];
	bool found = false;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while (!found && (entry = readdir(tasks))) {
		unsigned long number, first;
		char *end;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", pid, entry->d_name);
		if (entry->d_name[0] == '.' || read_small(path, text, sizeof(text), NULL) < 0)
			continue;
		number = strtoul(text, &end, 10);
		first = strtoul(end, NULL, 16);
		found = end != text && number == (unsigned long)WAITING && (int)first == id;
	}
	closedir(tasks);
	return found;
}

static int open_safe(key_t key, int *ret_id)
{
	const int id = msgget(key, 0);
	struct msqid_ds queue;

	if (id < 0)
		return -errno;
	if (msgctl(id, IPC_STAT, &queue) < 0)
		return -errno;
	if (queue.msg_perm.uid != 0 || queue.msg_perm.cuid != 0 || (queue.msg_perm.mode & 0007))
		return -EPERM;
	if ((queue.msg_perm.mode & 0070) && (queue.msg_perm.gid != 0 || queue.msg_perm.cgid != 0))
		return -EPERM;
	*ret_id = id;
	return 0;
}

static int find_queue(pid_t daemon, int *ret_id)
{
	int ids[ELEMENTSOF(keys)], r = -ENOENT;
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		const int outcome = open_safe(keys[i], &ids[n]);

		if (outcome == 0)
			n++;
		else if (outcome != -ENOENT)
			r = outcome;
	}
	for (size_t i = 0; i < n; i++) {
		if (!waits_in(daemon, ids[i]))
			continue;
		*ret_id = ids[i];
		return 0;
	}
	if (n == 0)
		return r;
	if (n > 1)
		return -ENOTUNIQ;
	/* It is busy, or the kernel does not tell. */
	*ret_id = ids[0];
	return 0;
}

/* ---- the exchange ------------------------------------------------------------------------ */

/* What is addressed to us and there now. Returns: its size or -errno (-ENOMSG). */
static ssize_t take_ours(int id, struct numad_packet *packet)
{
	const ssize_t n = msgrcv(id, packet, NUMAD_PACKET_SIZE, getpid(), IPC_NOWAIT | MSG_NOERROR);

	return n < 0 ? -errno : n;
}

static int wait_for_reply(int id, pid_t daemon, uint64_t end_ns, const struct place_set *online,
			  struct place_set *ret_nodes)
{
	struct timespec pause = { .tv_nsec = PAUSE_MIN_NS };
	struct numad_packet packet;

	for (;;) {
		const ssize_t n = take_ours(id, &packet);

		if (n >= 0)
			return numad_message_parse_reply(&packet.message, (size_t)n, daemon, online,
							 ret_nodes);
		if (n != -ENOMSG && n != -EINTR)
			return (int)n;
		if (place_clock_ns() >= end_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
}

/* No such process: so nobody waits. */
static bool is_gone(long pid)
{
	return pid <= 0 || pid > INT_MAX || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

/*
 * Whether a message is of no use to anybody: a question to the daemon from us, or from somebody
 * who has gone, as long as none stands before it (taking by type takes the first); or an answer
 * that came too late for who asked.
 */
static bool is_abandoned(const struct numad_message *message, pid_t daemon, bool *is_first)
{
	if (message->mtype == daemon) {
		const bool was_first = *is_first;

		*is_first = false;
		return was_first && (message->src_pid == getpid() || is_gone(message->src_pid));
	}
	return message->src_pid == daemon && message->cmd == 'w' && is_gone(message->mtype);
}

/*
 * numad empties the queue each time; we take only what nobody will, but that much: a daemon whose
 * queue is full of late answers ends itself. Looking (MSG_COPY) takes nothing.
 */
static void tidy(int id, pid_t daemon)
{
	struct numad_packet packet;
	bool is_first = true;
	long at = 0;

	for (unsigned i = 0; i < TIDY_MAX; i++) {
		const ssize_t n = msgrcv(id, &packet, NUMAD_PACKET_SIZE, at, IPC_NOWAIT | MSG_COPY);

		if (n < 0 && errno != E2BIG)
			return;
		if (n < (ssize_t)NUMAD_SIZE_MIN ||
		    !is_abandoned(&packet.message, daemon, &is_first)) {
			at++;
			continue;
		}
		is_first = is_first || packet.message.mtype == daemon;
		(void)msgrcv(id, &packet, NUMAD_PACKET_SIZE, packet.message.mtype,
			     IPC_NOWAIT | MSG_NOERROR);
	}
}

static int exchange(int id, pid_t daemon, const struct place_request *request, uint64_t end_ns,
		    const struct place_set *online, struct place_set *ret_nodes)
{
	struct numad_message message;
	struct numad_packet packet;
	size_t size;
	int r;

	/* Left for an earlier process of our number. */
	while (take_ours(id, &packet) >= 0)
		;
	tidy(id, daemon);
	size = numad_message_ask(daemon, getpid(), request, &message);
	if (msgsnd(id, &message, size, IPC_NOWAIT) < 0)
		return -errno;
	r = wait_for_reply(id, daemon, end_ns, online, ret_nodes);
	if (r < 0) {
		tidy(id, daemon);
		(void)take_ours(id, &packet);
	}
	return r;
}

int foreign_ask(const struct place_request *request, unsigned deadline_ms, char *nodes, size_t size)
{
	const uint64_t end_ns = place_clock_ns() + deadline_ms * UINT64_C(1000000);
	char online_text[4096], text[NUMAD_TEXT_SIZE];
	struct place_set online, answer;
	pid_t daemon;
	int id, r;

	r = find_daemon(&daemon);
	if (r < 0)
		return r;
	r = read_small("/sys/devices/system/node/online", online_text, sizeof(online_text), NULL);
	if (r >= 0)
		r = place_set_parse_list(online_text, &online);
	if (r >= 0)
		r = find_queue(daemon, &id);
	if (r >= 0)
		r = exchange(id, daemon, request, end_ns, &online, &answer);
	if (r >= 0)
		r = place_set_format(&answer, text, sizeof(text));
	if (r < 0)
		return r;
	if ((size_t)r >= size)
		return -ENOBUFS;
	memcpy(nodes, text, (size_t)r + 1);
	return 0;
}
