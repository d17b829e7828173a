/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of a settings file. What is accepted lies in its range, and what is printed of it
 * reads back the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *nowhere(void)
{
	static FILE *file;

	if (!file)
		file = fopen("/dev/null", "w");
	if (!file)
		abort();
	return file;
}

static void print(const struct settings *settings, char **text, size_t *size)
{
	FILE *file = open_memstream(text, size);

	if (!file)
		abort();
	settings_print(settings, file);
	if (fclose(file) != 0)
		abort();
}

static void check(const struct settings *settings)
{
	char *first = NULL, *second = NULL;
	size_t first_size, second_size;
	struct settings again;

	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting *setting = &settings_table[i];
		unsigned value;

		if (setting->kind != SETTING_NUMBER && setting->kind != SETTING_NUMBER_OR_ZERO)
			continue;
		memcpy(&value, (const char *)settings + setting->offset, sizeof(value));
		if ((value < setting->least &&
		     (value || setting->kind != SETTING_NUMBER_OR_ZERO)) ||
		    value > setting->greatest)
			abort();
	}
	print(settings, &first, &first_size);
	settings_default(&again);
	if (settings_read_text("again", first, first_size, &again, stderr) < 0)
		abort();
	print(&again, &second, &second_size);
	if (strcmp(first, second) != 0 ||
	    settings_tell_changes(settings, &again, false, stderr) != 0)
		abort();
	settings_done(&again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;

	settings_default(&settings);
	if (settings_read_text("fuzz", (const char *)data, size, &settings, nowhere()) == 0 &&
	    settings_check("fuzz", &settings, nowhere()) == 0)
		check(&settings);
	settings_done(&settings);
	return 0;
}
