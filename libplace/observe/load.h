/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPU time of guests at an earlier moment, kept as text in /run/placed/load. The difference to
 * now is what a guest really uses; a window of milliseconds would not tell (/proc/stat counts in
 * ticks of 10 ms, schedstat only at context switches: a busy CPU shows as idle in 100 ms).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "host/root.h"

#define PLACE_LOAD_PATH "run/placed/load"

struct place_load {
	int pid;
	uint64_t start_ns;
	uint64_t cpu_time_ns;
};

struct place_loads {
	uint64_t taken_ns;
	size_t n;
	struct place_load *list; /* ascending pid */
};

/*
 * Reads the kept text. Returns: 0 or -errno (-ENOENT where there is none, -EINVAL where it is
 * damaged, -ESTALE where it is of another boot: *ret_loads is untouched then).
 * Ownership: release with place_loads_done().
 */
int place_loads_read(const struct place_root *root, struct place_text *text, const char *boot_id,
		     struct place_loads *ret_loads);

/* The text to keep of a sample, into `text` (grown as needed). Returns: 0 or -ENOMEM. */
int place_loads_format(const struct place_sample *sample, const char *boot_id,
		       struct place_text *text);
void place_loads_done(struct place_loads *loads);

const struct place_load *place_loads_find(const struct place_loads *loads, int pid,
					  uint64_t start_ns);
