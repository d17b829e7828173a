/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of a settings file. inih parses; what it would pass over or change without a word is
 * refused before it sees it: long lines and section names (cut), lines without a value (only the
 * first is reported), indented lines (taken for more of the value above), text behind a section.
 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

#include "host/text.h"
#include "settings.h"

#define FAULTS_MAX 100
/* inih's MAX_SECTION (ini.c, 55) is 50 with the NUL. */
#define SECTION_TEXT_MAX 49

/* isspace() in the C locale, less the newline: inih strips them. */
#define BLANKS " \t\r\v\f"

#define GUEST_PREFIX "guest "
#define GUEST_PREFIX_LENGTH (sizeof(GUEST_PREFIX) - 1)

struct reading {
	const char *name; /* of the file, for messages */
	const char *at, *end;
	unsigned line;
	unsigned n_faults;
	unsigned set_line[SETTINGS_N]; /* where each was set in this file, or 0 */
	unsigned rule_line[RULES_MAX]; /* and where each section of a guest began */
	struct settings *settings;
	FILE *errors;
};

__attribute__((format(printf, 2, 3))) static void fault(struct reading *reading, const char *format,
							...)
{
	va_list arguments;

	if (reading->n_faults++ >= FAULTS_MAX)
		return;
	fprintf(reading->errors, "%s:%u: ", reading->name, reading->line);
	va_start(arguments, format);
	vfprintf(reading->errors, format, arguments);
	va_end(arguments);
	fputc('\n', reading->errors);
}

/* ---- what stands behind a key ------------------------------------------------------------ */

static void set_value(struct reading *reading, const struct setting *setting, const char *value)
{
	unsigned *set_line = &reading->set_line[setting - settings_table];
	char escaped[400], range[200];
	int r;

	if (*set_line)
		fault(reading, "[%s] %s was set in line %u before", setting->section, setting->key,
		      *set_line);
	*set_line = reading->line;
	r = setting_parse(setting, value, reading->settings);
	if (r == 0)
		return;
	setting_format_range(setting, range, sizeof(range));
	place_text_escape(value, escaped, sizeof(escaped));
	fault(reading, "[%s] %s: \"%s\" %s: %s", setting->section, setting->key, escaped,
	      r == -ERANGE ? "is out of range" : "is not understood", range);
}

static char *pattern_of(struct rule *rule, const char *key)
{
	if (!strcmp(key, "name"))
		return rule->name;
	if (!strcmp(key, "uuid"))
		return rule->uuid;
	if (!strcmp(key, "cgroup"))
		return rule->cgroup;
	return strcmp(key, "command") ? NULL : rule->command;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static void set_pattern(struct reading *reading, const char *label, const char *key,
			const char *value, char *pattern)
{
	if (*value == '\0' || strlen(value) >= RULE_TEXT_MAX)
		fault(reading, "[guest %s] %s: a pattern has 1 to %d bytes", label, key,
		      RULE_TEXT_MAX - 1);
	else if (has_control(value))
		fault(reading, "[guest %s] %s: a control character", label, key);
	else
		snprintf(pattern, RULE_TEXT_MAX, "%s", value);
}

static void set_manage(struct reading *reading, const char *value, struct rule *rule)
{
	char escaped[400];

	if (!strcmp(value, "yes")) {
		rule->manage = RULE_MANAGE_YES;
	} else if (!strcmp(value, "no")) {
		rule->manage = RULE_MANAGE_NO;
	} else {
		place_text_escape(value, escaped, sizeof(escaped));
		fault(reading, "[guest %s] manage: \"%s\" is not understood: yes or no",
		      rule->label, escaped);
	}
}

static void set_rule_value(struct reading *reading, const char *label, const char *key,
			   const char *value)
{
	struct rule *rule = rules_get(&reading->settings->rules, label);
	char *pattern = rule ? pattern_of(rule, key) : NULL;
	char escaped[400];

	if (!rule)
		return; /* too many; its section has said so */
	if (pattern) {
		set_pattern(reading, label, key, value, pattern);
	} else if (!strcmp(key, "manage")) {
		set_manage(reading, value, rule);
	} else {
		place_text_escape(key, escaped, sizeof(escaped));
		fault(reading, "unknown setting [guest %s] %s", label, escaped);
	}
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < SETTINGS_N_SECTIONS; i++)
		if (!strcmp(settings_sections[i].name, name))
			return true;
	return false;
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;
	const struct setting *setting = settings_find(section, key);
	char escaped[400];

	if (setting) {
		set_value(reading, setting, value);
	} else if (!strncmp(section, GUEST_PREFIX, GUEST_PREFIX_LENGTH)) {
		set_rule_value(reading, section + GUEST_PREFIX_LENGTH, key, value);
	} else if (*section == '\0') {
		place_text_escape(key, escaped, sizeof(escaped));
		fault(reading, "%s stands before the first section", escaped);
	} else if (is_section(section)) { /* of others the reader has told */
		place_text_escape(key, escaped, sizeof(escaped));
		fault(reading, "unknown setting [%s] %s", section, escaped);
	}
	return 1;
}

/* ---- lines ------------------------------------------------------------------------------- */

static bool is_comment(char c)
{
	return c == ';' || c == '#';
}

static bool is_blank(char c)
{
	return c && strchr(BLANKS, c);
}

/* A label is a name of ours: blanks at its ends and comment signs in it would get lost. */
static bool is_label(const char *label)
{
	if (has_control(label))
		return false;
	return *label && !strchr(BLANKS, *label) && !strchr(BLANKS, label[strlen(label) - 1]) &&
	       !strpbrk(label, ";#[]\"\\");
}

/* The rules of two with one label would become one, and what the first one says be lost. */
static void check_guest_section(struct reading *reading, const char *label)
{
	const struct rules *rules = &reading->settings->rules;
	struct rule *rule = rules_get(&reading->settings->rules, label);
	unsigned *line;

	if (!rule) {
		fault(reading, "more than %d sections [guest]", RULES_MAX);
		return;
	}
	snprintf(rule->file, sizeof(rule->file), "%s", reading->name);
	line = &reading->rule_line[rule - rules->list];
	if (*line)
		fault(reading, "[guest %s] stands in line %u before", label, *line);
	*line = reading->line;
}

static bool check_section(struct reading *reading, const char *line)
{
	const char *end = strchr(line, ']'), *behind = end ? end + 1 : NULL;
	char name[SECTION_TEXT_MAX + 1], escaped[400];

	if (!end) {
		fault(reading, "a section without its ]");
		return false;
	}
	behind += strspn(behind, BLANKS);
	if (*behind && !is_comment(*behind)) {
		fault(reading, "text behind a section");
		return false;
	}
	if (end - line - 1 > SECTION_TEXT_MAX) {
		fault(reading, "the name of a section is longer than %d bytes", SECTION_TEXT_MAX);
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - line - 1), line + 1);
	if (is_section(name))
		return true;
	if (strncmp(name, GUEST_PREFIX, GUEST_PREFIX_LENGTH) != 0 ||
	    !is_label(name + GUEST_PREFIX_LENGTH)) {
		place_text_escape(name, escaped, sizeof(escaped));
		fault(reading, "unknown section [%s]", escaped);
	} else {
		check_guest_section(reading, name + GUEST_PREFIX_LENGTH);
	}
	return true;
}

/* A key, and "=" or ":" behind it, before a comment begins. */
static bool has_value(const char *line)
{
	for (const char *at = line; *at; at++) {
		if (*at == '=' || *at == ':')
			return at > line;
		if (*at == ';' && at > line && is_blank(at[-1]))
			return false;
	}
	return false;
}

/* Whether inih may see it. */
static bool check_line(struct reading *reading, const char *line)
{
	char escaped[400];

	if (*line == '\0' || is_comment(*line))
		return true;
	if (*line == '[')
		return check_section(reading, line);
	if (has_value(line))
		return true;
	place_text_escape(line, escaped, sizeof(escaped));
	fault(reading, "neither a section nor a setting: %s", escaped);
	return false;
}

static void skip_mark(struct reading *reading)
{
	static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark in UTF-8 */

	if (reading->end - reading->at >= 3 && !memcmp(reading->at, mark, 3))
		reading->at += 3;
}

/* The next one without blanks around it; the text must not be at its end. */
static const char *take_line(struct reading *reading, size_t *ret_length)
{
	const char *at = reading->at;
	const char *newline = memchr(at, '\n', (size_t)(reading->end - at));
	size_t length = (size_t)((newline ? newline : reading->end) - at);

	reading->at += length + (newline != NULL);
	reading->line++;
	for (; length && is_blank(*at); length--)
		at++;
	while (length && is_blank(at[length - 1]))
		length--;
	*ret_length = length;
	return at;
}

/* fgets() of inih: a line without blanks around it, "" in place of one that is refused. */
static char *next_line(char *line, int size, void *stream)
{
	struct reading *reading = stream;
	const char *taken;
	size_t length;

	if (reading->at == reading->end)
		return NULL;
	taken = take_line(reading, &length);
	line[0] = '\0';
	if (memchr(taken, '\0', length)) {
		fault(reading, "a NUL byte");
		return line;
	}
	/* One that fills the buffer could be taken for the begin of a longer one. */
	if (size < 2 || length > (size_t)size - 2) {
		fault(reading, "the line is longer than %d bytes", size - 2);
		return line;
	}
	memcpy(line, taken, length);
	line[length] = '\0';
	/* What stands in a refused section belongs to none that we know. */
	if (!check_line(reading, line))
		snprintf(line, (size_t)size, "%s", *line == '[' ? "[?]" : "");
	return line;
}

int settings_read_text(const char *name, const char *text, size_t size, struct settings *settings,
		       FILE *errors)
{
	struct reading reading = {
		.name = name,
		.at = text,
		.end = text + size,
		.settings = settings,
		.errors = errors,
	};
	int r;

	skip_mark(&reading);
	r = ini_parse_stream(next_line, &reading, on_value, &reading);
	if (r < 0)
		return -ENOMEM;
	if (r > 0 && reading.n_faults == 0) {
		reading.line = (unsigned)r;
		fault(&reading, "not understood");
	}
	if (reading.n_faults > FAULTS_MAX)
		fprintf(errors, "%s: %u more\n", name, reading.n_faults - FAULTS_MAX);
	return reading.n_faults ? -EINVAL : 0;
}
