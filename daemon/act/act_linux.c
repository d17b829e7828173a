/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real seam. One of these serves one target: attach() opens what is read before every batch, so
 * that a batch costs one or two pread() beside the move itself. The calls may come from several
 * threads.
 */
#include "act_linux.h"
#include "arith.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <numaif.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "observe/procstat.h"

/* uapi/linux/fs.h since 6.7; the headers we are built with may be older. */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_IS_HUGE (UINT64_C(1) << 6)

static struct act_linux *own(struct act *act)
{
	return (struct act_linux *)act;
}

static int read_start(int pid, uint64_t *ret_start_ns)
{
	struct place_procstat stat;
	char text[1024];
	int r = act_linux_read_file(text, sizeof(text), "/proc/%d/stat", pid);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = place_procstat_parse(text, &stat);
	if (r == 0)
		*ret_start_ns = place_ticks_to_ns(stat.start_ticks);
	return r;
}

/* ---- the target ---------------------------------------------------------------------------- */

/*
 * One that was killed gives its memory back before the pidfd tells of it, a large one for long; its
 * statm (fs/proc/array.c, proc_pid_statm) is all zero from then on.
 */
static bool linux_is_alive(struct act *act)
{
	struct pollfd poll_fd = { .fd = own(act)->pid_fd, .events = POLLIN };
	char text[128];

	return poll_fd.fd >= 0 && poll(&poll_fd, 1, 0) == 0 &&
	       act_linux_read_file(text, sizeof(text), "/proc/%d/statm", own(act)->pid) >= 0 &&
	       strncmp(text, "0 ", 2) != 0;
}

static bool linux_is_streaming(struct act *act)
{
	struct act_linux *linux_act = own(act);

	if (!linux_act->root.path && place_root_open(NULL, &linux_act->root) < 0)
		return false;
	return place_streams_look(&linux_act->root, &linux_act->text, linux_act->pid,
				  act->ops->now_ns(act), &linux_act->streams) > 0;
}

static int scan(int fd, uint64_t start, uint64_t end, struct scan_region *regions, size_t n,
		uint64_t *ret_walk_end)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = n,
		.category_mask = SCAN_IS_HUGE,
		.return_mask = SCAN_IS_HUGE,
	};
	const int r = ioctl(fd, SCAN_IOCTL, &arg);

	if (r < 0)
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	*ret_walk_end = arg.walk_end;
	return r;
}

/* start_ns 0: whoever has the pid now. */
static int linux_attach(struct act *act, int pid, uint64_t start_ns)
{
	struct act_linux *linux_act = own(act);
	struct scan_region region;
	uint64_t seen_ns, end;
	char path[64], text[16];
	int r;

	linux_act->pid = pid;
	linux_act->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (linux_act->pid_fd < 0)
		return -errno;
	/* Looked at after the descriptor is ours: the pid cannot change hands in between. */
	r = read_start(pid, &seen_ns);
	if (r < 0)
		return r;
	if (start_ns && seen_ns != start_ns)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	linux_act->pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	linux_act->can_scan =
		linux_act->knows_huge && linux_act->pagemap_fd >= 0 &&
		scan(linux_act->pagemap_fd, 0, act->huge_bytes, &region, 1, &end) >= 0;
	act->may_hide =
		linux_act->pagemap_fd >= 0 &&
		act_linux_read_file(text, sizeof(text), "/proc/sys/kernel/numa_balancing") == 0 &&
		text[0] != '0';
	return 0;
}

/* Documentation/admin-guide/mm/pagemap.rst: where a page is mapped, hint or not; and only here. */
#define PAGEMAP_PRESENT 63
#define PAGEMAP_EXCLUSIVE 56

static int linux_find_present(struct act *act, uint64_t start, size_t n, uint8_t *ret_pages)
{
	uint64_t entries[ACT_PRESENT_MAX];
	const ssize_t size = (ssize_t)(n * sizeof(*entries));
	const ssize_t got = pread(own(act)->pagemap_fd, entries, (size_t)size,
				  (off_t)(start / act->base_bytes * sizeof(*entries)));

	if (got != size)
		return got < 0 ? -errno : -EIO;
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = (entries[i] >> PAGEMAP_PRESENT & 1 ? ACT_PAGE_PRESENT : 0) |
			       (entries[i] >> PAGEMAP_EXCLUSIVE & 1 ? ACT_PAGE_SINGLE : 0);
	return 0;
}

static long linux_move_pages(struct act *act, size_t n, void **pages, const int *nodes, int *status,
			     int flags)
{
	const long rc = move_pages(own(act)->pid, n, pages, nodes, status, flags);

	return rc < 0 ? -errno : rc;
}

static int linux_find_huge(struct act *act, uint64_t start, uint64_t end, uint64_t *ret_slots)
{
	const int fd = own(act)->pagemap_fd;
	struct scan_region regions[16];
	uint64_t slots = 0;

	if (!own(act)->can_scan)
		return -EOPNOTSUPP;
	for (uint64_t at = start; at < end;) {
		uint64_t walk_end;
		const int n = scan(fd, at, end, regions, ELEMENTSOF(regions), &walk_end);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++)
			for (uint64_t slot = (regions[i].start - start) / act->huge_bytes;
			     slot < (regions[i].end - start) / act->huge_bytes; slot++)
				slots |= UINT64_C(1) << slot;
		if (walk_end <= at)
			return -EIO;
		at = walk_end;
	}
	*ret_slots = slots;
	return 0;
}

/* ---- threads ------------------------------------------------------------------------------- */

/* The kernel wants a buffer of its own number of CPUs, which is no larger than ours. */
static int linux_get_affinity(struct act *act, int tid, struct place_set *ret_cpus)
{
	struct place_set cpus = { 0 };

	(void)act;
	if (syscall(SYS_sched_getaffinity, tid, sizeof(cpus.words), cpus.words) < 0)
		return -errno;
	*ret_cpus = cpus;
	return 0;
}

static int linux_set_affinity(struct act *act, int tid, const struct place_set *cpus)
{
	(void)act;
	return syscall(SYS_sched_setaffinity, tid, sizeof(cpus->words), cpus->words) < 0 ? -errno :
											   0;
}

/* ---- time and life ------------------------------------------------------------------------- */

static uint64_t linux_now_ns(struct act *act)
{
	struct timespec now;

	(void)act;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void linux_sleep_ns(struct act *act, uint64_t ns)
{
	const struct timespec span = {
		.tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000),
	};

	(void)act;
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL);
}

static void linux_free(struct act *act)
{
	struct act_linux *linux_act = own(act);

	if (linux_act->pid_fd >= 0)
		close(linux_act->pid_fd);
	if (linux_act->pagemap_fd >= 0)
		close(linux_act->pagemap_fd);
	act_linux_close_kept(&linux_act->meminfo);
	act_linux_close_kept(&linux_act->buddyinfo);
	if (linux_act->root.path)
		place_root_close(&linux_act->root);
	place_text_done(&linux_act->text);
	place_streams_done(&linux_act->streams);
	free(linux_act);
}

/*
 * By the number alone. A kernel of that number that took migrate_pages_batch() over has 512 pages
 * unmapped at a time, half a millisecond on real hosts: inside the least budget.
 */
static bool does_move_singly(void)
{
	struct utsname name;
	unsigned major, minor;

	return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major < 6 || (major == 6 && minor < 3));
}

int act_linux_new(struct act **ret_act)
{
	static const struct act_ops ops = {
		.attach = linux_attach,
		.is_alive = linux_is_alive,
		.is_streaming = linux_is_streaming,
		.move_pages = linux_move_pages,
		.find_huge = linux_find_huge,
		.find_present = linux_find_present,
		.get_room = act_linux_get_room,
		.get_pools = act_linux_get_pools,
		.set_pool = act_linux_set_pool,
		.get_pressure = act_linux_get_pressure,
		.get_affinity = linux_get_affinity,
		.set_affinity = linux_set_affinity,
		.write_mems = act_linux_write_mems,
		.write_cpus = act_linux_write_cpus,
		.now_ns = linux_now_ns,
		.sleep_ns = linux_sleep_ns,
		.free = linux_free,
	};
	struct act_linux *act = calloc(1, sizeof(*act));
	uint64_t huge_bytes;
	char text[64];

	if (!act)
		return -ENOMEM;
	act->act.ops = &ops;
	act->act.base_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	/*
	 * A slot is 512 pages everywhere. Where a huge page has another size (64 KiB base pages)
	 * the kernel is not asked for them, and probes find none: each base page is sent by itself.
	 */
	act->act.huge_bytes = huge_bytes = act->act.base_bytes * 512;
	if (act_linux_read_file(text, sizeof(text),
				"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") == 0)
		(void)place_text_u64(text, &huge_bytes);
	act->knows_huge = huge_bytes == act->act.huge_bytes;
	act->act.moves_singly = does_move_singly();
	act->pid_fd = act->pagemap_fd = -1;
	atomic_init(&act->meminfo.fd_and_node, -1);
	atomic_init(&act->buddyinfo.fd_and_node, -1);
	*ret_act = &act->act;
	return 0;
}
