/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fields of /proc/PID/stat by number. No allocation, no file is read here. */
#include "observe/procstat.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/text.h"

/* Numbers as proc(5) counts them, from 1. */
enum {
	FIELD_STATE = 3,
	FIELD_FLAGS = 9,
	FIELD_UTIME = 14,
	FIELD_STIME = 15,
	FIELD_N_THREADS = 20,
	FIELD_START = 22,
	FIELD_RSS = 24,
	FIELD_PROCESSOR = 39,
};

static void copy_comm(const char *text, const char *end, char *comm)
{
	const char *open = memchr(text, '(', (size_t)(end - text));
	size_t size = open ? (size_t)(end - open) - 1 : 0;

	if (size >= PLACE_COMM_MAX)
		size = PLACE_COMM_MAX - 1;
	if (size)
		memcpy(comm, open + 1, size);
	comm[size] = '\0';
}

/*
 * A negative number, which only fields that nobody asks for have, reads as 0. A recording may end
 * behind the start time.
 */
static int parse_fields(const char *at, uint64_t *fields)
{
	for (int field = FIELD_STATE + 1; field <= FIELD_PROCESSOR; field++) {
		int r = 0;

		if (field > FIELD_START && (*at == '\n' || *at == '\0'))
			return 0;
		if (*at++ != ' ')
			return -EINVAL;
		fields[field] = 0;
		if (*at == '-')
			at += 1 + strspn(at + 1, "0123456789");
		else
			r = place_text_digits(&at, &fields[field]);
		if (r < 0)
			return r;
	}
	return *at == ' ' || *at == '\n' || *at == '\0' ? 0 : -EINVAL;
}

int place_procstat_parse(const char *text, struct place_procstat *ret_stat)
{
	const char *end = strrchr(text, ')');
	uint64_t fields[FIELD_PROCESSOR + 1] = { [FIELD_PROCESSOR] = UINT_MAX };
	int r;

	if (!end || end[1] != ' ' || end[2] == '\0')
		return -EINVAL;
	r = parse_fields(end + 3, fields);
	if (r < 0)
		return r;
	if (fields[FIELD_N_THREADS] > UINT_MAX || fields[FIELD_PROCESSOR] > UINT_MAX)
		return -ERANGE;
	copy_comm(text, end, ret_stat->comm);
	ret_stat->state = end[2];
	ret_stat->is_kernel = fields[FIELD_FLAGS] & PLACE_KERNEL_THREAD;
	ret_stat->n_threads = (unsigned)fields[FIELD_N_THREADS];
	ret_stat->processor = (unsigned)fields[FIELD_PROCESSOR];
	if (__builtin_add_overflow(fields[FIELD_UTIME], fields[FIELD_STIME], &ret_stat->cpu_ticks))
		ret_stat->cpu_ticks = UINT64_MAX;
	ret_stat->start_ticks = fields[FIELD_START];
	ret_stat->resident_pages = fields[FIELD_RSS];
	return 0;
}

bool place_comm_is_vcpu(const char *comm)
{
	static const char *const accelerators[] = { "/KVM", "/TCG" };
	const char *at = comm;
	uint64_t index;

	if (!strcmp(comm, "ALL CPUs/TCG"))
		return true;
	if (strncmp(at, "CPU ", 4) != 0)
		return false;
	at += 4;
	if (place_text_digits(&at, &index) < 0)
		return false;
	for (size_t i = 0; i < ELEMENTSOF(accelerators); i++)
		if (!strcmp(at, accelerators[i]))
			return true;
	return false;
}

bool place_status_resident(const char *text, uint64_t *ret_plain_bytes, uint64_t *ret_pool_bytes)
{
	uint64_t plain, shmem = 0, pool = 0;

	if (!place_text_find_kib(text, "RssAnon:", &plain) &&
	    !place_text_find_kib(text, "VmRSS:", &plain))
		return false;
	(void)place_text_find_kib(text, "RssShmem:", &shmem);
	(void)place_text_find_kib(text, "HugetlbPages:", &pool);
	if (__builtin_add_overflow(plain, shmem, &plain))
		return false;
	*ret_plain_bytes = plain;
	*ret_pool_bytes = pool;
	return true;
}

uint64_t place_status_swapped(const char *text)
{
	uint64_t bytes;

	return place_text_find_kib(text, "VmSwap:", &bytes) ? bytes : 0;
}

uint64_t place_ticks_to_ns(uint64_t ticks)
{
	return place_multiply(ticks, UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}
