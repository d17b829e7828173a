/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child's half of a move: workers, and what ends them. Only mover.c includes this. */
#pragma once

#include "act/mover.h"

/* What the loop sends, one per packet. */
enum mover_word {
	MOVER_PAUSE,
	MOVER_RESUME,
	MOVER_STOP,
	MOVER_HOLD, /* stop, and leave the groups as they are */
	MOVER_BANDWIDTH,
	MOVER_RESERVE,
};

struct mover_command {
	enum mover_word word;
	uint64_t bandwidth_mib_s;		    /* MOVER_BANDWIDTH */
	uint64_t reserve_bytes, from_reserve_bytes; /* MOVER_RESERVE */
};

/*
 * Does all of the order and sends reports to fd, the last with its end. The reports' length is the
 * packet's. Returns when all workers have; nothing is left open but fd.
 */
void mover_child(const struct mover_order *order, int fd);
