/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/realtime.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/text.h"
#include "observe/procstat.h"

/* 30 ticks of 10 ms: one that is counted wrong does not matter. */
#define WINDOW_MS 300

struct walk {
	const struct place_root *root;
	struct place_text *text;
	struct realtime_threads *threads;
	int pid;
};

/* proc(5), counted from 1; the name, field 2, may hold blanks and brackets. */
enum { FIELD_FLAGS = 9, FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_START = 22, FIELD_POLICY = 41 };

/* Fields 3 to 41 into fields[3 .. 41]; negative numbers become 0. Returns: if all are there. */
static bool parse_stat(const char *text, uint64_t *fields)
{
	const char *at = strrchr(text, ')');

	if (!at)
		return false;
	at++;
	for (unsigned field = 3; field <= FIELD_POLICY; field++) {
		if (*at++ != ' ')
			return false;
		fields[field] = 0;
		if (place_text_digits(&at, &fields[field]) < 0)
			at += strcspn(at, " \n");
	}
	return true;
}

static void parse_name(const char *text, char *name, size_t size)
{
	const char *begin = strchr(text, '('), *end = strrchr(text, ')');
	char raw[20] = "";

	if (begin && end > begin)
		snprintf(raw, sizeof(raw), "%.*s", (int)(end - begin - 1), begin + 1);
	place_text_escape(raw, name, size);
}

/* Returns: where the next one goes, or NULL. */
static struct realtime_thread *grow(struct realtime_threads *threads)
{
	if (threads->n == threads->room) {
		const size_t room = threads->room ? threads->room * 2 : 64;
		struct realtime_thread *list = realloc(threads->list, room * sizeof(*list));

		if (!list)
			return NULL;
		threads->list = list;
		threads->room = room;
	}
	return &threads->list[threads->n++];
}

static int visit_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	uint64_t fields[FIELD_POLICY + 1];
	struct realtime_thread *thread;

	if (place_root_readf(walk->root, walk->text, "proc/%d/task/%u/stat", walk->pid, tid) < 0 ||
	    !parse_stat(walk->text->data, fields))
		return 0;
	/* migration/N and the like are short by design. */
	if ((fields[FIELD_POLICY] != SCHED_FIFO && fields[FIELD_POLICY] != SCHED_RR) ||
	    (fields[FIELD_FLAGS] & PLACE_KERNEL_THREAD))
		return 0;
	thread = grow(walk->threads);
	if (!thread)
		return -ENOMEM;
	*thread = (struct realtime_thread){
		.pid = walk->pid,
		.tid = (int)tid,
		.start_ticks = fields[FIELD_START],
		.cpu_ticks = fields[FIELD_UTIME] + fields[FIELD_STIME],
	};
	parse_name(walk->text->data, thread->name, sizeof(thread->name));
	return 0;
}

static int visit_process(unsigned pid, void *data)
{
	struct walk *walk = data;
	char path[32];

	walk->pid = (int)pid;
	snprintf(path, sizeof(path), "proc/%u/task", pid);
	/* Others are gone. */
	return place_root_each_id(walk->root, path, "", visit_thread, walk) == -ENOMEM ? -ENOMEM :
											 0;
}

int realtime_list(const struct place_root *root, struct place_text *text,
		  struct realtime_threads *ret_threads)
{
	struct realtime_threads threads = { 0 };
	struct walk walk = { .root = root, .text = text, .threads = &threads };
	const int r = place_root_each_id(root, "proc", "", visit_process, &walk);

	if (r < 0)
		realtime_threads_done(&threads);
	else
		*ret_threads = threads;
	return r;
}

void realtime_threads_done(struct realtime_threads *threads)
{
	free(threads->list);
	*threads = (struct realtime_threads){ 0 };
}

/* kernel/sched/rt.c sched_rt_runtime_exceeded(), 6.1: who may run for all of a period is not held.
 */
static bool is_unlimited(const struct place_root *root, struct place_text *text)
{
	uint64_t runtime_us, period_us;

	if (place_root_read(root, text, "proc/sys/kernel/sched_rt_runtime_us") < 0)
		return false;
	if (text->data[0] == '-')
		return true;
	return place_text_u64(text->data, &runtime_us) == 0 &&
	       place_root_read(root, text, "proc/sys/kernel/sched_rt_period_us") == 0 &&
	       place_text_u64(text->data, &period_us) == 0 && runtime_us >= period_us;
}

void realtime_compare(const struct place_root *root, struct place_text *text,
		      const struct realtime_threads *before, const struct realtime_threads *after,
		      uint64_t ticks, struct realtime_finding *ret_finding)
{
	*ret_finding = (struct realtime_finding){ .risk = REALTIME_SAFE };
	for (size_t i = 0; i < after->n; i++)
		for (size_t j = 0; j < before->n; j++) {
			const struct realtime_thread *now = &after->list[i];
			const struct realtime_thread *then = &before->list[j];

			if (now->tid != then->tid || now->start_ticks != then->start_ticks ||
			    (now->cpu_ticks - then->cpu_ticks) * 2 <= ticks)
				continue;
			ret_finding->risk = REALTIME_BUSY;
			ret_finding->thread = *now;
			return;
		}
	if (is_unlimited(root, text))
		ret_finding->risk = REALTIME_UNLIMITED;
}

void realtime_check(const struct place_root *root, struct place_text *text,
		    struct realtime_finding *ret_finding)
{
	const struct timespec window = { .tv_nsec = WINDOW_MS * 1000000L };
	struct realtime_threads before = { 0 }, after = { 0 };
	int r;

	*ret_finding = (struct realtime_finding){ .risk = REALTIME_UNKNOWN };
	r = realtime_list(root, text, &before);
	if (r == 0 && before.n) {
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &window, NULL);
		r = realtime_list(root, text, &after);
	}
	if (r == 0)
		realtime_compare(root, text, &before, &after,
				 WINDOW_MS * (uint64_t)sysconf(_SC_CLK_TCK) / 1000, ret_finding);
	realtime_threads_done(&before);
	realtime_threads_done(&after);
}

void realtime_say(const struct realtime_finding *finding, char *text, size_t size)
{
	switch (finding->risk) {
	case REALTIME_UNLIMITED:
		snprintf(text, size,
			 "kernel.sched_rt_runtime_us limits nobody: a realtime thread may keep a "
			 "CPU for ever, and moving pages then never ends; nothing is moved until "
			 "it is 0 or more and below sched_rt_period_us");
		return;
	case REALTIME_BUSY:
		snprintf(text, size,
			 "realtime thread %d (%s) of process %d keeps a CPU busy, and each call "
			 "that moves pages would wait for it; nothing is moved meanwhile",
			 finding->thread.tid, finding->thread.name, finding->thread.pid);
		return;
	case REALTIME_UNKNOWN:
		snprintf(text, size, "threads of this host could not be read; nothing is moved");
		return;
	case REALTIME_SAFE:
		break;
	}
	snprintf(text, size, "no realtime thread keeps a CPU");
}
