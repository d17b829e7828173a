/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may be moved, and how: one class per guest, made of what a look at it found. Several traits
 * may hold at once; the strictest one names the class. doc/decisions/0009-classes.md says why in
 * this order.
 */
#pragma once

#include "flow.h"

/*
 * The class of a guest. `traits` is of enum place_trait.
 *
 * In this order, the first that holds:
 *   excluded      a setting says so, whatever else it is
 *   confidential  its pages cannot be moved; trying may end it
 *   unreadable    who it is, how much it has, or its threads and devices are not known
 *   migrating     for now
 *   device        its pages are held: the call would fail, slowly
 *   interleaved   memory that follows CPUs would be gathered, against what was asked for: by
 * policy, or by cells that are bound each in its own way pinned        a vCPU thread has less than
 * a node static        nodes fixed by libvirt's configuration, a policy, a cpuset or an affinity
 *   auto          nodes that were advised
 *   free
 */
enum place_class place_class_of(const struct place_guest *guest, unsigned traits);

/* Whether pages of guests of this class are ever moved. */
bool place_class_moves_memory(enum place_class class);

/*
 * Whether its vCPU threads may be given to other nodes: only where nobody chose their CPUs. A
 * guest of class `device` may be pinned as well, so the class alone does not say it.
 */
bool place_class_moves_cpus(enum place_class class, unsigned traits);

/*
 * Whether a guest may be given another node than the one that it is confined to: libvirt asked for
 * advice and wrote the answer into its groups, so nobody chose that node. From one to one alone:
 * with more, the kernel's remapping of policies ends elsewhere (act/cgroup.h). libvirt would plug
 * memory into the nodes that it knows: who has slots for it keeps his. Memory that others map as
 * well has a policy of its own, which no cpuset changes: not in strict mode. And root's libvirt
 * alone is asked whose groups these are: a user may write anything into a record of his own.
 *
 * Whoever relocates a guest for somebody else's sake asks this too.
 */
bool place_class_changes_nodes(enum place_class class, const struct place_guest *guest,
			       unsigned traits);
