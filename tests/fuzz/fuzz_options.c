/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command lines, one argument per line of input, and its first line as a request. What the
 * parser prints goes nowhere.
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask/request.h"
#include "options.h"

#define ARGUMENTS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* stdout and the messages of getopt; a sanitizer reports to the descriptor, not the stream. */
static void be_quiet(void)
{
	static FILE *nowhere;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!nowhere)
		abort();
	stdout = nowhere;
	stderr = nowhere;
}

/* Sorted, and one of each letter but p r x. */
static void check_orders(const struct options *options)
{
	const char *last = OPTION_ORDER_LETTERS;

	for (size_t i = 0; i < options->n_orders; i++) {
		const char *at = strchr(OPTION_ORDER_LETTERS, options->orders[i].letter);

		if (!at || !*at || at < last || (i && at == last && !strchr("prx", *at)))
			abort();
		last = at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *out = stdout, *err = stderr;
	char *text = malloc(size + 1), *rest = text;
	char *argv[ARGUMENTS_MAX + 2] = { (char[]){ "numad" } };
	struct place_request request = { 0 };
	struct options options;
	int argc = 1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	while (argc <= ARGUMENTS_MAX && (argv[argc] = strsep(&rest, "\n")))
		argc++;
	argv[argc] = NULL;
	if (place_request_parse(argv[1], &request) == 0 &&
	    (request.vcpus_centi > INT_MAX || request.memory_bytes >> 20 > INT_MAX))
		abort();
	be_quiet();
	optind = 0;
	options_parse(argc, argv, &options);
	fflush(stdout);
	stdout = out;
	stderr = err;
	if (options.command > COMMAND_PRINT_CONFIG || options.smt_percent > 100 ||
	    options.interval_max_s < 0 || options.interval_min_s < 0 ||
	    options.n_orders > OPTION_ORDERS_MAX)
		abort();
	check_orders(&options);
	free(text);
	return 0;
}
