/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests from /proc/PID/{comm,cmdline,stat,status} and libvirt's status file. All of it may be
 * hostile: names with brackets and newlines, processes that only pretend to be QEMU, processes
 * that go while they are read. What cannot be read is unknown, never zero.
 */
#include "observe/guest.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "observe/domstatus.h"
#include "observe/program.h"
#include "observe/qemu_args.h"

#define KIB UINT64_C(1024)
#define HUGEPAGE_DEFAULT_BYTES (2048 * KIB)
#define LOAD_WINDOW_LEAST_NS UINT64_C(10000000000)

struct walk {
	const struct place_root *root;
	struct place_text *text;
	const struct place_topology *topology;
	const struct place_mounts *mounts;
	const struct place_loads *loads;
	uint64_t now_ns;
	size_t n_processes;
	struct place_guests *guests;
};

static int add_guest(struct place_guests *guests, int pid)
{
	if (guests->n == PLACE_GUESTS_MAX) {
		guests->is_complete = false;
		return 0;
	}
	if (guests->n == guests->room) {
		const size_t room = guests->room ? guests->room * 2 : 16;
		struct place_guest *list = reallocarray(guests->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		guests->list = list;
		guests->room = room;
	}
	guests->list[guests->n++] = (struct place_guest){ .pid = pid };
	return 0;
}

static int add_if_qemu(unsigned id, void *data)
{
	struct walk *walk = data;

	walk->n_processes++;
	if (id > INT_MAX || !place_process_is_qemu(walk->root, walk->text, id))
		return 0;
	return add_guest(walk->guests, (int)id);
}

static int compare_pid(const void *a, const void *b)
{
	const struct place_guest *first = a, *second = b;

	return (first->pid > second->pid) - (first->pid < second->pid);
}

/*
 * Fields 14, 15 and 22 of /proc/PID/stat, counted from the last ")": the command name before it
 * may hold anything (fs/proc/array.c do_task_stat(), 6.18).
 */
static int parse_stat(const char *text, struct place_guest *guest)
{
	const uint64_t ns_per_tick = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	const char *at = strrchr(text, ')');
	uint64_t fields[23] = { 0 };

	if (!at || at[1] != ' ')
		return -EINVAL;
	at += 2;
	for (size_t field = 3; field < ELEMENTSOF(fields); field++) {
		at += *at == '-';
		if (field > 3 && place_text_digits(&at, &fields[field]) < 0)
			return -EINVAL;
		at += strcspn(at, " ");
		at += *at == ' ';
	}
	guest->cpu_time_ns = place_multiply_u64(fields[14] + fields[15], ns_per_tick);
	guest->start_ns = place_multiply_u64(fields[22], ns_per_tick);
	guest->known |= PLACE_GUEST_START;
	return 0;
}

/*
 * Millicpu used since an earlier sample, or since the guest began. Questions may come in a row,
 * and what a guest did in the second between two of them is no load to decide by.
 */
static void compute_load(const struct walk *walk, struct place_guest *guest)
{
	const struct place_load *earlier =
		place_loads_find(walk->loads, guest->pid, guest->start_ns);
	uint64_t from_ns = guest->start_ns, before_ns = 0;

	if (earlier && walk->now_ns > walk->loads->taken_ns &&
	    walk->now_ns - walk->loads->taken_ns >= LOAD_WINDOW_LEAST_NS) {
		from_ns = walk->loads->taken_ns;
		before_ns = earlier->cpu_time_ns;
	}
	/* A second, so that ticks of 10 ms do not matter. */
	if (walk->now_ns < from_ns || walk->now_ns - from_ns < 1000000000 ||
	    guest->cpu_time_ns < before_ns)
		return;
	guest->load_millicpu = (uint64_t)((unsigned __int128)(guest->cpu_time_ns - before_ns) *
					  1000 / (walk->now_ns - from_ns));
	guest->known |= PLACE_GUEST_LOAD;
}

/*
 * Resident: RssAnon + RssShmem (4.5 and later; a guest in a file or memfd is shmem) and the
 * hugetlb pages, which VmRSS does not hold (fs/proc/task_mmu.c task_mem(), 6.18).
 */
static void parse_resident(const char *text, struct place_guest *guest)
{
	uint64_t anon, shmem = 0, hugetlb = 0;

	if (!place_text_find_kib(text, "RssAnon:", &anon) &&
	    !place_text_find_kib(text, "VmRSS:", &anon))
		return;
	(void)place_text_find_kib(text, "RssShmem:", &shmem);
	(void)place_text_find_kib(text, "HugetlbPages:", &hugetlb);
	guest->resident_pool_bytes = hugetlb;
	if (__builtin_add_overflow(anon, shmem, &guest->resident_bytes))
		return;
	guest->known |= PLACE_GUEST_RESIDENT;
}

static bool find_set(const char *text, const char *key, char *list, struct place_set *set)
{
	return place_text_find_word(text, key, list, PLACE_SET_TEXT_MAX) == 0 &&
	       place_set_parse_list(list, set) == 0;
}

/* The effective cpuset and affinity of the main thread, the same line on v1, v2 and hybrid. */
static void parse_allowed(const char *text, const struct place_topology *topology,
			  struct place_guest *guest)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);
	struct place_set mems;

	if (!list)
		return;
	if (find_set(text, "Cpus_allowed_list:", list, &guest->cpus)) {
		place_set_and(&guest->cpus, &topology->cpus_online);
		guest->known |= PLACE_GUEST_CPUS;
	}
	if (!find_set(text, "Mems_allowed_list:", list, &mems))
		return;
	place_set_and(&mems, &topology->node_ids);
	guest->known |= PLACE_GUEST_MEMS;
	if (guest->bind != PLACE_BIND_NONE)
		return; /* its policy says it more exactly */
	guest->mems = mems;
	if (!place_set_equal(&mems, &topology->node_ids))
		guest->bind = PLACE_BIND_CPUSET;
}

/* Page size of what backs the guest's RAM, 0 for plain memory. */
static uint64_t find_hugepage(const struct place_mounts *mounts, const struct place_qemu_args *args)
{
	const struct place_hugetlbfs *mount = NULL;

	if (args->hugetlb)
		return args->hugetlb_bytes ? args->hugetlb_bytes : HUGEPAGE_DEFAULT_BYTES;
	if (args->mem_path[0])
		mount = place_mounts_hugetlbfs(mounts, args->mem_path);
	if (!mount)
		return 0;
	return mount->page_bytes ? mount->page_bytes : HUGEPAGE_DEFAULT_BYTES;
}

static void take_args(const struct walk *walk, const struct place_qemu_args *args,
		      struct place_guest *guest)
{
	guest->known |= args->known;
	memcpy(guest->name, args->name, sizeof(guest->name));
	memcpy(guest->uuid, args->uuid, sizeof(guest->uuid));
	guest->n_vcpus = args->n_vcpus;
	guest->memory_bytes = args->memory_bytes;
	guest->balloon_bytes = args->memory_bytes;
	guest->hugepage_bytes = find_hugepage(walk->mounts, args);
	guest->bind = args->bind;
	guest->is_split = args->is_split;
	guest->mems = args->mems;
}

/* What libvirt knows besides; a name that is no file name is no libvirt guest. */
static void read_domstatus(const struct walk *walk, struct place_guest *guest)
{
	struct place_domstatus status;

	if (!(guest->known & PLACE_GUEST_NAME) || strchr(guest->name, '/') ||
	    place_root_readf(walk->root, walk->text, "run/libvirt/qemu/%s.xml", guest->name) < 0 ||
	    place_domstatus_parse(walk->text->data, &status) < 0 || status.pid != guest->pid)
		return;
	/* DIMMs and virtio-mem that came later are in no command line. */
	if ((guest->known & PLACE_GUEST_MEMORY) && status.memory_bytes > guest->memory_bytes)
		guest->memory_bytes = status.memory_bytes;
	if (status.have_balloon && status.balloon_bytes < guest->memory_bytes) {
		guest->balloon_bytes = status.balloon_bytes;
		guest->known |= PLACE_GUEST_BALLOON;
	}
	/* A cpuset that is the same as no cpuset leaves the policy that libvirt set before exec. */
	if (guest->bind == PLACE_BIND_NONE && status.bind != PLACE_BIND_NONE) {
		guest->bind = status.bind;
		guest->mems = status.mems;
		guest->known |= PLACE_GUEST_MEMS;
	}
}

/* Returns whether it is a guest that still runs; anything unreadable in it stays unknown. */
static bool read_guest(const struct walk *walk, struct place_qemu_args *args,
		       struct place_guest *guest)
{
	struct place_text *text = walk->text;
	int r;

	r = place_root_readf(walk->root, text, "proc/%d/cmdline", guest->pid);
	if (r == 0 && text->size == 0)
		return false; /* a zombie, or a kernel thread with a borrowed name */
	if (r == -ENOENT || r == -ESRCH)
		return false;
	if (r == 0) {
		place_qemu_args_parse(text->data, text->size, args);
		take_args(walk, args, guest);
	}
	r = place_root_readf(walk->root, text, "proc/%d/stat", guest->pid);
	if (r == 0 && parse_stat(text->data, guest) == 0)
		compute_load(walk, guest);
	r = place_root_readf(walk->root, text, "proc/%d/status", guest->pid);
	if (r == -ENOENT || r == -ESRCH)
		return false;
	if (r == 0) {
		parse_resident(text->data, guest);
		parse_allowed(text->data, walk->topology, guest);
	}
	read_domstatus(walk, guest);
	if (!(guest->known & PLACE_GUEST_MEMORY) || !(guest->known & PLACE_GUEST_RESIDENT))
		walk->guests->is_complete = false;
	return true;
}

int place_guests_read(const struct place_root *root, struct place_text *text,
		      const struct place_topology *topology, const struct place_mounts *mounts,
		      const struct place_loads *loads, uint64_t now_ns,
		      struct place_guests *ret_guests)
{
	struct place_guests guests = { .is_complete = true };
	struct walk walk = {
		.root = root,
		.text = text,
		.topology = topology,
		.mounts = mounts,
		.loads = loads,
		.now_ns = now_ns,
		.guests = &guests,
	};
	_cleanup_free_ struct place_qemu_args *args = malloc(sizeof(*args));
	size_t n = 0;
	int r;

	r = args ? place_root_each_id(root, "proc", "", add_if_qemu, &walk) : -ENOMEM;
	/* Not even ourselves: only the folder is there, and nothing is mounted on it. */
	if (r == 0 && root->is_live && !walk.n_processes)
		r = -ENOENT;
	if (r < 0) {
		place_guests_done(&guests);
		return r;
	}
	if (guests.n)
		qsort(guests.list, guests.n, sizeof(*guests.list), compare_pid);
	for (size_t i = 0; i < guests.n; i++)
		if (read_guest(&walk, args, &guests.list[i]))
			guests.list[n++] = guests.list[i];
	guests.n = n;
	*ret_guests = guests;
	return 0;
}

void place_guests_done(struct place_guests *guests)
{
	free(guests->list);
	*guests = (struct place_guests){ 0 };
}
