/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child's half of a move: workers, and what ends them. Only mover.c includes this. */
#pragma once

#include "act/mover.h"

/* What the loop sends: one byte per packet. */
#define MOVER_PAUSE 'p'
#define MOVER_RESUME 'r'
#define MOVER_STOP 's'

/*
 * Does all of the order and sends reports to fd, the last with its end. The reports' length is the
 * packet's. Returns when all workers have; nothing is left open but fd.
 */
void mover_child(const struct mover_order *order, int fd);
