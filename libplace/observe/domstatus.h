/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's own record of a running guest, /run/libvirt/qemu/NAME.xml: what its command line
 * does not say. Readable for root only.
 */
#pragma once

#include "flow.h"

struct place_domstatus {
	int pid;
	uint64_t memory_bytes; /* <memory>: all of its RAM, DIMMs too; 0 where not said */
	bool have_balloon;
	uint64_t balloon_bytes; /* <currentMemory>: what the balloon leaves */
	enum place_bind bind;	/* <numatune><memory mode=> */
	struct place_set mems;	/* its nodeset, or the advised one */
	unsigned traits;	/* ADVISED NODESET MIGRATING SLOTS CELLS, of enum place_trait */
	bool has_pins;		/* <vcpupin>: to what, its threads show */
	bool is_coming;		/* from another host */
	bool is_starting;	/* paused, and what began it has not said that it is there */
};

/*
 * Parses the text. It is libvirt's own output (src/conf/domain_conf.c, 9.0.0: one element a
 * line, two blanks per level), so lines at the right depth are looked for; what a user put into
 * <metadata> lies deeper and is not mistaken for it.
 *
 * Returns: 0, or -EINVAL where it is no status file.
 */
int place_domstatus_parse(const char *text, struct place_domstatus *ret_status);
