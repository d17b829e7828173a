/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placectl: shows what placed sees and does; pause, resume and reload are all it changes. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "ctl.h"
#include "place.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *purpose;
} commands[] = {
	{ "status", ctl_status, "nodes, guests and what is done with them" },
	{ "explain", ctl_explain, "GUEST|PID  why something happens to a guest, or nothing" },
	{ "advise", ctl_advise, "CPUS[:MIB]  where a guest of that size would go, and why" },
	{ "doctor", ctl_doctor, "what may harm guests on this host" },
	{ "metrics", ctl_metrics, "figures for Prometheus" },
	{ "pause", ctl_pause, "move nothing from now on" },
	{ "resume", ctl_resume, "end a pause" },
	{ "reload", ctl_reload, "read the settings again" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *file, int exit_status)
{
	fprintf(file, "Usage: placectl COMMAND [ARGUMENT ...]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].purpose);
	fprintf(file, "\nplacectl COMMAND --help says more; --version prints the version.\n");
	return exit_status;
}

static int run(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr, EXIT_FAILURE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout, EXIT_SUCCESS);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("placectl %s\n", place_version());
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "placectl: unknown command: %s\n", argv[1]);
	return usage(stderr, EXIT_FAILURE);
}

/* What could not be written was not said: a full disk is no success. */
int main(int argc, char **argv)
{
	int exit_status;

	/* Names may be of any language; figures are not of the locale. */
	setlocale(LC_CTYPE, "");
	exit_status = run(argc, argv);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_status;
	fprintf(stderr, "placectl: the output cannot be written: %s\n", strerror(errno));
	/* A doctor who was not heard has not warned of anything. */
	return argc > 1 && !strcmp(argv[1], "doctor") ? CTL_DOCTOR_UNKNOWN : EXIT_FAILURE;
}
