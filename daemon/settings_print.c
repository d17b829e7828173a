/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings as a file that reads back the same, and what changed in them. */
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "settings.h"

#define WIDTH 78 /* of a comment */

/* Words of a sentence in lines that begin with "# ". */
static void print_comment(FILE *file, const char *text)
{
	size_t column = 0;

	while (*text) {
		const size_t length = strcspn(text, " ");

		if (column && column + 1 + length > WIDTH) {
			fputc('\n', file);
			column = 0;
		}
		column += (size_t)fprintf(file, "%s%.*s", column ? " " : "# ", (int)length, text);
		text += length + strspn(text + length, " ");
	}
	fputc('\n', file);
}

/* No blank before a semicolon: it would begin a comment. */
static void print_value(const char *key, const char *value, FILE *file)
{
	fprintf(file, "%s =%s%s\n", key, *value && *value != ';' ? " " : "", value);
}

static void print_setting(const struct setting *setting, const struct settings *settings,
			  const struct settings *standard, FILE *file)
{
	static char value[PLACE_SET_TEXT_MAX], fallback[PLACE_SET_TEXT_MAX];
	char range[200];

	if (setting_format(setting, settings, value, sizeof(value)) < 0 ||
	    setting_format(setting, standard, fallback, sizeof(fallback)) < 0)
		return;
	setting_format_range(setting, range, sizeof(range));
	fputc('\n', file);
	print_comment(file, setting->meaning);
	fprintf(file, "# %s%s\n", range, setting->needs_start ? "; at the next start" : "");
	if (!strcmp(value, fallback))
		fputc('#', file);
	print_value(setting->key, value, file);
}

static void print_pattern(const char *key, const char *pattern, FILE *file)
{
	if (*pattern)
		print_value(key, pattern, file);
}

static void print_rule(const struct rule *rule, FILE *file)
{
	fprintf(file, "\n[guest %s]\n", rule->label);
	print_pattern("name", rule->name, file);
	print_pattern("uuid", rule->uuid, file);
	print_pattern("cgroup", rule->cgroup, file);
	print_pattern("command", rule->command, file);
	fprintf(file, "manage = %s\n", rule->manage == RULE_MANAGE_YES ? "yes" : "no");
}

void settings_print(const struct settings *settings, FILE *file)
{
	struct settings standard;

	settings_default(&standard);
	fputs("# Settings of placed; placed.conf(5) says more. Lines that are commented out hold\n"
	      "# the defaults. placed --check-config says what is wrong with this file.\n",
	      file);
	for (size_t i = 0; i < SETTINGS_N_SECTIONS; i++) {
		const struct settings_section *section = &settings_sections[i];

		fprintf(file, "\n# %s\n[%s]\n", section->meaning, section->name);
		for (size_t j = 0; j < SETTINGS_N; j++)
			if (!strcmp(settings_table[j].section, section->name))
				print_setting(&settings_table[j], settings, &standard, file);
	}
	fputs("\n# Guests that are left alone (manage = no), and processes that are managed like\n"
	      "# guests (yes), a section each. All patterns given must match; the first rule "
	      "counts.\n"
	      "#[guest LABEL]\n"
	      "#name = web*\n"
	      "#uuid = 6b8f4a52-*\n"
	      "#cgroup = machine.slice/*\n"
	      "#command = qemu-system-*\n"
	      "#manage = no\n",
	      file);
	for (size_t i = 0; i < settings->rules.n; i++)
		print_rule(&settings->rules.list[i], file);
}

static bool rules_differ(const struct rules *a, const struct rules *b)
{
	if (a->n != b->n)
		return true;
	for (size_t i = 0; i < a->n; i++) {
		const struct rule *x = &a->list[i], *y = &b->list[i];

		if (strcmp(x->label, y->label) != 0 || strcmp(x->name, y->name) != 0 ||
		    strcmp(x->uuid, y->uuid) != 0 || strcmp(x->cgroup, y->cgroup) != 0 ||
		    strcmp(x->command, y->command) != 0 || x->manage != y->manage)
			return true;
	}
	return false;
}

bool setting_has_changed(const struct setting *setting, const struct settings *before,
			 const struct settings *now, char *value, size_t size)
{
	_cleanup_free_ char *old = malloc(size);

	return old && setting_format(setting, before, old, size) >= 0 &&
	       setting_format(setting, now, value, size) >= 0 && strcmp(old, value) != 0;
}

unsigned settings_tell_changes(const struct settings *before, const struct settings *now,
			       bool only_start, FILE *out)
{
	_cleanup_free_ char *value = malloc(PLACE_SET_TEXT_MAX);
	unsigned n = 0;

	if (!value)
		return 0;
	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting *setting = &settings_table[i];

		if ((only_start && !setting->needs_start) ||
		    !setting_has_changed(setting, before, now, value, PLACE_SET_TEXT_MAX))
			continue;
		fprintf(out, "[%s] %s = %s\n", setting->section, setting->key, value);
		n++;
	}
	if (!only_start && rules_differ(&before->rules, &now->rules)) {
		fprintf(out, "[guest] %zu rules\n", now->rules.n);
		n++;
	}
	return n;
}
