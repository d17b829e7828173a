/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A few lines of libvirt's status XML. No XML library at this privilege for some attributes. */
#include "observe/domstatus.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"
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
	*ret_bytes = place_multiply(kib, 1024);
	return true;
}

/*
 * Nodes that an administrator chose, by memory or by CPU: lines of <numatune>, and the cpuset of
 * <vcpu>, which is the affinity of all vCPUs without a pin of their own.
 */
static bool has_nodeset(const char *text)
{
	const char *tune = strstr(text, "\n    <numatune>\n");
	const char *end = tune ? strstr(tune, "\n    </numatune>") : NULL;
	const char *vcpu = strstr(text, "\n    <vcpu ");
	char cpuset[2];
	int r;

	if (vcpu) {
		r = find_attribute(vcpu + 5, "cpuset", cpuset, sizeof(cpuset));
		if (r != -ENOENT)
			return true;
	}
	for (const char *at = tune; at && (at = strstr(at, "\n      <mem")); at++) {
		if (end && at > end)
			break;
		if (!strncmp(at, "\n      <memnode ", 16))
			return true;
		if (find_attribute(at + 7, "nodeset", cpuset, sizeof(cpuset)) != -ENOENT)
			return true;
	}
	return false;
}

/*
 * Jobs that read or write all of its memory (src/hypervisor/domain_job.c virDomainAsyncJob, 9.0.0).
 * "start" and "backup" do not.
 */
static bool is_streamed(const char *job)
{
	static const char *const jobs[] = { "migration out", "migration in", "save", "dump",
					    "snapshot" };
	char async[32], type[32];

	if (find_attribute(job, "async", async, sizeof(async)) < 0)
		async[0] = '\0';
	if (find_attribute(job, "type", type, sizeof(type)) < 0)
		type[0] = '\0';
	for (size_t i = 0; i < ELEMENTSOF(jobs); i++)
		if (!strcmp(async, jobs[i]))
			return true;
	return !strcmp(type, "migration operation");
}

static bool is_coming(const char *job)
{
	char async[32];

	return find_attribute(job, "async", async, sizeof(async)) == 0 &&
	       !strcmp(async, "migration in");
}

/* Words of src/conf/domain_conf.c virDomainRunningReason and virDomainPausedReason, 9.0.0. */
static void parse_state(const char *element, struct place_domstatus *status)
{
	char state[32], reason[32];

	if (find_attribute(element, "state", state, sizeof(state)) < 0 ||
	    find_attribute(element, "reason", reason, sizeof(reason)) < 0)
		return;
	if (!strncmp(reason, "post-copy", 9) ||
	    (!strcmp(state, "paused") && !strcmp(reason, "migration")))
		status->traits |= PLACE_TRAIT_MIGRATING;
	status->is_starting = !strcmp(state, "paused") && !strcmp(reason, "starting up");
}

/* `own` is libvirt's part of the text, up to `domain`. */
static bool is_before(const char *own, const char *domain)
{
	return own && (!domain || own < domain);
}

static void parse_traits(const char *text, const char *job, const char *advised,
			 struct place_domstatus *status)
{
	if (job && is_streamed(job))
		status->traits |= PLACE_TRAIT_MIGRATING;
	status->is_coming = job && is_coming(job);
	if (advised)
		status->traits |= PLACE_TRAIT_ADVISED;
	if (has_nodeset(text))
		status->traits |= PLACE_TRAIT_NODESET;
	if (strstr(text, "\n    <maxMemory ") || strstr(text, "\n      <memory model='"))
		status->traits |= PLACE_TRAIT_SLOTS;
	if (strstr(text, "\n      <numa>\n        <cell "))
		status->traits |= PLACE_TRAIT_CELLS;
	status->has_pins = strstr(text, "\n      <vcpupin ") != NULL;
}

int place_domstatus_parse(const char *text, struct place_domstatus *ret_status)
{
	struct place_domstatus status = { 0 };
	const char *at = strstr(text, "<domstatus "), *advised, *domain, *job;
	char word[16];
	uint64_t number;

	if (!at || find_attribute(at, "pid", word, sizeof(word)) < 0 ||
	    place_text_u64(word, &number) < 0 || number > INT_MAX)
		return -EINVAL;
	status.pid = (int)number;
	parse_state(at, &status);
	domain = strstr(text, "\n  <domain ");
	advised = strstr(text, "\n  <numad ");
	if (!is_before(advised, domain))
		advised = NULL;
	job = strstr(text, "\n  <job ");
	if (!is_before(job, domain))
		job = NULL;
	text = skip_metadata(text);
	(void)find_kib(text, "\n    <memory unit='KiB'>", &status.memory_bytes);
	status.have_balloon =
		find_kib(text, "\n    <currentMemory unit='KiB'>", &status.balloon_bytes);
	parse_numatune(text, advised, &status);
	parse_traits(text, job, advised, &status);
	*ret_status = status;
	return 0;
}
