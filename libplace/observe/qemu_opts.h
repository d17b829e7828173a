/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One QEMU option value, in either spelling, as keys and values. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Keys and values longer than this are skipped: none that matters here is. */
#define PLACE_OPT_MAX 512

/*
 * Calls visit() for each key of "driver,key=value,..." (the first one without "=" gets the key
 * `implied`) or of a JSON object; a JSON array calls it once per element, nested objects are
 * passed over. Stops at the first thing that is malformed.
 *
 * Returns: 0, or -EINVAL where it stopped early.
 */
int place_qemu_opts_each(const char *text, const char *implied,
			 void (*visit)(const char *key, const char *value, void *data), void *data);

/*
 * A size as QEMU writes it: digits, perhaps a fraction, perhaps one of bkmgtpe in either case;
 * without a suffix it counts in `unit_bytes`.
 *
 * Returns: 0, -EINVAL, -ERANGE.
 */
int place_qemu_size_parse(const char *text, uint64_t unit_bytes, uint64_t *ret_bytes);

/* Copies a value, or "" where there is no room for it: a cut id could be taken for another one. */
void place_qemu_copy_word(const char *value, char *word, size_t size);
