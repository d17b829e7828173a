/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two things that are written into groups, through libcgroup: it knows v1, v2 and both. */
#include <errno.h>
#include <libcgroup.h>

#include "act/act.h"

/* libcgroup's own errors are no errno but for ECGOTHER, whose errno it keeps. */
static int errno_of(int r)
{
	switch (r) {
	case 0:
		return 0;
	case ECGOTHER:
		return cgroup_get_last_errno() ? -cgroup_get_last_errno() : -EIO;
	case ECGROUPNOTEXIST:
		return -ENOENT;
	case ECGROUPNOTALLOWED:
		return -EPERM;
	case ECGROUPNOTMOUNTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int write_value(const char *group, const char *name, const char *value)
{
	struct cgroup_controller *controller;
	struct cgroup *cgroup;
	int r;

	/* Reads the mounts; once is enough, and again does no harm. */
	r = cgroup_init();
	if (r)
		return errno_of(r);
	cgroup = cgroup_new_cgroup(group);
	if (!cgroup)
		return -ENOMEM;
	controller = cgroup_add_controller(cgroup, "cpuset");
	r = controller ? cgroup_set_value_string(controller, name, value) : ECGFAIL;
	if (r == 0)
		r = cgroup_modify_cgroup(cgroup);
	cgroup_free(&cgroup);
	return errno_of(r);
}

int act_linux_write_mems(struct act *act, const char *group, const char *mems)
{
	(void)act;
	return write_value(group, "cpuset.mems", mems);
}

int act_linux_write_cpus(struct act *act, const char *group, const char *cpus)
{
	(void)act;
	return write_value(group, "cpuset.cpus", cpus);
}
