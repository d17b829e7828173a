/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of /proc/PID/task/TID/sched, over the vCPU threads of one guest. */
#include "observe/hint_faults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "observe/procstat.h"

/* Threads beyond this are not asked: each costs some 10 us, and so many say what it does. */
#define THREADS_MOST 256
/* Faults that make a ratio worth half of what it can be, and what it can be at most. */
#define FAULTS_HALF 256
#define SURE_MOST 950

#define BALANCING_NORMAL 1 /* include/linux/sched/sysctl.h NUMA_BALANCING_NORMAL, 6.18 */

struct walk {
	const struct place_evidence_ask *ask;
	size_t n; /* threads that were looked at */
	struct place_hint_counts counts;
};

static bool skip(const char **at, const char *word)
{
	const size_t n = strlen(word);

	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

static const char *next_line(const char *at)
{
	at += strcspn(at, "\n");
	return *at ? at + 1 : at;
}

/* "numa_faults node=0 task_private=1 task_shared=2 group_private=3 group_shared=4" */
static int parse_faults(const char *at, uint64_t *ret_node, uint64_t *ret_faults)
{
	uint64_t private, shared;

	if (!skip(&at, "numa_faults node=") || place_text_digits(&at, ret_node) < 0 ||
	    !skip(&at, " task_private=") || place_text_digits(&at, &private) < 0 ||
	    !skip(&at, " task_shared=") || place_text_digits(&at, &shared) < 0 ||
	    __builtin_add_overflow(private, shared, ret_faults))
		return -EINVAL;
	return 0;
}

/* What stands behind the last line that names the node, which is the kernel's own. */
static const char *find_current(const char *text, uint64_t *ret_node)
{
	const char *found = NULL;

	for (const char *line = text; *line; line = next_line(line)) {
		const char *at = line;

		if (skip(&at, "current_node=") && place_text_digits(&at, ret_node) == 0 &&
		    *at == ',')
			found = next_line(line);
	}
	return found;
}

int place_hint_counts_parse(const char *text, struct place_hint_counts *ret_counts)
{
	struct place_hint_counts counts = { 0 };
	uint64_t current, node, faults;
	const char *line = find_current(text, &current);

	if (!line)
		return -ENODATA;
	for (; !strncmp(line, "numa_faults ", strlen("numa_faults ")); line = next_line(line)) {
		if (parse_faults(line, &node, &faults) < 0 ||
		    __builtin_add_overflow(counts.all, faults, &counts.all))
			return -EINVAL;
		if (node == current)
			counts.local += faults;
	}
	*ret_counts = counts;
	return 0;
}

static bool probe(const struct place_root *root, struct place_text *text)
{
	uint64_t mode;

	return place_root_read(root, text, "proc/sys/kernel/numa_balancing") == 0 &&
	       place_text_u64(text->data, &mode) == 0 && mode & BALANCING_NORMAL;
}

/* "COMM (TID, #threads: N)": up to the last bracket. Threads without a vCPU's name are QEMU's. */
static bool is_vcpu(const char *text)
{
	char comm[64];
	const char *end = strstr(text, " (");

	if (!end || (size_t)(end - text) >= sizeof(comm))
		return false;
	memcpy(comm, text, (size_t)(end - text));
	comm[end - text] = '\0';
	return place_comm_is_vcpu(comm);
}

static int add_thread(unsigned id, void *data)
{
	struct walk *walk = data;
	struct place_hint_counts counts;
	uint64_t all;

	if (walk->n++ == THREADS_MOST)
		return -E2BIG;
	if (place_root_readf(walk->ask->root, walk->ask->text, "proc/%d/task/%u/sched",
			     walk->ask->guest->pid, id) < 0 ||
	    !is_vcpu(walk->ask->text->data) ||
	    place_hint_counts_parse(walk->ask->text->data, &counts) < 0 ||
	    __builtin_add_overflow(walk->counts.all, counts.all, &all))
		return 0;
	walk->counts.all = all;
	walk->counts.local += counts.local;
	return 0;
}

static int read_faults(const struct place_evidence_ask *ask, struct place_reading *ret_reading)
{
	struct walk walk = { .ask = ask };
	const struct place_hint_counts *counts = &walk.counts;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "proc/%d/task", ask->guest->pid);
	r = place_root_each_id(ask->root, path, "", add_thread, &walk);
	if (r < 0 && r != -E2BIG)
		return r;
	if (!counts->all)
		return -ENODATA;
	*ret_reading = (struct place_reading){
		.remote = counts->all - counts->local,
		.all = counts->all,
		.sure_permille = (unsigned)((unsigned __int128)counts->all * SURE_MOST /
					    ((unsigned __int128)counts->all + FAULTS_HALF)),
	};
	return 0;
}

const struct place_evidence_source place_hint_faults = {
	.evidence = PLACE_EVIDENCE_HINT_FAULTS,
	.probe = probe,
	.read = read_faults,
};
