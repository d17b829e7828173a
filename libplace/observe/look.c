/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One process, from the other files of this folder; from first to last it must be the same. */
#include "observe/look.h"

#include <errno.h>
#include <stdlib.h>

#include "host/cleanup.h"
#include "observe/confine.h"
#include "observe/descriptors.h"
#include "observe/facts.h"
#include "observe/group.h"
#include "observe/numa_maps.h"
#include "observe/program.h"
#include "observe/tasks.h"

/* Held for a device: an eighth of it. io_uring's buffers and RDMA's rings are less. */
#define HELD_SHARE 8

struct looker {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_mounts *mounts;
	struct place_facts facts;
	struct place_look *look;
};

/* A recording may lack what nobody wrote down; the live host has it, or hides it from us. */
static void note_missing(const struct looker *looker)
{
	if (looker->root->is_live)
		looker->look->traits |= PLACE_TRAIT_PARTIAL;
}

static void look_at_tasks(const struct looker *looker, const struct place_set *usable)
{
	struct place_look *look = looker->look;
	struct place_tasks tasks;

	if (place_tasks_read(looker->root, looker->text, looker->topology, usable, look->guest.pid,
			     look->is_guest, &tasks) < 0) {
		note_missing(looker);
		if (looker->facts.has_pins)
			look->traits |= PLACE_TRAIT_PINNED;
		return;
	}
	if (!tasks.is_complete)
		note_missing(looker);
	if (tasks.is_migrating || (looker->facts.may_be_coming && !tasks.vcpus_have_run))
		look->traits |= PLACE_TRAIT_MIGRATING;
	if (tasks.affinity == PLACE_AFFINITY_NARROW)
		look->traits |= PLACE_TRAIT_PINNED;
	if (tasks.affinity == PLACE_AFFINITY_NODES)
		look->traits |= PLACE_TRAIT_CONFINED;
	look->vcpu_cpus = tasks.vcpu_cpus;
}

/* Where guests may run: a node is whole without CPUs that the host keeps for itself. */
static void look_at_threads(const struct looker *looker)
{
	struct place_set usable = looker->topology->cpus_online;
	struct place_confine confine;

	place_confine_read(looker->root, looker->text, looker->topology, looker->mounts, 0,
			   &confine);
	if (confine.have_cpus)
		place_set_and(&usable, &confine.cpus);
	look_at_tasks(looker, &usable);
}

static void look_at_descriptors(const struct looker *looker)
{
	struct place_look *look = looker->look;
	unsigned kinds = 0;

	if (place_descriptors_read(looker->root, look->guest.pid, &kinds) < 0)
		note_missing(looker);
	if (kinds & 1U << PLACE_DESCRIPTOR_DEVICE)
		look->traits |= PLACE_TRAIT_VFIO;
	if (kinds & 1U << PLACE_DESCRIPTOR_CONFIDENTIAL)
		look->traits |= PLACE_TRAIT_CONFIDENTIAL;
	if (kinds & 1U << PLACE_DESCRIPTOR_POSTCOPY)
		look->traits |= PLACE_TRAIT_MIGRATING;
}

static void look_at_group(const struct looker *looker)
{
	struct place_look *look = looker->look;

	if (place_root_readf(looker->root, looker->text, "proc/%d/cgroup", look->guest.pid) == 0)
		place_group_parse(looker->text->data, look->group_v2, look->group_memory_v1);
	if (place_group_swap_limit(looker->root, looker->text, looker->mounts, look->group_v2,
				   &look->guest.swap_limit_bytes) == 0)
		look->guest.known |= PLACE_GUEST_SWAP_LIMIT;
}

/* What its backends or libvirt say is more exact. */
static bool has_unknown_policy(const struct place_look *look)
{
	const struct place_guest *guest = &look->guest;

	return guest->known && (guest->bind == PLACE_BIND_NONE || guest->bind == PLACE_BIND_CPUSET);
}

/* The policy that a process was started with (numactl): no command line and no libvirt says it. */
static void look_at_policy(const struct looker *looker)
{
	struct place_guest *guest = &looker->look->guest;
	struct place_set nodes;
	enum place_bind bind;
	int r;

	r = place_numa_policy_read(looker->root, guest->pid, &bind, &nodes);
	if (r < 0) {
		if (r != -ENOENT) /* a kernel without NUMA has no such file */
			note_missing(looker);
		return;
	}
	place_set_and(&nodes, &looker->topology->node_ids);
	if (bind == PLACE_BIND_NONE || place_set_is_empty(&nodes))
		return;
	guest->bind = bind;
	guest->mems = nodes;
	guest->known |= PLACE_GUEST_MEMS;
}

/* Whether the pid is still who it was when we began. */
static bool is_same(const struct looker *looker)
{
	const struct place_guest *guest = &looker->look->guest;

	if (!(guest->known & PLACE_GUEST_START))
		return true; /* it will be unreadable */
	return place_facts_check_start(looker->root, looker->text, guest->pid, guest->start_ns) ==
	       0;
}

static int look_at_facts(struct looker *looker)
{
	_cleanup_free_ struct place_qemu_args *args = malloc(sizeof(*args));
	struct place_look *look = looker->look;
	const struct place_facts_reader reader = {
		.root = looker->root,
		.text = looker->text,
		.topology = looker->topology,
		.mounts = looker->mounts,
		.args = args,
		.is_other = !look->is_guest,
	};
	int r;

	if (!args)
		return -ENOMEM;
	r = place_facts_read(&reader, &look->guest, &looker->facts);
	if (r < 0)
		return r;
	look->traits = looker->facts.traits;
	if (looker->facts.held_bytes > look->guest.memory_bytes / HELD_SHARE)
		look->traits |= PLACE_TRAIT_VFIO;
	return 0;
}

int place_look_facts(const struct place_root *root, struct place_text *text,
		     const struct place_topology *topology, const struct place_mounts *mounts,
		     int pid, struct place_look *ret_look)
{
	const struct place_look nobody = { .guest.pid = pid };
	struct looker looker = {
		.root = root,
		.text = text,
		.topology = topology,
		.mounts = mounts,
		.look = ret_look,
	};
	int r;

	*ret_look = nobody;
	ret_look->is_guest = pid > 0 && place_process_is_qemu(root, text, (unsigned)pid);
	r = look_at_facts(&looker);
	if (r == -ENOMEM)
		return r;
	if (r == 0) {
		look_at_threads(&looker);
		look_at_descriptors(&looker);
		look_at_group(&looker);
		r = is_same(&looker) ? 0 : -ESRCH;
	}
	if (r < 0)
		*ret_look = nobody;
	return 0;
}

void place_look_policy(const struct place_root *root, struct place_text *text,
		       const struct place_topology *topology, struct place_look *look)
{
	const struct looker looker = {
		.root = root,
		.text = text,
		.topology = topology,
		.look = look,
	};

	if (!has_unknown_policy(look))
		return;
	look_at_policy(&looker);
	if (!is_same(&looker))
		*look = (struct place_look){ .guest.pid = look->guest.pid };
}

int place_look(const struct place_root *root, struct place_text *text,
	       const struct place_topology *topology, const struct place_mounts *mounts, int pid,
	       struct place_look *ret_look)
{
	const int r = place_look_facts(root, text, topology, mounts, pid, ret_look);

	if (r == 0)
		place_look_policy(root, text, topology, ret_look);
	return r;
}
