/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints what a look at each given process, or at each guest, finds: one JSON object per line. For
 * tests that hold it against what they have set up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide/class.h"
#include "decide/reason.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "observe/hint_faults.h"
#include "observe/look.h"
#include "observe/program.h"
#include "observe/sample.h"

static const char *const traits[] = { "libvirt",   "advised", "nodeset",      "pinned",
				      "migrating", "vfio",    "confidential", "slots",
				      "cells",	   "shared",  "excluded",     "included",
				      "confined",  "partial", "starting",     "session" };

struct printer {
	struct place_host *host;
	struct place_mounts mounts;
	int r;
};

/* \xNN is no JSON: the backslash is doubled. */
static void print_string(const char *key, const char *raw)
{
	char text[4 * PLACE_GROUP_PATH_MAX];

	place_text_escape(raw, text, sizeof(text));
	printf("\"%s\": \"", key);
	for (const char *at = text; *at; at++)
		printf(*at == '\\' ? "\\\\" : "%c", *at);
	printf("\", ");
}

static void print_set(const char *key, const struct place_set *set)
{
	static char text[PLACE_SET_TEXT_MAX];

	if (place_set_format(set, text, sizeof(text)) >= 0)
		printf("\"%s\": \"%s\", ", key, text);
}

/* What the kernel counted of its accesses, where it counts. */
static void print_hint_faults(struct place_host *host, const struct place_guest *guest)
{
	const struct place_evidence_ask ask = {
		.root = &host->root,
		.text = &host->text,
		.topology = &host->topology,
		.guest = guest,
	};
	struct place_reading reading;

	if (place_hint_faults.probe(&host->root, &host->text) &&
	    place_hint_faults.read(&ask, &reading) == 0)
		printf("\"hint_faults\": [%" PRIu64 ", %" PRIu64 ", %u], ", reading.remote,
		       reading.all, reading.sure_permille);
	else
		printf("\"hint_faults\": null, ");
}

static void print_look(struct place_host *host, const struct place_look *look)
{
	const struct place_guest *guest = &look->guest;
	const char *separator = "";

	printf("{\"pid\": %d, \"is_guest\": %s, \"known\": %u, ", guest->pid,
	       look->is_guest ? "true" : "false", guest->known);
	print_string("name", guest->name);
	print_string("group_v2", look->group_v2);
	print_string("group_memory_v1", look->group_memory_v1);
	print_set("mems", &guest->mems);
	print_set("vcpu_cpus", &look->vcpu_cpus);
	printf("\"memory_bytes\": %" PRIu64 ", \"hugepage_bytes\": %" PRIu64 ", ",
	       guest->memory_bytes, guest->hugepage_bytes);
	print_hint_faults(host, guest);
	printf("\"class\": \"%s\", \"traits\": [",
	       place_class_word(place_class_of(guest, look->traits)));
	for (size_t i = 0; i < ELEMENTSOF(traits); i++) {
		if (!(look->traits & 1U << i))
			continue;
		printf("%s\"%s\"", separator, traits[i]);
		separator = ", ";
	}
	printf("]}\n");
}

static int look_at(struct printer *printer, int pid)
{
	static struct place_look look;
	int r;

	r = place_look(&printer->host->root, &printer->host->text, &printer->host->topology,
		       &printer->mounts, pid, &look);
	if (r == 0)
		print_look(printer->host, &look);
	return r;
}

static int look_if_guest(unsigned id, void *data)
{
	struct printer *printer = data;

	if (!place_process_is_qemu(&printer->host->root, &printer->host->text, id))
		return 0;
	return look_at(printer, (int)id);
}

int main(int argc, char **argv)
{
	static struct printer printer;
	static struct place_host host;
	int r;

	if (argc < 2) {
		fprintf(stderr, "Usage: look DIR [PID...]\n");
		return EXIT_FAILURE;
	}
	printer.host = &host;
	r = place_host_init(argv[1], &host);
	if (r < 0) {
		fprintf(stderr, "look: %s: %s\n", argv[1], strerror(-r));
		return EXIT_FAILURE;
	}
	r = place_host_read_topology(&host, true);
	if (r == 0)
		(void)place_mounts_read(&host.root, &host.text, &printer.mounts);
	for (int i = 2; r == 0 && i < argc; i++)
		r = look_at(&printer, atoi(argv[i]));
	if (r == 0 && argc == 2)
		r = place_root_each_id(&host.root, "proc", "", look_if_guest, &printer);
	place_host_done(&host);
	if (r < 0)
		fprintf(stderr, "look: %s: %s\n", argv[1], strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
