/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lists of -p and -x. A PID names a process only together with its start: the next one that
 * gets the same PID is on no list. Full lists lose those who are gone first.
 */
#include <errno.h>
#include <limits.h>

#include "control.h"
#include "host/root.h"
#include "observe/facts.h"
#include "tell/event.h"
#include "tell/numad_log.h"

int control_read_start(const struct control_lists *lists, int pid, uint64_t *ret_start_ns)
{
	_cleanup_text_ struct place_text text = { 0 };

	return place_facts_read_start(lists->root, &text, pid, ret_start_ns);
}

static size_t find(const struct control_list *list, int pid)
{
	size_t i = 0;

	while (i < list->n && list->entries[i].pid != pid)
		i++;
	return i;
}

bool control_list_names(const struct control_list *list, int pid)
{
	return find(list, pid) < list->n;
}

bool control_list_has(const struct control_list *list, int pid, uint64_t start_ns)
{
	const size_t i = find(list, pid);

	return i < list->n && list->entries[i].start_ns == start_ns;
}

static void take_out(struct control_list *list, int pid)
{
	const size_t i = find(list, pid);

	if (i < list->n)
		list->entries[i] = list->entries[--list->n];
}

static void take_out_gone(const struct control_lists *lists, struct control_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct control_entry entry = list->entries[i];
		uint64_t start_ns;

		if (control_read_start(lists, entry.pid, &start_ns) == 0 &&
		    start_ns == entry.start_ns)
			list->entries[n++] = entry;
	}
	list->n = n;
}

static int put_in(const struct control_lists *lists, struct control_list *list, int pid,
		  uint64_t start_ns)
{
	take_out(list, pid);
	if (list->n == CONTROL_LIST_MAX)
		take_out_gone(lists, list);
	if (list->n == CONTROL_LIST_MAX)
		return -ENOSPC;
	list->entries[list->n++] = (struct control_entry){ .pid = pid, .start_ns = start_ns };
	return 0;
}

int control_order_pid(struct control_lists *lists, char letter, int64_t pid)
{
	struct control_list *list = letter == 'p' ? &lists->included : &lists->excluded;
	struct control_list *other = letter == 'p' ? &lists->excluded : &lists->included;
	uint64_t start_ns;
	int r;

	if (pid < 1 || pid > INT_MAX)
		return -ERANGE;
	if (letter == 'r') {
		take_out(list, (int)pid);
		take_out(other, (int)pid);
		numad_line(LOG_NOTICE, "Removing PID %d from explicit PID lists", (int)pid);
		event(LOG_NOTICE, EVENT_SETTING, KV("list", "none"), KV_U64("pid", (uint64_t)pid));
		return 0;
	}
	r = control_read_start(lists, (int)pid, &start_ns);
	if (r == 0)
		r = put_in(lists, list, (int)pid, start_ns);
	if (r < 0)
		return r;
	take_out(other, (int)pid);
	numad_line(LOG_NOTICE, "Adding PID %d to %s PID list", (int)pid,
		   letter == 'p' ? "inclusion" : "exclusion");
	event(LOG_NOTICE, EVENT_SETTING, KV("list", letter == 'p' ? "included" : "excluded"),
	      KV_U64("pid", (uint64_t)pid));
	return 0;
}
