/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of /proc/PID/cmdline: whatever they are, what comes out is bounded and terminated. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/qemu_args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever calls itself cells: each has memory, and no vCPU is in two. */
static void check_cells(const struct place_cells *cells)
{
	if (cells->n > PLACE_CELLS_MAX)
		abort();
	for (size_t i = 0; i < cells->n; i++) {
		if (!cells->is_one_block && !cells->list[i].bytes)
			abort();
		for (size_t j = 0; j < i; j++)
			if (cells->list[j].id >= cells->list[i].id ||
			    place_set_intersects(&cells->list[i].vcpus, &cells->list[j].vcpus))
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *cmdline = malloc(size + 1);
	struct place_qemu_args args;

	if (!cmdline)
		return 0;
	memcpy(cmdline, data, size);
	cmdline[size] = '\0';
	memset(&args, 0x5a, sizeof(args));
	place_qemu_args_parse(cmdline, size, &args);
	if (!memchr(args.name, '\0', sizeof(args.name)) ||
	    !memchr(args.uuid, '\0', sizeof(args.uuid)) ||
	    !memchr(args.mem_path, '\0', sizeof(args.mem_path)) || args.bind >= PLACE_BIND_COUNT ||
	    args.n_vcpus > PLACE_SET_MAX)
		abort();
	if ((args.known & PLACE_GUEST_MEMS) && place_set_is_empty(&args.mems))
		abort();
	check_cells(&args.cells);
	free(cmdline);
	return 0;
}
