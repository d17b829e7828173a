/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patterns over what is known of a process. Names come from guests' owners and from processes:
 * they are only ever the string, never the pattern. The program sets no locale, so that no byte
 * is an invalid character that would match nothing.
 */
#include "rules.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without escapes: control groups of systemd have backslashes in their names. */
static bool matches(const char *pattern, const char *text, int flags)
{
	return text && *text && fnmatch(pattern, text, flags | FNM_NOESCAPE) == 0;
}

static const char *known(const struct place_look *look, unsigned fact, const char *text)
{
	return look->guest.known & fact ? text : NULL;
}

static const char *skip_slash(const char *path)
{
	return path + (*path == '/');
}

static bool matches_group(const char *pattern, const struct place_look *look)
{
	pattern = skip_slash(pattern);
	return matches(pattern, skip_slash(look->group_v2), 0) ||
	       matches(pattern, skip_slash(look->group_memory_v1), 0);
}

static bool matches_command(const char *pattern, const char *comm, const char *program)
{
	return matches(pattern, strchr(pattern, '/') ? program : comm, 0);
}

static bool rule_matches(const struct rule *rule, const struct place_look *look, const char *comm,
			 const char *program)
{
	const char *name = known(look, PLACE_GUEST_NAME, look->guest.name);
	const char *uuid = known(look, PLACE_GUEST_UUID, look->guest.uuid);

	return (!*rule->name || matches(rule->name, name, 0)) &&
	       (!*rule->uuid || matches(rule->uuid, uuid, FNM_CASEFOLD)) &&
	       (!*rule->cgroup || matches_group(rule->cgroup, look)) &&
	       (!*rule->command || matches_command(rule->command, comm, program));
}

enum rule_manage rules_match(const struct rules *rules, const struct place_look *look,
			     const char *comm, const char *program, const struct rule **ret_rule)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->list[i];

		if (!rule_matches(rule, look, comm, program))
			continue;
		if (ret_rule)
			*ret_rule = rule;
		return rule->manage;
	}
	if (ret_rule)
		*ret_rule = NULL;
	return RULE_MANAGE_UNSET;
}

struct rule *rules_get(struct rules *rules, const char *label)
{
	struct rule *list;

	for (size_t i = 0; i < rules->n; i++)
		if (!strcmp(rules->list[i].label, label))
			return &rules->list[i];
	if (rules->n == RULES_MAX)
		return NULL;
	list = realloc(rules->list, (rules->n + 1) * sizeof(*list));
	if (!list)
		return NULL;
	rules->list = list;
	list[rules->n] = (struct rule){ 0 };
	snprintf(list[rules->n].label, sizeof(list[rules->n].label), "%s", label);
	return &list[rules->n++];
}

void rules_done(struct rules *rules)
{
	free(rules->list);
	*rules = (struct rules){ 0 };
}
