/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of a numa_maps line, each whole or not at all. No allocation. */
#include "observe/numa_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/text.h"

/* Of a policy: the kernel writes it into 64 bytes (fs/proc/task_mmu.c show_numa_map(), 6.18). */
#define NODES_TEXT_MAX 256
/* A line of one mapping is some 100 bytes. */
#define PIECE_BYTES 128

static bool take_address(const char **at, uint64_t *ret_address)
{
	const size_t n = strspn(*at, "0123456789abcdef");
	uint64_t address = 0;

	if (!n || n > 16 || (*at)[n] != ' ')
		return false;
	for (size_t i = 0; i < n; i++) {
		const char c = (*at)[i];

		address = address << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*at += n + 1;
	*ret_address = address;
	return true;
}

static bool skip(const char **at, const char *word)
{
	const size_t n = strlen(word);

	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

/* mm/mempolicy.c policy_modes[], 6.18; flags and nodes follow it without a blank. */
static enum place_bind take_policy(const char **at)
{
	static const struct {
		const char *word;
		enum place_bind bind;
	} policies[] = {
		{ "prefer (many)", PLACE_BIND_PREFERRED },
		{ "prefer", PLACE_BIND_PREFERRED },
		{ "bind", PLACE_BIND_STRICT },
		{ "weighted interleave", PLACE_BIND_INTERLEAVE },
		{ "interleave", PLACE_BIND_INTERLEAVE },
	};
	enum place_bind bind = PLACE_BIND_NONE;

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		if (skip(at, policies[i].word)) {
			bind = policies[i].bind;
			break;
		}
	}
	*at += strcspn(*at, " \n");
	return bind;
}

/* What stands between the policy and the counts, and names no node. */
static const char *skip_kind(const char *at, bool *ret_is_huge)
{
	if (skip(&at, " file="))
		at += strcspn(at, " \n");
	else if (!skip(&at, " heap"))
		(void)skip(&at, " stack");
	*ret_is_huge = !strncmp(at, " huge", 5) && strchr(" \n", at[5]);
	return *ret_is_huge ? at + 5 : at;
}

/* The last word of the line, or of none: it must be found before the counts mean anything. */
static uint64_t find_page_bytes(const char *at)
{
	static const char key[] = " kernelpagesize_kB=";
	const size_t size = strcspn(at, "\n");
	uint64_t kib;

	for (const char *word = memchr(at, ' ', size); word;
	     word = memchr(word + 1, ' ', size - (size_t)(word + 1 - at))) {
		const char *from = word + sizeof(key) - 1;

		if (!strncmp(word, key, sizeof(key) - 1) && place_text_digits(&from, &kib) == 0)
			return place_multiply(kib, 1024);
	}
	return 0;
}

int place_numa_maps_next(const char **at, struct place_numa_line *ret_line)
{
	const char *from = *at, *end = from + strcspn(from, "\n");
	struct place_numa_line line = { 0 };

	if (!*from)
		return -ENODATA;
	*at = end + (*end == '\n');
	if (!take_address(&from, &line.start))
		return -EINVAL;
	line.policy = from;
	line.bind = take_policy(&from);
	line.counts = skip_kind(from, &line.is_huge);
	line.page_bytes = find_page_bytes(line.counts);
	*ret_line = line;
	return 0;
}

bool place_numa_policy_nodes(const struct place_numa_line *line, struct place_set *ret_nodes)
{
	const char *at = line->policy, *colon;
	char list[NODES_TEXT_MAX];
	size_t size;

	(void)take_policy(&at);
	colon = memchr(line->policy, ':', (size_t)(at - line->policy));
	if (!colon)
		return false;
	size = (size_t)(at - colon) - 1;
	if (!size || size >= sizeof(list))
		return false;
	memcpy(list, colon + 1, size);
	list[size] = '\0';
	return place_set_parse_list(list, ret_nodes) == 0;
}

/*
 * The kernel walks mappings until it has as much text as it was asked for (fs/seq_file.c
 * seq_read_iter(), 6.1): small pieces, or it walks the guest's RAM behind its program, under the
 * lock that a guest which grows holds all the time.
 */
static ssize_t read_first_line(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t r;

	do {
		const size_t left = size - 1 - n;

		r = read(fd, text + n, left < PIECE_BYTES ? left : PIECE_BYTES);
		if (r < 0)
			return -errno;
		n += (size_t)r;
	} while (r > 0 && n < size - 1 && !memchr(text + n - (size_t)r, '\n', (size_t)r));
	text[n] = '\0';
	return (ssize_t)n;
}

int place_numa_policy_read(const struct place_root *root, int pid, enum place_bind *ret_bind,
			   struct place_set *ret_nodes)
{
	_cleanup_close_ int fd = -1;
	char text[NODES_TEXT_MAX * 2], path[32];
	const char *at = text;
	struct place_numa_line line;
	struct place_set nodes;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/numa_maps", pid);
	fd = place_root_openat(root, path, root->is_live ? O_RDONLY : O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	n = read_first_line(fd, text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (place_numa_maps_next(&at, &line) < 0)
		return -ENODATA;
	place_set_clear(&nodes);
	(void)place_numa_policy_nodes(&line, &nodes);
	*ret_bind = line.bind;
	*ret_nodes = nodes;
	return 0;
}

bool place_numa_counts_next(struct place_numa_line *line, unsigned *ret_node, uint64_t *ret_pages)
{
	while (*line->counts == ' ') {
		const char *at = line->counts + 1;
		uint64_t node, pages;

		line->counts = at + strcspn(at, " \n");
		if (*at++ != 'N' || place_text_digits(&at, &node) < 0 || node > UINT_MAX ||
		    *at++ != '=' || place_text_digits(&at, &pages) < 0 || at != line->counts)
			continue;
		*ret_node = (unsigned)node;
		*ret_pages = pages;
		return true;
	}
	return false;
}

static bool is_inside(const struct place_ranges *ranges, uint64_t address)
{
	for (size_t i = 0; i < ranges->n; i++)
		if (address >= ranges->list[i].start && address < ranges->list[i].end)
			return true;
	return false;
}

static uint64_t add_line(struct place_numa_line *line, const struct place_topology *topology,
			 uint64_t *bytes)
{
	uint64_t pages, sum = 0;
	unsigned node;

	while (place_numa_counts_next(line, &node, &pages)) {
		const uint64_t more = place_multiply(pages, line->page_bytes);

		for (size_t i = 0; i < topology->n_nodes; i++) {
			if (topology->nodes[i].id != node)
				continue;
			if (__builtin_add_overflow(bytes[i], more, &bytes[i]))
				bytes[i] = UINT64_MAX;
			if (__builtin_add_overflow(sum, more, &sum))
				sum = UINT64_MAX;
		}
	}
	return sum;
}

uint64_t place_numa_maps_sum(const char *text, const struct place_ranges *ranges,
			     const struct place_topology *topology, uint64_t *bytes)
{
	struct place_numa_line line;
	uint64_t sum = 0;
	int r;

	while ((r = place_numa_maps_next(&text, &line)) != -ENODATA) {
		if (r < 0 || !is_inside(ranges, line.start))
			continue;
		if (__builtin_add_overflow(sum, add_line(&line, topology, bytes), &sum))
			sum = UINT64_MAX;
	}
	return sum;
}
