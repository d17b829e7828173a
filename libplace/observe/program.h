/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a process is a guest, by the program that it runs. Nothing of the guest is read. */
#pragma once

#include <stdbool.h>

#include "host/root.h"

/*
 * Whatever is named after QEMU (qemu-system-x86_64, qemu-kvm, kvm), but for the helpers that its
 * packages bring and that have no guest. `program` is the path of a program, as /proc/PID/exe
 * has it, or a command name, as /proc/PID/comm has it.
 */
bool place_program_is_qemu(const char *program);

/* The path of the program that a process runs. Kernel threads have none: -ENOENT. */
int place_program_read(const struct place_root *root, unsigned pid, char *program, size_t size);

/*
 * Whether a process runs QEMU: one call per process, and most processes are none. Who may not
 * see the program, and a recording that does not have it, goes by the command name: the same, or
 * "qemu:NAME" where libvirt was told to set it.
 */
bool place_process_is_qemu(const struct place_root *root, struct place_text *text, unsigned pid);
