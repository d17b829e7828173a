/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we did to a guest that must be undone one day, and what we were about to do: a line per
 * guest and kind in /run/placed/intents, written before it is done. A daemon that starts finds
 * there what a crash left: a cpuset that is wide, threads that are steered. Of a guest whose NUMA
 * cells were given a node each there is a line per cell, with the indices of its vCPUs.
 *
 *	placed intents 1
 *	affinity pid 4711 start_ns 52000000000 before 0-7 given 0-3
 *	affinity pid 4712 start_ns 53000000000 before 0-7 given 0-3 vcpus 0-1
 *	mems pid 4711 start_ns 52000000000 before 1 given 0
 *	nodes pid 4712 start_ns 53000000000 before 1 given 0
 */
#pragma once

#include "flow.h"
#include "host/root.h"

#define INTENT_NAME "intents" /* in /run/placed */
#define INTENT_PATH "run/placed/" INTENT_NAME

enum intent_kind {
	INTENT_AFFINITY, /* CPUs of its vCPU threads; stands as long as they are ours */
	INTENT_MEMS,	 /* cpuset.mems of its groups: under way from `before` to `given` */
	INTENT_NODES,	 /* it is on `given`, libvirt's record says `before`; stands till its end */
	INTENT_KIND_COUNT,
};

struct intent {
	enum intent_kind kind;
	int pid;
	uint64_t start_ns;
	struct place_set before, given;
	/* Threads up to this one are done with; not in the file: a start takes all back. */
	struct place_thread seen;
	/* Of the daemon that holds it, not in the file (moves_mems.c). */
	bool is_inherited, is_due, is_told;
	unsigned n_threads;
	unsigned n_others;  /* INTENT_AFFINITY: looks in a row that found other CPUs */
	unsigned n_in_vain; /* mendings in a row that came to nothing */
	/* INTENT_MEMS: what is to stay free for others on the node before; 0: unknown. */
	uint64_t promised_bytes;
	uint64_t looked_ns, news_ns, clean_ns, unknown_ns;
	struct place_set vcpus; /* INTENT_AFFINITY: these alone; empty: all of its threads */
};

struct intents {
	struct intent *list;
	size_t n, room;
};

/*
 * No more are made, and more lines are damage. A guest has one; one that is placed by its cells one
 * for each of them, and of those the last so many are for guests of the system.
 */
#define INTENTS_MAX 4096
#define INTENTS_OF_SYSTEM 1024

/*
 * Reads the file; a missing one is empty, damaged lines are left out and counted.
 * Returns: 0 or -ENOMEM. Ownership: *ret_intents is the caller's, intents_done().
 */
int intents_read(const struct place_root *root, struct place_text *text,
		 struct intents *ret_intents, size_t *ret_n_damaged);
int intents_parse(const char *text, struct intents *ret_intents, size_t *ret_n_damaged);

/* The text of it, into `text` (grown as needed). Returns: 0 or -ENOMEM. */
int intents_format(const struct intents *intents, struct place_text *text);

/* Replaces /run/placed/intents. Returns: 0 or -errno; then nothing may be done. */
int intents_write(const struct intents *intents);

/* The first one of a guest and kind, or NULL. */
struct intent *intents_find(const struct intents *intents, enum intent_kind kind, int pid,
			    uint64_t start_ns);

/* The one of these vCPUs, or NULL. */
struct intent *intents_find_vcpus(const struct intents *intents, enum intent_kind kind, int pid,
				  uint64_t start_ns, const struct place_set *vcpus);

/* The one of CPUs that all of its vCPUs were given, or NULL: those of cells are others. */
struct intent *intents_find_whole(const struct intents *intents, int pid, uint64_t start_ns);

/*
 * Adds one, or replaces that of the same guest, kind and vCPUs. Returns: 0, -ENOMEM or -E2BIG.
 */
int intents_put(struct intents *intents, const struct intent *intent);

/* The first one of a guest and kind. */
void intents_drop(struct intents *intents, enum intent_kind kind, int pid, uint64_t start_ns);
void intents_drop_vcpus(struct intents *intents, enum intent_kind kind, int pid, uint64_t start_ns,
			const struct place_set *vcpus);
void intents_done(struct intents *intents);
