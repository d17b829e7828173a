/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/stat and /proc/PID/task/TID/stat: one line with all that the first tier needs of a
 * process or thread (fs/proc/array.c do_task_stat(), 6.18). It takes no lock that a page fault or
 * mmap() of the process could hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TASK_COMM_LEN is 16; workqueues and kernel threads print up to 64. */
#define PLACE_COMM_MAX 64

/* Of the flags: the kernel's own thread (include/linux/sched.h PF_KTHREAD). */
#define PLACE_KERNEL_THREAD 0x00200000

struct place_procstat {
	char comm[PLACE_COMM_MAX]; /* as it is: anybody may have chosen it. Cut where longer */
	char state;		   /* 'R', 'S', 'D', 'T', 'Z', 'X', ... */
	bool is_kernel;
	unsigned n_threads;
	unsigned processor;	 /* where it ran last; UINT_MAX: the line does not say */
	uint64_t cpu_ticks;	 /* user and system; of all threads in /proc/PID/stat */
	uint64_t start_ticks;	 /* since boot */
	uint64_t resident_pages; /* file pages are in it */
};

/*
 * Parses the line. The command name may hold blanks, brackets and newlines: what follows is
 * counted from the last ")".
 * Returns: 0, -EINVAL, -ERANGE; *ret_stat is untouched on failure.
 */
int place_procstat_parse(const char *text, struct place_procstat *ret_stat);

/*
 * Whether a thread of this name runs a vCPU of QEMU: "CPU 0/KVM", "CPU 0/TCG", or, where one
 * thread emulates them all, "ALL CPUs/TCG" (accel/, 10.1). They are named so only with
 * -name debug-threads=on, which libvirt sets.
 */
bool place_comm_is_vcpu(const char *comm);

/*
 * Resident memory of /proc/PID/status: RssAnon + RssShmem (4.5 and later; a guest in a file or
 * memfd is shmem), and the hugetlb pages, which VmRSS does not hold (fs/proc/task_mmu.c
 * task_mem(), 6.18). The file takes no mmap lock.
 * Returns: if it is there.
 */
bool place_status_resident(const char *text, uint64_t *ret_plain_bytes, uint64_t *ret_pool_bytes);

/* VmSwap of the same: of its anonymous memory, what swap has. 0 where it is not there. */
uint64_t place_status_swapped(const char *text);

/* Clock ticks in nanoseconds, UINT64_MAX where that does not fit. */
uint64_t place_ticks_to_ns(uint64_t ticks);
