/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * -object and -device: backends that hold RAM, and memory devices that plug them in. libvirt names
 * the ones that make up -m itself "pc.ram" or "ram-nodeN"; no device plugs those in.
 */
#include "observe/qemu_objects.h"

#include <string.h>

#include "arith.h"
#include "host/cleanup.h"
#include "observe/qemu_opts.h"

/* One -object or -device while its keys arrive in any order. */
struct thing {
	char type[64];
	char id[64];
	char memdev[64];
	char mem_path[256];
	uint64_t size_bytes;
	uint64_t requested_bytes;
	uint64_t hugetlb_bytes;
	bool have_requested;
	bool hugetlb;
	bool have_share;
	bool is_shared;
	bool is_guest_memfd;
	bool is_prealloc;
	enum place_bind bind;
	struct place_set mems;
};

static bool is_on(const char *value)
{
	return !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "true");
}

static enum place_bind parse_policy(const char *value)
{
	if (!strcmp(value, "bind"))
		return PLACE_BIND_STRICT;
	if (!strcmp(value, "interleave"))
		return PLACE_BIND_INTERLEAVE;
	if (!strcmp(value, "preferred"))
		return PLACE_BIND_PREFERRED;
	return PLACE_BIND_NONE;
}

static void visit_thing(const char *key, const char *value, void *data)
{
	struct thing *thing = data;
	struct place_set nodes;

	if (!strcmp(key, "qom-type") || !strcmp(key, "driver")) {
		place_qemu_copy_word(value, thing->type, sizeof(thing->type));
	} else if (!strcmp(key, "id")) {
		place_qemu_copy_word(value, thing->id, sizeof(thing->id));
	} else if (!strcmp(key, "memdev")) {
		place_qemu_copy_word(value, thing->memdev, sizeof(thing->memdev));
	} else if (!strcmp(key, "mem-path")) {
		place_qemu_copy_word(value, thing->mem_path, sizeof(thing->mem_path));
	} else if (!strcmp(key, "size")) {
		(void)place_qemu_size_parse(value, 1, &thing->size_bytes);
	} else if (!strcmp(key, "requested-size")) {
		thing->have_requested =
			place_qemu_size_parse(value, 1, &thing->requested_bytes) == 0;
	} else if (!strcmp(key, "hugetlb")) {
		thing->hugetlb = is_on(value);
	} else if (!strcmp(key, "hugetlbsize")) {
		(void)place_qemu_size_parse(value, 1, &thing->hugetlb_bytes);
	} else if (!strcmp(key, "share")) {
		thing->have_share = true;
		thing->is_shared = is_on(value);
	} else if (!strcmp(key, "guest-memfd")) {
		thing->is_guest_memfd = is_on(value);
	} else if (!strcmp(key, "prealloc")) {
		thing->is_prealloc = is_on(value);
	} else if (!strcmp(key, "policy")) {
		thing->bind = parse_policy(value);
	} else if (!strcmp(key, "host-nodes")) {
		if (place_set_parse_list(value, &nodes) == 0)
			place_set_or(&thing->mems, &nodes);
	}
}

/* ---- -object ------------------------------------------------------------------------------- */

static bool is_bound(const struct thing *thing)
{
	return thing->bind != PLACE_BIND_NONE && !place_set_is_empty(&thing->mems);
}

/* That by which it may come to harm, else that by which it is spread on purpose. */
static enum place_bind strictest(enum place_bind a, enum place_bind b)
{
	static const enum place_bind order[] = { PLACE_BIND_STRICT, PLACE_BIND_INTERLEAVE,
						 PLACE_BIND_PREFERRED };

	for (size_t i = 0; i < ELEMENTSOF(order); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return PLACE_BIND_NONE;
}

static void take_policy(struct place_qemu_args *args, const struct thing *thing)
{
	if (!is_bound(thing))
		return;
	if (args->known & PLACE_GUEST_MEMS &&
	    (args->bind != thing->bind || !place_set_equal(&args->mems, &thing->mems)))
		args->is_split = true;
	args->bind = strictest(args->bind, thing->bind);
	place_set_or(&args->mems, &thing->mems);
	args->known |= PLACE_GUEST_MEMS;
}

/* memfd and shm map it shared unless told otherwise (backends/hostmem-memfd.c, 7.2). */
static bool is_shared(const struct thing *thing)
{
	if (thing->have_share)
		return thing->is_shared;
	return !strcmp(thing->type, "memory-backend-memfd") ||
	       !strcmp(thing->type, "memory-backend-shm");
}

static void take_kind(struct place_qemu_args *args, const struct thing *thing)
{
	if (is_shared(thing))
		args->traits |= PLACE_TRAIT_SHARED;
	if (thing->is_guest_memfd)
		args->traits |= PLACE_TRAIT_CONFIDENTIAL;
	if (thing->is_prealloc)
		args->is_prealloc = true;
	if (thing->hugetlb) {
		args->hugetlb = true;
		args->hugetlb_bytes = thing->hugetlb_bytes;
	}
	if (thing->mem_path[0] && !args->mem_path[0])
		memcpy(args->mem_path, thing->mem_path, sizeof(args->mem_path));
}

static bool is_bound_to_one(const struct thing *thing, unsigned *ret_node)
{
	if (thing->bind != PLACE_BIND_STRICT || place_set_count(&thing->mems) != 1)
		return false;
	*ret_node = (unsigned)place_set_next(&thing->mems, 0);
	return true;
}

static void add_backend(struct place_backends *backends, const struct thing *thing)
{
	struct place_backend *backend;

	if (backends->n == PLACE_BACKENDS_MAX)
		return;
	backend = &backends->list[backends->n++];
	memcpy(backend->id, thing->id, sizeof(backend->id));
	backend->size_bytes = thing->size_bytes;
	backend->is_bound = is_bound(thing);
	backend->has_node = is_bound_to_one(thing, &backend->node);
}

/* SGX enclaves (-epc) have memory of their own, beside the RAM. */
static bool is_backend(const char *type)
{
	static const char prefix[] = "memory-backend-";

	return !strncmp(type, prefix, sizeof(prefix) - 1) &&
	       strcmp(type, "memory-backend-epc") != 0;
}

/* Objects that stand behind confidential-guest-support= (qapi/qom.json, 10.0). */
static bool is_confidential(const char *type)
{
	static const char *const types[] = { "sev-guest", "sev-snp-guest", "tdx-guest", "pef-guest",
					     "s390-pv-guest" };

	for (size_t i = 0; i < ELEMENTSOF(types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

void place_qemu_object_parse(const char *value, struct place_backends *backends,
			     struct place_qemu_args *args)
{
	struct thing thing = { 0 };

	(void)place_qemu_opts_each(value, "qom-type", visit_thing, &thing);
	if (is_backend(thing.type)) {
		take_policy(args, &thing);
		take_kind(args, &thing);
		add_backend(backends, &thing);
	}
	if (is_confidential(thing.type))
		args->traits |= PLACE_TRAIT_CONFIDENTIAL;
}

/* ---- -device ------------------------------------------------------------------------------- */

static bool is_virtio_mem(const char *type)
{
	return !strncmp(type, "virtio-mem", 10);
}

static bool is_memory_device(const char *type)
{
	return !strcmp(type, "pc-dimm") || !strcmp(type, "nvdimm") || is_virtio_mem(type) ||
	       !strncmp(type, "virtio-pmem", 11);
}

/* virtio-mem has no more of its backend than was requested. */
static void plug_backend(struct place_backends *backends, const struct thing *device)
{
	if (!device->memdev[0])
		return;
	for (size_t i = 0; i < backends->n; i++) {
		struct place_backend *backend = &backends->list[i];

		if (strcmp(backend->id, device->memdev) != 0)
			continue;
		backend->is_plugged = true;
		if (device->have_requested && device->requested_bytes < backend->size_bytes)
			backend->size_bytes = device->requested_bytes;
	}
}

void place_qemu_device_parse(const char *value, struct place_backends *backends,
			     struct place_qemu_args *args)
{
	struct thing device = { 0 };

	(void)place_qemu_opts_each(value, "driver", visit_thing, &device);
	if (is_memory_device(device.type))
		plug_backend(backends, &device);
	if (is_virtio_mem(device.type))
		args->traits |= PLACE_TRAIT_SLOTS;
}

/* ---- what they are together ---------------------------------------------------------------- */

bool place_backends_add_plugged(const struct place_backends *backends, uint64_t *bytes)
{
	for (size_t i = 0; i < backends->n; i++)
		if (backends->list[i].is_plugged &&
		    __builtin_add_overflow(*bytes, backends->list[i].size_bytes, bytes))
			return false;
	return true;
}

int place_backends_find(void *data, const char *id, uint64_t *ret_bytes)
{
	const struct place_backends *backends = data;

	for (size_t i = 0; i < backends->n; i++)
		if (!strcmp(backends->list[i].id, id)) {
			*ret_bytes = backends->list[i].size_bytes;
			return (int)i;
		}
	return -1;
}

static bool add_part(struct place_qemu_args *args, const struct place_backend *backend)
{
	size_t i = 0;

	if (!backend->has_node)
		return false;
	while (i < args->n_parts && args->parts[i].node != backend->node)
		i++;
	if (i == PLACE_PARTS_MAX)
		return false;
	if (i == args->n_parts)
		args->parts[args->n_parts++] = (struct place_part){ .node = backend->node };
	args->parts[i].bytes = place_add(args->parts[i].bytes, backend->size_bytes);
	return true;
}

static bool add_parts(const struct place_backends *backends, struct place_qemu_args *args)
{
	const struct place_cells *cells = &args->cells;

	if (!args->is_split || !cells->n || cells->is_one_block)
		return false;
	for (size_t i = 0; i < cells->n; i++)
		if (!add_part(args, &backends->list[cells->list[i].order]))
			return false;
	for (size_t i = 0; i < backends->n; i++)
		if (backends->list[i].is_plugged && !add_part(args, &backends->list[i]))
			return false;
	return true;
}

/*
 * A cell without a policy beside others that have one: what the guest takes yet may come from
 * anywhere, and their nodes are none of the guest's. Backends that are no cell's are not its RAM.
 */
static void find_unbound(const struct place_backends *backends, struct place_qemu_args *args)
{
	const struct place_cells *cells = &args->cells;

	if (args->bind == PLACE_BIND_NONE || cells->is_one_block)
		return;
	for (size_t i = 0; i < cells->n; i++) {
		if (backends->list[cells->list[i].order].is_bound)
			continue;
		args->is_split = true;
		args->bind = PLACE_BIND_NONE;
		args->mems = (struct place_set){ 0 };
		args->known &= ~(unsigned)PLACE_GUEST_MEMS;
		return;
	}
}

void place_backends_find_parts(const struct place_backends *backends, struct place_qemu_args *args)
{
	if (!add_parts(backends, args))
		args->n_parts = 0;
	find_unbound(backends, args);
}
