/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the open files of a process say of its memory: who else holds or watches it. */
#pragma once

#include "host/root.h"

/* Descriptors beyond this are not looked at. A guest with 500 disks and queues has a thousand. */
#define PLACE_DESCRIPTORS_MAX 16384

enum place_descriptor {
	PLACE_DESCRIPTOR_OTHER,
	PLACE_DESCRIPTOR_DEVICE,       /* VFIO, iommufd, vDPA: guest pages are held for a device */
	PLACE_DESCRIPTOR_CONFIDENTIAL, /* SEV, guest_memfd */
	PLACE_DESCRIPTOR_POSTCOPY,     /* userfaultfd: pages are still fetched from elsewhere */
};

/* What the target of a link in /proc/PID/fd says. */
enum place_descriptor place_descriptor_judge(const char *target);

/*
 * Looks at all of them; bit 1 << enum place_descriptor is set in *ret_kinds for each kind that is
 * there.
 *
 * Returns: 0; -E2BIG more than PLACE_DESCRIPTORS_MAX, *ret_kinds holds what was seen; or -errno
 * (-EACCES, -ENOENT, -ESRCH).
 */
int place_descriptors_read(const struct place_root *root, int pid, unsigned *ret_kinds);
