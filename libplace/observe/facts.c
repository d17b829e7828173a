/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One guest from /proc/PID/{cmdline,stat,status} and libvirt's status file. All of it may be
 * hostile: names with brackets and newlines, processes that go while they are read. What cannot
 * be read is unknown, never zero.
 */
#include "observe/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "observe/domstatus.h"
#include "observe/procstat.h"

#define KIB UINT64_C(1024)
#define HUGEPAGE_DEFAULT_BYTES (2048 * KIB)

int place_facts_parse_stat(const char *text, uint64_t *ret_cpu_time_ns, uint64_t *ret_start_ns)
{
	struct place_procstat stat;

	if (place_procstat_parse(text, &stat) < 0)
		return -EINVAL;
	*ret_cpu_time_ns = place_ticks_to_ns(stat.cpu_ticks);
	*ret_start_ns = place_ticks_to_ns(stat.start_ticks);
	return 0;
}

int place_facts_read_start(const struct place_root *root, struct place_text *text, int pid,
			   uint64_t *ret_start_ns)
{
	uint64_t cpu_time_ns;
	int r;

	r = place_root_readf(root, text, "proc/%d/stat", pid);
	if (r == -ENOENT)
		return -ESRCH;
	return r < 0 ? r : place_facts_parse_stat(text->data, &cpu_time_ns, ret_start_ns);
}

int place_facts_check_start(const struct place_root *root, struct place_text *text, int pid,
			    uint64_t start_ns)
{
	uint64_t now_ns;
	const int r = place_facts_read_start(root, text, pid, &now_ns);

	return r < 0 ? r : now_ns == start_ns ? 0 : -ESRCH;
}

static void parse_resident(const char *text, struct place_guest *guest)
{
	if (place_status_resident(text, &guest->resident_bytes, &guest->resident_pool_bytes))
		guest->known |= PLACE_GUEST_RESIDENT;
	guest->swapped_bytes = place_status_swapped(text);
}

static bool find_set(const char *text, const char *key, char *list, struct place_set *set)
{
	return place_text_find_word(text, key, list, PLACE_SET_TEXT_MAX) == 0 &&
	       place_set_parse_list(list, set) == 0;
}

/*
 * The command line is old. Nodes that its cpuset has lost since, its policy does not give it; who
 * was taken elsewhere, the kernel took his policy along.
 */
static void narrow_policy(const struct place_set *allowed, struct place_guest *guest,
			  struct place_facts *facts)
{
	if (place_set_is_subset(&guest->mems, allowed))
		return;
	guest->n_parts = 0;
	if (place_set_is_empty(allowed))
		return;
	if (!place_set_intersects(&guest->mems, allowed)) {
		guest->mems = *allowed;
		return;
	}
	place_set_and(&guest->mems, allowed);
	/* Somebody took nodes from it: those that are left were not advised. */
	facts->traits |= PLACE_TRAIT_NODESET;
}

static void take_allowed(const struct place_set *allowed, const struct place_topology *topology,
			 struct place_guest *guest, struct place_facts *facts)
{
	const bool is_narrow = !place_set_is_subset(&topology->memory_ids, allowed);

	guest->known |= PLACE_GUEST_MEMS;
	if (is_narrow && !place_set_is_empty(allowed)) {
		place_nodes_from_set(allowed, &guest->allowed);
		guest->known |= PLACE_GUEST_ALLOWED;
	}
	/* Its policy says more exactly where its memory is to come from. */
	if (guest->bind != PLACE_BIND_NONE) {
		narrow_policy(allowed, guest, facts);
		return;
	}
	guest->mems = *allowed;
	if (is_narrow)
		guest->bind = PLACE_BIND_CPUSET;
}

/* The effective cpuset and affinity of the main thread, the same line on v1, v2 and hybrid. */
static void parse_allowed(const char *text, const struct place_topology *topology,
			  struct place_guest *guest, struct place_facts *facts)
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
	take_allowed(&mems, topology, guest, facts);
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

static void take_args(const struct place_facts_reader *reader, struct place_guest *guest,
		      struct place_facts *facts)
{
	const struct place_qemu_args *args = reader->args;

	guest->known |= args->known;
	memcpy(guest->name, args->name, sizeof(guest->name));
	memcpy(guest->uuid, args->uuid, sizeof(guest->uuid));
	guest->n_vcpus = args->n_vcpus;
	guest->memory_bytes = args->memory_bytes;
	guest->balloon_bytes = args->memory_bytes;
	guest->hugepage_bytes = find_hugepage(reader->mounts, args);
	guest->bind = args->bind;
	guest->is_split = args->is_split;
	guest->mems = args->mems;
	guest->n_parts = args->n_parts;
	memcpy(guest->parts, args->parts, sizeof(guest->parts));
	facts->traits |= args->traits;
	facts->may_be_coming = args->is_incoming;
	facts->is_filled = args->is_prealloc;
	facts->is_in_file = args->traits & PLACE_TRAIT_SHARED || args->mem_path[0];
}

/*
 * Session libvirt keeps its files where the user may write: only his own file speaks, and only of
 * his own process. Whoever is no user's process is not asked for.
 */
static int read_record(const struct place_facts_reader *reader, const struct place_guest *guest,
		       const uid_t *uid, bool *ret_is_session)
{
	int r;

	r = place_root_readf(reader->root, reader->text, "run/libvirt/qemu/%s.xml", guest->name);
	*ret_is_session = r == -ENOENT && uid;
	if (*ret_is_session)
		r = place_root_read_ownedf(reader->root, reader->text, *uid,
					   "run/user/%u/libvirt/qemu/run/%s.xml", (unsigned)*uid,
					   guest->name);
	return r;
}

/*
 * Whether what its balloon keeps is taken first, whatever is given back of it afterwards. Balloons
 * give small pages back, of which a pool has none. What is filled at the start is all of it. And of
 * a file a page is taken that is only read, as QEMU reads pages that come in as zeros
 * (migration/ram.c ram_handle_compressed(), 7.2).
 */
static bool takes_all(const struct place_domstatus *status, const struct place_guest *guest,
		      const struct place_facts *facts)
{
	const bool is_coming = status->is_coming || (status->is_starting && facts->may_be_coming);

	return guest->hugepage_bytes || (facts->is_in_file && is_coming) ||
	       (facts->is_filled && (is_coming || status->is_starting));
}

static void take_record(const struct place_domstatus *status, struct place_guest *guest,
			struct place_facts *facts)
{
	/* DIMMs and virtio-mem that came later are in no command line. */
	if ((guest->known & PLACE_GUEST_MEMORY) && status->memory_bytes > guest->memory_bytes)
		guest->memory_bytes = status->memory_bytes;
	if (status->have_balloon && status->balloon_bytes < guest->memory_bytes &&
	    !takes_all(status, guest, facts)) {
		guest->balloon_bytes = status->balloon_bytes;
		guest->known |= PLACE_GUEST_BALLOON;
	}
	/* A cpuset that is the same as no cpuset leaves the policy that libvirt set before exec. */
	if (guest->bind == PLACE_BIND_NONE && status->bind != PLACE_BIND_NONE) {
		guest->bind = status->bind;
		guest->mems = status->mems;
		guest->known |= PLACE_GUEST_MEMS;
	}
	facts->traits |= PLACE_TRAIT_LIBVIRT | status->traits;
	facts->has_pins = status->has_pins;
	if (status->is_starting)
		facts->traits |= PLACE_TRAIT_STARTING;
	/* -incoming stands on the command line for ever; libvirt knows when it is over. */
	if (facts->may_be_coming && status->is_starting)
		facts->traits |= PLACE_TRAIT_MIGRATING;
	facts->may_be_coming = false;
}

/* What libvirt knows besides; a name that is no file name is no libvirt guest. */
static void read_domstatus(const struct place_facts_reader *reader, const uid_t *uid,
			   struct place_guest *guest, struct place_facts *facts)
{
	struct place_domstatus status;
	bool is_session;

	if ((guest->known & PLACE_GUEST_NAME) && !strchr(guest->name, '/') &&
	    read_record(reader, guest, uid, &is_session) == 0 &&
	    place_domstatus_parse(reader->text->data, &status) == 0 && status.pid == guest->pid) {
		take_record(&status, guest, facts);
		if (is_session)
			facts->traits |= PLACE_TRAIT_SESSION;
	}
}

/* A process that is no QEMU has what it has, and may be named by anybody. */
static void take_other(const char *status, struct place_guest *guest)
{
	if (place_text_find_word(status, "Name:", guest->name, sizeof(guest->name)) == 0)
		guest->known |= PLACE_GUEST_NAME;
	if (guest->known & PLACE_GUEST_RESIDENT) {
		guest->memory_bytes = guest->resident_bytes;
		if (__builtin_add_overflow(guest->memory_bytes, guest->resident_pool_bytes,
					   &guest->memory_bytes))
			return;
		guest->balloon_bytes = guest->memory_bytes;
		guest->known |= PLACE_GUEST_MEMORY;
	}
}

static void parse_status(const struct place_facts_reader *reader, struct place_guest *guest,
			 struct place_facts *facts)
{
	const char *text = reader->text->data;

	parse_resident(text, guest);
	parse_allowed(text, reader->topology, guest, facts);
	(void)place_text_find_kib(text, "VmPin:", &facts->held_bytes);
	if (reader->is_other)
		take_other(text, guest);
}

static int read_cmdline(const struct place_facts_reader *reader, struct place_guest *guest,
			struct place_facts *facts)
{
	struct place_text *text = reader->text;
	int r;

	r = place_root_readf(reader->root, text, "proc/%d/cmdline", guest->pid);
	if (r == 0 && text->size == 0)
		return -ESRCH; /* a zombie, or a kernel thread with a borrowed name */
	if (r == -ENOENT || r == -ESRCH)
		return -ESRCH;
	if (r == 0 && !reader->is_other) {
		place_qemu_args_parse(text->data, text->size, reader->args);
		take_args(reader, guest, facts);
	}
	return 0;
}

int place_facts_read(const struct place_facts_reader *reader, struct place_guest *guest,
		     struct place_facts *ret_facts)
{
	struct place_text *text = reader->text;
	uint64_t uid;
	uid_t owner;
	int r;

	*ret_facts = (struct place_facts){ 0 };
	r = read_cmdline(reader, guest, ret_facts);
	if (r < 0)
		return r;
	r = place_root_readf(reader->root, text, "proc/%d/stat", guest->pid);
	if (r == 0 &&
	    place_facts_parse_stat(text->data, &guest->cpu_time_ns, &guest->start_ns) == 0)
		guest->known |= PLACE_GUEST_START;
	r = place_root_readf(reader->root, text, "proc/%d/status", guest->pid);
	if (r == -ENOENT || r == -ESRCH)
		return -ESRCH;
	if (r < 0) {
		read_domstatus(reader, NULL, guest, ret_facts);
		return 0;
	}
	parse_status(reader, guest, ret_facts);
	r = place_text_find_u64(text->data, "Uid:", &uid);
	owner = (uid_t)uid;
	read_domstatus(reader, r == 0 && owner == uid ? &owner : NULL, guest, ret_facts);
	return 0;
}
