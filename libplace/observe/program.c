/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of QEMU in /proc/PID/{exe,comm}. Anybody may choose them: they are compared, no more. */
#include "observe/program.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "host/cleanup.h"

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/*
 * The helpers are those of 7.2. A dot before the name is NixOS's wrapper; behind "kvm" may stand
 * a newline (comm) or " (deleted)" (exe, after an upgrade).
 */
bool place_program_is_qemu(const char *program)
{
	static const char *const helpers[] = {
		"-bridge", "-edid", "-ga",	"-img",	   "-io",
		"-keymap", "-nbd",  "-pr-help", "-storag", "-vhost"
	};
	const char *slash = program[0] == '/' ? strrchr(program, '/') : NULL;
	const char *name = slash ? slash + 1 : program;

	name += *name == '.';
	if (!strcmp(name, "kvm") || begins_with(name, "kvm\n") ||
	    begins_with(name, "kvm (deleted)"))
		return true;
	if (!begins_with(name, "qemu"))
		return false;
	for (size_t i = 0; i < ELEMENTSOF(helpers); i++)
		if (begins_with(name + strlen("qemu"), helpers[i]))
			return false;
	return true;
}

int place_program_read(const struct place_root *root, unsigned pid, char *program, size_t size)
{
	return place_root_readlinkf(root, program, size, "proc/%u/exe", pid);
}

bool place_process_is_qemu(const struct place_root *root, struct place_text *text, unsigned pid)
{
	char program[PATH_MAX];
	int r;

	r = place_program_read(root, pid, program, sizeof(program));
	if (r == 0)
		return place_program_is_qemu(program);
	if (root->is_live && r == -ENOENT)
		return false;
	return place_root_readf(root, text, "proc/%u/comm", pid) == 0 &&
	       place_program_is_qemu(text->data);
}
