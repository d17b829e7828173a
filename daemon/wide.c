/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of wide guests, and the child that looks at the cells of one. */
#include "wide.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"
#include "child.h"
#include "observe/pages.h"

/* A look reads maps and a file per thread, and asks for 4096 pages: as looks and samples do. */
#define DEADLINE_MS 5000

/* Behind it stand n rows of bytes, by index of the node. */
struct record {
	int outcome;
	struct place_cells_look look;
};

struct wide_guest *wide_find(struct wide *wide, int pid, uint64_t start_ns)
{
	for (size_t i = 0; i < wide->n; i++)
		if (wide->list[i].pid == pid && wide->list[i].start_ns == start_ns)
			return &wide->list[i];
	return NULL;
}

/* The first place that is free, or WIDE_MAX. */
static size_t find_room(const struct wide *wide, bool is_of_system)
{
	const size_t most = is_of_system ? WIDE_MAX : WIDE_MAX - WIDE_OF_SYSTEM;

	for (size_t i = 0; i < most; i++)
		if (!wide->list[i].pid)
			return i;
	return WIDE_MAX;
}

bool wide_has_room(const struct wide *wide, bool is_of_system)
{
	return find_room(wide, is_of_system) < WIDE_MAX;
}

struct wide_guest *wide_add(struct wide *wide, int pid, uint64_t start_ns, bool is_of_system)
{
	struct wide_guest *guest = wide_find(wide, pid, start_ns);
	size_t i;

	if (guest)
		return guest;
	i = find_room(wide, is_of_system);
	if (i == WIDE_MAX)
		return NULL;
	wide->list[i] = (struct wide_guest){ .pid = pid, .start_ns = start_ns };
	if (wide->n <= i)
		wide->n = i + 1;
	return &wide->list[i];
}

void wide_forget(struct wide *wide, const struct place_watch *watch)
{
	for (size_t n = 0; n < wide->n; n++) {
		struct wide_guest *guest = &wide->list[n];
		const int i = guest->pid ? place_watch_find(watch, guest->pid) : -1;

		if (guest->pid && (i < 0 || watch->guests[i].start_ns != guest->start_ns))
			*guest = (struct wide_guest){ 0 };
	}
	while (wide->n && !wide->list[wide->n - 1].pid)
		wide->n--;
}

bool wide_remote_permille(const struct wide_guest *guest, unsigned *ret_permille)
{
	uint64_t present = 0, right = 0;

	if (!guest->is_wide || !guest->looked_ns)
		return false;
	for (size_t i = 0; i < guest->n_cells; i++) {
		if (guest->cells[i].to_node == PLACE_CELL_NOWHERE)
			continue;
		present = place_add(present, guest->cells[i].present_bytes);
		right = place_add(right, guest->cells[i].right_bytes);
	}
	if (!present || right > present)
		return false;
	*ret_permille = (unsigned)place_scale(present - right, 1000, present);
	return true;
}

/* ---- the look ------------------------------------------------------------------------------ */

static int look(void *data, FILE *out)
{
	const struct wide *wide = data;
	const struct place_topology *topology = &wide->host->topology;
	const struct place_residency_how how = {
		.n_samples = wide->n_samples,
		.seed = wide->seed,
		.ask = place_pages_ask,
	};
	uint64_t *bytes = calloc(PLACE_CELLS_MAX * topology->n_nodes, sizeof(*bytes));
	struct record *record = calloc(1, sizeof(*record));
	struct place_text text = { 0 };
	struct place_mounts mounts;

	/* The child ends behind this: nothing is given back. */
	if (!bytes || !record)
		return -ENOMEM;
	(void)place_mounts_read(&wide->host->root, &text, &mounts);
	record->outcome = place_cells_look(&wide->host->root, &text, topology, &mounts,
					   &wide->guest, &how, bytes, &record->look);
	if (fwrite(record, sizeof(*record), 1, out) != 1 ||
	    fwrite(bytes, topology->n_nodes * sizeof(*bytes), PLACE_CELLS_MAX, out) !=
		    PLACE_CELLS_MAX)
		return -EIO;
	return 0;
}

static pid_t *find_hung_place(struct wide *wide)
{
	for (size_t i = 0; i < WIDE_HUNG_MAX; i++)
		if (!wide->hung[i] || !child_is_there(wide->hung[i]))
			return &wide->hung[i];
	return NULL;
}

/* It was killed, and may hang in the kernel for as long as the guest likes. */
static void note_hung(struct wide *wide, struct wide_guest *guest, pid_t child)
{
	pid_t *place = find_hung_place(wide);

	if (place)
		*place = child;
	if (guest)
		guest->child = child;
}

static void on_done(void *data, int r, const void *result, size_t size)
{
	struct wide *wide = data;
	const pid_t child = job_pid(wide->job);
	const size_t row = wide->host->topology.n_nodes * sizeof(uint64_t);
	struct wide_guest *guest = wide_find(wide, wide->guest.pid, wide->guest.start_ns);
	const struct record *record = result;

	wide->job = NULL;
	if (r == -ETIMEDOUT)
		note_hung(wide, guest, child);
	if (r == 0 && size != sizeof(*record) + PLACE_CELLS_MAX * row)
		r = -EIO; /* the nodes have changed meanwhile, or it was cut off */
	if (r == 0)
		r = record->outcome;
	if (!guest)
		return;
	guest->error = r;
	wide->on_looked(wide->data, guest, r == 0 ? &record->look : NULL,
			r == 0 ? (const uint64_t *)(record + 1) : NULL);
}

int wide_look(struct wide *wide, sd_event *event, struct place_host *host,
	      const struct place_guest *guest)
{
	struct wide_guest *known = wide_find(wide, guest->pid, guest->start_ns);

	if (wide->job || (known && known->child && child_is_there(known->child)))
		return -EBUSY;
	if (!find_hung_place(wide))
		return -EAGAIN;
	if (known)
		known->child = 0;
	wide->host = host;
	wide->guest = *guest;
	wide->seed++;
	return job_start(event, look, on_done, wide, host->root.fd, DEADLINE_MS, &wide->job);
}

void wide_done(struct wide *wide)
{
	wide->job = job_cancel(wide->job);
}
