/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of a name and a number, once through the file. */
#include "observe/reclaim.h"

#include <inttypes.h>
#include <string.h>

#include "arith.h"
#include "host/text.h"

#define NODE_DIR "sys/devices/system/node"
#define PERMILLE_MAX 1000

static const struct {
	const char *name;
	enum place_reclaim_fact fact;
	size_t field;
} counters[] = {
	/* By who looks: what is looked at is counted a second time by what it is (_anon, _file). */
	{ "pgscan_kswapd", PLACE_RECLAIM_SCANNED, offsetof(struct place_reclaim, scanned_pages) },
	{ "pgscan_direct", PLACE_RECLAIM_SCANNED, offsetof(struct place_reclaim, scanned_pages) },
	{ "pgsteal_kswapd", PLACE_RECLAIM_STOLEN, offsetof(struct place_reclaim, stolen_pages) },
	{ "pgsteal_direct", PLACE_RECLAIM_STOLEN, offsetof(struct place_reclaim, stolen_pages) },
	{ "nr_vmscan_write", PLACE_RECLAIM_WRITTEN, offsetof(struct place_reclaim, written_pages) },
	{ "workingset_refault_anon", PLACE_RECLAIM_REFAULTED,
	  offsetof(struct place_reclaim, refaulted_pages) },
};

#define N_COUNTERS (sizeof(counters) / sizeof(counters[0]))

/* Behind "name " where the line begins with it, or NULL. */
static const char *behind(const char *line, const char *name)
{
	const size_t size = strlen(name);

	return !strncmp(line, name, size) && line[size] == ' ' ? line + size + 1 : NULL;
}

static bool read_number(const char *at, uint64_t *ret_number)
{
	return place_text_digits(&at, ret_number) == 0 && (*at == '\n' || *at == '\0');
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : NULL;
}

void place_reclaim_parse(const char *text, struct place_reclaim *ret_reclaim)
{
	struct place_reclaim reclaim = { 0 };
	unsigned damaged = 0;

	for (const char *line = text; line && *line; line = next_line(line))
		for (size_t i = 0; i < N_COUNTERS; i++) {
			const char *at = behind(line, counters[i].name);
			uint64_t *value = (uint64_t *)((char *)&reclaim + counters[i].field);
			uint64_t number;

			if (!at)
				continue;
			if (read_number(at, &number)) {
				*value = place_add(*value, number);
				reclaim.known |= counters[i].fact;
			} else {
				damaged |= counters[i].fact;
			}
			break;
		}
	reclaim.known &= ~damaged;
	*ret_reclaim = reclaim;
}

/* "12.34" of a hundred as 123 of a thousand. */
static bool read_percent(const char **at, unsigned *ret_permille)
{
	uint64_t whole, part;

	if (place_text_digits(at, &whole) < 0 || *(*at)++ != '.')
		return false;
	if ((*at)[0] < '0' || (*at)[0] > '9' || (*at)[1] < '0' || (*at)[1] > '9')
		return false;
	part = (uint64_t)((*at)[0] - '0');
	*at += 2;
	if (whole > PERMILLE_MAX / 10)
		return false;
	*ret_permille = (unsigned)place_least(whole * 10 + part, PERMILLE_MAX);
	return true;
}

/* Whether *at goes on with `word`, and leaves it behind that. */
static bool skip(const char **at, const char *word)
{
	const size_t size = strlen(word);

	if (strncmp(*at, word, size) != 0)
		return false;
	*at += size;
	return true;
}

static bool read_stall(const char *at, unsigned *ret_permille, uint64_t *ret_total_us)
{
	unsigned avg10, unused;
	uint64_t total_us;

	if (!skip(&at, "avg10=") || !read_percent(&at, &avg10) || !skip(&at, " avg60=") ||
	    !read_percent(&at, &unused) || !skip(&at, " avg300=") || !read_percent(&at, &unused) ||
	    !skip(&at, " total=") || !read_number(at, &total_us))
		return false;
	*ret_permille = avg10;
	*ret_total_us = total_us;
	return true;
}

void place_stall_parse(const char *text, struct place_stall *stall)
{
	for (const char *line = text; line && *line; line = next_line(line)) {
		const char *some = behind(line, "some"), *full = behind(line, "full");

		if (some && read_stall(some, &stall->some_avg10_permille, &stall->some_total_us))
			stall->known |= PLACE_STALL_SOME;
		if (full && read_stall(full, &stall->full_avg10_permille, &stall->full_total_us))
			stall->known |= PLACE_STALL_FULL;
	}
}

void place_stall_parse_swap(const char *text, struct place_stall *stall)
{
	uint64_t total_bytes, free_bytes;

	if (!place_text_find_kib(text, "SwapTotal:", &total_bytes) ||
	    !place_text_find_kib(text, "SwapFree:", &free_bytes))
		return;
	stall->swap_total_bytes = total_bytes;
	stall->swap_free_bytes = place_least(free_bytes, total_bytes);
	stall->known |= PLACE_STALL_SWAP;
}

static bool has_surplus_of(const struct place_stall *stall, uint64_t page_bytes)
{
	for (size_t i = 0; i < stall->n_surplus; i++)
		if (stall->surplus[i].page_bytes == page_bytes)
			return true;
	return false;
}

static void read_surplus(const struct place_root *root, struct place_text *text,
			 uint64_t page_bytes, struct place_stall *stall)
{
	struct place_surplus surplus = { .page_bytes = page_bytes };

	if (stall->n_surplus == PLACE_POOLS_MAX || has_surplus_of(stall, page_bytes) ||
	    place_root_readf(root, text,
			     "sys/kernel/mm/hugepages/hugepages-%" PRIu64
			     "kB/nr_overcommit_hugepages",
			     page_bytes >> 10) < 0 ||
	    place_text_u64(text->data, &surplus.pages) < 0)
		return;
	stall->surplus[stall->n_surplus++] = surplus;
}

void place_reclaim_read(const struct place_root *root, struct place_text *text,
			const struct place_topology *topology, const struct place_sample *sample,
			struct place_reclaim *reclaims, struct place_stall *ret_stall)
{
	*ret_stall = (struct place_stall){ 0 };
	for (size_t i = 0; i < topology->n_nodes; i++) {
		reclaims[i] = (struct place_reclaim){ 0 };
		if (place_root_readf(root, text, NODE_DIR "/node%u/vmstat",
				     topology->nodes[i].id) == 0)
			place_reclaim_parse(text->data, &reclaims[i]);
	}
	if (place_root_read(root, text, "proc/pressure/memory") == 0)
		place_stall_parse(text->data, ret_stall);
	if (place_root_read(root, text, "proc/meminfo") == 0)
		place_stall_parse_swap(text->data, ret_stall);
	for (size_t i = 0; i < sample->n_nodes; i++)
		for (size_t j = 0; j < sample->nodes[i].n_pools && j < PLACE_POOLS_MAX; j++)
			if (sample->nodes[i].pools[j].total_pages)
				read_surplus(root, text, sample->nodes[i].pools[j].page_bytes,
					     ret_stall);
}
