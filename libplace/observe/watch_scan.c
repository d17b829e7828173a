/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs: the names in /proc, and the program of each process that is not known. Anybody may
 * name a program after QEMU and start a thousand of them: they are told one after the other, and
 * nothing is kept of them but their number.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arith.h"
#include "host/text.h"
#include "observe/program.h"
#include "observe/watched.h"

/* CPU time at the scan before, of processes that may be wanted. */
struct place_usage {
	int pid;
	uint64_t start_ticks;
	uint64_t cpu_ticks;
	uint64_t resident_pages;
	struct watch_time earlier; /* in the scan before; at_ns 0: it was not there */
};

/* The kernel's struct linux_dirent64 (include/linux/dirent.h). */
struct dirent_head {
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
} __attribute__((packed));

/* readdir() would do, but it keeps a buffer per folder and allocates it. */
const char *watch_dir_next(struct watch_dir *dir)
{
	const struct dirent_head *head;

	if (dir->at >= dir->size) {
		dir->at = 0;
		dir->size = syscall(SYS_getdents64, dir->fd, dir->buffer, WATCH_DIR_BUFFER);
		if (dir->size <= 0)
			return NULL;
	}
	head = (const struct dirent_head *)(dir->buffer + dir->at);
	dir->at += head->size;
	return head->name;
}

static bool is_guest_program(const struct place_watch *watch, const char *program)
{
	return watch->ops.is_guest ? watch->ops.is_guest(program, watch->ops.data) :
				     place_program_is_qemu(program);
}

/*
 * The path of a process's program, or its command name where that cannot be seen.
 * Returns: 0, -ENOENT where it has none (a kernel thread, or it is gone), or -errno.
 */
static int read_program(struct place_watch *watch, int pid, char *program, size_t size)
{
	int r;

	watch->counts.looks++;
	r = place_root_readlinkf(&watch->proc, program, size, "%d/exe", pid);
	if (r == 0 || (watch->root->is_live && r == -ENOENT))
		return r;
	r = place_root_readf(&watch->proc, &watch->text, "%d/comm", pid);
	if (r == 0)
		snprintf(program, size, "%s", watch->text.data);
	return r;
}

bool watch_is_guest(struct place_watch *watch, int pid)
{
	char program[PATH_MAX];

	return read_program(watch, pid, program, sizeof(program)) == 0 &&
	       is_guest_program(watch, program);
}

static const struct place_usage *find_usage(const struct place_watch *watch, int pid)
{
	size_t from = 0, end = watch->n_usage_before;

	while (from < end) {
		const size_t middle = from + (end - from) / 2;
		const struct place_usage *usage = &watch->usage_before[middle];

		if (usage->pid == pid)
			return usage;
		if (usage->pid < pid)
			from = middle + 1;
		else
			end = middle;
	}
	return NULL;
}

/* Both lists have the same room, since they change places after each scan. */
static void keep_usage(struct place_watch *watch, int pid, const struct place_procstat *stat,
		       const struct watch_time *earlier)
{
	if (watch->n_usage && watch->usage[watch->n_usage - 1].pid >= pid)
		return;
	if (watch->n_usage == watch->usage_room) {
		const size_t room = watch->usage_room ? watch->usage_room * 2 : 256;
		struct place_usage *usage;

		usage = reallocarray(watch->usage, room, sizeof(*usage));
		if (!usage)
			return;
		watch->usage = usage;
		usage = reallocarray(watch->usage_before, room, sizeof(*usage));
		if (!usage)
			return;
		watch->usage_before = usage;
		watch->usage_room = room;
	}
	watch->usage[watch->n_usage] = (struct place_usage){
		.pid = pid,
		.start_ticks = stat->start_ticks,
		.cpu_ticks = stat->cpu_ticks,
		.resident_pages = stat->resident_pages,
		.earlier = *earlier,
	};
	watch->n_usage++;
}

const struct watch_time *watch_find_earlier(const struct place_watch *watch, int pid,
					    uint64_t start_ns)
{
	const struct place_usage *usage = find_usage(watch, pid);

	return usage && usage->earlier.at_ns && place_ticks_to_ns(usage->start_ticks) == start_ns ?
		       &usage->earlier :
		       NULL;
}

static void add_usage(struct place_watch *watch, struct place_process *process,
		      struct place_procstat *stat, uint64_t now_ns)
{
	const struct place_usage *before;
	struct watch_time earlier = { 0 };

	if (place_root_readf(&watch->proc, &watch->text, "%d/stat", process->pid) < 0 ||
	    place_procstat_parse(watch->text.data, stat) < 0)
		return;
	before = find_usage(watch, process->pid);
	process->have_usage = true;
	process->comm = stat->comm;
	process->start_ns = place_ticks_to_ns(stat->start_ticks);
	process->resident_bytes =
		place_multiply(stat->resident_pages, (uint64_t)sysconf(_SC_PAGESIZE));
	process->knows_busy = before && before->start_ticks == stat->start_ticks &&
			      before->cpu_ticks <= stat->cpu_ticks && now_ns > watch->scanned_ns;
	if (process->knows_busy) {
		process->busy_millicpu =
			place_scale(place_ticks_to_ns(stat->cpu_ticks - before->cpu_ticks), 1000,
				    now_ns - watch->scanned_ns);
		earlier = (struct watch_time){
			.at_ns = watch->scanned_ns,
			.cpu_time_ns = place_ticks_to_ns(before->cpu_ticks),
			.resident_pages = before->resident_pages,
		};
	}
	keep_usage(watch, process->pid, stat, &earlier);
}

/* Whether a process that is not in the table should be. */
static bool is_new(struct place_watch *watch, int pid, uint64_t now_ns)
{
	char program[PATH_MAX];
	struct place_process process = { .pid = pid, .program = program };
	struct place_procstat stat;

	if (read_program(watch, pid, program, sizeof(program)) < 0)
		return false;
	if (is_guest_program(watch, program))
		return true;
	if (!watch->ops.is_wanted)
		return false;
	if (watch->ops.with_usage)
		add_usage(watch, &process, &stat, now_ns);
	return watch->ops.is_wanted(&process, watch->ops.data);
}

static int keep_found(struct place_watch *watch, int pid)
{
	if (watch->n + watch->n_found >= PLACE_GUESTS_MAX) {
		watch->is_complete = false;
		return 0;
	}
	if (watch->n_found == watch->found_room) {
		const size_t room = watch->found_room ? watch->found_room * 2 : 64;
		int *found = reallocarray(watch->found, room, sizeof(*found));

		if (!found)
			return -ENOMEM;
		watch->found = found;
		watch->found_room = room;
	}
	watch->found[watch->n_found++] = pid;
	return 0;
}

static int list_processes(struct place_watch *watch, uint64_t now_ns)
{
	struct watch_dir dir = { .fd = watch->proc.fd, .buffer = watch->entries_buffer };
	const char *name;

	if (lseek(dir.fd, 0, SEEK_SET) < 0)
		return -errno;
	watch->counts.n_processes = 0;
	while ((name = watch_dir_next(&dir))) {
		unsigned pid;
		int i, r = 0;

		if (place_text_unsigned(name, &pid) < 0 || pid > INT_MAX)
			continue;
		watch->counts.n_processes++;
		i = place_watch_find(watch, (int)pid);
		if (i >= 0)
			watch->entries[i]->is_seen = true;
		else if (is_new(watch, (int)pid, now_ns))
			r = keep_found(watch, (int)pid);
		if (r < 0)
			return r;
	}
	return dir.size < 0 ? -errno : 0;
}

static int compare_pid(const void *a, const void *b)
{
	const int first = *(const int *)a, second = *(const int *)b;

	return (first > second) - (first < second);
}

/* The kernel lists processes so (fs/proc/base.c next_tgid()), a recording in any order. */
static void sort_found(int *found, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (found[i - 1] > found[i]) {
			qsort(found, n, sizeof(*found), compare_pid);
			return;
		}
}

/* From where it was refused the last time, so that nobody waits behind a flood of others. */
static void tell_found(struct place_watch *watch, int (*on_new)(int pid, void *data), void *data)
{
	size_t from = 0;

	sort_found(watch->found, watch->n_found);
	while (from < watch->n_found && watch->found[from] < watch->first_found)
		from++;
	watch->first_found = 0;
	for (size_t i = 0; i < watch->n_found; i++) {
		const int pid = watch->found[(from + i) % watch->n_found];

		if (on_new(pid, data) < 0) {
			watch->first_found = pid;
			return;
		}
	}
}

int place_watch_scan(struct place_watch *watch, uint64_t now_ns, int (*on_new)(int pid, void *data),
		     void *data)
{
	struct place_usage *usage;
	int r;

	watch->is_complete = true;
	watch->n_found = watch->n_usage = 0;
	for (size_t i = 0; i < watch->n; i++)
		watch->entries[i]->is_seen = false;
	r = list_processes(watch, now_ns);
	if (r == 0 && watch->root->is_live && !watch->counts.n_processes)
		r = -ENOENT; /* not even ourselves: nothing is mounted there */
	if (r < 0)
		return r;
	for (size_t i = 0; i < watch->n; i++)
		watch->entries[i]->is_gone = !watch->entries[i]->is_seen;
	watch_compact(watch);
	usage = watch->usage_before;
	watch->usage_before = watch->usage;
	watch->usage = usage;
	watch->n_usage_before = watch->n_usage;
	watch->scanned_ns = now_ns;
	watch->counts.scans++;
	tell_found(watch, on_new, data);
	return 0;
}

void watch_scan_done(struct place_watch *watch)
{
	free(watch->entries_buffer);
	free(watch->found);
	free(watch->usage);
	free(watch->usage_before);
	place_root_close(&watch->proc);
}
