/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the memory of a guest lies whose groups are wide, and what room either node has for it. In
 * a child: reading maps may wait for the guest's mmap lock.
 */
#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "decide/model.h"
#include "host/cleanup.h"
#include "moves_parts.h"
#include "observe/pages.h"
#include "observe/residency.h"

/* What its group says was read in this turn: older than that it is of the middle of a move. */
#define FRESH_NS UINT64_C(2000000000)
/* Pages that are sampled where it says nothing: 2 % off at most. */
#define SAMPLES 4096
/* No node is too full for so much: what lay there by chance must not keep groups wide. */
#define LITTLE_BYTES (16 * PLACE_MIB)

static const struct place_guest *find_guest(const struct moves *moves, const struct intent *intent,
					    size_t *ret_i)
{
	const int i = place_watch_find(moves->watch, intent->pid);

	if (i < 0 || moves->watch->guests[i].start_ns != intent->start_ns)
		return NULL;
	*ret_i = (size_t)i;
	return &moves->watch->guests[i];
}

/* Into bytes[n_nodes]; *ret_hidden_bytes: somewhere. Returns: 0 or -errno. */
static int find_bytes(const struct moves *moves, const struct intent *intent, uint64_t *bytes,
		      uint64_t *ret_hidden_bytes)
{
	const struct place_guest any = { .pid = intent->pid, .start_ns = intent->start_ns };
	const struct place_residency_how how = { .n_samples = SAMPLES, .ask = place_pages_ask };
	struct place_host *host = moves->host;
	const struct place_activity *activity;
	struct place_residency residency;
	const struct place_guest *guest;
	struct place_mounts mounts;
	size_t i = 0;
	int r;

	guest = find_guest(moves, intent, &i);
	activity = guest ? &moves->watch->activities[i] : NULL;
	if (activity && activity->bytes_source == PLACE_BYTES_CGROUP &&
	    activity->bytes_ns + FRESH_NS >= place_host_now_ns(host)) {
		for (size_t k = 0; k < host->topology.n_nodes; k++)
			bytes[k] = activity->bytes[k];
		return 0;
	}
	(void)place_mounts_read(&host->root, &host->text, &mounts);
	r = place_residency_read(&host->root, &host->text, &host->topology, &mounts,
				 guest ? guest : &any, guest && moves_is_guest(moves, i), &how,
				 bytes, &residency);
	if (r == 0)
		*ret_hidden_bytes = residency.hidden_bytes;
	return r;
}

/* Clean page cache goes where somebody else wants its place: a dump leaves much of it. */
static uint64_t room_on(const struct place_node_sample *node, const struct place_guest *guest)
{
	if (guest && guest->hugepage_bytes)
		return place_add(place_model_pool_opening(node, guest->hugepage_bytes),
				 LITTLE_BYTES);
	return place_add(place_subtract(place_add(node->free_bytes, node->reclaimable_bytes),
					node->reserve_bytes),
			 LITTLE_BYTES);
}

/* On the node that it has left: perhaps to make room for somebody who has not taken it yet. */
static uint64_t room_behind(const struct intent *intent, const struct place_node_sample *node,
			    const struct place_guest *guest)
{
	const uint64_t room = room_on(node, guest);

	if (!guest || guest->hugepage_bytes || !intent->promised_bytes)
		return room;
	return place_least(room, place_add(place_subtract(node->free_bytes, intent->promised_bytes),
					   LITTLE_BYTES));
}

int moves_choose(const struct moves *moves, const struct intent *intent,
		 enum relocate_state *ret_choice)
{
	const struct place_topology *topology = &moves->host->topology;
	const size_t from = place_topology_index(topology, moves_node_of(&intent->before));
	const size_t to = place_topology_index(topology, moves_node_of(&intent->given));
	_cleanup_free_ uint64_t *bytes = calloc(topology->n_nodes, sizeof(*bytes));
	const struct place_node_sample *nodes;
	const struct place_guest *guest;
	struct relocate_room room;
	uint64_t hidden_bytes = 0;
	size_t i;
	int r;

	*ret_choice = RELOCATE_WIDE;
	if (from == topology->n_nodes || to == topology->n_nodes)
		return -ENODEV;
	r = bytes ? find_bytes(moves, intent, bytes, &hidden_bytes) : -ENOMEM;
	if (r == 0)
		r = place_host_refresh_nodes(moves->host);
	if (r < 0)
		return r;
	guest = find_guest(moves, intent, &i);
	nodes = moves->host->sample.nodes;
	room = (struct relocate_room){
		.from_bytes = room_behind(intent, &nodes[from], guest),
		.to_bytes = room_on(&nodes[to], guest),
	};
	/* What is hidden may lie on the old node, as what a mover has not seen. */
	*ret_choice = relocate_choose(bytes[to], place_add(bytes[from], hidden_bytes), &room);
	return 0;
}
