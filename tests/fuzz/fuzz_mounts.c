/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mount table. It is read from a file below a host root, so each input is written into a
 * recorded tree in memory (a folder in /dev/shm, or in the temporary folder).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];
static struct place_root root;
static struct place_text text;

static void drop_tree(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/proc/mounts", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/proc", folder);
	rmdir(path);
	rmdir(folder);
}

static void make_tree(void)
{
	char path[128];

	strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz_mounts.XXXXXX" :
						       "/tmp/fuzz_mounts.XXXXXX");
	if (!mkdtemp(folder))
		abort();
	snprintf(path, sizeof(path), "%s/proc", folder);
	if (mkdir(path, 0700) < 0 || place_root_open(folder, &root) < 0)
		abort();
	atexit(drop_tree);
}

static void write_table(const uint8_t *data, size_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/proc/mounts", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct place_mounts mounts;

	if (!folder[0])
		make_tree();
	write_table(data, size);
	memset(&mounts, 0x5a, sizeof(mounts));
	if (place_mounts_read(&root, &text, &mounts) < 0)
		return 0;
	if (mounts.n_hugetlbfs > PLACE_HUGETLBFS_MAX ||
	    !memchr(mounts.cgroup2, '\0', sizeof(mounts.cgroup2)) ||
	    !memchr(mounts.cpuset_v1, '\0', sizeof(mounts.cpuset_v1)) ||
	    !memchr(mounts.memory_v1, '\0', sizeof(mounts.memory_v1)))
		abort();
	for (size_t i = 0; i < mounts.n_hugetlbfs; i++)
		if (!place_mounts_hugetlbfs(&mounts, mounts.hugetlbfs[i].path))
			abort();
	return 0;
}
