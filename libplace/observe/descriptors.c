/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Link targets only: no descriptor of another process is opened. */
#include "observe/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/cleanup.h"

/*
 * Kernel: drivers/vfio/{container,group,vfio_main}.c, drivers/iommu/iommufd/main.c,
 * drivers/vhost/vdpa.c, virt/kvm/guest_memfd.c, fs/userfaultfd.c, 6.18. The container
 * /dev/vfio/vfio alone holds nothing yet, but whoever opens it is about to. "kvm-vfio" stays
 * after the last device was unplugged, and is not in the table.
 */
static const struct {
	const char *prefix;
	enum place_descriptor kind;
} kinds[] = {
	{ "/dev/vfio/", PLACE_DESCRIPTOR_DEVICE },
	{ "/dev/iommu", PLACE_DESCRIPTOR_DEVICE },
	{ "/dev/vhost-vdpa", PLACE_DESCRIPTOR_DEVICE },
	{ "anon_inode:[vfio-device]", PLACE_DESCRIPTOR_DEVICE },
	{ "/dev/sev", PLACE_DESCRIPTOR_CONFIDENTIAL },
	{ "anon_inode:[kvm-gmem]", PLACE_DESCRIPTOR_CONFIDENTIAL },
	{ "anon_inode:kvm-gmem", PLACE_DESCRIPTOR_CONFIDENTIAL },
	{ "/[kvm-gmem]", PLACE_DESCRIPTOR_CONFIDENTIAL },
	{ "anon_inode:[userfaultfd]", PLACE_DESCRIPTOR_POSTCOPY },
};

struct walk {
	const struct place_root *root;
	int pid;
	size_t n;
	unsigned kinds;
};

enum place_descriptor place_descriptor_judge(const char *target)
{
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
		if (!strncmp(target, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return PLACE_DESCRIPTOR_OTHER;
}

/* Cut where it is longer than any target that matters. */
static int see_descriptor(unsigned id, void *data)
{
	struct walk *walk = data;
	char target[64];

	if (walk->n++ == PLACE_DESCRIPTORS_MAX)
		return -E2BIG;
	if (place_root_readlinkf(walk->root, target, sizeof(target), "proc/%d/fd/%u", walk->pid,
				 id) == 0)
		walk->kinds |= 1U << place_descriptor_judge(target);
	return 0;
}

int place_descriptors_read(const struct place_root *root, int pid, unsigned *ret_kinds)
{
	struct walk walk = { .root = root, .pid = pid };
	char path[32];
	int r;

	snprintf(path, sizeof(path), "proc/%d/fd", pid);
	r = place_root_each_id(root, path, "", see_descriptor, &walk);
	if (r == 0 || r == -E2BIG)
		*ret_kinds = walk.kinds;
	return r;
}
