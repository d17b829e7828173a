/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where pages of another process are, asked of the kernel. Part of the daemon only: libnuma reads
 * the host when it is loaded, and a question to libvirt's -w has no use for it.
 */
#pragma once

#include <stddef.h>

/*
 * A place_residency_ask for move_pages(2) without nodes, which moves nothing; `data` is not used.
 * Needs the rights of ptrace over the process.
 *
 * Returns: 0 or -errno: -ESRCH, -EPERM, -ENOMEM.
 */
int place_pages_ask(void *data, int pid, size_t n, void **pages, int *status);
