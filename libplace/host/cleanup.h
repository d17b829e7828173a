/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes out of scope is released: the cleanup attributes that all folders use. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedir)))

/* Hands a pointer on, so that its cleanup finds NULL. */
#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) *_at = &(pointer);                                             \
		__typeof__(pointer) _taken = *_at;                                                 \
		*_at = NULL;                                                                       \
		_taken;                                                                            \
	})

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
