/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A few lines of libvirt's status XML. No XML library at this privilege for four attributes. */
#include "observe/domstatus.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

/* Copies the value of an attribute of the element that begins at `element`. */
static int find_attribute(const char *element, const char *name, char *value, size_t size)
{
	const char *end = strchr(element, '>');
	const char *at, *quote;
	char pattern[32];

	snprintf(pattern, sizeof(pattern), " %s='", name);
	at = strstr(element, pattern);
	if (!end || !at || at > end)
		return -ENOENT;
	at += strlen(pattern);
	quote = strchr(at, '\'');
	if (!quote || quote > end || (size_t)(quote - at) >= size)
		return -EINVAL;
	memcpy(value, at, (size_t)(quote - at));
	value[quote - at] = '\0';
	return 0;
}

static bool find_nodeset(const char *element, struct place_set *mems)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);

	return list && find_attribute(element, "nodeset", list, PLACE_SET_TEXT_MAX) == 0 &&
	       place_set_parse_list(list, mems) == 0;
}

static enum place_bind parse_mode(const char *mode)
{
	if (!strcmp(mode, "strict"))
		return PLACE_BIND_STRICT;
	if (!strcmp(mode, "interleave"))
		return PLACE_BIND_INTERLEAVE;
	if (!strcmp(mode, "preferred"))
		return PLACE_BIND_PREFERRED;
	if (!strcmp(mode, "restrictive"))
		return PLACE_BIND_CPUSET;
	return PLACE_BIND_NONE;
}

/* Users' own elements come before ours, and CDATA in them could look like ours. */
static const char *skip_metadata(const char *text)
{
	static const char end[] = "</metadata>\n";
	const char *at = text, *next;

	while ((next = strstr(at, end)))
		at = next + sizeof(end) - 2;
	return at;
}

/* `text` begins behind the metadata, `advised` is before them or NULL. */
static void parse_numatune(const char *text, const char *advised, struct place_domstatus *status)
{
	const char *memory = strstr(text, "\n    <numatune>\n      <memory ");
	char mode[16];

	if (!memory)
		return;
	memory = strstr(memory, "<memory ");
	if (find_attribute(memory, "mode", mode, sizeof(mode)) < 0)
		return;
	if (find_nodeset(memory, &status->mems) ||
	    (advised && find_nodeset(advised, &status->mems)))
		status->bind = parse_mode(mode);
}

/* The KiB behind a start tag, in bytes. */
static bool find_kib(const char *text, const char *tag, uint64_t *ret_bytes)
{
	const char *at = strstr(text, tag);
	uint64_t kib;

	if (!at)
		return false;
	at += strlen(tag);
	if (place_text_digits(&at, &kib) < 0)
		return false;
	*ret_bytes = place_multiply_u64(kib, 1024);
	return true;
}

int place_domstatus_parse(const char *text, struct place_domstatus *ret_status)
{
	struct place_domstatus status = { 0 };
	const char *at = strstr(text, "<domstatus "), *advised, *domain;
	char word[16];
	uint64_t number;

	if (!at || find_attribute(at, "pid", word, sizeof(word)) < 0 ||
	    place_text_u64(word, &number) < 0 || number > INT_MAX)
		return -EINVAL;
	status.pid = (int)number;
	domain = strstr(text, "\n  <domain ");
	advised = strstr(text, "\n  <numad ");
	if (advised && domain && advised > domain)
		advised = NULL;
	text = skip_metadata(text);
	(void)find_kib(text, "\n    <memory unit='KiB'>", &status.memory_bytes);
	status.have_balloon =
		find_kib(text, "\n    <currentMemory unit='KiB'>", &status.balloon_bytes);
	parse_numatune(text, advised, &status);
	*ret_status = status;
	return 0;
}
