/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules for single guests: which patterns match what, and that unknown facts match nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "rules.h"

static struct place_look look;

static int fill_look(void **state)
{
	(void)state;
	look = (struct place_look){
		.guest = {
			.known = PLACE_GUEST_NAME | PLACE_GUEST_UUID,
			.name = "web-01",
			.uuid = "6b8f4a52-0000-4000-8000-00000000abcd",
		},
		.group_v2 = "machine.slice/machine-qemu\\x2d1\\x2dweb.scope",
		.group_memory_v1 = "machine/qemu-1-web.libvirt-qemu",
	};
	return 0;
}

static bool matches(const struct rule *rule, const char *comm, const char *program)
{
	struct rule copy = *rule;
	const struct rules rules = { .n = 1, .list = &copy };

	copy.manage = RULE_MANAGE_NO;
	return rules_match(&rules, &look, comm, program, NULL) == RULE_MANAGE_NO;
}

static void test_patterns(void **state)
{
	static const struct {
		struct rule rule;
		bool matches;
	} cases[] = {
		{ { .name = "web-01" }, true },
		{ { .name = "web-*" }, true },
		{ { .name = "web-0[1-3]" }, true },
		{ { .name = "web" }, false },
		{ { .name = "WEB-*" }, false },
		{ { .uuid = "6B8F4A52-*" }, true },
		{ { .uuid = "6b8f4a53-*" }, false },
		{ { .cgroup = "machine.slice/*" }, true },
		{ { .cgroup = "/machine.slice/*" }, true },
		/* A backslash is one, as systemd writes names. */
		{ { .cgroup = "machine.slice/machine-qemu\\x2d1\\x2dweb.scope" }, true },
		{ { .cgroup = "machine/qemu-*" }, true },
		{ { .cgroup = "user.slice/*" }, false },
		{ { .command = "qemu-system-*" }, true },
		{ { .command = "/usr/bin/qemu-*" }, true },
		{ { .command = "/opt/*" }, false },
		{ { .command = "/usr/bin/qemu" }, false },
		/* All that are given. */
		{ { .name = "web-*", .command = "qemu-*" }, true },
		{ { .name = "web-*", .command = "postgres" }, false },
		{ { .name = "db-*", .command = "qemu-*" }, false },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		if (matches(&cases[i].rule, "qemu-system-x86", "/usr/bin/qemu-system-x86_64") !=
		    cases[i].matches)
			fail_msg("case %zu", i);
}

static void test_unknown(void **state)
{
	const struct rule any_name = { .name = "*" }, any_uuid = { .uuid = "*" };
	const struct rule any_group = { .cgroup = "*" }, any_comm = { .command = "*" };
	const struct rule any_program = { .command = "/*" };

	(void)state;
	assert_true(matches(&any_name, NULL, NULL));
	look.guest.known = 0;
	look.group_v2[0] = look.group_memory_v1[0] = '\0';
	assert_false(matches(&any_name, "x", "/x"));
	assert_false(matches(&any_uuid, "x", "/x"));
	assert_false(matches(&any_group, "x", "/x"));
	assert_false(matches(&any_comm, NULL, "/x"));
	assert_false(matches(&any_program, "x", NULL));
	assert_true(matches(&any_comm, "x", NULL));
}

/* Names are strings, whatever they look like. */
static void test_hostile_names(void **state)
{
	const struct rule rule = { .name = "db" }, literal = { .name = "[[]*" };

	(void)state;
	strcpy(look.guest.name, "*");
	assert_false(matches(&rule, NULL, NULL));
	strcpy(look.guest.name, "[x\xff\n");
	assert_false(matches(&rule, NULL, NULL));
	assert_true(matches(&literal, NULL, NULL));
}

static void test_first_counts(void **state)
{
	struct rules rules = { 0 };
	const struct rule *found = NULL;
	struct rule *rule;

	(void)state;
	assert_int_equal(rules_match(&rules, &look, "x", NULL, &found), RULE_MANAGE_UNSET);
	assert_null(found);
	rule = rules_get(&rules, "a");
	strcpy(rule->name, "web-*");
	rule->manage = RULE_MANAGE_YES;
	rule = rules_get(&rules, "b");
	strcpy(rule->name, "*");
	rule->manage = RULE_MANAGE_NO;
	assert_int_equal(rules_match(&rules, &look, "x", NULL, &found), RULE_MANAGE_YES);
	assert_string_equal(found->label, "a");
	strcpy(look.guest.name, "db");
	assert_int_equal(rules_match(&rules, &look, "x", NULL, &found), RULE_MANAGE_NO);
	assert_string_equal(found->label, "b");
	assert_ptr_equal(rules_get(&rules, "b"), &rules.list[1]);
	rules_done(&rules);
}

static void test_bound(void **state)
{
	struct rules rules = { 0 };
	char label[20];

	(void)state;
	for (int i = 0; i < RULES_MAX; i++) {
		snprintf(label, sizeof(label), "%d", i);
		assert_non_null(rules_get(&rules, label));
	}
	assert_null(rules_get(&rules, "more"));
	assert_non_null(rules_get(&rules, "7"));
	assert_int_equal(rules.n, RULES_MAX);
	rules_done(&rules);
	assert_int_equal(rules.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_patterns, fill_look),
		cmocka_unit_test_setup(test_unknown, fill_look),
		cmocka_unit_test_setup(test_hostile_names, fill_look),
		cmocka_unit_test_setup(test_first_counts, fill_look),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
