/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * claim-queues: makes sure that the queues under numad's keys are root's, before a daemon starts
 * that may not (placed.service runs this with all of root's capabilities). Anybody may have made
 * them first, and then reads and forges what is in them. A queue of root's is left as it is: a
 * numad may be serving it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <unistd.h>

/* How often somebody may make it anew between our removing and our making it. */
#define TRIES 1000

static int is_ours(int id)
{
	struct msqid_ds queue;

	return msgctl(id, IPC_STAT, &queue) == 0 && queue.msg_perm.uid == geteuid() &&
	       queue.msg_perm.cuid == geteuid();
}

static int claim(key_t key)
{
	for (int i = 0; i < TRIES; i++) {
		int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);

		if (id >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		id = msgget(key, 0);
		if (id < 0)
			continue;
		if (is_ours(id))
			return 0;
		if (msgctl(id, IPC_RMID, NULL) < 0 && errno != EINVAL && errno != EIDRM)
			return -errno;
	}
	return -EBUSY;
}

int main(void)
{
	/* numad 20150602, and 20251104. */
	static const unsigned keys[] = { 0xdeadbeef, 0xaddaadda };
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const int r = claim((key_t)keys[i]);

		if (r == 0)
			continue;
		fprintf(stderr, "claim-queues: %#x: %s\n", keys[i], strerror(-r));
		status = EXIT_FAILURE;
	}
	return status;
}
