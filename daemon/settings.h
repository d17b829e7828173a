/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings: /etc/placed/placed.conf, the drop-ins beside it, and what the command line says.
 * One table, settings.def, makes all of it. Used by the daemon and, for its answers, by -w.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "decide/plan.h"
#include "flow.h"
#include "options.h"
#include "rules.h"

/* Where --config says nothing. Drop-ins of a file are FILE.d, with names ending in .conf. */
#define SETTINGS_PATH SYSCONFDIR "/placed/placed.conf"

#define SETTINGS_TEXT_MAX 160

/* Fields are named like the keys, with units; move_enabled is [move] enabled. */
struct settings {
#define BOOL(section, key, field, ...) bool field;
#define NUMBER(section, key, field, ...) unsigned field;
#define NUMBER_OR_ZERO(section, key, field, ...) unsigned field;
#define CHOICE(section, key, field, type, ...) type field;
#define PATH(section, key, field, ...) char field[SETTINGS_TEXT_MAX];
#define CPUS(section, key, field, ...) struct place_set field;
#include "settings.def"
	struct rules rules;
};

/* Ownership: the rules; release with settings_done(). Those of settings_default() are none. */
void settings_default(struct settings *ret_settings);
void settings_done(struct settings *settings);

/*
 * Reads a file and its drop-ins, which are read behind it in the order of their names: a later
 * line wins. path NULL is SETTINGS_PATH, which may be missing; a file that was named may not.
 * Every fault is said to errors, a line each: "FILE:LINE: unknown setting [move] bandwith".
 *
 * Returns: 0; -EINVAL something is wrong with them; -ENOMEM. *ret_settings is untouched on
 * failure.
 */
int settings_load(const char *path, struct settings *ret_settings, FILE *errors);

/*
 * The text of one file on top of what is in *settings, which is not whole afterwards on failure.
 * name is said in front of faults. Returns: 0, -EINVAL or -ENOMEM.
 */
int settings_read_text(const char *name, const char *text, size_t size, struct settings *settings,
		       FILE *errors);

/* What no single line can say: a least that is above its greatest, a rule without a pattern. */
int settings_check(const char *name, const struct settings *settings, FILE *errors);

/*
 * One of numad's orders (letter and numbers as in its queue) on the settings: C H i K l m S t u.
 * Numbers are checked as numad's command line does; -i and -l beyond what a setting can hold are
 * taken as the nearest that it can.
 *
 * Returns: 0; -ERANGE refused; -EOPNOTSUPP a letter that is no setting.
 */
int settings_order(struct settings *settings, char letter, int64_t arg1, int64_t arg2);

/* What was given on the command line wins over the files. */
void settings_override(struct settings *settings, const struct options *options);

/* For the answers, and for the plan. */
void settings_policy(const struct settings *settings, struct place_policy *ret_policy);
void settings_move_policy(const struct settings *settings, struct place_move_policy *ret_policy);

/*
 * Prints them as a file that reads back the same: each setting with its meaning, commented out
 * where it has its default. Of the defaults this is conf/placed.conf.
 */
void settings_print(const struct settings *settings, FILE *file);

/*
 * A line to `out` for each setting that is another one now: "[move] workers = 4". only_start:
 * those alone that need a new start. Returns: how many.
 */
unsigned settings_tell_changes(const struct settings *before, const struct settings *now,
			       bool only_start, FILE *out);

/*
 * --check-config and --print-config. Return: the exit status. Faults go to stderr, all of them.
 */
int settings_check_config(const struct options *options);
int settings_print_config(const struct options *options);

/* ---- the table, for what prints it ------------------------------------------------------- */

enum setting_kind {
	SETTING_BOOL,
	SETTING_NUMBER,
	SETTING_NUMBER_OR_ZERO,
	SETTING_CHOICE,
	SETTING_PATH,
	SETTING_CPUS,
};

struct setting {
	const char *section, *key;
	enum setting_kind kind;
	size_t offset; /* in struct settings */
	unsigned least, greatest;
	const char *unit;	  /* "" where it has none */
	const char *const *words; /* of a choice, NULL behind the last */
	bool needs_start;
	const char *meaning;
};

struct settings_section {
	const char *name, *meaning;
};

/* A byte each, so that the table counts itself. */
struct settings_count {
#define BOOL(section, key, field, ...) char field;
#define NUMBER(section, key, field, ...) char field;
#define NUMBER_OR_ZERO(section, key, field, ...) char field;
#define CHOICE(section, key, field, ...) char field;
#define PATH(section, key, field, ...) char field;
#define CPUS(section, key, field, ...) char field;
#include "settings.def"
};

struct settings_section_count {
#define SECTION(name, meaning) char name;
#include "settings.def"
};

#define SETTINGS_N sizeof(struct settings_count)
#define SETTINGS_N_SECTIONS sizeof(struct settings_section_count)

extern const struct setting settings_table[SETTINGS_N];
extern const struct settings_section settings_sections[SETTINGS_N_SECTIONS];

const struct setting *settings_find(const char *section, const char *key);

/* Whether it is another one now; `value` is that one then. Not where it does not fit `size`. */
bool setting_has_changed(const struct setting *setting, const struct settings *before,
			 const struct settings *now, char *value, size_t size);
/* Its value as text, as it would stand in a file. Returns: its length, or -ENOBUFS. */
int setting_format(const struct setting *setting, const struct settings *settings, char *text,
		   size_t size);
/* Returns: 0; -EINVAL no such value; -ERANGE. */
int setting_parse(const struct setting *setting, const char *text, struct settings *settings);
/* "1 to 3600 s", "yes or no", "never, overflow". */
void setting_format_range(const struct setting *setting, char *text, size_t size);
