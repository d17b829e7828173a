/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcap-ng does the work; here is the list. */
#include "life/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The linker's; and MADV_POPULATE_READ, which the headers we are built with may not know. */
extern char __executable_start[], etext[];
#define POPULATE_READ 22

static const unsigned kept[] = { CAP_SYS_NICE, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };

static bool is_kept(unsigned capability)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (kept[i] == capability)
			return true;
	return false;
}

/* As the unit starts us: then capset() is not needed, and its filter need not allow it. */
static bool is_dropped_already(void)
{
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++)
		if (!is_kept(i) && (capng_have_capability(CAPNG_PERMITTED, i) ||
				    capng_have_capability(CAPNG_INHERITABLE, i) ||
				    capng_have_capability(CAPNG_BOUNDING_SET, i)))
			return false;
	return true;
}

/* Only what is there can be kept: a container may have less, and what needs it will say so. */
static int drop(void)
{
	bool had[sizeof(kept) / sizeof(kept[0])];
	const bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (had[i] &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				 kept[i]) < 0)
			return -EINVAL;
	if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return -EPERM;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int privilege_drop(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (capng_get_caps_process() < 0)
		return -EIO;
	return is_dropped_already() ? 0 : drop();
}

/*
 * Children look at guests: their code is this program's, and stays where our mapping has it. Before
 * Linux 5.14 only what we have run ourselves does.
 */
static void touch_code(void)
{
	const size_t size = (size_t)(etext - __executable_start);

	(void)madvise(__executable_start, size, POPULATE_READ);
}

int privilege_lock_memory(void)
{
	const struct rlimit all = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	/* Beyond a limit it is not the lock that would fail, but memory that is asked for later. */
	if (limit.rlim_cur != RLIM_INFINITY && setrlimit(RLIMIT_MEMLOCK, &all) < 0)
		return -errno;
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return -errno;
	touch_code();
	return 0;
}

long privilege_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	return limit.rlim_cur > LONG_MAX ? LONG_MAX : (long)limit.rlim_cur;
}
