/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/realtime.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/text.h"

/* 30 ticks of 10 ms: one that is counted wrong does not matter. */
#define WINDOW_MS 300

/* include/linux/sched.h PF_KTHREAD: migration/N and the like are short by design. */
#define KERNEL_THREAD 0x00200000

struct walk {
	const struct place_root *root;
	struct place_text *text;
	struct realtime_threads *threads;
	int pid;
};

/* proc(5), counted from 1; the name, field 2, may hold blanks and brackets. */
enum { FIELD_FLAGS = 9, FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_START = 22, FIELD_POLICY = 41 };

/* Fields 3 to 41 into fields[3 .. 41]; negative numbers become 0. Returns: whether all are there.
 */
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

static int visit_thread(unsigned tid, void *data)
{
	struct walk *walk = data;
	struct realtime_threads *threads = walk->threads;
	uint64_t fields[FIELD_POLICY + 1];
	struct realtime_thread *thread;

	if (threads->n == REALTIME_THREADS_MAX ||
	    place_root_readf(walk->root, walk->text, "proc/%d/task/%u/stat", walk->pid, tid) < 0 ||
	    !parse_stat(walk->text->data, fields))
		return 0;
	if ((fields[FIELD_POLICY] != SCHED_FIFO && fields[FIELD_POLICY] != SCHED_RR) ||
	    (fields[FIELD_FLAGS] & KERNEL_THREAD))
		return 0;
	thread = &threads->list[threads->n++];
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
	(void)place_root_each_id(walk->root, path, "", visit_thread, walk);
	return 0;
}

int realtime_list(const struct place_root *root, struct place_text *text,
		  struct realtime_threads *ret_threads)
{
	struct walk walk = { .root = root, .text = text, .threads = ret_threads };

	ret_threads->n = 0;
	return place_root_each_id(root, "proc", "", visit_process, &walk);
}

static bool is_unlimited(const struct place_root *root, struct place_text *text)
{
	return place_root_read(root, text, "proc/sys/kernel/sched_rt_runtime_us") == 0 &&
	       text->data[0] == '-';
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
	struct realtime_threads before, after;

	*ret_finding = (struct realtime_finding){ .risk = REALTIME_UNKNOWN };
	if (realtime_list(root, text, &before) < 0)
		return;
	if (before.n) {
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &window, NULL);
		if (realtime_list(root, text, &after) < 0)
			return;
	} else {
		after = before;
	}
	realtime_compare(root, text, &before, &after,
			 WINDOW_MS * (uint64_t)sysconf(_SC_CLK_TCK) / 1000, ret_finding);
}

void realtime_say(const struct realtime_finding *finding, char *text, size_t size)
{
	switch (finding->risk) {
	case REALTIME_UNLIMITED:
		snprintf(
			text, size,
			"kernel.sched_rt_runtime_us is -1: a realtime thread may keep a CPU for "
			"ever, "
			"and moving pages then never ends; nothing is moved until it is 0 or more");
		return;
	case REALTIME_BUSY:
		snprintf(text, size,
			 "realtime thread %d (%s) of process %d keeps a CPU busy, and each call "
			 "that moves "
			 "pages would wait for it; nothing is moved meanwhile",
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
