/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of one guest: samples or numa_maps, and a check of what the samples did not see. */
#include "arith.h"
#include "observe/residency.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "observe/facts.h"
#include "observe/numa_maps.h"
#include "observe/procstat.h"

/* numa_maps costs 1.0 ms for 128 MiB, 4096 samples 1.1 (4 KiB pages, 2026-11). */
#define NUMA_MAPS_MOST (UINT64_C(128) << 20)
/* And for 4 GiB it stops the guest's mmap() calls for 33 ms: once per look at a suspect. */
#define NUMA_MAPS_HIDDEN_MOST (UINT64_C(4) << 30)

/* QEMU's own memory, and what changes meanwhile: this much, and a tenth, may be unseen. */
#define UNSEEN_MOST (UINT64_C(128) << 20)
#define UNSEEN_SHARE 10

struct reader {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_guest *guest;
	const struct place_residency_how *how;
	struct place_ranges ranges;
};

static bool is_same(const struct reader *reader)
{
	const struct place_guest *guest = reader->guest;

	return place_facts_check_start(reader->root, reader->text, guest->pid, guest->start_ns) ==
	       0;
}

static int read_numa_maps(const struct reader *reader, uint64_t *bytes,
			  struct place_residency *ret_residency)
{
	int r;

	r = place_root_readf(reader->root, reader->text, "proc/%d/numa_maps", reader->guest->pid);
	if (r < 0)
		return r;
	memset(bytes, 0, reader->topology->n_nodes * sizeof(*bytes));
	*ret_residency = (struct place_residency){
		.present_bytes = place_numa_maps_sum(reader->text->data, &reader->ranges,
						     reader->topology, bytes),
	};
	return 0;
}

/* What the samples should have seen, and did not. */
static void find_hidden(const struct reader *reader, struct place_residency *residency)
{
	uint64_t plain_bytes, pool_bytes, resident_bytes, share;

	if (place_root_readf(reader->root, reader->text, "proc/%d/status", reader->guest->pid) <
		    0 ||
	    !place_status_resident(reader->text->data, &plain_bytes, &pool_bytes) ||
	    __builtin_add_overflow(plain_bytes, pool_bytes, &resident_bytes) ||
	    resident_bytes / UNSEEN_SHARE + UNSEEN_MOST + residency->present_bytes >=
		    resident_bytes)
		return;
	residency->hidden_bytes = resident_bytes - residency->present_bytes;
	share = place_scale(residency->hidden_bytes, 1000, resident_bytes);
	if (share > residency->error_permille)
		residency->error_permille = (unsigned)share;
}

static int sample(const struct reader *reader, uint64_t *bytes, struct place_residency *residency)
{
	struct place_residency exact;
	int r;

	r = place_residency_sample(&reader->ranges, reader->topology, reader->guest->pid,
				   reader->how, bytes, residency);
	if (r < 0)
		return r;
	find_hidden(reader, residency);
	if (!residency->hidden_bytes ||
	    residency->hidden_bytes + residency->present_bytes > NUMA_MAPS_HIDDEN_MOST ||
	    read_numa_maps(reader, bytes, &exact) < 0)
		return 0;
	*residency = exact; /* it names the hidden ones too */
	return 0;
}

int place_residency_read(const struct place_root *root, struct place_text *text,
			 const struct place_topology *topology, const struct place_mounts *mounts,
			 const struct place_guest *guest, bool is_guest,
			 const struct place_residency_how *how, uint64_t *bytes,
			 struct place_residency *ret_residency)
{
	_cleanup_free_ struct reader *reader = malloc(sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	*reader = (struct reader){ root, text, topology, guest, how, { 0 } };
	if (!is_same(reader))
		return -ESRCH;
	r = place_ranges_read(root, text, mounts, guest, is_guest, &reader->ranges);
	if (r < 0)
		return r;
	r = -ENOENT;
	if (reader->ranges.bytes <= NUMA_MAPS_MOST)
		r = read_numa_maps(reader, bytes, ret_residency);
	if (r < 0)
		r = sample(reader, bytes, ret_residency);
	if (r == 0 && !is_same(reader))
		r = -ESRCH;
	return r;
}
