/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The promise ledger as text: answers given whose guests have not appeared. Reading and
 * formatting; who may write it, and how, is the daemon's side (daemon/state_dir.h).
 */
#pragma once

#include "flow.h"
#include "observe/sample.h"

#define PLACE_LEDGER_PATH "run/placed/promises"
/* Promises live for seconds; this many at once is a fault or an attack. */
#define PLACE_LEDGER_MAX 4096

/*
 * Reads the ledger of a host. One that is missing, cannot be read or is of another boot counts
 * as empty; damaged lines are left out. What an operator should know becomes a note.
 *
 * Returns: 0 or -ENOMEM.
 * Ownership: *ret_ledger is released first; release with place_ledger_done().
 */
int place_ledger_load(struct place_host *host, struct place_ledger *ret_ledger);

/*
 * Parses its text; there is room for PLACE_LEDGER_MAX promises in it then. *ret_n_damaged says
 * how many lines could not be read, and were left out. Returns: 0 or -ENOMEM.
 */
int place_ledger_parse(const char *text, const char *boot_id, struct place_ledger *ret_ledger,
		       size_t *ret_n_damaged);

/*
 * Writes it as text into `text` (grown as needed).
 * Returns: 0, -ENOMEM.
 */
int place_ledger_format(const struct place_ledger *ledger, const char *boot_id,
			struct place_text *text);

void place_ledger_done(struct place_ledger *ledger);
