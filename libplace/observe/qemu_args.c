/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU command line: option after option, and what they are together. RAM is what -m says, plus
 * the backends that memory devices plug in (qemu_objects.c). An option that stands twice: the last
 * one wins, as in QEMU.
 */
#include "observe/qemu_args.h"

#include <string.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "observe/qemu_objects.h"
#include "observe/qemu_opts.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY_DEFAULT (128 * MIB) /* hw/core/machine.c, 7.2 */

struct parse {
	struct place_qemu_args *args;
	uint64_t base_bytes;
	bool has_base;	  /* -m has a size */
	bool is_base_bad; /* -m says something that is no size */
	unsigned n_cpus, max_cpus, sockets, dies, cores, threads;
	struct place_backends backends;
	struct place_cells_parse cells;
};

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
	if (!strcmp(option, "mem-prealloc")) {
		args->is_prealloc = true;
		return false; /* it has no value */
	}
	if (!strcmp(option, "machine") || !strcmp(option, "M"))
		(void)place_qemu_opts_each(value, "type", visit_machine, args);
	else if (!strcmp(option, "incoming") || !strcmp(option, "loadvm"))
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
		place_qemu_object_parse(value, &parse->backends, args);
	} else if (!strcmp(option, "device")) {
		place_qemu_device_parse(value, &parse->backends, args);
	} else if (!strcmp(option, "numa")) {
		parse_numa(parse, value);
	} else if (!strcmp(option, "mem-path")) {
		place_qemu_copy_word(value, args->mem_path, sizeof(args->mem_path));
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

	if (parse->is_base_bad || !place_backends_add_plugged(&parse->backends, &bytes))
		return;
	parse->args->memory_bytes = bytes;
	parse->args->known |= PLACE_GUEST_MEMORY;
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

	place_cells_finish(&parse->cells, &smp, place_backends_find, &parse->backends,
			   &parse->args->cells);
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
	place_backends_find_parts(&parse->backends, ret_args);
}
