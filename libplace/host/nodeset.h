/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of node ids or CPU ids, keyed by id and never by index.
 *
 * Ids are sparse on real machines (POWER: 0,8,252-255; SMT off: 0,2,4,..), so nothing here
 * counts. The size is fixed: a set is a plain value that can be copied, needs no clean-up, and
 * serves the pure code too. The kernel knows at most 1024 nodes (CONFIG_NODES_SHIFT, mm/Kconfig,
 * 6.18) and 8192 CPUs (CONFIG_NR_CPUS with MAXSMP, arch/x86/Kconfig).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACE_SET_MAX 8192
#define PLACE_SET_WORDS (PLACE_SET_MAX / 64)
/* Enough for any set in list format: 4096 single ids of four digits and a comma, and the NUL. */
#define PLACE_SET_TEXT_MAX (PLACE_SET_MAX / 2 * 5 + 1)

struct place_set {
	uint64_t words[PLACE_SET_WORDS];
};

static inline void place_set_clear(struct place_set *set)
{
	*set = (struct place_set){ 0 };
}

static inline bool place_set_has(const struct place_set *set, unsigned id)
{
	return id < PLACE_SET_MAX && (set->words[id / 64] >> (id % 64) & 1);
}

/* Ids that a set cannot hold are ignored; the parsers refuse them with -ERANGE before. */
static inline void place_set_add(struct place_set *set, unsigned id)
{
	if (id < PLACE_SET_MAX)
		set->words[id / 64] |= UINT64_C(1) << (id % 64);
}

static inline void place_set_remove(struct place_set *set, unsigned id)
{
	if (id < PLACE_SET_MAX)
		set->words[id / 64] &= ~(UINT64_C(1) << (id % 64));
}

bool place_set_is_empty(const struct place_set *set);
bool place_set_equal(const struct place_set *a, const struct place_set *b);
bool place_set_is_subset(const struct place_set *inner, const struct place_set *outer);
bool place_set_intersects(const struct place_set *a, const struct place_set *b);
unsigned place_set_count(const struct place_set *set);
unsigned place_set_count_common(const struct place_set *a, const struct place_set *b);

/* Nodes alone, as many as the kernel knows: where one is kept of each guest. */
#define PLACE_NODES_MAX 1024

struct place_nodes {
	uint64_t words[PLACE_NODES_MAX / 64];
};

static inline bool place_nodes_has(const struct place_nodes *nodes, unsigned id)
{
	return id < PLACE_NODES_MAX && (nodes->words[id / 64] >> (id % 64) & 1);
}

/* Ids that it cannot hold are left out. */
void place_nodes_from_set(const struct place_set *set, struct place_nodes *ret_nodes);
void place_nodes_to_set(const struct place_nodes *nodes, struct place_set *ret_set);

/* The least id that is >= from, or -1. Loop: for (int i = place_set_next(s, 0); i >= 0; ...). */
int place_set_next(const struct place_set *set, unsigned from);

void place_set_and(struct place_set *set, const struct place_set *with);
void place_set_or(struct place_set *set, const struct place_set *with);
void place_set_subtract(struct place_set *set, const struct place_set *less);

/*
 * Parses the kernel's list format: "0-3,8", empty for the empty set; blanks and a newline may
 * surround it (lib/vsprintf.c bitmap_list_string(), 6.18; strides such as "0-7:2/4" are refused,
 * the kernel never prints them).
 *
 * Returns: 0 or -errno; *ret_set is untouched on failure.
 * Errors: -EINVAL not a list; -ERANGE an id >= PLACE_SET_MAX.
 */
int place_set_parse_list(const char *text, struct place_set *ret_set);

/*
 * Parses the kernel's mask format, "ff,00000003": groups of 32 bits, most significant first
 * (cpumap files; the only form on kernels before 2.6.26).
 *
 * Returns: 0 or -errno; *ret_set is untouched on failure.
 * Errors: -EINVAL not a mask; -ERANGE a set bit >= PLACE_SET_MAX.
 */
int place_set_parse_mask(const char *text, struct place_set *ret_set);

/*
 * Writes the set as the kernel and libvirt write it: ascending, runs of two or more as "a-b",
 * commas, no blanks, and a NUL.
 *
 * Returns: the length without the NUL, or -ENOBUFS (text is then "").
 */
int place_set_format(const struct place_set *set, char *text, size_t size);
