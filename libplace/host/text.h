/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict readers of the kernel's text forms. Numbers are plain decimal digits: no sign, no
 * blank, no locale, and what does not fit is refused, not wrapped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads digits at *at and leaves *at behind them.
 * Returns: 0, or -EINVAL where no digit stands, -ERANGE where the number does not fit.
 */
int place_text_digits(const char **at, uint64_t *ret_number);

/* The whole text is one number (a trailing newline may stand). Errors: as above. */
int place_text_u64(const char *text, uint64_t *ret_number);
int place_text_unsigned(const char *text, unsigned *ret_number);

/*
 * Finds the line that begins with `key` (after blanks and, in node files, "Node 3 ") and reads
 * the number behind it: "MemFree:   1234 kB" is found by "MemFree:".
 * Returns: 0, -ENOENT where there is no such line, -EINVAL, -ERANGE.
 */
int place_text_find_u64(const char *text, const char *key, uint64_t *ret_number);

/* The same for a line in kB, as meminfo and status have them; in bytes. Returns: if it is there. */
bool place_text_find_kib(const char *text, const char *key, uint64_t *ret_bytes);

/*
 * The rest of the line that begins with `key`, without surrounding blanks, copied.
 * Returns: 0, -ENOENT, -ENOBUFS.
 */
int place_text_find_word(const char *text, const char *key, char *word, size_t size);

/*
 * Copies a name that anybody may have chosen for printing: what is not printable ASCII, and the
 * quote and backslash, become \xNN; cut where it does not fit. Always NUL-terminated.
 */
void place_text_escape(const char *raw, char *text, size_t size);
