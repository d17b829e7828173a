/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All guests of a host, each with its facts (facts.c) and its load. Processes may only pretend to
 * be QEMU, and go while they are read.
 */
#include "observe/guest.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "arith.h"
#include "host/cleanup.h"
#include "observe/facts.h"
#include "observe/program.h"

#define LOAD_WINDOW_LEAST_NS UINT64_C(10000000000)

struct walk {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_mounts *mounts;
	const struct place_loads *loads;
	uint64_t now_ns;
	size_t n_processes;
	struct place_guests *guests;
};

static int add_guest(struct place_guests *guests, int pid)
{
	if (guests->n == PLACE_GUESTS_MAX) {
		guests->is_complete = false;
		return 0;
	}
	if (guests->n == guests->room) {
		const size_t room = guests->room ? guests->room * 2 : 16;
		struct place_guest *list = reallocarray(guests->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		guests->list = list;
		guests->room = room;
	}
	guests->list[guests->n++] = (struct place_guest){ .pid = pid };
	return 0;
}

static int add_if_qemu(unsigned id, void *data)
{
	struct walk *walk = data;

	walk->n_processes++;
	if (id > INT_MAX || !place_process_is_qemu(walk->root, walk->text, id))
		return 0;
	return add_guest(walk->guests, (int)id);
}

static int compare_pid(const void *a, const void *b)
{
	const struct place_guest *first = a, *second = b;

	return (first->pid > second->pid) - (first->pid < second->pid);
}

/*
 * Millicpu used since an earlier sample, or since the guest began. Questions may come in a row,
 * and what a guest did in the second between two of them is no load to decide by.
 */
static void compute_load(const struct walk *walk, struct place_guest *guest)
{
	const struct place_load *earlier =
		place_loads_find(walk->loads, guest->pid, guest->start_ns);
	uint64_t from_ns = guest->start_ns, before_ns = 0;

	if (earlier && walk->now_ns > walk->loads->taken_ns &&
	    walk->now_ns - walk->loads->taken_ns >= LOAD_WINDOW_LEAST_NS) {
		from_ns = walk->loads->taken_ns;
		before_ns = earlier->cpu_time_ns;
	}
	/* A second, so that ticks of 10 ms do not matter. */
	if (walk->now_ns < from_ns || walk->now_ns - from_ns < 1000000000 ||
	    guest->cpu_time_ns < before_ns)
		return;
	guest->load_millicpu =
		place_scale(guest->cpu_time_ns - before_ns, 1000, walk->now_ns - from_ns);
	guest->known |= PLACE_GUEST_LOAD;
}

/* Returns whether it is a guest that still runs; anything unreadable in it stays unknown. */
static bool read_guest(const struct walk *walk, struct place_qemu_args *args,
		       struct place_guest *guest)
{
	const struct place_facts_reader reader = {
		.root = walk->root,
		.text = walk->text,
		.topology = walk->topology,
		.mounts = walk->mounts,
		.args = args,
	};
	struct place_facts facts;

	if (place_facts_read(&reader, guest, &facts) < 0)
		return false;
	if (guest->known & PLACE_GUEST_START)
		compute_load(walk, guest);
	if (!(guest->known & PLACE_GUEST_MEMORY) || !(guest->known & PLACE_GUEST_RESIDENT))
		walk->guests->is_complete = false;
	return true;
}

int place_guests_read(const struct place_root *root, struct place_text *text,
		      const struct place_topology *topology, const struct place_mounts *mounts,
		      const struct place_loads *loads, uint64_t now_ns,
		      struct place_guests *ret_guests)
{
	struct place_guests guests = { .is_complete = true };
	struct walk walk = {
		.root = root,
		.text = text,
		.topology = topology,
		.mounts = mounts,
		.loads = loads,
		.now_ns = now_ns,
		.guests = &guests,
	};
	_cleanup_free_ struct place_qemu_args *args = malloc(sizeof(*args));
	size_t n = 0;
	int r;

	r = args ? place_root_each_id(root, "proc", "", add_if_qemu, &walk) : -ENOMEM;
	/* Not even ourselves: only the folder is there, and nothing is mounted on it. */
	if (r == 0 && root->is_live && !walk.n_processes)
		r = -ENOENT;
	if (r < 0) {
		place_guests_done(&guests);
		return r;
	}
	if (guests.n)
		qsort(guests.list, guests.n, sizeof(*guests.list), compare_pid);
	for (size_t i = 0; i < guests.n; i++)
		if (read_guest(&walk, args, &guests.list[i]))
			guests.list[n++] = guests.list[i];
	guests.n = n;
	*ret_guests = guests;
	return 0;
}

void place_guests_done(struct place_guests *guests)
{
	free(guests->list);
	*guests = (struct place_guests){ 0 };
}
