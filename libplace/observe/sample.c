/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts one instant of a host together from the other files of this folder. */
#include "observe/sample.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arith.h"
#include "host/text.h"
#include "observe/confine.h"
#include "observe/cores.h"
#include "observe/guest.h"
#include "observe/nodestat.h"
#include "observe/topology.h"

#define NS_PER_S UINT64_C(1000000000)

int place_host_init(const char *path, struct place_host *ret_host)
{
	struct place_root root;
	int r;

	r = place_root_open(path, &root);
	if (r < 0)
		return r;
	*ret_host = (struct place_host){ .root = root };
	return 0;
}

static void sample_done(struct place_sample *sample)
{
	free(sample->nodes);
	free(sample->guests);
	*sample = (struct place_sample){ 0 };
}

void place_host_done(struct place_host *host)
{
	sample_done(&host->sample);
	place_topology_done(&host->topology);
	place_loads_done(&host->loads);
	place_text_done(&host->text);
	place_root_close(&host->root);
}

void place_host_note(struct place_host *host, const char *format, ...)
{
	va_list arguments;

	if (host->n_notes == PLACE_NOTES_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(host->notes[host->n_notes++], PLACE_NOTE_SIZE, format, arguments);
	va_end(arguments);
}

bool place_host_may_trust_kept(struct place_host *host)
{
	const int r = place_root_check_private(&host->root, PLACE_KEPT_DIR);

	if (r == -EPERM && !host->is_kept_refused) {
		place_host_note(host, "/" PLACE_KEPT_DIR " is not root's alone: not used");
		host->is_kept_refused = true;
	}
	return r == 0;
}

static void read_cores(struct place_host *host)
{
	struct place_topology *topology = &host->topology;
	int r = -ENOENT;

	if (place_cores_are_single(&host->root, &host->text)) {
		topology->have_cores = true;
		return;
	}
	if (place_host_may_trust_kept(host))
		r = place_cores_read_kept(&host->root, &host->text, topology);
	if (r == -EINVAL)
		place_host_note(host, "/" PLACE_CORES_PATH " is damaged: not used");
	if (r < 0)
		host->cores_are_new = place_cores_load(&host->root, &host->text, topology) == 0;
}

int place_host_read_topology(struct place_host *host, bool without_cores)
{
	struct place_topology *topology = &host->topology;
	int r;

	place_topology_done(topology);
	r = place_topology_read(&host->root, &host->text, topology);
	if (r < 0)
		return r;
	if (topology->is_flat)
		place_host_note(host,
				"%s/sys/devices/system/node shows no nodes: taken as one node",
				host->root.is_live ? "" : host->root.path);
	if (!without_cores)
		read_cores(host);
	return 0;
}

uint64_t place_host_now_ns(struct place_host *host)
{
	struct timespec now;
	const char *at;
	uint64_t s;

	if (host->root.is_live) {
		clock_gettime(CLOCK_BOOTTIME, &now);
		return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	}
	if (place_root_read(&host->root, &host->text, "proc/uptime") < 0)
		return 0;
	at = host->text.data;
	return place_text_digits(&at, &s) < 0 ? 0 : place_multiply(s, NS_PER_S);
}

static int read_guests(struct place_host *host, const struct place_mounts *mounts)
{
	struct place_sample *sample = &host->sample;
	struct place_guests guests;
	int r;

	place_loads_done(&host->loads);
	r = -ENOENT;
	if (place_host_may_trust_kept(host))
		r = place_loads_read(&host->root, &host->text, host->topology.boot_id,
				     &host->loads);
	if (r == -EINVAL)
		place_host_note(host, "/" PLACE_LOAD_PATH " is damaged: not used");
	r = place_guests_read(&host->root, &host->text, &host->topology, mounts, &host->loads,
			      sample->taken_ns, &guests);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		place_host_note(host, "/proc cannot be listed (%s): running guests are not counted",
				strerror(-r));
		return 0;
	}
	sample->guests = guests.list;
	sample->n_guests = guests.n;
	sample->guests_complete = guests.is_complete;
	if (!guests.is_complete)
		place_host_note(host, "some guests could not be read: their memory is not counted");
	return 0;
}

static int read_nodes(struct place_host *host)
{
	const struct place_topology *topology = &host->topology;
	struct place_sample *sample = &host->sample;

	if (sample->n_nodes != topology->n_nodes || !sample->nodes) {
		free(sample->nodes);
		sample->n_nodes = topology->n_nodes;
		sample->nodes = calloc(topology->n_nodes, sizeof(*sample->nodes));
	}
	if (!sample->nodes)
		return -ENOMEM;
	return place_nodestat_read(&host->root, &host->text, topology, &host->pool_sizes,
				   sample->nodes);
}

/*
 * Guests before nodes: what a guest touches in between is then missing from the node and still
 * counted as promised. The other way round it would be counted by neither.
 */
int place_host_take_sample(struct place_host *host, bool without_guests)
{
	struct place_sample *sample = &host->sample;
	struct place_mounts mounts;
	int r = 0;

	sample_done(sample);
	sample->taken_ns = place_host_now_ns(host);
	(void)place_mounts_read(&host->root, &host->text, &mounts);
	place_confine_read(&host->root, &host->text, &host->topology, &mounts, 0, &sample->confine);
	if (!without_guests)
		r = read_guests(host, &mounts);
	if (r == 0)
		r = read_nodes(host);
	if (r == -ENODATA) {
		place_host_note(host, "the memory of no node can be read: the answer is a guess");
		r = 0;
	}
	return r;
}

int place_host_refresh_nodes(struct place_host *host)
{
	host->sample.taken_ns = place_host_now_ns(host);
	return read_nodes(host);
}

void place_host_read_confine(struct place_host *host, int asker_pid)
{
	struct place_mounts mounts;

	(void)place_mounts_read(&host->root, &host->text, &mounts);
	place_confine_read(&host->root, &host->text, &host->topology, &mounts, asker_pid,
			   &host->sample.confine);
}
