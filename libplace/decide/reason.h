/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words for reasons, verdicts, classes, fates, risks and sources: a sentence for people, and a word
 * for programs, which is part of the interface and does not change.
 */
#pragma once

#include "flow.h"

/* Returns: a short sentence without a full stop; "unknown" for a value that is none. */
const char *place_reason_text(enum place_reason reason);
const char *place_verdict_text(enum place_verdict verdict);
const char *place_class_text(enum place_class class);
const char *place_fate_text(enum place_fate fate);
const char *place_risk_text(enum place_risk risk);
const char *place_cause_text(enum place_cause cause);
const char *place_nearness_text(enum place_nearness nearness); /* "" where there is none to say */

/* Returns: one lower-case word with underscores; "unknown" for a value that is none. */
const char *place_reason_word(enum place_reason reason);
const char *place_verdict_word(enum place_verdict verdict);
const char *place_class_word(enum place_class class);
const char *place_fate_word(enum place_fate fate);
const char *place_evidence_word(enum place_evidence evidence);
const char *place_bytes_word(enum place_bytes_source source);
const char *place_risk_word(enum place_risk risk);
const char *place_nearness_word(enum place_nearness nearness);
const char *place_cause_word(enum place_cause cause);
