/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words for reasons and verdicts: a sentence for people, and a word for programs, which is part
 * of the interface and does not change.
 */
#pragma once

#include "flow.h"

/* Returns: a short sentence without a full stop; "unknown" for a value that is none. */
const char *place_reason_text(enum place_reason reason);
const char *place_verdict_text(enum place_verdict verdict);

/* Returns: one lower-case word with underscores; "unknown" for a value that is none. */
const char *place_reason_word(enum place_reason reason);
const char *place_verdict_word(enum place_verdict verdict);
