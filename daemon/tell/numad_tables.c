/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* numad's tables, from what was read and decided anyway; only level 7 reads more. */
#include "tell/numad_tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "job.h"
#include "observe/procstat.h"
#include "tell/numad_log.h"

/* numad's own threshold. */
#define CANDIDATE_BYTES (UINT64_C(300) << 20)

/* A thousand processes take some 20 ms; who takes longer reads from a host that hangs. */
#define SCAN_LIMIT_MS 2000

/* ---- level 6 ------------------------------------------------------------------------------- */

static void format_distances(const struct place_topology *topology, size_t i, char *text,
			     size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t j = 0; j < topology->n_nodes && at < size; j++)
		at += (size_t)snprintf(text + at, size - at, "%s%u", j ? " " : "",
				       topology->distance[i * topology->n_nodes + j]);
}

/* What guests were given counts as taken: that is what advice goes by. */
static uint64_t free_centi(const struct place_model *model, size_t i)
{
	const struct place_node_model *node;

	if (!model || i >= model->n_nodes)
		return 0;
	node = &model->nodes[i];
	return node->capacity_millicpu > node->committed_millicpu ?
		       (node->capacity_millicpu - node->committed_millicpu) / 10 :
		       0;
}

static void write_node(const struct place_topology *topology, const struct place_sample *sample,
		       const struct place_model *model, size_t i)
{
	const struct place_node_sample *raw = &sample->nodes[i];
	_cleanup_free_ char *cpus = malloc(PLACE_SET_TEXT_MAX);
	char distances[1024];

	if (!cpus || place_set_format(&topology->nodes[i].cpus, cpus, PLACE_SET_TEXT_MAX) < 0)
		return;
	format_distances(topology, i, distances, sizeof(distances));
	numad_raw_line(LOG_INFO,
		       "Node %u: MBs_total %" PRIu64 ", MBs_free %6" PRIu64
		       ", CPUs_total %u, CPUs_free %4" PRIu64 ",  Distance: %s  CPUs: %s",
		       topology->nodes[i].id, raw->total_bytes >> 20,
		       (raw->free_bytes + raw->reclaimable_bytes) >> 20,
		       topology->nodes[i].n_cpus * 100, free_centi(model, i), distances, cpus);
}

static void write_guest(const struct place_topology *topology, const struct place_guest *guest,
			const struct place_activity *activity)
{
	struct place_set nodes = { 0 };
	_cleanup_free_ char *text = malloc(PLACE_SET_TEXT_MAX);

	for (size_t j = 0; activity->known & PLACE_ACTIVITY_BYTES && j < topology->n_nodes; j++)
		if (activity->bytes[j])
			place_set_add(&nodes, topology->nodes[j].id);
	if (!text || place_set_format(&nodes, text, PLACE_SET_TEXT_MAX) < 0)
		return;
	numad_raw_line(LOG_INFO,
		       "PID %d: (%s) MBs_size %6" PRIu64 ", MBs_used %6" PRIu64
		       ", CPUs_used %4" PRIu64 ", Nodes: %s",
		       guest->pid, guest->known & PLACE_GUEST_NAME ? guest->name : "",
		       guest->memory_bytes >> 20,
		       (guest->resident_bytes + guest->resident_pool_bytes) >> 20,
		       activity->busy_millicpu / 10, text);
}

void numad_tables_write(const struct place_topology *topology, const struct place_sample *sample,
			const struct place_model *model, const struct place_activity *activities)
{
	if (!numad_lines_show(LOG_INFO))
		return;
	numad_raw_line(LOG_INFO, "%s", "");
	numad_raw_line(LOG_INFO, "Nodes: %zu", topology->n_nodes);
	for (size_t i = 0; i < topology->n_nodes && i < sample->n_nodes; i++)
		write_node(topology, sample, model, i);
	numad_raw_line(LOG_INFO, "%s", "");
	numad_raw_line(LOG_INFO, "Processes: %zu", sample->n_guests);
	for (size_t i = 0; i < sample->n_guests; i++)
		write_guest(topology, &sample->guests[i], &activities[i]);
}

/* ---- level 7 ------------------------------------------------------------------------------- */

struct listing {
	const struct place_root *root;
	struct place_text text;
	uint64_t page_bytes;
	FILE *out;
};

static int list_process(unsigned pid, void *data)
{
	struct listing *listing = data;
	struct place_procstat stat;
	char comm[4 * PLACE_COMM_MAX];

	/* Who went meanwhile is no candidate. */
	if (place_root_readf(listing->root, &listing->text, "proc/%u/stat", pid) < 0 ||
	    place_procstat_parse(listing->text.data, &stat) < 0 ||
	    stat.resident_pages <= CANDIDATE_BYTES / listing->page_bytes)
		return 0;
	place_text_escape(stat.comm, comm, sizeof(comm));
	fprintf(listing->out,
		"PID %u: (%s), Threads %u, MBs_used %" PRIu64 ", CPU seconds %" PRIu64 "\n", pid,
		comm, stat.n_threads, (stat.resident_pages * listing->page_bytes) >> 20,
		place_ticks_to_ns(stat.cpu_ticks) / 1000000000);
	return 0;
}

int numad_tables_list(const struct place_root *root, FILE *out)
{
	struct listing listing = { .root = root,
				   .page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
				   .out = out };
	int r;

	r = place_root_each_id(root, "proc", "", list_process, &listing);
	place_text_done(&listing.text);
	return r;
}

static struct job *scan;

static int scan_work(void *data, FILE *out)
{
	return numad_tables_list(data, out);
}

static void scan_done(void *data, int r, const void *bytes, size_t size)
{
	const char *line = bytes, *end = line + size;
	int n = 0;

	(void)data;
	scan = NULL;
	if (r < 0)
		return;
	for (const char *at = line; at < end; at++)
		n += *at == '\n';
	numad_raw_line(LOG_DEBUG, "%s", "");
	numad_raw_line(LOG_DEBUG, "Candidates: %d", n);
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (!newline)
			return;
		numad_raw_line(LOG_DEBUG, "%.*s", (int)(newline - line), line);
		line = newline + 1;
	}
}

void numad_tables_scan(sd_event *event, struct place_root *root)
{
	if (scan || !numad_lines_show(LOG_DEBUG))
		return;
	if (job_start(event, scan_work, scan_done, root, root->fd, SCAN_LIMIT_MS, &scan) < 0)
		scan = NULL;
}

void numad_tables_cancel(void)
{
	if (scan)
		scan = job_cancel(scan);
}
