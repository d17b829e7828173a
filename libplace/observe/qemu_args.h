/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a QEMU command line says of its guest. The line is hostile input: whoever may start a
 * process may write it.
 *
 * Spellings: QEMU 2.x to 10.x, "key=value,..." with ",," for a comma, and the JSON that libvirt
 * writes since 6.x for -object and -device (docs/about/deprecated, qemu-options.hx, 7.2).
 */
#pragma once

#include "flow.h"
#include "observe/qemu_cells.h"

struct place_qemu_args {
	unsigned known; /* of enum place_guest_fact: NAME UUID VCPUS MEMORY MEMS */
	char name[PLACE_GUEST_NAME_MAX];
	char uuid[PLACE_UUID_TEXT_MAX];
	unsigned n_vcpus;
	uint64_t memory_bytes;	/* -m and the backends of DIMMs, NVDIMMs and virtio-mem */
	bool hugetlb;		/* a memfd backend with hugetlb=on */
	uint64_t hugetlb_bytes; /* its page size, 0 for the host's default */
	char mem_path[256];	/* of the first backend in a file; a hugetlbfs or not */
	enum place_bind bind;	/* the policy of its backends, the strictest of them */
	bool is_split;		/* they are bound each in its own way */
	struct place_set mems;	/* their host-nodes */
	size_t n_parts;		/* as in struct place_guest */
	struct place_part parts[PLACE_PARTS_MAX];
	unsigned traits;  /* CONFIDENTIAL SLOTS CELLS SHARED, of enum place_trait */
	bool is_incoming; /* it waits, or once waited, for a state: migration, restore */
	bool is_prealloc; /* it took all of its memory before it ran */
	struct place_cells
		cells; /* n is 0 where there are none, or it is not clear what they are */
};

/*
 * Parses the bytes of /proc/PID/cmdline: arguments, each with a NUL behind it.
 *
 * Returns: 0; what is missing or malformed has its bit clear.
 */
void place_qemu_args_parse(const char *cmdline, size_t size, struct place_qemu_args *ret_args);
