/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/mounts: "device path type options 0 0", blanks in paths as \040 (fs/proc_namespace.c). */
#include "observe/mounts.h"

#include <stdio.h>
#include <string.h>

#include "observe/qemu_opts.h"

/* Whether a comma-separated list of options holds a word. */
static bool has_option(const char *options, const char *word)
{
	const size_t size = strlen(word);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, word, size) && (at[size] == ',' || at[size] == '\0'))
			return true;
	}
	return false;
}

static uint64_t find_page_size(const char *options)
{
	const char *at = strstr(options, "pagesize=");
	uint64_t bytes = 0;
	char word[24];

	if (at) {
		at += strlen("pagesize=");
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, ","), at);
		(void)place_qemu_size_parse(word, 1, &bytes);
	}
	return bytes;
}

/* Whether one of the lines that follow mounts something else over the path. */
static bool is_hidden(const char *path, const char *later)
{
	const size_t size = strlen(path);

	for (const char *at = later; at && *at; at += *at == '\n') {
		at += strcspn(at, " \n");
		if (*at == ' ' && !strncmp(at + 1, path, size) && at[1 + size] == ' ')
			return true;
		at += strcspn(at, "\n");
	}
	return false;
}

/* The first of a kind that can be seen counts: later ones are bind mounts of containers. */
static bool take_path(char *taken, const char *path, const char *later)
{
	if (taken[0] || strlen(path) >= PLACE_MOUNT_PATH_MAX || is_hidden(path, later))
		return false;
	memcpy(taken, path + 1, strlen(path));
	return true;
}

static void take_hugetlbfs(struct place_mounts *mounts, const char *path, const char *options,
			   const char *later)
{
	struct place_hugetlbfs *mount;

	if (mounts->n_hugetlbfs == PLACE_HUGETLBFS_MAX || strlen(path) >= PLACE_MOUNT_PATH_MAX ||
	    is_hidden(path, later))
		return;
	mount = &mounts->hugetlbfs[mounts->n_hugetlbfs++];
	memcpy(mount->path, path, strlen(path) + 1);
	mount->page_bytes = find_page_size(options);
}

static void take_line(struct place_mounts *mounts, char *line, const char *later)
{
	char *rest = line;
	const char *device = strsep(&rest, " ");
	const char *path = strsep(&rest, " ");
	const char *type = strsep(&rest, " ");
	const char *options = strsep(&rest, " ");

	if (!device || !options || path[0] != '/')
		return;
	if (!strcmp(type, "cgroup2")) {
		(void)take_path(mounts->cgroup2, path, later);
	} else if (!strcmp(type, "cpuset") ||
		   (!strcmp(type, "cgroup") && has_option(options, "cpuset"))) {
		if (take_path(mounts->cpuset_v1, path, later))
			mounts->is_noprefix =
				!strcmp(type, "cpuset") || has_option(options, "noprefix");
		if (has_option(options, "memory")) /* one mount for several controllers */
			(void)take_path(mounts->memory_v1, path, later);
	} else if (!strcmp(type, "cgroup") && has_option(options, "memory")) {
		(void)take_path(mounts->memory_v1, path, later);
	} else if (!strcmp(type, "hugetlbfs")) {
		take_hugetlbfs(mounts, path, options, later);
	}
}

int place_mounts_read(const struct place_root *root, struct place_text *text,
		      struct place_mounts *ret_mounts)
{
	char *rest, *line;
	int r;

	*ret_mounts = (struct place_mounts){ 0 };
	r = place_root_read(root, text, "proc/self/mounts");
	if (r < 0)
		r = place_root_read(root, text, "proc/mounts");
	if (r < 0)
		return r;
	rest = text->data;
	while ((line = strsep(&rest, "\n")))
		take_line(ret_mounts, line, rest);
	return 0;
}

const struct place_hugetlbfs *place_mounts_hugetlbfs(const struct place_mounts *mounts,
						     const char *path)
{
	for (size_t i = 0; i < mounts->n_hugetlbfs; i++) {
		const struct place_hugetlbfs *mount = &mounts->hugetlbfs[i];
		const size_t size = strlen(mount->path);

		if (!strncmp(path, mount->path, size) && (path[size] == '/' || !path[size]))
			return mount;
	}
	return NULL;
}
