/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes and CPUs that come or go, and what begins anew then. */
#include "cycle_parts.h"

#include "cycle_memory.h"
#include "cycle_tell.h"
#include "host/cleanup.h"
#include "host/nodeset.h"

bool cycle_has_host_changed(struct cycle *cycle)
{
	struct place_text *text = &cycle->host->text;
	bool has_changed = false;
	struct place_set now;
	const struct {
		const char *path;
		struct place_set *kept;
	} files[] = {
		{ "sys/devices/system/node/online", &cycle->nodes_online },
		{ "sys/devices/system/cpu/online", &cycle->cpus_online },
	};

	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		if (place_root_read(&cycle->host->root, text, files[i].path) < 0 ||
		    place_set_parse_list(text->data, &now) < 0)
			continue;
		if (place_set_equal(files[i].kept, &now))
			continue;
		has_changed = has_changed || !place_set_is_empty(files[i].kept);
		*files[i].kept = now;
	}
	return has_changed;
}

/* What a big process does is seen by the next scan, which need not be a whole interval away. */
static bool is_wanted(const struct place_process *process, void *data)
{
	struct cycle *cycle = data;

	if (process->have_usage && !process->knows_busy &&
	    process->resident_bytes >= (uint64_t)cycle->settings->big_mib << 20)
		cycle->is_new = true;
	return control_wants(cycle->lists, cycle->settings, process);
}

int cycle_begin_watch(struct cycle *cycle)
{
	const struct place_watch_ops ops = {
		.is_wanted = is_wanted,
		.with_usage = cycle->settings->scan_all,
		.data = cycle,
	};

	return place_watch_init(&cycle->watch, &cycle->host->root, &cycle->host->topology, &ops);
}

int cycle_begin_anew(struct cycle *cycle)
{
	int r;

	looks_done(&cycle->looks);
	wide_done(&cycle->wide);
	place_watch_done(&cycle->watch);
	moves_watch_anew(&cycle->moves);
	cycle_compose(cycle);
	r = place_host_read_topology(cycle->host, false);
	/* Answers come between a begin that fails and the next: their buffers are the first. */
	if (r == 0)
		r = advice_resize(&cycle->advice);
	if (r == 0)
		r = cycle_scratch_resize(cycle);
	if (r == 0)
		r = risks_resize(&cycle->risks, cycle->host->topology.n_nodes);
	if (r == 0)
		r = cycle_begin_watch(cycle);
	cycle_tell_rescan(&cycle->host->topology);
	return r;
}
