/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which CPUs share a core: through hwloc on the live host, from the recorded files of another
 * one. Either reads files per CPU (hwloc 10 ms on a host of 256 CPUs with all but cores filtered
 * out, 22 ms with everything; 2 cores, EPYC, 2026-11-21), so the result is kept as text in
 * /run/placed/cores, valid for one boot id and one set of online CPUs.
 */
#pragma once

#include "flow.h"
#include "host/root.h"

#define PLACE_CORES_PATH "run/placed/cores"

/*
 * Fills n_cores of each node from the kept text.
 * Returns: 0, or -ENOENT, -EACCES; -ESTALE where it is of another boot or other CPUs, -EINVAL
 * where it is damaged: n_cores then stay as they were.
 */
int place_cores_read_kept(const struct place_root *root, struct place_text *text,
			  struct place_topology *topology);

/*
 * Fills n_cores of each node by asking hwloc; a recorded host's own files are read instead, so
 * that no link in them leads elsewhere.
 * Returns: 0 or -errno (-ENODATA where the host shows no cores; n_cores stay then).
 * Threads: sets HWLOC_* in the environment while it runs: one at a time.
 */
int place_cores_load(const struct place_root *root, struct place_topology *topology);

/*
 * The text to keep, for whoever may write it.
 * Returns: its length, or -ENOBUFS.
 */
int place_cores_format(const struct place_topology *topology, char *text, size_t size);
