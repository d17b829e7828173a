/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other ends of -Wl,--wrap. */
#include "allocations.h"

#include <stdbool.h>
#include <stdio.h>

size_t n_allocations;
long n_held;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_reallocarray(void *at, size_t n, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *at);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__real_fdopen(int fd, const char *mode);
FILE *__real_open_memstream(char **text, size_t *size);
void *__real_fdopendir(int fd);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_reallocarray(void *at, size_t n, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *at);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode);
FILE *__wrap_open_memstream(char **text, size_t *size);
void *__wrap_fdopendir(int fd);

static void *count(const void *before, void *after)
{
	n_allocations++;
	n_held += after && !before;
	return after;
}

void *__wrap_malloc(size_t size)
{
	return count(NULL, __real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return count(NULL, __real_calloc(n, size));
}

void *__wrap_realloc(void *at, size_t size)
{
	const bool was_there = at;

	return count(was_there ? "" : NULL, __real_realloc(at, size));
}

void *__wrap_reallocarray(void *at, size_t n, size_t size)
{
	const bool was_there = at;

	return count(was_there ? "" : NULL, __real_reallocarray(at, n, size));
}

char *__wrap_strdup(const char *text)
{
	return count(NULL, __real_strdup(text));
}

void __wrap_free(void *at)
{
	n_held -= at != NULL;
	__real_free(at);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	n_allocations++;
	return __real_fopen(path, mode);
}

FILE *__wrap_fdopen(int fd, const char *mode)
{
	n_allocations++;
	return __real_fdopen(fd, mode);
}

/* Its text is ours to free. */
FILE *__wrap_open_memstream(char **text, size_t *size)
{
	return count(NULL, __real_open_memstream(text, size));
}

void *__wrap_fdopendir(int fd)
{
	n_allocations++;
	return __real_fdopendir(fd);
}
