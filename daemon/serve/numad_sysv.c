/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One SysV message queue: made ours, swept, removed. */
#include "serve/numad_sysv.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "numad_message.h"

/* How often somebody may make it anew between our removing and our making it. */
#define TRIES 16

/* As many messages as a queue of 16 KiB (msgmnb) holds at most: the kernel counts one byte each. */
#define SWEEP_MAX 16384

/* kernel.msgmax may be raised; longer messages than this stay where they are. */
#define LONG_MAX_BYTES (1 << 20)

struct any_message {
	long mtype;
	char bytes[];
};

static void look_at(int id, struct numad_sysv_found *found)
{
	struct msqid_ds queue;

	if (msgctl(id, IPC_STAT, &queue) < 0) {
		/* Not even root may look without CAP_IPC_OWNER: so it is not root's. */
		*found = (struct numad_sysv_found){ .is_foreign = errno == EACCES, .owner = -1U };
		return;
	}
	found->is_foreign = queue.msg_perm.uid != geteuid() || queue.msg_perm.cuid != geteuid() ||
			    (queue.msg_perm.mode & 0007);
	found->owner = queue.msg_perm.cuid != geteuid() ? queue.msg_perm.cuid : queue.msg_perm.uid;
}

/* Whatever a stranger may put there meanwhile. */
static bool may_remove_any(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

/* Ours already: nobody else comes in from here on, and what is in it is thrown away. */
static int take_over(int id)
{
	struct any_message message;
	struct msqid_ds queue;

	if (msgctl(id, IPC_STAT, &queue) < 0)
		return -errno;
	queue.msg_perm.gid = getegid();
	queue.msg_perm.mode = 0600;
	if (msgctl(id, IPC_SET, &queue) < 0)
		return -errno;
	for (unsigned i = 0; i < SWEEP_MAX; i++)
		if (msgrcv(id, &message, 0, 0, IPC_NOWAIT | MSG_NOERROR) < 0)
			break;
	return 0;
}

int numad_sysv_make(key_t key, int *ret_id, struct numad_sysv_found *ret_found)
{
	*ret_found = (struct numad_sysv_found){ 0 };
	for (unsigned i = 0; i < TRIES; i++) {
		struct numad_sysv_found found;
		int id, r;

		id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
		if (id >= 0) {
			*ret_id = id;
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
		id = msgget(key, 0);
		if (id < 0 && errno == ENOENT)
			continue;
		if (id < 0)
			return -errno;
		look_at(id, &found);
		if (found.is_foreign) {
			*ret_found = found;
		} else if (!may_remove_any() && take_over(id) == 0) {
			*ret_id = id;
			return 0;
		}
		r = numad_sysv_remove(id);
		if (r < 0)
			return r;
	}
	return -EBUSY;
}

int numad_sysv_remove(int id)
{
	if (msgctl(id, IPC_RMID, NULL) == 0 || errno == EINVAL || errno == EIDRM)
		return 0;
	return -errno;
}

bool numad_sysv_is_full(int id)
{
	struct msqid_ds queue;

	if (msgctl(id, IPC_STAT, &queue) < 0)
		return false;
	return queue.__msg_cbytes + NUMAD_SIZE_MAX > queue.msg_qbytes ||
	       queue.msg_qnum >= queue.msg_qbytes;
}

/* ---- what nobody will take ---------------------------------------------------------------- */

static bool is_gone(long pid)
{
	return pid > INT_MAX || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

/* A copy of the message at an index; the kernel compares sizes before it copies. */
static ssize_t copy(int id, struct any_message *message, size_t room, long at)
{
	const ssize_t n = msgrcv(id, message, room, at, IPC_NOWAIT | MSG_COPY);

	return n < 0 ? -errno : n;
}

/* Taking by type takes the first of its type: that must be the one that was looked at. */
static bool is_first_of_type(int id, struct any_message *message, size_t room, long at)
{
	const long mtype = message->mtype;

	for (long before = 0; before < at; before++)
		if (copy(id, message, room, before) >= 0 && message->mtype == mtype)
			return false;
	message->mtype = mtype;
	return true;
}

static bool is_stuck(int id, struct any_message *message, size_t room, long at, size_t size,
		     pid_t self)
{
	if (message->mtype == self)
		return false;
	if (is_gone(message->mtype))
		return true;
	return size > NUMAD_SIZE_MAX && is_first_of_type(id, message, room, at);
}

static int sweep(int id, pid_t self, struct any_message *message, size_t room)
{
	long at = 0;
	int n_taken = 0;

	for (unsigned i = 0; i < SWEEP_MAX; i++) {
		const ssize_t n = copy(id, message, room, at);

		if (n == -ENOSYS)
			return -ENOSYS;
		if (n < 0 && n != -E2BIG)
			break;
		if (n < 0 || !is_stuck(id, message, room, at, (size_t)n, self))
			at++;
		else if (msgrcv(id, message, room, message->mtype, IPC_NOWAIT | MSG_NOERROR) >= 0)
			n_taken++;
	}
	return n_taken;
}

int numad_sysv_sweep(int id, pid_t self, bool at_once)
{
	_cleanup_free_ struct any_message *message = NULL;
	const time_t now = time(NULL);
	struct msqid_ds queue;
	struct msginfo info;
	size_t room;

	if (msgctl(id, IPC_STAT, &queue) < 0)
		return -errno;
	if (queue.msg_qnum == 0)
		return 0;
	/* A clock that was set back makes the last message one of the future: no harm. */
	if (!at_once && now >= queue.msg_stime && now - queue.msg_stime < NUMAD_SYSV_AGE_S)
		return 0;
	if (msgctl(0, IPC_INFO, (struct msqid_ds *)&info) < 0)
		return -errno;
	room = info.msgmax < 0 || info.msgmax > LONG_MAX_BYTES ? LONG_MAX_BYTES :
								 (size_t)info.msgmax;
	message = malloc(sizeof(*message) + room);
	return message ? sweep(id, self, message, room) : -ENOMEM;
}
