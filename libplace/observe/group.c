/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths of groups, joined and climbed. A group's name may be anything but a newline. */
#include "observe/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"

#define MIB (UINT64_C(1) << 20)

static bool has_controller(const char *list, size_t size, const char *controller)
{
	const size_t wanted = strlen(controller);

	for (size_t at = 0; at + wanted <= size; at++) {
		if ((at == 0 || list[at - 1] == ',') && !strncmp(list + at, controller, wanted) &&
		    (at + wanted == size || list[at + wanted] == ','))
			return true;
	}
	return false;
}

/* A path that leads upwards is one of another namespace, seen from ours. */
static void take_path(char *group, const char *path, size_t size)
{
	group[0] = '\0';
	if (size < 2 || path[0] != '/' || size > PLACE_GROUP_PATH_MAX ||
	    (!strncmp(path, "/..", 3) && (size == 3 || path[3] == '/')))
		return;
	memcpy(group, path + 1, size - 1);
	group[size - 1] = '\0';
}

void place_group_parse(const char *text, char *group_v2, char *group_memory_v1)
{
	group_v2[0] = group_memory_v1[0] = '\0';
	while (*text) {
		const size_t size = strcspn(text, "\n");
		const char *end = text + size;
		const char *list = memchr(text, ':', size);
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list) - 1) : NULL;

		if (path) {
			list++;
			if (list == path && text[0] == '0')
				take_path(group_v2, path + 1, (size_t)(end - path) - 1);
			else if (has_controller(list, (size_t)(path - list), "memory"))
				take_path(group_memory_v1, path + 1, (size_t)(end - path) - 1);
		}
		text = *end ? end + 1 : end;
	}
}

/* Leaves the path of the file in `path` where it is found. */
static int climb(const struct place_root *root, const char *mount, const char *group,
		 const char *name, char *path)
{
	char at[PLACE_GROUP_PATH_MAX];
	int fd = -ENOENT;

	if (!mount[0])
		return -ENOENT;
	snprintf(at, sizeof(at), "%s", group);
	while (at[0]) {
		char *slash = strrchr(at, '/');

		snprintf(path, PLACE_GROUP_FILE_MAX, "%s/%s/%s", mount, at, name);
		fd = place_root_openat(root, path, O_RDONLY | O_NONBLOCK);
		if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
			return fd;
		if (!slash)
			break;
		*slash = '\0';
	}
	return fd;
}

int place_group_open(const struct place_root *root, const struct place_mounts *mounts,
		     const char *group_v2, const char *group_memory_v1, const char *name,
		     char *path)
{
	int fd;

	fd = climb(root, mounts->cgroup2, group_v2, name, path);
	if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
		return fd;
	return climb(root, mounts->memory_v1, group_memory_v1, name, path);
}

int place_group_swap_limit(const struct place_root *root, struct place_text *text,
			   const struct place_mounts *mounts, const char *group_v2,
			   uint64_t *ret_bytes)
{
	char at[PLACE_GROUP_PATH_MAX];
	bool is_known = false;

	*ret_bytes = UINT64_MAX;
	snprintf(at, sizeof(at), "%s", mounts->cgroup2[0] ? group_v2 : "");
	while (at[0]) {
		char *slash = strrchr(at, '/');
		uint64_t bytes;

		if (place_root_readf(root, text, "%s/%s/memory.swap.max", mounts->cgroup2, at) ==
		    0) {
			is_known = true;
			if (place_text_u64(text->data, &bytes) == 0 && bytes < *ret_bytes)
				*ret_bytes = bytes;
		}
		if (!slash)
			break;
		*slash = '\0';
	}
	return is_known ? 0 : -ENOENT;
}

/* mm/hugetlb_cgroup.c mem_fmt(), 6.18. */
void place_group_hugetlb_name(uint64_t page_bytes, char *name, size_t size)
{
	const unsigned long long kib = page_bytes >> 10;

	if (kib >= 1 << 20)
		snprintf(name, size, "hugetlb.%lluGB.numa_stat", kib >> 20);
	else if (kib >= 1 << 10)
		snprintf(name, size, "hugetlb.%lluMB.numa_stat", kib >> 10);
	else
		snprintf(name, size, "hugetlb.%lluKB.numa_stat", kib);
}

bool place_group_agrees(uint64_t group_bytes, uint64_t process_bytes)
{
	const uint64_t larger = group_bytes > process_bytes ? group_bytes : process_bytes;
	const uint64_t smaller = group_bytes > process_bytes ? process_bytes : group_bytes;
	const uint64_t eighth = larger / 8;

	return larger - smaller <= (eighth > 64 * MIB ? eighth : 64 * MIB);
}
