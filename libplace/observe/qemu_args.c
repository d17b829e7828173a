/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU command line. RAM is what -m says, plus the backends that memory devices plug in
 * (libvirt names the ones that make up -m itself "pc.ram" or "ram-nodeN"; no device plugs
 * those in). An option that stands twice: the last one wins, as in QEMU.
 */
#include "observe/qemu_args.h"

#include <string.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "observe/qemu_opts.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY_DEFAULT (128 * MIB) /* hw/core/machine.c, 7.2 */
/* Backends and memory devices beyond this are not counted; QEMU allows 256 slots. */
#define BACKENDS_MAX 320

struct backend {
	char id[64];
	uint64_t size_bytes;
	bool is_plugged;
};

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
	enum place_bind bind;
	struct place_set mems;
};

struct parse {
	struct place_qemu_args *args;
	struct thing thing;
	uint64_t base_bytes;
	bool has_base;	  /* -m has a size */
	bool is_base_bad; /* -m says something that is no size */
	unsigned n_cpus, max_cpus, sockets, dies, cores, threads;
	size_t n_backends;
	struct backend backends[BACKENDS_MAX];
	struct place_cells_parse cells;
};

static void copy_word(char *word, size_t size, const char *value)
{
	const size_t n = strlen(value);

	/* A cut id could be mistaken for another one. */
	memcpy(word, value, n < size ? n + 1 : 0);
	if (n >= size)
		word[0] = '\0';
}

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
		copy_word(thing->type, sizeof(thing->type), value);
	} else if (!strcmp(key, "id")) {
		copy_word(thing->id, sizeof(thing->id), value);
	} else if (!strcmp(key, "memdev")) {
		copy_word(thing->memdev, sizeof(thing->memdev), value);
	} else if (!strcmp(key, "mem-path")) {
		copy_word(thing->mem_path, sizeof(thing->mem_path), value);
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
	} else if (!strcmp(key, "policy")) {
		thing->bind = parse_policy(value);
	} else if (!strcmp(key, "host-nodes")) {
		if (place_set_parse_list(value, &nodes) == 0)
			place_set_or(&thing->mems, &nodes);
	}
}

static void take_backend(struct parse *parse)
{
	const struct thing *thing = &parse->thing;
	struct place_qemu_args *args = parse->args;
	struct backend *backend;

	if (thing->bind != PLACE_BIND_NONE && !place_set_is_empty(&thing->mems)) {
		args->bind = thing->bind;
		if (args->known & PLACE_GUEST_MEMS && !place_set_equal(&args->mems, &thing->mems))
			args->is_split = true;
		place_set_or(&args->mems, &thing->mems);
		args->known |= PLACE_GUEST_MEMS;
	}
	/* Both map it shared unless told otherwise (backends/hostmem-memfd.c, 7.2). */
	if (thing->is_shared ||
	    (!thing->have_share && (!strcmp(thing->type, "memory-backend-memfd") ||
				    !strcmp(thing->type, "memory-backend-shm"))))
		args->traits |= PLACE_TRAIT_SHARED;
	if (thing->is_guest_memfd)
		args->traits |= PLACE_TRAIT_CONFIDENTIAL;
	if (thing->hugetlb) {
		args->hugetlb = true;
		args->hugetlb_bytes = thing->hugetlb_bytes;
	}
	if (thing->mem_path[0] && !args->mem_path[0])
		memcpy(args->mem_path, thing->mem_path, sizeof(args->mem_path));
	if (parse->n_backends == BACKENDS_MAX)
		return;
	backend = &parse->backends[parse->n_backends++];
	memcpy(backend->id, thing->id, sizeof(backend->id));
	backend->size_bytes = thing->size_bytes;
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

static void parse_object(struct parse *parse, const char *value)
{
	static const char prefix[] = "memory-backend-";

	parse->thing = (struct thing){ 0 };
	(void)place_qemu_opts_each(value, "qom-type", visit_thing, &parse->thing);
	if (!strncmp(parse->thing.type, prefix, sizeof(prefix) - 1) &&
	    strcmp(parse->thing.type, "memory-backend-epc") != 0)
		take_backend(parse);
	if (is_confidential(parse->thing.type))
		parse->args->traits |= PLACE_TRAIT_CONFIDENTIAL;
}

/* Objects are made before devices, whatever their order on the line; libvirt keeps that order. */
static void plug_backend(struct parse *parse)
{
	const struct thing *thing = &parse->thing;

	for (size_t i = 0; i < parse->n_backends; i++) {
		struct backend *backend = &parse->backends[i];

		if (!thing->memdev[0] || strcmp(backend->id, thing->memdev) != 0)
			continue;
		backend->is_plugged = true;
		if (thing->have_requested && thing->requested_bytes < backend->size_bytes)
			backend->size_bytes = thing->requested_bytes;
	}
}

static bool is_memory_device(const char *type)
{
	return !strcmp(type, "pc-dimm") || !strcmp(type, "nvdimm") ||
	       !strncmp(type, "virtio-mem", 10) || !strncmp(type, "virtio-pmem", 11);
}

static void parse_device(struct parse *parse, const char *value)
{
	parse->thing = (struct thing){ 0 };
	(void)place_qemu_opts_each(value, "driver", visit_thing, &parse->thing);
	if (is_memory_device(parse->thing.type))
		plug_backend(parse);
	if (!strncmp(parse->thing.type, "virtio-mem", 10))
		parse->args->traits |= PLACE_TRAIT_SLOTS;
}

static void visit_memory(const char *key, const char *value, void *data)
{
	struct parse *parse = data;

	if (!strcmp(key, "size")) {
		parse->is_base_bad = place_qemu_size_parse(value, MIB, &parse->base_bytes) < 0;
		parse->has_base = true;
	} else if (!strcmp(key, "slots") || !strcmp(key, "maxmem")) {
		parse->args->traits |= PLACE_TRAIT_SLOTS;
	}
}

static void visit_numa(const char *key, const char *value, void *data)
{
	struct place_qemu_args *args = data;

	if (!strcmp(key, "type") && !strcmp(value, "node"))
		args->traits |= PLACE_TRAIT_CELLS;
}

static void visit_machine(const char *key, const char *value, void *data)
{
	struct place_qemu_args *args = data;

	if ((!strcmp(key, "confidential-guest-support") || !strcmp(key, "memory-encryption")) &&
	    *value)
		args->traits |= PLACE_TRAIT_CONFIDENTIAL;
}

static void visit_smp(const char *key, const char *value, void *data)
{
	struct parse *parse = data;
	unsigned *field = !strcmp(key, "cpus")	  ? &parse->n_cpus :
			  !strcmp(key, "maxcpus") ? &parse->max_cpus :
			  !strcmp(key, "sockets") ? &parse->sockets :
			  !strcmp(key, "dies")	  ? &parse->dies :
			  !strcmp(key, "cores")	  ? &parse->cores :
			  !strcmp(key, "threads") ? &parse->threads :
						    NULL;

	if (field)
		(void)place_text_unsigned(value, field);
}

static void visit_name(const char *key, const char *value, void *data)
{
	struct place_qemu_args *args = data;

	if (strcmp(key, "guest") != 0)
		return;
	snprintf(args->name, sizeof(args->name), "%s", value);
	args->known |= PLACE_GUEST_NAME;
}

static void parse_numa(struct parse *parse, const char *value)
{
	(void)place_qemu_opts_each(value, "type", visit_numa, parse->args);
	place_cells_add(&parse->cells, value);
}

/* Those that show what kind of guest it is, and nothing of its size. */
static bool parse_kind(struct place_qemu_args *args, const char *option, const char *value)
{
	if (!strcmp(option, "machine") || !strcmp(option, "M"))
		(void)place_qemu_opts_each(value, "type", visit_machine, args);
	else if (!strcmp(option, "incoming"))
		args->is_incoming = true;
	else
		return false;
	return true;
}

/* Returns whether the option is one that has its value behind it. */
static bool parse_option(struct parse *parse, const char *option, const char *value)
{
	struct place_qemu_args *args = parse->args;

	if (!strcmp(option, "m")) {
		(void)place_qemu_opts_each(value, "size", visit_memory, parse);
	} else if (!strcmp(option, "smp")) {
		(void)place_qemu_opts_each(value, "cpus", visit_smp, parse);
	} else if (!strcmp(option, "name")) {
		(void)place_qemu_opts_each(value, "guest", visit_name, args);
	} else if (!strcmp(option, "object")) {
		parse_object(parse, value);
	} else if (!strcmp(option, "device")) {
		parse_device(parse, value);
	} else if (!strcmp(option, "numa")) {
		parse_numa(parse, value);
	} else if (!strcmp(option, "mem-path")) {
		copy_word(args->mem_path, sizeof(args->mem_path), value);
	} else if (!strcmp(option, "uuid") && strlen(value) < sizeof(args->uuid)) {
		memcpy(args->uuid, value, strlen(value) + 1);
		args->known |= PLACE_GUEST_UUID;
	} else {
		return parse_kind(args, option, value);
	}
	return true;
}

/* Without "cpus" all that may be are there, or QEMU multiplies (hw/core/machine-smp.c, 7.2). */
static void finish_vcpus(struct parse *parse)
{
	uint64_t n = parse->n_cpus ? parse->n_cpus : parse->max_cpus;

	if (!n) {
		n = parse->sockets ? parse->sockets : 1;
		n = place_multiply(n, parse->dies ? parse->dies : 1);
		n = place_multiply(n, parse->cores ? parse->cores : 1);
		n = place_multiply(n, parse->threads ? parse->threads : 1);
	}
	if (n > PLACE_SET_MAX)
		return;
	parse->args->n_vcpus = (unsigned)n;
	parse->args->known |= PLACE_GUEST_VCPUS;
}

static void finish_memory(struct parse *parse)
{
	uint64_t bytes = parse->base_bytes;

	if (parse->is_base_bad)
		return;
	for (size_t i = 0; i < parse->n_backends; i++)
		if (parse->backends[i].is_plugged &&
		    __builtin_add_overflow(bytes, parse->backends[i].size_bytes, &bytes))
			return;
	parse->args->memory_bytes = bytes;
	parse->args->known |= PLACE_GUEST_MEMORY;
}

static int find_backend(void *data, const char *id, uint64_t *ret_bytes)
{
	const struct parse *parse = data;

	for (size_t i = 0; i < parse->n_backends; i++)
		if (!strcmp(parse->backends[i].id, id)) {
			*ret_bytes = parse->backends[i].size_bytes;
			return (int)i;
		}
	return -1;
}

/* QEMU would not have begun (hw/core/numa.c, 7.2): the line is not what it was started with. */
static bool are_cells_all(const struct parse *parse, const struct place_cells *cells)
{
	const uint64_t page_bytes = 8192; /* to which QEMU rounds -m up (softmmu/vl.c, 7.2) */
	uint64_t bytes = 0;

	for (size_t i = 0; i < cells->n; i++)
		bytes = place_add(bytes, cells->list[i].bytes);
	return !parse->has_base ||
	       (!parse->is_base_bad && place_add(parse->base_bytes, page_bytes - 1) / page_bytes ==
					       place_add(bytes, page_bytes - 1) / page_bytes);
}

static void finish_cells(struct parse *parse)
{
	const struct place_cells_smp smp = {
		.sockets = parse->sockets,
		.dies = parse->dies,
		.cores = parse->cores,
		.threads = parse->threads,
		.max_cpus = parse->max_cpus ? parse->max_cpus : parse->args->n_vcpus,
	};

	place_cells_finish(&parse->cells, &smp, find_backend, parse, &parse->args->cells);
	if (!are_cells_all(parse, &parse->args->cells))
		parse->args->cells = (struct place_cells){ 0 };
}

/* Behind the argument at `at`, or the end. */
static const char *next_argument(const char *at, const char *end)
{
	const char *nul = memchr(at, '\0', (size_t)(end - at));

	return nul ? nul + 1 : end;
}

void place_qemu_args_parse(const char *cmdline, size_t size, struct place_qemu_args *ret_args)
{
	const char *end = cmdline + size, *at = next_argument(cmdline, end);
	_cleanup_free_ struct parse *parse = calloc(1, sizeof(*parse));

	*ret_args = (struct place_qemu_args){ 0 };
	if (!parse)
		return;
	parse->args = ret_args;
	parse->base_bytes = MEMORY_DEFAULT;
	while (at < end) {
		const char *value = next_argument(at, end);

		if (*at == '-' && value < end) {
			const char *option = at + (at[1] == '-' ? 2 : 1);

			if (parse_option(parse, option, value))
				value = next_argument(value, end);
		}
		at = value;
	}
	finish_vcpus(parse);
	finish_memory(parse);
	finish_cells(parse);
}
