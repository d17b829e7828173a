/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest has resident: from its group, if that is its own, else from its process. A group
 * is its own when no other guest under watch has the same and when it holds what the process
 * holds; that is compared when it is adopted and every now and then, since processes are moved.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/group.h"
#include "observe/numa_stat.h"
#include "observe/watched.h"

/* Cycles of 5 to 15 s: a group that is the guest's own is compared every 5 to 15 min. */
#define CHECK_GAP_MAX 64

void watch_group_done(struct place_watch *watch, struct place_watched *entry)
{
	watch_file_done(watch, &entry->numa_stat);
	watch_file_done(watch, &entry->hugetlb);
	entry->group = WATCH_GROUP_NONE;
	entry->counts_pool = false;
}

static int open_group(struct place_watch *watch, const struct place_watched *entry,
		      const char *name, char *path)
{
	return place_group_open(watch->root, &watch->mounts, entry->group_v2,
				entry->group_memory_v1, name, path);
}

/* hugetlb.*.numa_stat is there since 5.17, and where the controller is on; libvirt does not ask. */
static void find_hugetlb(struct place_watch *watch, struct place_watched *entry,
			 uint64_t page_bytes)
{
	char path[PLACE_GROUP_FILE_MAX], name[48];
	int fd;

	if (!page_bytes)
		return;
	place_group_hugetlb_name(page_bytes, name, sizeof(name));
	fd = open_group(watch, entry, name, path);
	if (fd >= 0)
		(void)watch_file_set_fd(watch, &entry->hugetlb, path, fd);
}

void watch_group_find(struct place_watch *watch, size_t i)
{
	struct place_watched *entry = watch->entries[i];
	char path[PLACE_GROUP_FILE_MAX];
	struct stat status;
	int fd;

	watch_group_done(watch, entry);
	if (!watch->mounts.cgroup2[0] && !watch->mounts.memory_v1[0])
		(void)place_mounts_read(watch->root, &watch->text, &watch->mounts);
	fd = open_group(watch, entry, "memory.numa_stat", path);
	if (fd < 0)
		return;
	if (fstat(fd, &status) < 0) {
		close(fd);
		return;
	}
	if (watch_file_set_fd(watch, &entry->numa_stat, path, fd) < 0)
		return;
	entry->group_device = status.st_dev;
	entry->group_inode = status.st_ino;
	entry->group = WATCH_GROUP_DIFFERS; /* until it was compared */
	entry->check_in = 0;
	entry->check_gap = 1;
	find_hugetlb(watch, entry, watch->guests[i].hugepage_bytes);
}

/* Whether another guest has the same group; if so, it is that one's own no longer either. */
static bool find_sharer(struct place_watch *watch, const struct place_watched *entry)
{
	bool is_shared = false;

	for (size_t i = 0; i < watch->n; i++) {
		struct place_watched *other = watch->entries[i];

		if (other == entry || other->group == WATCH_GROUP_NONE ||
		    other->group_inode != entry->group_inode ||
		    other->group_device != entry->group_device)
			continue;
		other->group = WATCH_GROUP_SHARED;
		is_shared = true;
	}
	return is_shared;
}

/* Adds to watch->row. */
static int read_numa_stat(struct place_watch *watch, struct place_watched *entry,
			  uint64_t *ret_bytes)
{
	const int r = watch_file_read(watch, &entry->numa_stat);

	if (r < 0)
		return r;
	return place_numa_stat_parse(watch->text.data, watch->topology,
				     (uint64_t)sysconf(_SC_PAGESIZE), watch->row, ret_bytes);
}

static int read_hugetlb(struct place_watch *watch, struct place_watched *entry, uint64_t *ret_bytes)
{
	const int r = watch_file_read(watch, &entry->hugetlb);

	if (r < 0)
		return r;
	return place_numa_stat_parse_hugetlb(watch->text.data, watch->topology, watch->row,
					     ret_bytes);
}

/* What the process has. Returns: if that could be read. */
static bool read_status(struct place_watch *watch, struct place_watched *entry,
			struct place_guest *guest)
{
	uint64_t plain, pool;

	watch->counts.status_reads++;
	if (watch_file_read(watch, &entry->status) < 0 ||
	    !place_status_resident(watch->text.data, &plain, &pool))
		return false;
	guest->resident_bytes = plain;
	guest->resident_pool_bytes = pool;
	guest->swapped_bytes = place_status_swapped(watch->text.data);
	guest->known |= PLACE_GUEST_RESIDENT;
	return true;
}

/* The next comparison; guests that came together are not compared together. */
static void plan_check(struct place_watched *entry, bool was_own, int pid)
{
	if (entry->group == WATCH_GROUP_OWN)
		entry->check_gap = CHECK_GAP_MAX;
	else if (was_own)
		entry->check_gap = 1; /* perhaps a moment's matter */
	else if (entry->check_gap < CHECK_GAP_MAX)
		entry->check_gap *= 2;
	entry->check_in = entry->check_gap - (unsigned)pid % (entry->check_gap / 2 + 1);
}

/* What was read of the group a moment ago beside what the process says of itself. */
static void compare(struct place_watch *watch, struct place_watched *entry,
		    const struct place_guest *guest, uint64_t group_bytes)
{
	const bool was_own = entry->group == WATCH_GROUP_OWN;

	if (find_sharer(watch, entry))
		entry->group = WATCH_GROUP_SHARED;
	else if (!place_group_agrees(group_bytes, guest->resident_bytes))
		entry->group = WATCH_GROUP_DIFFERS;
	else
		entry->group = WATCH_GROUP_OWN;
	plan_check(entry, was_own, guest->pid);
}

static void take_bytes(struct place_watch *watch, size_t i, uint64_t now_ns)
{
	struct place_activity *activity = &watch->activities[i];

	memcpy(activity->bytes, watch->row, watch->topology->n_nodes * sizeof(*watch->row));
	activity->bytes_ns = now_ns;
	activity->bytes_source = PLACE_BYTES_CGROUP;
	activity->known |= PLACE_ACTIVITY_BYTES;
}

static void forget_bytes(struct place_activity *activity)
{
	if (activity->bytes_source != PLACE_BYTES_CGROUP)
		return;
	activity->bytes_source = PLACE_BYTES_NONE;
	activity->known &= ~(unsigned)PLACE_ACTIVITY_BYTES;
}

static bool has_pool(const struct place_guest *guest)
{
	return guest->hugepage_bytes || guest->resident_pool_bytes;
}

/* Hugepages: the group's number must be the process's; libvirt's groups mostly have none. */
static void add_pool(struct place_watch *watch, struct place_watched *entry,
		     const struct place_guest *guest)
{
	uint64_t pool_bytes = 0;

	entry->counts_pool = read_hugetlb(watch, entry, &pool_bytes) == 0 &&
			     place_group_agrees(pool_bytes, guest->resident_pool_bytes);
}

void watch_group_refresh(struct place_watch *watch, size_t i, uint64_t now_ns)
{
	struct place_watched *entry = watch->entries[i];
	struct place_guest *guest = &watch->guests[i];
	uint64_t group_bytes = 0;
	bool is_due = false;
	int r = -ENOENT;

	if (entry->group != WATCH_GROUP_NONE)
		is_due = entry->check_in == 0 || --entry->check_in == 0;
	if (is_due || entry->group == WATCH_GROUP_OWN) {
		memset(watch->row, 0, watch->topology->n_nodes * sizeof(*watch->row));
		r = read_numa_stat(watch, entry, &group_bytes);
		if (r == -ENODEV || r == -ENOENT || r == -EINVAL || r == -ENODATA)
			watch_group_done(watch, entry);
	}
	if ((is_due || entry->group != WATCH_GROUP_OWN || has_pool(guest) || watch->with_swap[i]) &&
	    !read_status(watch, entry, guest)) {
		guest->known &= ~(unsigned)PLACE_GUEST_RESIDENT;
		is_due = false;
	}
	if (is_due && r == 0)
		compare(watch, entry, guest, group_bytes);
	if (r == 0 && entry->group == WATCH_GROUP_OWN) {
		guest->resident_bytes = group_bytes;
		guest->known |= PLACE_GUEST_RESIDENT;
		if (has_pool(guest))
			add_pool(watch, entry, guest);
	}
	if (r == 0 && place_watch_has_own_group(watch, i))
		take_bytes(watch, i, now_ns);
	else if (!place_watch_has_own_group(watch, i))
		forget_bytes(&watch->activities[i]);
}

bool place_watch_has_own_group(const struct place_watch *watch, size_t i)
{
	const struct place_watched *entry = watch->entries[i];

	return entry->group == WATCH_GROUP_OWN &&
	       (!has_pool(&watch->guests[i]) || entry->counts_pool);
}

void place_watch_set_bytes(struct place_watch *watch, size_t i, const uint64_t *bytes,
			   enum place_bytes_source source, uint64_t now_ns)
{
	struct place_activity *activity = &watch->activities[i];

	if (place_watch_has_own_group(watch, i) && activity->bytes_source == PLACE_BYTES_CGROUP)
		return;
	memcpy(activity->bytes, bytes, watch->topology->n_nodes * sizeof(*bytes));
	activity->bytes_ns = now_ns;
	activity->bytes_source = source;
	activity->known |= PLACE_ACTIVITY_BYTES;
}
