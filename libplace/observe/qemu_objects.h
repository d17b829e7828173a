/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that a QEMU command line makes: the backends of -object, the devices that plug them in,
 * and what either says of the guest. For qemu_args.c alone.
 */
#pragma once

#include "observe/qemu_args.h"

/* Backends and memory devices beyond this are not counted; QEMU allows 256 slots. */
#define PLACE_BACKENDS_MAX 320

struct place_backend {
	char id[64];
	uint64_t size_bytes;
	bool is_plugged; /* by a memory device */
	bool is_bound;	 /* by a policy */
	bool has_node;	 /* to a single node, and strictly */
	unsigned node;
};

/* In the order in which they were made. */
struct place_backends {
	size_t n;
	struct place_backend list[PLACE_BACKENDS_MAX];
};

/* One value of -object. */
void place_qemu_object_parse(const char *value, struct place_backends *backends,
			     struct place_qemu_args *args);

/*
 * One value of -device. Objects are made before devices, whatever their order on the line; libvirt
 * keeps that order.
 */
void place_qemu_device_parse(const char *value, struct place_backends *backends,
			     struct place_qemu_args *args);

/* Adds what devices plugged in. Returns: false where that is more than a number holds. */
bool place_backends_add_plugged(const struct place_backends *backends, uint64_t *bytes);

/* As place_cells_backend(); `data` are the backends. */
int place_backends_find(void *data, const char *id, uint64_t *ret_bytes);

/*
 * The node of each part of a guest that is split over several, into args->parts: of each cell and
 * each memory device it must be known, else there are none. A cell without a policy among others
 * that have one leaves the guest without.
 */
void place_backends_find_parts(const struct place_backends *backends, struct place_qemu_args *args);
