/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One QEMU option in either spelling, and sizes: no token is longer than it may be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/qemu_opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pair(const char *key, const char *value, void *data)
{
	uint64_t bytes = 0;

	(void)data;
	if (strlen(key) >= PLACE_OPT_MAX || strlen(value) >= PLACE_OPT_MAX)
		abort();
	(void)place_qemu_size_parse(value, 1, &bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint64_t bytes = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)place_qemu_opts_each(text, "implied", check_pair, NULL);
	(void)place_qemu_opts_each(text, NULL, check_pair, NULL);
	(void)place_qemu_size_parse(text, UINT64_C(1) << 20, &bytes);
	free(text);
	return 0;
}
