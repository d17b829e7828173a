/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules for single guests, the [guest LABEL] sections of the settings: which are left alone, and
 * which processes that are no guests are managed like one.
 */
#pragma once

#include "flow.h"

/* A line of a settings file holds little more. */
#define RULE_TEXT_MAX 160
#define RULES_MAX 128

enum rule_manage { RULE_MANAGE_UNSET, RULE_MANAGE_NO, RULE_MANAGE_YES };

/* Patterns as of fnmatch(3) without escapes, "" where a rule does not look at it. */
struct rule {
	char label[64];
	char file[256];		     /* that said something of it last; a longer name is cut */
	char name[RULE_TEXT_MAX];    /* libvirt's, or QEMU's -name */
	char uuid[RULE_TEXT_MAX];    /* either case */
	char cgroup[RULE_TEXT_MAX];  /* path below the mount; a leading slash does not matter */
	char command[RULE_TEXT_MAX]; /* comm; with a slash in it: the path of the program */
	enum rule_manage manage;
};

struct rules {
	size_t n;
	struct rule *list; /* in the order of the files; owned */
};

/*
 * What the first rule says whose patterns all match: RULE_MANAGE_UNSET where none does. A fact
 * that is not known matches no pattern. comm, program: as /proc says, NULL where unknown.
 *
 * ret_rule: the rule, or NULL; may be NULL.
 */
enum rule_manage rules_match(const struct rules *rules, const struct place_look *look,
			     const char *comm, const char *program, const struct rule **ret_rule);

/* The rule of that label, made where there is none. Returns: NULL when there are RULES_MAX. */
struct rule *rules_get(struct rules *rules, const char *label);
void rules_done(struct rules *rules);
