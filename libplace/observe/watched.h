/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the watch keeps of one guest: for watch*.c alone. */
#pragma once

#include <sys/types.h>

#include "observe/procstat.h"
#include "observe/watch.h"

#define WATCH_NO_NODE UINT16_MAX

/* A file that is read in every cycle: kept open; opened each time where descriptors ran out. */
struct watch_file {
	int fd;	    /* -1: not kept */
	char *path; /* below the root; NULL: there is no such file */
};

/* CPU time at some moments, the newest first. */
#define WATCH_TIMES 6
struct watch_time {
	uint64_t at_ns;
	uint64_t cpu_time_ns;
	uint64_t resident_pages;
};

struct watch_thread {
	int tid;
	uint16_t node; /* index, where it ran last, or WATCH_NO_NODE */
	uint64_t cpu_ticks;
	uint64_t start_ticks;
};

/* A thread as it was just found: what is counted of it waits for who else is there. */
struct watch_listed {
	struct watch_thread thread;
	bool is_new, is_vcpu;
	unsigned cpu;
	uint64_t cpu_ticks;
};

struct watch_threads {
	size_t n, room;
	struct watch_thread *list;  /* ascending id */
	size_t next;		    /* in rotation */
	bool is_expected;	    /* not read yet */
	struct place_thread newest; /* of the list */
	unsigned n_passes;	    /* since they were listed */
	unsigned n_listed; /* threads that the process had then, vCPUs or not; 0: list them */
	uint64_t added_ns; /* when the weights last got something */
	uint64_t *weight;  /* n_nodes: CPU time by node, fading */
	uint64_t *added;   /* n_nodes: of the pass that is under way */
};

enum watch_group {
	WATCH_GROUP_NONE,    /* no such file */
	WATCH_GROUP_OWN,     /* compared, and it is the guest's alone */
	WATCH_GROUP_SHARED,  /* another guest under watch has the same */
	WATCH_GROUP_DIFFERS, /* it holds more or less than the guest */
};

struct place_watched {
	struct watch_file stat, status, numa_stat, hugetlb;
	char *group_v2, *group_memory_v1; /* as in the look; not NULL */
	bool counts_pool;		  /* the group's hugepages are what the process has */
	enum watch_group group;
	dev_t group_device;
	ino_t group_inode;
	unsigned check_in;  /* refreshes until the group is compared again */
	unsigned check_gap; /* how many it will be the next time */
	char comm[PLACE_COMM_MAX];
	unsigned n_threads;
	unsigned n_times;
	struct watch_time times[WATCH_TIMES];
	struct watch_threads threads;
	uint64_t pins; /* a sum over the CPUs that its vCPUs may use, 0: unknown */
	bool is_seen;  /* by the scan that is under way */
	bool is_gone;
	uint64_t *bytes; /* n_nodes: the rows of its activity */
	uint32_t *run_permille;
};

/* ---- watch_file.c ---- */

/* Names a file; it is opened at the first read. Takes the path's copy. Returns: 0 or -ENOMEM. */
int watch_file_set(struct place_watch *watch, struct watch_file *file, const char *path);
/* The same with a descriptor that is open already; it is kept where there are enough. */
int watch_file_set_fd(struct place_watch *watch, struct watch_file *file, const char *path, int fd);
/* Reads all of it into watch->text. Returns: 0 or -errno (-ESRCH, -ENOENT, -ENODEV: it is gone). */
int watch_file_read(struct place_watch *watch, struct watch_file *file);
/* The same of a descriptor. */
int watch_read_fd(struct place_watch *watch, int fd);
void watch_file_done(struct place_watch *watch, struct watch_file *file);

/* ---- watch_group.c ---- */

/* Finds the group's files anew, from the paths in the entry. */
void watch_group_find(struct place_watch *watch, size_t i);
/* Memory of one guest: from the group, or else from the process. */
void watch_group_refresh(struct place_watch *watch, size_t i, uint64_t now_ns);
void watch_group_done(struct place_watch *watch, struct place_watched *entry);

/* ---- watch_threads.c ---- */

void watch_threads_rotate(struct place_watch *watch, uint64_t now_ns);
/* The guest at that index is new: its threads are read at once, beside the rotation. */
void watch_threads_expect(struct place_watch *watch, size_t i);
/* One of the threads in a folder. Returns: 0 or -errno (-ENOENT, -ESRCH: it is gone). */
int watch_thread_read(struct place_watch *watch, const struct place_root *tasks, int tid,
		      struct place_procstat *ret_stat);

/* ---- watch_vcpus.c ---- */

/* Whether the list of a guest's vCPUs is to be made anew, between two passes over it. */
bool watch_vcpus_is_due(const struct place_watched *entry);
/* Makes it, and counts where each of them runs. Returns: 0 or -errno. */
int watch_vcpus_list(struct place_watch *watch, struct place_watched *entry,
		     const struct place_root *tasks);
void watch_vcpus_done(struct watch_threads *threads);

/* ---- watch_run.c ---- */

/* What a thread did since it was read last, until it was seen on that CPU. */
void watch_run_add(const struct place_watch *watch, struct watch_threads *threads,
		   struct watch_thread *thread, unsigned cpu, uint64_t cpu_ticks, bool is_new);
/* All of a guest's vCPUs were read: what was added is what the guest does. */
void watch_run_finish(struct place_watch *watch, size_t i, uint64_t now_ns);
/* Where they ran says nothing of where they will: they were pinned. */
void watch_run_forget(struct place_watch *watch, size_t i);

/* ---- watch_refresh.c ---- */

/* CPU time, identity. Returns: 0, or -ESRCH where it is gone, or somebody else by now. */
int watch_refresh_stat(struct place_watch *watch, size_t i, uint64_t now_ns);

/* ---- watch_scan.c ---- */

/*
 * What the scan before the last one saw of a process that was none of ours then: the begin of its
 * first window. Returns: NULL where nothing was seen.
 */
const struct watch_time *watch_find_earlier(const struct place_watch *watch, int pid,
					    uint64_t start_ns);
bool watch_is_guest(struct place_watch *watch, int pid);
void watch_scan_done(struct place_watch *watch);
/* One entry of a directory after the other, by its descriptor; NULL at the end. */
struct watch_dir {
	int fd;
	char *buffer;
	long size, at;
};
const char *watch_dir_next(struct watch_dir *dir);
#define WATCH_DIR_BUFFER 32768

/* ---- watch.c ---- */

/* A row for a process that has none. Returns: its index, -ENOSPC or -ENOMEM. */
int watch_insert(struct place_watch *watch, int pid);
/* Takes out the row of one who is gone. */
void watch_drop(struct place_watch *watch, size_t i);
/* Takes out everybody who is marked gone. */
void watch_compact(struct place_watch *watch);
