/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PATH_SIZE 4096
#define FOLDERS_OPEN 16 /* by nftw() at the same time */

char tree_path[32];
struct place_root tree_root;
struct place_text tree_text;

void tree_make(void)
{
	strcpy(tree_path, "/tmp/placed-test-XXXXXX");
	assert_non_null(mkdtemp(tree_path));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status, (void)type, (void)at;
	return remove(path);
}

static void remove_all(const char *path)
{
	assert_int_equal(nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS), 0);
}

void tree_remove(void)
{
	remove_all(tree_path);
}

static void __attribute__((format(printf, 2, 0)))
format_path(char *path, const char *format, va_list arguments)
{
	const int n = snprintf(path, PATH_SIZE, "%s/", tree_path);

	vsnprintf(path + n, PATH_SIZE - (size_t)n, format, arguments);
}

void tree_put(const char *text, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;
	FILE *file;

	va_start(arguments, format);
	format_path(path, format, arguments);
	va_end(arguments);
	for (char *at = path + strlen(tree_path) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(path, 0755);
		*at = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

const char *tree_line(const char *format, ...)
{
	static char line[256];
	char path[PATH_SIZE];
	va_list arguments;
	FILE *file;

	va_start(arguments, format);
	format_path(path, format, arguments);
	va_end(arguments);
	file = fopen(path, "re");
	assert_non_null(file);
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

void tree_drop(const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;

	va_start(arguments, format);
	format_path(path, format, arguments);
	va_end(arguments);
	remove_all(path);
}

int tree_begin(void **state)
{
	(void)state;
	tree_make();
	return place_root_open(tree_path, &tree_root);
}

int tree_end(void **state)
{
	(void)state;
	place_text_done(&tree_text);
	place_root_close(&tree_root);
	tree_remove();
	return 0;
}
