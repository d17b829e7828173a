/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text:
 *   placed load 1 boot 6e5f... taken_ns 123456789
 *   4711 52000000000 913000000000        (pid, start_ns, cpu_time_ns)
 */
#include "observe/load.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

static int parse_heading(const char **at, const char *boot_id, uint64_t *ret_taken_ns)
{
	char heading[80];
	int n;

	n = snprintf(heading, sizeof(heading), "placed load 1 boot %s taken_ns ", boot_id);
	if (strncmp(*at, "placed load 1 ", 14) != 0)
		return -EINVAL;
	if (strncmp(*at, heading, (size_t)n) != 0)
		return -ESTALE;
	*at += n;
	return place_text_digits(at, ret_taken_ns) < 0 || *(*at)++ != '\n' ? -EINVAL : 0;
}

static int parse_line(const char **at, struct place_load *ret_load)
{
	uint64_t pid;

	if (place_text_digits(at, &pid) < 0 || pid > INT_MAX || *(*at)++ != ' ' ||
	    place_text_digits(at, &ret_load->start_ns) < 0 || *(*at)++ != ' ' ||
	    place_text_digits(at, &ret_load->cpu_time_ns) < 0 || *(*at)++ != '\n')
		return -EINVAL;
	ret_load->pid = (int)pid;
	return 0;
}

static size_t count_lines(const char *at)
{
	size_t n = 0;

	for (; (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

int place_loads_read(const struct place_root *root, struct place_text *text, const char *boot_id,
		     struct place_loads *ret_loads)
{
	_cleanup_free_ struct place_load *list = NULL;
	struct place_loads loads = { 0 };
	const char *at;
	int r;

	r = place_root_read(root, text, PLACE_LOAD_PATH);
	if (r < 0)
		return r;
	at = text->data;
	r = parse_heading(&at, boot_id, &loads.taken_ns);
	if (r < 0)
		return r;
	list = calloc(count_lines(at) + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (; *at; loads.n++) {
		r = parse_line(&at, &list[loads.n]);
		if (r < 0 || (loads.n && list[loads.n].pid <= list[loads.n - 1].pid))
			return -EINVAL;
	}
	loads.list = TAKE_PTR(list);
	*ret_loads = loads;
	return 0;
}

int place_loads_format(const struct place_sample *sample, const char *boot_id,
		       struct place_text *text)
{
	FILE *file;

	place_text_done(text);
	file = open_memstream(&text->data, &text->size);
	if (!file)
		return -ENOMEM;
	fprintf(file, "placed load 1 boot %s taken_ns %llu\n", boot_id,
		(unsigned long long)sample->taken_ns);
	for (size_t i = 0; i < sample->n_guests; i++) {
		const struct place_guest *guest = &sample->guests[i];

		if (guest->known & PLACE_GUEST_START)
			fprintf(file, "%d %llu %llu\n", guest->pid,
				(unsigned long long)guest->start_ns,
				(unsigned long long)guest->cpu_time_ns);
	}
	return place_text_close(text, file);
}

void place_loads_done(struct place_loads *loads)
{
	free(loads->list);
	*loads = (struct place_loads){ 0 };
}

static int compare_pid(const void *key, const void *element)
{
	const int pid = *(const int *)key;
	const struct place_load *load = element;

	return (pid > load->pid) - (pid < load->pid);
}

const struct place_load *place_loads_find(const struct place_loads *loads, int pid,
					  uint64_t start_ns)
{
	const struct place_load *found = NULL;

	if (loads && loads->n)
		found = bsearch(&pid, loads->list, loads->n, sizeof(*loads->list), compare_pid);
	return found && found->start_ns == start_ns ? found : NULL;
}
