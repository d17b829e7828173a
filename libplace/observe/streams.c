/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pass over /proc/PID/task, merged with the one before. */
#include "observe/streams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/tasks.h"

struct walk {
	const struct place_root *root;
	struct place_text *text;
	int pid;
	uint64_t now_ns;
	struct place_streams *streams;
	size_t n_before, next_before; /* of the last time; both lists ascend */
	bool is_streaming;
};

static int reserve(struct place_streams *streams)
{
	const size_t room = streams->room ? streams->room * 2 : 64;
	struct place_stream *more;

	if (streams->n < streams->room)
		return 0;
	more = reallocarray(streams->list, room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	streams->list = more;
	more = reallocarray(streams->before, room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	streams->before = more;
	streams->room = room;
	return 0;
}

static void read_name(struct walk *walk, unsigned tid)
{
	char *name;

	if (place_root_readf(walk->root, walk->text, "proc/%d/task/%u/comm", walk->pid, tid) < 0)
		return;
	name = walk->text->data;
	name[strcspn(name, "\n")] = '\0';
	walk->is_streaming = walk->is_streaming || place_task_is_migration(name);
}

/* The kernel lists threads by id (fs/proc/base.c next_tid()); in another order all are new. */
static int see_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	struct place_streams *streams = walk->streams;
	struct place_stream thread = { .tid = tid, .seen_ns = walk->now_ns };
	int r;

	if (streams->n == PLACE_TASKS_MAX)
		return 0;
	r = reserve(streams);
	if (r < 0)
		return r;
	while (walk->next_before < walk->n_before && streams->before[walk->next_before].tid < tid)
		walk->next_before++;
	if (walk->next_before < walk->n_before && streams->before[walk->next_before].tid == tid)
		thread = streams->before[walk->next_before];
	if (walk->now_ns - thread.seen_ns < PLACE_STREAMS_SETTLED_NS)
		read_name(walk, tid);
	streams->list[streams->n++] = thread;
	return 0;
}

int place_streams_look(const struct place_root *root, struct place_text *text, int pid,
		       uint64_t now_ns, struct place_streams *streams)
{
	struct walk walk = {
		.root = root,
		.text = text,
		.pid = pid,
		.now_ns = now_ns,
		.streams = streams,
		.n_before = streams->n,
	};
	struct place_stream *list = streams->list;
	char path[32];
	int r;

	streams->list = streams->before;
	streams->before = list;
	streams->n = 0;
	snprintf(path, sizeof(path), "proc/%d/task", pid);
	r = place_root_each_id(root, path, "", see_thread, &walk);
	return r < 0 ? r : walk.is_streaming;
}

void place_streams_done(struct place_streams *streams)
{
	free(streams->list);
	free(streams->before);
	*streams = (struct place_streams){ 0 };
}
