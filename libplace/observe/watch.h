/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guests under watch, and the first tier of observing them: what each has resident per node,
 * what CPU time it takes, and on which nodes its vCPUs run. Nothing here costs more for a larger
 * guest, waits for a guest's mmap lock, or allocates while the same guests run.
 *
 * One cycle is place_watch_scan(), a look (observe/look.h) at what it found, place_watch_adopt()
 * of what the looks brought, and place_watch_refresh(). A second tier may add
 * place_watch_set_bytes() for the guests where place_watch_has_own_group() says no.
 *
 * Identity is pid and start time. A process that goes is data: it is taken out, and told through
 * `gone`.
 */
#pragma once

#include "flow.h"
#include "host/root.h"
#include "observe/guest.h"
#include "observe/mounts.h"

/* A process that is no guest by its program: whether to watch it all the same. */
struct place_process {
	int pid;
	const char *program; /* as /proc/PID/exe has it: anybody may have chosen it */
	/* The rest only with place_watch_ops.with_usage. */
	bool have_usage;
	const char *comm;
	uint64_t start_ns;
	uint64_t resident_bytes; /* its file pages are in it */
	uint64_t busy_millicpu;	 /* since the scan before; 0 in the first that saw it */
	bool knows_busy;	 /* false: it was that first scan */
};

struct place_watch_ops {
	/* Whether a program is a guest's. NULL: place_program_is_qemu(). */
	bool (*is_guest)(const char *program, void *data);
	/* NULL: no other process is watched. Kernel threads are never asked about. */
	bool (*is_wanted)(const struct place_process *process, void *data);
	bool with_usage; /* costs the reading of one more file of every process */
	void *data;
};

struct place_gone {
	int pid;
	uint64_t start_ns;
	char name[PLACE_GUEST_NAME_MAX];
};

struct place_watched;
struct place_usage;
struct watch_listed;

struct place_watch {
	/* The table: ascending pid, all rows at the same index. */
	size_t n;
	struct place_guest *guests;
	struct place_activity *activities;
	unsigned *traits; /* of enum place_trait */
	enum place_class *classes;
	bool *with_swap; /* the reader's: refreshes read swapped_bytes; else they are old */
	uint64_t refreshed_ns;
	bool is_complete; /* false: guests were found for which there was no place */
	/* Who went since the reader set n_gone to 0; those beyond PLACE_GUESTS_MAX are dropped. */
	size_t n_gone;
	struct place_gone *gone;
	/* Files of threads read per refresh, all guests together. Measured 2026-11: 7 us each. */
	unsigned thread_reads;
	struct place_watch_counts {
		uint64_t scans, refreshes, looks; /* looks: processes asked for */
		uint64_t thread_reads;
		uint64_t status_reads;	/* of guests whose group does not say enough */
		size_t n_processes;	/* in the last scan */
		size_t n_kept_files;	/* open now */
		size_t n_files_refused; /* not kept open for want of descriptors, since the start */
	} counts;

	/* Of watch*.c alone. */
	const struct place_root *root;
	const struct place_topology *topology;
	struct place_watch_ops ops; /* with_usage may change between scans */
	struct place_mounts mounts;
	struct place_text text;
	struct place_root proc; /* its descriptor lists the processes */
	struct place_watched **entries;
	size_t room, gone_room;
	uint64_t *row; /* n_nodes, work space */
	uint16_t *node_of_cpu;
	char *entries_buffer; /* of getdents64() */
	int *found;
	size_t n_found, found_room;
	int first_found; /* where on_new() goes on, so that late pids get their turn */
	struct place_usage *usage, *usage_before;
	size_t n_usage, n_usage_before, usage_room;
	uint64_t scanned_ns;
	struct watch_listed *listed; /* work space */
	size_t listed_room;
	uint64_t rotated_ns;
	int rotate_pid;	    /* the guest whose threads are next */
	bool has_newcomers; /* guests were adopted whose threads were not read yet */
};

/* KVM_MAX_VCPUS of x86 is 4096 since 6.7; vCPUs are made early, so that they are listed first. */
#define PLACE_WATCH_THREADS_MAX 4352

/* 5 to 15 s are between two cycles: of 1000 guests with 8 vCPUs each one in eight per cycle. */
#define PLACE_WATCH_THREAD_READS 1024

/*
 * Begins. `root` and `topology` must stay as they are until place_watch_done(). `ops` may be NULL.
 * Returns: 0 or -errno (-ENOMEM; -ENOENT, -EACCES of /proc).
 */
int place_watch_init(struct place_watch *watch, const struct place_root *root,
		     const struct place_topology *topology, const struct place_watch_ops *ops);
void place_watch_done(struct place_watch *watch);

/*
 * Lists /proc: takes out who is gone, and calls on_new() for each guest that is not in the table,
 * in this scan and in each that follows until it was adopted or set unreadable. A negative return
 * of on_new() means "no more now": the next scan begins with the one that was refused.
 *
 * Who is known costs no call; of everybody else the program's path is read each time, since
 * libvirtd forks first and becomes QEMU later.
 *
 * Returns: 0 or -errno of listing /proc, the table is then as it was.
 */
int place_watch_scan(struct place_watch *watch, uint64_t now_ns, int (*on_new)(int pid, void *data),
		     void *data);

/*
 * Takes a look into the table, for a guest that is new or that was looked at again; what the
 * first tier knows better stays. A look that says "no guest" takes it out.
 *
 * Returns: its index, or -errno: -ESRCH it is gone or no guest (no longer in the table), -ENOSPC
 * the table is full, -ENOMEM.
 */
int place_watch_adopt(struct place_watch *watch, const struct place_look *look, uint64_t now_ns);

/*
 * A look at this process did not come back: it is in the table, as `unreadable`, until one does.
 * Returns: its index, or -errno as place_watch_adopt().
 */
int place_watch_set_unreadable(struct place_watch *watch, int pid, uint64_t now_ns);

/*
 * Whoever moves its memory has seen that it streams it now: it migrates until a look says something
 * else. Nothing where it is gone.
 */
void place_watch_set_migrating(struct place_watch *watch, int pid, uint64_t start_ns);

/*
 * Whoever moved it has confined it to these nodes, with its cpuset and its policy: until a look
 * says something else. Nothing where it is gone.
 */
void place_watch_set_mems(struct place_watch *watch, int pid, uint64_t start_ns,
			  const struct place_set *nodes);

/*
 * What a guest did before says nothing of what it does from now on: its CPU time is counted anew,
 * and how busy it is and where it runs is not known until then.
 */
void place_watch_begin_anew(struct place_watch *watch, size_t i, uint64_t now_ns);

/* How many threads it had when it was read last; 0: unknown. */
unsigned place_watch_n_threads(const struct place_watch *watch, size_t i);

/*
 * The first tier of all guests in one burst. Who is gone is taken out. Threads are read in
 * rotation, at most thread_reads, and not again within a second: a question may come at any time.
 * Of new guests they are read at once, with up to half of that: whoever begins guests all the time
 * must not keep the others from being read.
 * Returns: 0.
 */
int place_watch_refresh(struct place_watch *watch, uint64_t now_ns);

/*
 * Where the threads of guests that were just adopted run: at once, instead of with the next
 * refresh, and as many as that would read. Without new guests it does nothing.
 */
void place_watch_begin(struct place_watch *watch, uint64_t now_ns);

/* The index of a process, or -ENOENT. */
int place_watch_find(const struct place_watch *watch, int pid);

/*
 * Whether memory.numa_stat speaks for this guest: it has a group in which nobody else lives, and
 * none of its memory is in a hugepage pool that the group does not count.
 */
bool place_watch_has_own_group(const struct place_watch *watch, size_t i);

/*
 * The vCPU threads of a guest, in the order in which they began; without threads named as vCPUs,
 * all of them. As they were listed last: who came since then is missing for some cycles. At most
 * PLACE_WATCH_THREADS_MAX are known, those with the lowest ids.
 * Returns: whether there is one behind *after; it is in *ret_thread then.
 */
bool place_watch_next_thread(const struct place_watch *watch, size_t i,
			     const struct place_thread *after, struct place_thread *ret_thread);

/* Bytes per node from the second tier, `n_nodes` of them. A guest's own group goes before. */
void place_watch_set_bytes(struct place_watch *watch, size_t i, const uint64_t *bytes,
			   enum place_bytes_source source, uint64_t now_ns);
