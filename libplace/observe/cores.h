/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which CPUs share a core. That takes a file per CPU (1.2 ms on a recorded host of 256 CPUs,
 * 9 ms at 2048; 2 cores, EPYC, 2026-11-21), so the result is kept as text in /run/placed/cores,
 * valid for one boot id and one set of online CPUs. Why not from hwloc: 0002-topology.md.
 */
#pragma once

#include "flow.h"
#include "host/root.h"

#define PLACE_CORES_PATH "run/placed/cores"

/*
 * Whether the kernel says that no core has two threads online (since 4.19, kernel/cpu.c): each
 * CPU is a core then, and nothing else needs to be read.
 */
bool place_cores_are_single(const struct place_root *root, struct place_text *text);

/*
 * Fills n_cores of each node from the kept text.
 * Returns: 0, or -ENOENT, -EACCES; -ESTALE where it is of another boot or other CPUs, -EINVAL
 * where it is damaged: n_cores then stay as they were.
 */
int place_cores_read_kept(const struct place_root *root, struct place_text *text,
			  struct place_topology *topology);

/*
 * Fills n_cores of each node from the masks of sibling CPUs.
 * Returns: 0, or -ENODATA where the host does not show them; n_cores stay then.
 */
int place_cores_load(const struct place_root *root, struct place_text *text,
		     struct place_topology *topology);

/* The text to keep, for whoever may write it. Returns: 0, -ENOMEM, -ENOBUFS. */
int place_cores_format(const struct place_topology *topology, struct place_text *text);
