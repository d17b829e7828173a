/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints what is made from daemon/settings.def: conf/placed.conf, or the table of its man page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "settings.h"

static void print_item(const struct setting *setting, const struct settings *settings)
{
	_cleanup_free_ char *value = malloc(PLACE_SET_TEXT_MAX);
	char range[200];

	if (!value || setting_format(setting, settings, value, PLACE_SET_TEXT_MAX) < 0)
		exit(EXIT_FAILURE);
	setting_format_range(setting, range, sizeof(range));
	printf(".It Ic %s Ns \" =\"%s%s\n%s\n%c%s.%s\n", setting->key, *value ? " Li " : "", value,
	       setting->meaning, range[0] >= 'a' ? range[0] - 'a' + 'A' : range[0], range + 1,
	       setting->needs_start ? "\nTakes effect at the next start." : "");
}

static void print_man(const struct settings *settings)
{
	for (size_t i = 0; i < SETTINGS_N_SECTIONS; i++) {
		const struct settings_section *section = &settings_sections[i];

		printf(".Ss [%s]\n%s\n.Bl -tag -width Ds\n", section->name, section->meaning);
		for (size_t j = 0; j < SETTINGS_N; j++)
			if (!strcmp(settings_table[j].section, section->name))
				print_item(&settings_table[j], settings);
		printf(".El\n");
	}
}

int main(int argc, char **argv)
{
	struct settings settings;

	settings_default(&settings);
	if (argc == 2 && !strcmp(argv[1], "conf"))
		settings_print(&settings, stdout);
	else if (argc == 2 && !strcmp(argv[1], "man"))
		print_man(&settings);
	else
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
