/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs of a guest that changed nodes. libvirt gave its threads the CPUs of the node that was
 * advised, twice: cpuset.cpus of a group per vCPU, I/O thread and for the rest (9.0.0, seen on v2),
 * and the threads' affinity. Both follow the memory, where nobody chose otherwise:
 *
 *   - only a group that has exactly the CPUs of the old node, and whose threads may all use just
 * these: before 6.2 writing it erases an affinity that somebody set (tests/guest/moving facts);
 *   - no group that libvirt's record has a pin for, whatever it says.
 *
 * Writes may wait for cpuset's lock: for a child, not for the loop.
 */
#pragma once

#include "act/act.h"
#include "host/root.h"
#include "observe/mounts.h"

struct cgroup_cpus {
	const char *name; /* libvirt's of the guest: its record is read by it */
	const struct place_set *from, *to;
};

/*
 * Gives the groups of a guest's threads the CPUs of another node. only_mems: just those with
 * exactly these nodes of their own; NULL: all.
 *
 * Returns: how many groups were given; or -errno: -ENODATA libvirt has no record of it; -ENOMEM;
 * or of a write: other groups were given all the same.
 */
int cgroup_cpus_give(struct act *act, const struct place_root *root, struct place_text *text,
		     const struct place_mounts *mounts, int pid, const struct cgroup_cpus *cpus,
		     const struct place_set *only_mems);
