/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's lines as tables and as JSON: what status, explain and doctor share. */
#pragma once

#include <stdbool.h>

#include "host/root.h"

/* A kind of line: the word it begins with, and what it is called in JSON. */
enum show_kind {
	SHOW_NODES,
	SHOW_GUESTS,
	SHOW_CELLS,
	SHOW_MOVES,
	SHOW_PROMISES,
	SHOW_FINDINGS,
	SHOW_BECAUSE,
	SHOW_DAEMON,
	SHOW_KIND_COUNT,
};

/*
 * Prints the kinds of `shown` (bits of 1 << enum show_kind) in the order above: one JSON object, or
 * tables with an empty line between; an empty kind is [] in JSON and nothing else. Takes the
 * text apart in place.
 *
 * Returns: an exit status.
 */
int show(struct place_text *text, unsigned shown, bool as_json);
