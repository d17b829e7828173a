/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host, open for reading, and one instant of it: the topology, node memory, guests, and what
 * confines the asker. This is all that a decision gets to see.
 */
#pragma once

#include "flow.h"
#include "host/root.h"
#include "observe/load.h"
#include "observe/nodestat.h"

#define PLACE_KEPT_DIR "run/placed"

#define PLACE_NOTES_MAX 8
#define PLACE_NOTE_SIZE 160

struct place_host {
	struct place_root root;
	struct place_text text; /* reused for every file */
	struct place_topology topology;
	struct place_sample sample;
	struct place_loads loads;
	struct place_pool_sizes pool_sizes;
	bool is_kept_refused; /* a note says that /run/placed cannot be trusted */
	bool cores_are_new;   /* read anew: worth keeping, see observe/cores.h */
	/* What an operator should know: the library says it, and leaves the telling to others. */
	size_t n_notes;
	char notes[PLACE_NOTES_MAX][PLACE_NOTE_SIZE];
};

/*
 * Opens a host, live (NULL or "/") or recorded. Nothing is read yet.
 * Returns: 0 or -errno as place_root_open(). Ownership: close with place_host_done().
 */
int place_host_init(const char *path, struct place_host *ret_host);
void place_host_done(struct place_host *host);

/*
 * Reads the topology; the cores too unless `without_cores`.
 * Returns: 0 or -ENOMEM; the rest becomes notes and unknown facts.
 */
int place_host_read_topology(struct place_host *host, bool without_cores);

/*
 * Takes a sample. The topology must have been read.
 * Returns: 0 or -ENOMEM; the rest becomes notes and unknown facts.
 */
int place_host_take_sample(struct place_host *host, bool without_guests);

/*
 * The same for the nodes alone, as often as somebody likes: what confines whom and the guests are
 * left as they were, and once it was done nothing is allocated. No note is made.
 * Returns: 0; -ENODATA no node's memory could be read; -ENOMEM.
 */
int place_host_refresh_nodes(struct place_host *host);

/* What confines the guests of process `asker_pid` (0: ours), into the sample. */
void place_host_read_confine(struct place_host *host, int asker_pid);

/* CLOCK_BOOTTIME of a live host, /proc/uptime of a recorded one; 0 where that is missing. */
uint64_t place_host_now_ns(struct place_host *host);

/*
 * Whether /run/placed is there and nobody but root or we write to it: what is kept there steers
 * where guests go. Looked up anew each time, since another question may be making it just now.
 */
bool place_host_may_trust_kept(struct place_host *host);

void place_host_note(struct place_host *host, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
