/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of the test's own, in a folder below /tmp that stands for the root of a host. */
#pragma once

#include "host/root.h"

/* That folder; a test has one at a time. */
extern char tree_path[32];

void tree_make(void);

/* With all that is in it. */
void tree_remove(void);

/* Writes a file below it, and makes the folders on its way. */
void tree_put(const char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first line of one, without its end; until the next call. */
const char *tree_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Removes a file below it, or a folder with all that is in it. */
void tree_drop(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* That folder, opened, and what it is read into: set up and torn down with it. */
extern struct place_root tree_root;
extern struct place_text tree_text;

int tree_begin(void **state);
int tree_end(void **state);
