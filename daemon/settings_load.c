/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings from files: the main one and its drop-ins. Whatever lies there, reading ends: no FIFO
 * is waited for, no more than so much is read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "settings.h"

#define FILE_MAX (256U << 10)
#define DROP_INS_MAX 256

static int complain(const char *path, int r, FILE *errors)
{
	fprintf(errors, "%s: %s\n", path, strerror(-r));
	return r;
}

/* Returns: the size, more than FILE_MAX where not all was read, or -errno. */
static ssize_t read_all(int fd, char text[FILE_MAX + 1])
{
	size_t size = 0;

	while (size <= FILE_MAX) {
		const ssize_t n = read(fd, text + size, FILE_MAX + 1 - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
	}
	return (ssize_t)size;
}

/* Returns: 0 or -errno; said to errors unless it is -ENOENT. Ownership: *ret_text. */
static int read_file(const char *path, char **ret_text, size_t *ret_size, FILE *errors)
{
	_cleanup_free_ char *text = malloc(FILE_MAX + 1);
	/* O_NONBLOCK: a FIFO has nobody who writes. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;
	ssize_t size;

	if (!text)
		return complain(path, -ENOMEM, errors);
	if (fd < 0 || fstat(fd, &status) < 0)
		return errno == ENOENT ? -ENOENT : complain(path, -errno, errors);
	if (!S_ISREG(status.st_mode)) {
		fprintf(errors, "%s: not a regular file\n", path);
		return -EINVAL;
	}
	size = read_all(fd, text);
	if (size < 0)
		return complain(path, (int)size, errors);
	if (size > (ssize_t)FILE_MAX) {
		fprintf(errors, "%s: larger than %u KiB\n", path, FILE_MAX >> 10);
		return -EFBIG;
	}
	*ret_size = (size_t)size;
	*ret_text = TAKE_PTR(text);
	return 0;
}

static int load_file(const char *path, bool may_be_missing, struct settings *settings, FILE *errors)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = read_file(path, &text, &size, errors);
	if (r == -ENOENT && may_be_missing)
		return 0;
	if (r == -ENOENT)
		(void)complain(path, r, errors);
	return r < 0 ? r : settings_read_text(path, text, size, settings, errors);
}

static int is_drop_in(const struct dirent *entry)
{
	const size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 &&
	       !strcmp(entry->d_name + length - 5, ".conf");
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_ins(const char *path, struct settings *settings, FILE *errors)
{
	char folder[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries;
	int n, outcome = 0;

	if (snprintf(folder, sizeof(folder), "%s.d", path) >= (int)sizeof(folder))
		return 0;
	n = scandir(folder, &entries, is_drop_in, by_name);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return complain(folder, -errno, errors);
	if (n > DROP_INS_MAX) {
		fprintf(errors, "%s: more than %d files\n", folder, DROP_INS_MAX);
		outcome = -EINVAL;
	}
	for (int i = 0; i < n; i++) {
		int r = 0;

		snprintf(file, sizeof(file), "%s/%s", folder, entries[i]->d_name);
		if (i < DROP_INS_MAX)
			r = load_file(file, true, settings, errors);
		outcome = outcome ? outcome : r;
		free(entries[i]);
	}
	free(entries);
	return outcome;
}

static bool is_rule_whole(const struct rule *rule, FILE *errors)
{
	const bool has_subject = *rule->name || *rule->uuid || *rule->cgroup || *rule->command;

	if (!has_subject)
		fprintf(errors, "%s: [guest %s] has no name, uuid, cgroup or command\n", rule->file,
			rule->label);
	if (rule->manage == RULE_MANAGE_UNSET)
		fprintf(errors, "%s: [guest %s] does not say manage = yes or no\n", rule->file,
			rule->label);
	return has_subject && rule->manage != RULE_MANAGE_UNSET;
}

int settings_check(const char *name, const struct settings *settings, FILE *errors)
{
	int r = 0;

	if (settings->interval_min_s > settings->interval_max_s) {
		fprintf(errors,
			"%s: [daemon] interval_max_s (%u) is less than interval_min_s (%u)\n", name,
			settings->interval_max_s, settings->interval_min_s);
		r = -EINVAL;
	}
	for (size_t i = 0; i < settings->rules.n; i++)
		if (!is_rule_whole(&settings->rules.list[i], errors))
			r = -EINVAL;
	return r;
}

int settings_load(const char *path, struct settings *ret_settings, FILE *errors)
{
	const char *file = path ? path : SETTINGS_PATH;
	struct settings settings;
	int r, drop_ins_r;

	settings_default(&settings);
	r = load_file(file, !path, &settings, errors);
	drop_ins_r = load_drop_ins(file, &settings, errors);
	if (r == 0)
		r = drop_ins_r;
	/* All that is wrong is said at once. */
	if (settings_check(file, &settings, errors) < 0 && r == 0)
		r = -EINVAL;
	if (r < 0) {
		settings_done(&settings);
		return r == -ENOMEM ? -ENOMEM : -EINVAL;
	}
	*ret_settings = settings;
	return 0;
}

/* ---- the command line -------------------------------------------------------------------- */

int settings_check_config(const struct options *options)
{
	struct settings settings;

	if (settings_load(options->config, &settings, stderr) < 0)
		return EXIT_FAILURE;
	settings_done(&settings);
	return EXIT_SUCCESS;
}

int settings_print_config(const struct options *options)
{
	struct settings settings;

	if (settings_load(options->config, &settings, stderr) < 0)
		return EXIT_FAILURE;
	settings_override(&settings, options);
	settings_print(&settings, stdout);
	settings_done(&settings);
	if (!ferror(stdout) && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s: the settings cannot be written: %s\n", options->program,
		strerror(errno));
	return EXIT_FAILURE;
}
