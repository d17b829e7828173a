/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a turn has to say: only what is new. */
#pragma once

#include "cycle.h"

void cycle_tell_turn(struct cycle *cycle);
/* What is new of who may come to harm by growing. */
void cycle_tell_risks(struct cycle *cycle);

void cycle_tell_trouble(const char *note);
void cycle_tell_rescan(const struct place_topology *topology);

/* numad's tables of this turn, and findings. */
void cycle_tell_host(struct cycle *cycle);
