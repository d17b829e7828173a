/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of /proc/PID/maps (fs/proc/task_mmu.c show_map_vma(), 6.18). A path is the last field, and
 * the kernel escapes newlines in it; what it says counts only for the process that chose it.
 */
#include "observe/ranges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/cleanup.h"

#define MIB (UINT64_C(1) << 20)
/* Nothing of QEMU's own that may be written is as large: malloc() takes 64 MiB in pieces. */
#define OTHER_LEAST (64 * MIB)
#define HUGEPAGE_DEFAULT (2 * MIB)
#define HUGEPAGE_MOST (UINT64_C(16) << 30) /* arm64 with 64 KiB pages, and more than any other */
/* Of user space, with five levels of page tables. */
#define ADDRESS_MOST (UINT64_C(1) << 56)

struct mapping {
	struct place_range range;
	char file[48]; /* device and inode: neighbours of the same one are one range */
	bool is_anonymous;
};

struct picker {
	const struct place_mounts *mounts;
	const struct place_guest *guest;
	bool is_guest;
	uint64_t page_bytes;
	char memfds[16];     /* the device that plain memfds are on; "": nobody knows */
	struct mapping last; /* still growing */
	bool is_cut;	     /* some were too many */
	size_t n;
	struct place_range list[PLACE_RANGES_MAX]; /* the largest first */
};

static uint64_t size_of(const struct place_range *range)
{
	return range->end - range->start;
}

static bool begins_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool take_hex(const char **at, char end, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *from = *at;

	for (;; from++) {
		unsigned digit;

		if (*from >= '0' && *from <= '9')
			digit = (unsigned)(*from - '0');
		else if (*from >= 'a' && *from <= 'f')
			digit = (unsigned)(*from - 'a') + 10;
		else
			break;
		if (number >> 60)
			return false;
		number = number << 4 | digit;
	}
	if (from == *at || *from != end)
		return false;
	*at = from + 1;
	*ret_number = number;
	return true;
}

/* Anonymous memory, memfds, and files; no devices, and nothing that the kernel has named. */
static bool is_candidate(const struct picker *picker, const char *path)
{
	static const char *const files[] = { "/dev/shm/", "/dev/hugepages", "/dev/zero" };

	if (*path == '\n' || *path == '\0')
		return true;
	if (*path == '[')
		return (begins_with(path, "[anon") && !begins_with(path, "[anon: glibc")) ||
		       (!picker->is_guest && begins_with(path, "[heap]"));
	if (*path != '/' || begins_with(path, "/memfd:tcg-jit"))
		return false;
	if (!begins_with(path, "/dev/"))
		return true;
	for (size_t i = 0; i < ELEMENTSOF(files); i++)
		if (begins_with(path, files[i]))
			return true;
	return false;
}

/* What a mount option or a command line calls a page size must be one. */
static uint64_t make_page_size(const struct picker *picker, uint64_t bytes)
{
	return bytes >= picker->page_bytes && bytes <= HUGEPAGE_MOST && !(bytes & (bytes - 1)) ?
		       bytes :
		       HUGEPAGE_DEFAULT;
}

/*
 * Plain memfds are on a mount of the kernel's own, the same one for all; those of a pool on that of
 * their page size (mm/shmem.c shm_mnt, fs/hugetlbfs/inode.c hugetlbfs_vfsmount, 6.18).
 */
static void find_memfds(char device[16])
{
	_cleanup_close_ int fd = memfd_create("placed", MFD_CLOEXEC);
	struct stat stat;

	device[0] = '\0';
	if (fd >= 0 && fstat(fd, &stat) == 0)
		snprintf(device, 16, "%02x:%02x ", major(stat.st_dev), minor(stat.st_dev));
}

static bool is_plain_memfd(const struct picker *picker, const struct mapping *mapping)
{
	return picker->memfds[0] && begins_with(mapping->file, picker->memfds);
}

/* The size of a pool's pages shows nowhere that is cheap: the mount says it, or the guest does. */
static uint64_t find_page_bytes(const struct picker *picker, const struct mapping *mapping,
				const char *path)
{
	const uint64_t of_guest = picker->guest->hugepage_bytes;
	char copy[PLACE_MOUNT_PATH_MAX];
	const struct place_hugetlbfs *mount;

	if (*path != '/')
		return picker->page_bytes;
	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(path, "\n"), path);
	mount = place_mounts_hugetlbfs(picker->mounts, copy);
	if (mount && mount->page_bytes)
		return make_page_size(picker, mount->page_bytes);
	if (mount || begins_with(path, "/anon_hugepage") ||
	    (of_guest && begins_with(path, "/memfd:") && !is_plain_memfd(picker, mapping)))
		return make_page_size(picker, of_guest);
	return picker->page_bytes;
}

static bool parse_mapping(const struct picker *picker, const char *line,
			  struct mapping *ret_mapping)
{
	struct mapping mapping = { 0 };
	const char *at = line, *path, *file;
	uint64_t offset;

	if (!take_hex(&at, '-', &mapping.range.start) || !take_hex(&at, ' ', &mapping.range.end) ||
	    !begins_with(at, "rw-") || (at[3] != 'p' && at[3] != 's') || at[4] != ' ')
		return false;
	mapping.range.is_shared = at[3] == 's';
	at += 5;
	if (!take_hex(&at, ' ', &offset))
		return false;
	file = at;
	at += strcspn(at, " \n");
	at += *at == ' ';
	at += strspn(at, "0123456789");
	if ((size_t)(at - file) >= sizeof(mapping.file))
		return false;
	memcpy(mapping.file, file, (size_t)(at - file));
	path = at + strspn(at, " ");
	mapping.is_anonymous = *path != '/';
	if (mapping.range.start >= mapping.range.end || mapping.range.end > ADDRESS_MOST ||
	    !is_candidate(picker, path))
		return false;
	mapping.range.page_bytes = find_page_bytes(picker, &mapping, path);
	*ret_mapping = mapping;
	return true;
}

/* Keeps the largest. */
static void put_range(struct picker *picker, const struct place_range *range)
{
	size_t at = picker->n;

	while (at && size_of(&picker->list[at - 1]) < size_of(range))
		at--;
	if (picker->n == PLACE_RANGES_MAX) {
		picker->is_cut = true;
		if (at == PLACE_RANGES_MAX)
			return;
		picker->n--;
	}
	memmove(&picker->list[at + 1], &picker->list[at],
		(picker->n - at) * sizeof(picker->list[0]));
	picker->list[at] = *range;
	picker->n++;
}

/* Whole pages only: an address inside one is no address of it. */
static void end_range(struct picker *picker)
{
	struct place_range *range = &picker->last.range;
	const uint64_t mask = range->page_bytes ? range->page_bytes - 1 : 0;

	if (range->start == range->end)
		return;
	if (range->start <= UINT64_MAX - mask)
		range->start = (range->start + mask) & ~mask;
	range->end &= ~mask;
	if (range->start < range->end)
		put_range(picker, range);
	picker->last = (struct mapping){ 0 };
}

static void add_mapping(struct picker *picker, const struct mapping *mapping)
{
	struct mapping *last = &picker->last;

	if (last->range.end == mapping->range.start &&
	    last->range.is_shared == mapping->range.is_shared &&
	    last->range.page_bytes == mapping->range.page_bytes &&
	    last->is_anonymous == mapping->is_anonymous && !strcmp(last->file, mapping->file)) {
		last->range.end = mapping->range.end;
		return;
	}
	end_range(picker);
	*last = *mapping;
}

static int compare_start(const void *a, const void *b)
{
	const struct place_range *first = a, *second = b;

	return (first->start > second->start) - (first->start < second->start);
}

static void take_largest(const struct picker *picker, struct place_ranges *ranges)
{
	const struct place_guest *guest = picker->guest;
	const uint64_t wanted =
		guest->known & PLACE_GUEST_MEMORY ? guest->memory_bytes : UINT64_MAX;

	for (size_t i = 0; i < picker->n; i++) {
		const struct place_range *range = &picker->list[i];

		if (picker->is_guest && ranges->bytes >= wanted && size_of(range) < OTHER_LEAST)
			break;
		ranges->list[ranges->n++] = *range;
		ranges->bytes += size_of(range);
	}
	ranges->is_complete = picker->is_guest ? ranges->bytes >= wanted : !picker->is_cut;
	if (ranges->n)
		qsort(ranges->list, ranges->n, sizeof(ranges->list[0]), compare_start);
}

void place_ranges_parse(const char *maps, const struct place_mounts *mounts,
			const struct place_guest *guest, bool is_guest,
			struct place_ranges *ret_ranges)
{
	struct picker picker = {
		.mounts = mounts,
		.guest = guest,
		.is_guest = is_guest,
		.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
	};

	*ret_ranges = (struct place_ranges){ 0 };
	if (guest->hugepage_bytes)
		find_memfds(picker.memfds);
	for (const char *line = maps; *line;) {
		struct mapping mapping;

		if (parse_mapping(&picker, line, &mapping))
			add_mapping(&picker, &mapping);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	end_range(&picker);
	take_largest(&picker, ret_ranges);
}

int place_ranges_read(const struct place_root *root, struct place_text *text,
		      const struct place_mounts *mounts, const struct place_guest *guest,
		      bool is_guest, struct place_ranges *ret_ranges)
{
	int r;

	r = place_root_readf(root, text, "proc/%d/maps", guest->pid);
	if (r < 0)
		return r;
	place_ranges_parse(text->data, mounts, guest, is_guest, ret_ranges);
	return ret_ranges->n ? 0 : -ENODATA;
}
