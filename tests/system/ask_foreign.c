/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ask_foreign CPUS[:MIB] DEADLINE_MS: foreign_ask() as a program, for the tests of the queue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask/request.h"
#include "foreign.h"

int main(int argc, char **argv)
{
	struct place_request request;
	char nodes[96];
	int r;

	if (argc != 3 || place_request_parse(argv[1], &request) < 0)
		return 2;
	r = foreign_ask(&request, (unsigned)atoi(argv[2]), nodes, sizeof(nodes));
	if (r < 0)
		fprintf(stderr, "%s\n", strerrorname_np(-r));
	else
		puts(nodes);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
