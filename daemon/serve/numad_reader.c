/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread, one socket pair; doc/decisions/0007-numad-queue.md says why a thread. */
#include "serve/numad_reader.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve/numad_sysv.h"

/* It needs less than a page of it; thread-local storage of the libraries comes out of it too. */
#define STACK_BYTES (128 * 1024)

struct numad_reader {
	int id;
	pid_t self;
	pthread_t thread;
	int loop_fd, thread_fd;
};

/* What the thread hands on: a message of so many bytes, or the -errno it ends with. */
struct record {
	ssize_t outcome;
	struct numad_packet packet;
};

/* Capabilities are each thread's own, so those of the loop may be dropped before or after. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void)syscall(SYS_capset, &header, none);
}

static bool hand_on(int fd, const struct record *record)
{
	ssize_t n;

	/* Waits while the loop is busy: messages are better kept in the queue than lost. */
	do
		n = send(fd, record, sizeof(*record), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == sizeof(*record) && record->outcome >= 0;
}

static void *read_queue(void *data)
{
	const struct numad_reader *reader = data;
	struct record record;

	drop_capabilities();
	do {
		memset(&record, 0, sizeof(record));
		do
			record.outcome = msgrcv(reader->id, &record.packet, NUMAD_PACKET_SIZE,
						reader->self, MSG_NOERROR);
		while (record.outcome < 0 && errno == EINTR);
		if (record.outcome < 0)
			record.outcome = -errno;
	} while (hand_on(reader->thread_fd, &record));
	(void)shutdown(reader->thread_fd, SHUT_RDWR);
	return NULL;
}

static int start_thread(struct numad_reader *reader)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int r;

	r = pthread_attr_init(&attributes);
	if (r != 0)
		return -r;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&reader->thread, &attributes, read_queue, reader);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

int numad_reader_start(int id, struct numad_reader **ret_reader)
{
	struct numad_reader *reader = calloc(1, sizeof(*reader));
	int fds[2], r;

	if (!reader)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		r = -errno;
		free(reader);
		return r;
	}
	*reader = (struct numad_reader){
		.id = id, .self = getpid(), .loop_fd = fds[0], .thread_fd = fds[1]
	};
	r = start_thread(reader);
	if (r < 0) {
		close(fds[0]);
		close(fds[1]);
		free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

int numad_reader_fd(const struct numad_reader *reader)
{
	return reader->loop_fd;
}

int numad_reader_take(struct numad_reader *reader, struct numad_packet *ret_packet,
		      size_t *ret_size)
{
	struct record record;
	const ssize_t n = recv(reader->loop_fd, &record, sizeof(record), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return -errno;
	if (n != sizeof(record))
		return -EPIPE;
	if (record.outcome < 0)
		return (int)record.outcome;
	*ret_packet = record.packet;
	*ret_size = (size_t)record.outcome;
	return 1;
}

struct numad_reader *numad_reader_stop(struct numad_reader *reader)
{
	if (!reader)
		return NULL;
	/*
	 * A thread that waits for the loop wakes by the first, one that waits in the queue by the
	 * second. Closing would not do: a child of the loop may hold a copy of our end.
	 */
	(void)shutdown(reader->loop_fd, SHUT_RDWR);
	if (numad_sysv_remove(reader->id) < 0) {
		/* Not ours any more, so root gave it away. The thread goes with the process. */
		(void)pthread_detach(reader->thread);
		return NULL;
	}
	(void)pthread_join(reader->thread, NULL);
	close(reader->loop_fd);
	close(reader->thread_fd);
	free(reader);
	return NULL;
}
