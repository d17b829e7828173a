/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's socket before a host that is made up, so that placectl can be tested on names that
 * no libvirt would take: report_server NAME... has a guest of each name, pids from 1000 on, on
 * nodes 0 and 8; the second one is unreadable. Says "ready" when it listens. Serves status,
 * explain, doctor and metrics to all, pause and resume to root.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/socket.h"
#include "tell/report.h"

#define GUESTS_MAX 1100
#define GIB (UINT64_C(1) << 30)

static struct place_node nodes[2] = { { .id = 0, .n_cpus = 4, .n_cores = 4 },
				      { .id = 8, .n_cpus = 4, .n_cores = 4 } };
static const struct place_topology topology = { .n_nodes = 2, .nodes = nodes };
static struct place_node_sample raw[2] = {
	{ .known = PLACE_NODE_TOTAL | PLACE_NODE_FREE | PLACE_NODE_POOLS,
	  .total_bytes = 64 * GIB,
	  .free_bytes = 40 * GIB,
	  .n_pools = 2,
	  .pools = { { 2 << 20, 10, 7, 0 }, { 1 << 30, 4, 0, 0 } } },
	{ 0 },
};
static struct place_guest guests[GUESTS_MAX];
static struct place_sample sample = { .n_nodes = 2, .nodes = raw, .guests = guests };
static uint64_t bytes[2] = { 3 * GIB, GIB };
static uint32_t run[2] = { 0, 1000 };
static struct place_activity activities[GUESTS_MAX];
static unsigned traits[GUESTS_MAX];
static enum place_class classes[GUESTS_MAX];
static enum place_fate fates[GUESTS_MAX];
static struct report_move moves[] = {
	{ .pid = 1000,
	  .to_node = 8,
	  .planned_bytes = 3 * GIB,
	  .moved_bytes = GIB,
	  .begin_ns = 1,
	  .state = REPORT_MOVE_RUNNING,
	  .reason = "remote access" },
};
static const struct place_pressure pressure = { .growth_bytes = 3 * GIB,
						.room_bytes = 2 * GIB,
						.neighbours_bytes = GIB,
						.short_bytes = 2 * GIB };
/* Those that the environment variable FINDINGS names. */
static struct report_finding findings[] = {
	{ .what = "ksm_across_nodes",
	  .subject = "",
	  .text = "KSM merges pages of different nodes.",
	  .remedy = "echo 0 >/sys/kernel/mm/ksm/merge_across_nodes",
	  .level = REPORT_WARNING },
	{ .what = "may_be_killed",
	  .text = "it may be killed",
	  .remedy = "other nodes",
	  .level = REPORT_CRITICAL,
	  .pressure = &pressure,
	  .pid = 1000,
	  .nodes = "0,8" },
	{ .what = "locality_at_risk",
	  .text = "it may come to lie elsewhere",
	  .remedy = "",
	  .level = REPORT_NOTICE,
	  .pressure = &pressure,
	  .pid = 1000,
	  .nodes = "8" },
	{ .what = "guests_not_judged",
	  .subject = "",
	  .text = "it could not be found out",
	  .remedy = "",
	  .level = REPORT_UNKNOWN },
};
static struct report_view view = {
	.version = "9.9",
	.pid = 4711,
	.now_ns = 3000000000,
	.interval_s = 5,
	.topology = &topology,
	.sample = &sample,
	.activities = activities,
	.traits = traits,
	.classes = classes,
	.fates = fates,
	.moves = moves,
	.n_moves = 1,
};

static void add_guest(const char *name)
{
	const size_t i = sample.n_guests++;

	guests[i] = (struct place_guest){
		.known = PLACE_GUEST_NAME | PLACE_GUEST_MEMORY | PLACE_GUEST_VCPUS,
		.pid = 1000 + (int)i,
		.n_vcpus = 2,
		.memory_bytes = 4 * GIB,
	};
	snprintf(guests[i].name, sizeof(guests[i].name), "%s", name);
	if (i == 1) {
		guests[i].known = PLACE_GUEST_NAME;
		classes[i] = PLACE_CLASS_UNREADABLE;
		fates[i] = PLACE_FATE_CLASS;
		return;
	}
	fates[i] = i == 0 ? PLACE_FATE_MOVING : PLACE_FATE_LOCAL;
	activities[i] = (struct place_activity){
		.known = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN | PLACE_ACTIVITY_REMOTE,
		.bytes = bytes,
		.bytes_source = PLACE_BYTES_SAMPLES,
		.run_permille = run,
		.busy_millicpu = 1830,
		.remote_permille = 750,
		.sure_permille = 900,
		.evidence = PLACE_EVIDENCE_RESIDENCY,
	};
}

static void ask(void *daemon, struct serve_ask *asked)
{
	(void)daemon, (void)asked;
	abort();
}

static int order(void *daemon, const struct serve_order *given)
{
	(void)daemon, (void)given;
	return -EOPNOTSUPP;
}

static int command(void *daemon, const struct serve_peer *peer, const char *verb,
		   const char *argument, FILE *out)
{
	(void)daemon;
	if (!strcmp(verb, "status"))
		return report_status(&view, out), 0;
	if (!strcmp(verb, "explain"))
		return report_explain(&view, argument, out);
	if (!strcmp(verb, "doctor"))
		return report_findings(&view, out), 0;
	if (!strcmp(verb, "metrics"))
		return report_metrics(&view, out), 0;
	if (strcmp(verb, "pause") != 0 && strcmp(verb, "resume") != 0)
		return -EOPNOTSUPP;
	if (!peer->is_root)
		return -EPERM;
	view.is_paused = !strcmp(verb, "pause");
	return 0;
}

/* "cknu": a critical one, that of KSM, a notice, what is not known. */
static void choose_findings(const char *letters)
{
	static struct report_finding chosen[8];

	for (view.n_findings = 0; letters && *letters && view.n_findings < 8; letters++)
		for (size_t i = 0; i < 4; i++)
			if (*letters == "kcnu"[i])
				chosen[view.n_findings++] = findings[i];
	for (size_t i = 0; i < view.n_findings; i++)
		if (!chosen[i].subject)
			chosen[i].subject = guests[0].name;
	view.findings = chosen;
}

int main(int argc, char **argv)
{
	const struct serve_ops ops = { .ask = ask, .order = order, .command = command };
	struct serve_socket *socket;
	sd_event *event;

	(void)place_set_parse_list("0", &moves[0].from);
	for (int i = 1; i < argc && i <= GUESTS_MAX; i++)
		add_guest(argv[i]);
	moves[0].name = guests[0].name;
	choose_findings(getenv("FINDINGS") ? getenv("FINDINGS") : "k");
	if (sd_event_default(&event) < 0 || socket_open(event, &ops, -1, &socket) < 0)
		return EXIT_FAILURE;
	puts("ready");
	fflush(stdout);
	return sd_event_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
