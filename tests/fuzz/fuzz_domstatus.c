/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's status XML, or anything that lies in its place. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/domstatus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct place_domstatus status;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (place_domstatus_parse(text, &status) == 0 &&
	    (status.pid < 0 || status.bind >= PLACE_BIND_COUNT))
		abort();
	free(text);
	return 0;
}
