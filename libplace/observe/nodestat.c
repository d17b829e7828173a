/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nodeN/meminfo and nodeN/hugepages (drivers/base/node.c, mm/hugetlb.c, 6.18), and the kernel's
 * reserve computed from two settings: /proc/zoneinfo would say it directly, but grows with the
 * number of CPUs (a paragraph per CPU and zone) and is the longest file of a large host.
 */
#include "observe/nodestat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arith.h"
#include "host/text.h"

#define NODE_DIR "sys/devices/system/node"
#define KIB UINT64_C(1024)

/*
 * Page cache that goes without writing: the inactive file pages, less what is dirty or on its
 * way to disk. Active ones would go too, but somebody is using them.
 */
static void parse_reclaimable(const char *text, struct place_node_sample *sample)
{
	uint64_t inactive, dirty = 0, writeback = 0;

	if (!place_text_find_kib(text, "Inactive(file):", &inactive))
		return;
	(void)place_text_find_kib(text, "Dirty:", &dirty);
	(void)place_text_find_kib(text, "Writeback:", &writeback);
	inactive = inactive > dirty ? inactive - dirty : 0;
	sample->reclaimable_bytes = inactive > writeback ? inactive - writeback : 0;
	sample->known |= PLACE_NODE_RECLAIMABLE;
}

static void parse_meminfo(const char *text, struct place_node_sample *sample)
{
	if (place_text_find_kib(text, "MemTotal:", &sample->total_bytes))
		sample->known |= PLACE_NODE_TOTAL;
	if (place_text_find_kib(text, "MemFree:", &sample->free_bytes))
		sample->known |= PLACE_NODE_FREE;
	parse_reclaimable(text, sample);
}

static int read_setting(const struct place_root *root, struct place_text *text, const char *path,
			uint64_t *ret_value)
{
	int r = place_root_read(root, text, path);

	return r < 0 ? r : place_text_u64(text->data, ret_value);
}

/*
 * The high watermark, below which the kernel reclaims: mm/page_alloc.c
 * __setup_per_zone_wmarks(), 6.1: min is the zone's share of min_free_kbytes, high lies above it
 * by twice the greater of min/4 and watermark_scale_factor/10000 of the zone.
 */
static void compute_reserves(const struct place_root *root, struct place_text *text, size_t n,
			     struct place_node_sample *samples)
{
	uint64_t min_free_kib, scale = 10, host_bytes = 0;

	if (read_setting(root, text, "proc/sys/vm/min_free_kbytes", &min_free_kib) < 0)
		return;
	(void)read_setting(root, text, "proc/sys/vm/watermark_scale_factor", &scale);
	for (size_t i = 0; i < n; i++)
		if (samples[i].known & PLACE_NODE_TOTAL)
			host_bytes += samples[i].total_bytes;
	if (!host_bytes)
		return;
	for (size_t i = 0; i < n; i++) {
		struct place_node_sample *sample = &samples[i];
		uint64_t least, gap;

		if (!(sample->known & PLACE_NODE_TOTAL))
			continue;
		least = (uint64_t)((unsigned __int128)min_free_kib * KIB * sample->total_bytes /
				   host_bytes);
		gap = place_scale(sample->total_bytes, scale, 10000);
		if (gap < least / 4)
			gap = least / 4;
		sample->reserve_bytes = least + 2 * gap;
		sample->known |= PLACE_NODE_RESERVE;
	}
}

static int add_size(const char *rest, void *data)
{
	struct place_pool_sizes *sizes = data;
	const char *at = rest;
	uint64_t kib;

	if (place_text_digits(&at, &kib) < 0 || strcmp(at, "kB") != 0 || kib > UINT32_MAX)
		return 0;
	if (sizes->n < PLACE_POOLS_MAX)
		sizes->kib[sizes->n++] = (unsigned)kib;
	return 0;
}

/* Largest last, so that the order does not depend on the directory's. */
static void sort_sizes(struct place_pool_sizes *sizes)
{
	for (size_t i = 1; i < sizes->n; i++)
		for (size_t j = i; j && sizes->kib[j - 1] > sizes->kib[j]; j--) {
			const unsigned kib = sizes->kib[j];

			sizes->kib[j] = sizes->kib[j - 1];
			sizes->kib[j - 1] = kib;
		}
}

static void read_pool(const struct place_root *root, struct place_text *text, unsigned id,
		      unsigned kib, struct place_node_sample *sample)
{
	struct place_pool pool = { .page_bytes = kib * KIB };

	if (place_root_readf(root, text, NODE_DIR "/node%u/hugepages/hugepages-%ukB/nr_hugepages",
			     id, kib) < 0 ||
	    place_text_u64(text->data, &pool.total_pages) < 0)
		return;
	if (pool.total_pages &&
	    (place_root_readf(root, text,
			      NODE_DIR "/node%u/hugepages/hugepages-%ukB/free_hugepages", id,
			      kib) < 0 ||
	     place_text_u64(text->data, &pool.free_pages) < 0))
		return;
	sample->pools[sample->n_pools++] = pool;
}

/*
 * Most hosts have no pool at all, and say so in one line of /proc/meminfo (Hugetlb:, since
 * 4.16): that saves four files per node.
 */
static bool host_has_no_pools(const struct place_root *root, struct place_text *text)
{
	uint64_t hugetlb_kib;

	return place_root_read(root, text, "proc/meminfo") == 0 &&
	       place_text_find_u64(text->data, "Hugetlb:", &hugetlb_kib) == 0 && !hugetlb_kib;
}

/* All nodes offer the same sizes; before 6.1 those without memory have no such folder. */
static void find_sizes(const struct place_root *root, const struct place_topology *topology,
		       struct place_pool_sizes *sizes)
{
	char path[64];

	for (size_t i = 0; !sizes->n && i < topology->n_nodes; i++) {
		snprintf(path, sizeof(path), NODE_DIR "/node%u/hugepages", topology->nodes[i].id);
		(void)place_root_each_name(root, path, "hugepages-", add_size, sizes);
	}
	sort_sizes(sizes);
	sizes->is_known = true;
}

/*
 * What others have reserved and not touched is still free, on which node is nobody's. The kernel
 * takes a free page for one that moves only where more are free on the host than are reserved
 * (mm/hugetlb.c alloc_hugetlb_folio_nodemask(), 6.18).
 */
static void withhold(const struct place_root *root, struct place_text *text, unsigned kib,
		     size_t n_nodes, struct place_node_sample *samples)
{
	uint64_t reserved, open_pages = 0;

	if (place_root_readf(root, text, "sys/kernel/mm/hugepages/hugepages-%ukB/resv_hugepages",
			     kib) < 0 ||
	    place_text_u64(text->data, &reserved) < 0 || !reserved)
		return;
	for (size_t i = 0; i < n_nodes; i++)
		for (size_t j = 0; j < samples[i].n_pools; j++)
			if (samples[i].pools[j].page_bytes == kib * KIB)
				open_pages = place_add(open_pages, samples[i].pools[j].free_pages);
	open_pages = place_subtract(open_pages, reserved);
	for (size_t i = 0; i < n_nodes; i++)
		for (size_t j = 0; j < samples[i].n_pools; j++)
			if (samples[i].pools[j].page_bytes == kib * KIB)
				samples[i].pools[j].withheld_pages =
					place_subtract(samples[i].pools[j].free_pages, open_pages);
}

static void read_pools(const struct place_root *root, struct place_text *text,
		       const struct place_topology *topology, struct place_pool_sizes *sizes,
		       struct place_node_sample *samples)
{
	const bool has_none = host_has_no_pools(root, text);

	if (!has_none && !sizes->is_known)
		find_sizes(root, topology, sizes);
	for (size_t i = 0; i < topology->n_nodes; i++) {
		for (size_t j = 0; !has_none && j < sizes->n; j++)
			read_pool(root, text, topology->nodes[i].id, sizes->kib[j], &samples[i]);
		if (has_none || samples[i].n_pools)
			samples[i].known |= PLACE_NODE_POOLS;
	}
	for (size_t j = 0; !has_none && j < sizes->n; j++)
		withhold(root, text, sizes->kib[j], topology->n_nodes, samples);
}

int place_nodestat_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, struct place_pool_sizes *sizes,
			struct place_node_sample *samples)
{
	size_t n_read = 0;

	for (size_t i = 0; i < topology->n_nodes; i++) {
		struct place_node_sample *sample = &samples[i];

		*sample = (struct place_node_sample){ 0 };
		if (topology->is_flat ? place_root_read(root, text, "proc/meminfo") == 0 :
					place_root_readf(root, text, NODE_DIR "/node%u/meminfo",
							 topology->nodes[i].id) == 0)
			parse_meminfo(text->data, sample);
		n_read += (sample->known & PLACE_NODE_FREE) != 0;
	}
	compute_reserves(root, text, topology->n_nodes, samples);
	read_pools(root, text, topology, sizes, samples);
	return n_read ? 0 : -ENODATA;
}
