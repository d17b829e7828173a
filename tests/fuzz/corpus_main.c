/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target over the files and folders given, once each: for compilers without
 * libFuzzer, so that make check keeps the seeds working. Without arguments over the target's own
 * seeds, which are named after it. No file at all is a failure.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1U << 20)

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX), *exact;
	size_t size;

	if (!file || !data) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	/* Without a byte to spare, so that a sanitizer sees each step beyond it. */
	exact = realloc(data, size ? size : 1);
	(void)LLVMFuzzerTestOneInput(exact ? exact : data, size);
	free(exact ? exact : data);
	return 1;
}

static int run_path(const char *path)
{
	struct stat status;
	const struct dirent *entry;
	char inner[PATH_MAX];
	int n = 0;
	DIR *dir;

	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
		return run_file(path);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			n += run_file(inner);
	}
	closedir(dir);
	return n;
}

/* fuzz_mounts has its seeds in corpus/mounts; automake says where the source is. */
static int run_seeds(const char *program)
{
	const char *source = getenv("srcdir"), *name = strrchr(program, '/');
	char path[PATH_MAX];

	name = strstr(name ? name : program, "fuzz_");
	if (!name)
		return 0;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", source ? source : ".",
		 name + strlen("fuzz_"));
	return run_path(path);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? 0 : run_seeds(argv[0]);

	for (int i = 1; i < argc; i++)
		n += run_path(argv[i]);
	printf("%s: %d inputs\n", argv[0], n);
	return n ? EXIT_SUCCESS : EXIT_FAILURE;
}
