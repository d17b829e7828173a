/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The facts of one guest: what its command line, its status and libvirt's record of it say. What
 * an answer needs (guest.c) and what a closer look begins with (look.c). Nothing here waits for
 * the guest's threads, descriptors or maps.
 */
#pragma once

#include "flow.h"
#include "observe/mounts.h"
#include "observe/qemu_args.h"

struct place_facts_reader {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_mounts *mounts;
	struct place_qemu_args *args; /* work space: of the guest that was read last */
	bool is_other;		      /* no QEMU: its command line means nothing to us */
};

struct place_facts {
	unsigned traits;     /* of enum place_trait: those that these files show */
	bool may_be_coming;  /* -incoming, and nothing says yet that it has come */
	bool is_filled;	     /* it takes all of its memory before it runs */
	bool is_in_file;     /* its memory: a page of it is taken to be read */
	bool has_pins;	     /* libvirt pins its vCPUs; to what, the threads show */
	uint64_t held_bytes; /* VmPin: pages that a device or an io_uring holds */
};

/*
 * Reads guest->pid and fills the rest of the guest, but for its load. What cannot be read has
 * its bit clear.
 *
 * Returns: 0, or -ESRCH: gone, or never a process with memory of its own.
 */
int place_facts_read(const struct place_facts_reader *reader, struct place_guest *guest,
		     struct place_facts *ret_facts);

/*
 * CPU time and start of a process or thread: fields 14, 15 and 22 of its stat file, counted from
 * the last ")", since the command name before it may hold anything.
 *
 * Returns: 0 or -EINVAL; the results are untouched then.
 */
int place_facts_parse_stat(const char *text, uint64_t *ret_cpu_time_ns, uint64_t *ret_start_ns);

/*
 * When a process began, which with its pid says which one it is. Waits for nothing of the process.
 * Returns: 0, -ESRCH there is none, or -errno of reading.
 */
int place_facts_read_start(const struct place_root *root, struct place_text *text, int pid,
			   uint64_t *ret_start_ns);

/*
 * Whether a pid is still the process that began then: whoever has it now may be another one.
 * Returns: 0 it is, -ESRCH it is not, or -errno of reading.
 */
int place_facts_check_start(const struct place_root *root, struct place_text *text, int pid,
			    uint64_t start_ns);
