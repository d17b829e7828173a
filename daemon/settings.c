/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table, and what values are. No file is read here. */
#include "settings.h"

#include <errno.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"

enum { RELOAD, START };

static const char *const memory_only_words[] = {
	[PLACE_MEMORY_ONLY_NEVER] = "never",
	[PLACE_MEMORY_ONLY_OVERFLOW] = "overflow",
	NULL,
};

static const char *const hugepages_words[] = {
	[PLACE_HUGEPAGES_EITHER] = "either",
	[PLACE_HUGEPAGES_NEVER] = "never",
	[PLACE_HUGEPAGES_ALWAYS] = "always",
	NULL,
};

#define ROW(section_, key_, field_, kind_, least_, greatest_, unit_, words_, when_, meaning_)      \
	{ .section = #section_,                                                                    \
	  .key = #key_,                                                                            \
	  .kind = kind_,                                                                           \
	  .offset = offsetof(struct settings, field_),                                             \
	  .least = least_,                                                                         \
	  .greatest = greatest_,                                                                   \
	  .unit = unit_,                                                                           \
	  .words = words_,                                                                         \
	  .needs_start = (when_) == START,                                                         \
	  .meaning = meaning_ },

const struct setting settings_table[SETTINGS_N] = {
#define BOOL(section, key, field, fallback, when, meaning)                                         \
	ROW(section, key, field, SETTING_BOOL, 0, 1, "", NULL, when, meaning)
#define NUMBER(section, key, field, fallback, least, greatest, unit, when, meaning)                \
	ROW(section, key, field, SETTING_NUMBER, least, greatest, unit, NULL, when, meaning)
#define NUMBER_OR_ZERO(section, key, field, fallback, least, greatest, unit, when, meaning)        \
	ROW(section, key, field, SETTING_NUMBER_OR_ZERO, least, greatest, unit, NULL, when, meaning)
#define CHOICE(section, key, field, type, fallback, words, when, meaning)                          \
	ROW(section, key, field, SETTING_CHOICE, 0, 0, "", words, when, meaning)
#define PATH(section, key, field, fallback, when, meaning)                                         \
	ROW(section, key, field, SETTING_PATH, 0, 0, "", NULL, when, meaning)
#define CPUS(section, key, field, when, meaning)                                                   \
	ROW(section, key, field, SETTING_CPUS, 0, 0, "", NULL, when, meaning)
#include "settings.def"
};

const struct settings_section settings_sections[SETTINGS_N_SECTIONS] = {
#define SECTION(name, meaning) { #name, meaning },
#include "settings.def"
};

static const struct settings defaults = {
#define BOOL(section, key, field, fallback, ...) .field = fallback,
#define NUMBER(section, key, field, fallback, ...) .field = fallback,
#define NUMBER_OR_ZERO(section, key, field, fallback, ...) .field = fallback,
#define CHOICE(section, key, field, type, fallback, ...) .field = fallback,
#define PATH(section, key, field, fallback, ...) .field = fallback,
#include "settings.def"
};

/* Values of a choice are written through an unsigned. */
#define CHOICE(section, key, field, type, ...)                                                     \
	_Static_assert(sizeof(type) == sizeof(unsigned), "size of " #type);
#include "settings.def"

void settings_default(struct settings *ret_settings)
{
	*ret_settings = defaults;
}

void settings_done(struct settings *settings)
{
	rules_done(&settings->rules);
}

const struct setting *settings_find(const char *section, const char *key)
{
	for (size_t i = 0; i < SETTINGS_N; i++)
		if (!strcmp(settings_table[i].section, section) &&
		    !strcmp(settings_table[i].key, key))
			return &settings_table[i];
	return NULL;
}

/* ---- values ------------------------------------------------------------------------------ */

static void *value_of(const struct setting *setting, struct settings *settings)
{
	return (char *)settings + setting->offset;
}

static const void *peek_value(const struct setting *setting, const struct settings *settings)
{
	return (const char *)settings + setting->offset;
}

static int parse_bool(const char *text, bool *ret_value)
{
	static const char *const words[][2] = {
		{ "no", "yes" },
		{ "false", "true" },
		{ "off", "on" },
		{ "0", "1" },
	};

	for (size_t i = 0; i < ELEMENTSOF(words); i++)
		for (int value = 0; value <= 1; value++)
			if (!strcmp(text, words[i][value])) {
				*ret_value = value;
				return 0;
			}
	return -EINVAL;
}

static int parse_number(const struct setting *setting, const char *text, unsigned *ret_value)
{
	unsigned value;
	int r;

	r = place_text_unsigned(text, &value);
	if (r < 0)
		return r;
	if (value == 0 && setting->kind == SETTING_NUMBER_OR_ZERO) {
		*ret_value = 0;
		return 0;
	}
	if (value < setting->least || value > setting->greatest)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

static int parse_choice(const struct setting *setting, const char *text, unsigned *ret_value)
{
	for (unsigned i = 0; setting->words[i]; i++)
		if (!strcmp(text, setting->words[i])) {
			*ret_value = i;
			return 0;
		}
	return -EINVAL;
}

int setting_parse(const struct setting *setting, const char *text, struct settings *settings)
{
	void *value = value_of(setting, settings);

	switch (setting->kind) {
	case SETTING_BOOL:
		return parse_bool(text, value);
	case SETTING_NUMBER:
	case SETTING_NUMBER_OR_ZERO:
		return parse_number(setting, text, value);
	case SETTING_CHOICE:
		return parse_choice(setting, text, value);
	case SETTING_CPUS:
		return place_set_parse_list(text, value);
	case SETTING_PATH:
		if (strlen(text) >= SETTINGS_TEXT_MAX)
			return -ERANGE;
		/* The daemon leaves the folder that it was started in. */
		if (*text && *text != '/')
			return -EINVAL;
		strcpy(value, text);
		return 0;
	}
	return -EINVAL;
}

int setting_format(const struct setting *setting, const struct settings *settings, char *text,
		   size_t size)
{
	const void *value = peek_value(setting, settings);
	int n = 0;

	switch (setting->kind) {
	case SETTING_BOOL:
		n = snprintf(text, size, "%s", *(const bool *)value ? "yes" : "no");
		break;
	case SETTING_NUMBER:
	case SETTING_NUMBER_OR_ZERO:
		n = snprintf(text, size, "%u", *(const unsigned *)value);
		break;
	case SETTING_CHOICE:
		n = snprintf(text, size, "%s", setting->words[*(const unsigned *)value]);
		break;
	case SETTING_PATH:
		n = snprintf(text, size, "%s", (const char *)value);
		break;
	case SETTING_CPUS:
		return place_set_format(value, text, size);
	}
	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}

void setting_format_range(const struct setting *setting, char *text, size_t size)
{
	const char *unit = setting->unit, *blank = *unit ? " " : "";

	switch (setting->kind) {
	case SETTING_BOOL:
		snprintf(text, size, "yes or no");
		break;
	case SETTING_NUMBER:
		snprintf(text, size, "%u to %u%s%s", setting->least, setting->greatest, blank,
			 unit);
		break;
	case SETTING_NUMBER_OR_ZERO:
		snprintf(text, size, "0, or %u to %u%s%s", setting->least, setting->greatest, blank,
			 unit);
		break;
	case SETTING_CHOICE:
		text[0] = '\0';
		for (size_t i = 0, at = 0; setting->words[i] && at < size; i++)
			at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "",
					       setting->words[i]);
		break;
	case SETTING_PATH:
		snprintf(text, size, "an absolute path, at most %d bytes", SETTINGS_TEXT_MAX - 1);
		break;
	case SETTING_CPUS:
		snprintf(text, size, "list");
		break;
	}
}

/* ---- what the command line says of them -------------------------------------------------- */

static unsigned nearest(const char *section, const char *key, int64_t value)
{
	const struct setting *setting = settings_find(section, key);

	if (value < setting->least)
		return setting->least;
	return value > setting->greatest ? setting->greatest : (unsigned)value;
}

static int order_number(int64_t value, int64_t least, int64_t greatest, unsigned *ret_value)
{
	if (value < least || value > greatest)
		return -ERANGE;
	*ret_value = (unsigned)value;
	return 0;
}

static int order_interval(struct settings *settings, int64_t least_s, int64_t greatest_s)
{
	/* 0, which stops a daemon, is no interval. */
	if (least_s < 0 || greatest_s < 1 || greatest_s > INT_MAX || least_s > greatest_s)
		return -ERANGE;
	settings->interval_min_s = nearest("daemon", "interval_min_s", least_s);
	settings->interval_max_s = nearest("daemon", "interval_max_s", greatest_s);
	return 0;
}

int settings_order(struct settings *settings, char letter, int64_t arg1, int64_t arg2)
{
	switch (letter) {
	case 'C':
		settings->count_reclaimable = arg1 != 0;
		return 0;
	case 'H':
		return order_number(arg1, arg1 == 0 ? 0 : 10, 1000000,
				    &settings->thp_scan_sleep_ms);
	case 'i':
		return order_interval(settings, arg1, arg2);
	case 'K':
		settings->keep_interleaved = arg1 != 0;
		return 0;
	case 'l':
		settings->log_level = nearest("daemon", "log_level", arg1);
		return 0;
	case 'm':
		return order_number(arg1, 50, 100, &settings->locality_percent);
	case 'S':
		settings->scan_all = arg1 != 0;
		return 0;
	case 't':
		return order_number(arg1, 0, 100, &settings->smt_percent);
	case 'u':
		return order_number(arg1, 10, 130, &settings->utilization_percent);
	default:
		return -EOPNOTSUPP;
	}
}

void settings_override(struct settings *settings, const struct options *options)
{
	for (size_t i = 0; i < options->n_orders; i++) {
		const struct option_order *order = &options->orders[i];

		(void)settings_order(settings, order->letter, order->arg1, order->arg2);
	}
	if (options->have_reserved_cpus)
		settings->reserved_cpus = options->reserved_cpus;
}

/* ---- for the deciding rooms -------------------------------------------------------------- */

void settings_policy(const struct settings *settings, struct place_policy *ret_policy)
{
	*ret_policy = (struct place_policy){
		.memory_only_nodes = settings->memory_only_nodes,
		.hugepages = settings->hugepages,
		.count_reclaimable = settings->count_reclaimable,
		.smt_percent = settings->smt_percent,
		.promise_ns = settings->promise_s * UINT64_C(1000000000),
		.reserve_permille = settings->reserve_permille,
		.guest_overhead_bytes = (uint64_t)settings->guest_overhead_mib << 20,
		.reserved_cpus = settings->reserved_cpus,
	};
}

void settings_move_policy(const struct settings *settings, struct place_move_policy *ret_policy)
{
	*ret_policy = (struct place_move_policy){
		.is_enabled = settings->move_enabled,
		.remote_permille = settings->remote_permille,
		.locality_permille = settings->locality_percent * 10,
		.utilization_percent = settings->utilization_percent,
		.merges_interleaved = !settings->keep_interleaved,
		.busy_millicpu = settings->busy_millicpu,
		.payback_s = settings->payback_s,
		.steps_max = settings->guests_at_once,
	};
}
