/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The threads of one guest: what QEMU calls them, and where they may run. Names are QEMU's, who
 * takes its orders from the guest's owner: they say something of that guest alone.
 */
#pragma once

#include "flow.h"
#include "host/root.h"

/* Threads beyond this are not looked at: QEMU has one per vCPU and iothread, and some dozens. */
#define PLACE_TASKS_MAX 8192

/* How one affinity stands to the nodes. */
enum place_affinity {
	PLACE_AFFINITY_ALL,    /* every CPU that guests may use, and perhaps more */
	PLACE_AFFINITY_NODES,  /* some of the nodes, each of them whole */
	PLACE_AFFINITY_NARROW, /* a part of a node, or CPUs that the scheduler keeps free */
};

struct place_tasks {
	bool is_complete;    /* false: some thread could not be read, or there are too many */
	bool is_migrating;   /* QEMU's migration threads are there */
	bool have_vcpus;     /* some thread has the name of a vCPU; else all are taken as such */
	bool vcpus_have_run; /* and not only been made */
	enum place_affinity affinity; /* the narrowest of its vCPUs */
	struct place_set vcpu_cpus;   /* where its vCPUs may run, together */
};

/*
 * Whether a thread of that name streams the guest's memory: migration in either direction, a
 * snapshot, a dump. Names of QEMU 1.x to 10.x, cut at 15 characters by the kernel.
 */
bool place_task_is_migration(const char *comm);

/*
 * Judges one affinity. `usable` are the CPUs that guests may use at all: where a host keeps some
 * for itself, a node is whole without them.
 */
enum place_affinity place_affinity_judge(const struct place_set *cpus,
					 const struct place_topology *topology,
					 const struct place_set *usable);

/*
 * Reads the threads of a process. `have_names`: it is a QEMU, whose names mean something.
 * Returns: 0 or -errno (-ENOMEM; -ESRCH, -ENOENT: gone); a thread that goes meanwhile is none.
 */
int place_tasks_read(const struct place_root *root, struct place_text *text,
		     const struct place_topology *topology, const struct place_set *usable, int pid,
		     bool have_names, struct place_tasks *ret_tasks);
