/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What oneshot.c and oneshot_tell.c share: one question. */
#pragma once

#include "host/root.h"
#include "oneshot.h"
#include "settings.h"

struct oneshot_work {
	const struct options *options;
	struct place_policy policy;
	struct place_request request;
	unsigned deadline_ms; /* the first one */
	int trouble;	      /* why the guests were not looked at, or 0 */
	int log_level;
	char log_file[SETTINGS_TEXT_MAX]; /* numad's lines go there, "" for nowhere */
	struct place_text complaints;	  /* about the settings, a line each */
};

/* ---- oneshot_tell.c ---- */

/* Chooses the file for numad's lines: that of the settings, or numad's own. */
void oneshot_choose_log(const struct options *options, const char *from_settings, char *path);

/* Prints the answer, and then tells of it. `text` is what the child wrote. Returns: exit status. */
int oneshot_print_and_tell(const struct oneshot_work *work, const char *text);
