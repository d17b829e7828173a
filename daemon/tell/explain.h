/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What explain.c and its parts share: a guest, and the sentences about it. */
#pragma once

#include "tell/report.h"

/* Room for one sentence; a longer one is cut. */
#define EXPLAIN_SENTENCE_MAX 768

/* A guest, at its index in the view, and all that is known of it. */
struct explain_subject {
	const struct report_view *view;
	size_t i;
	const struct place_guest *guest;
	const struct place_activity *activity;
	unsigned traits;
	enum place_class class;
	enum place_fate fate;
	FILE *out;
};

/* One sentence: a `because` line. */
void __attribute__((format(printf, 3, 4)))
explain_say(const struct explain_subject *subject, const char *topic, const char *format, ...);

/* What it is and what it does. */
void explain_seen(const struct explain_subject *subject);

/* What follows from that: what is done with it, what may harm it, and what stays as it is. */
void explain_outlook(const struct explain_subject *subject);
