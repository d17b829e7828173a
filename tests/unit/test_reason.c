/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words for reasons and verdicts: all there, all different, and the ones that programs read
 * unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "decide/reason.h"

static void expect_word(const char *word)
{
	assert_true(strlen(word) > 0);
	assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
}

static void expect_text(const char *text)
{
	assert_true(strlen(text) > 0);
	assert_true(text[strlen(text) - 1] != '.');
}

static void test_reasons(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PLACE_REASON_COUNT; i++) {
		const char *word = place_reason_word((enum place_reason)i);

		expect_word(word);
		expect_text(place_reason_text((enum place_reason)i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(word, place_reason_word((enum place_reason)j));
	}
}

static void test_verdicts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PLACE_VERDICT_COUNT; i++) {
		const char *word = place_verdict_word((enum place_verdict)i);

		expect_word(word);
		expect_text(place_verdict_text((enum place_verdict)i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(word, place_verdict_word((enum place_verdict)j));
	}
}

static void test_classes_and_fates(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PLACE_CLASS_COUNT; i++) {
		const char *word = place_class_word((enum place_class)i);

		expect_word(word);
		expect_text(place_class_text((enum place_class)i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(word, place_class_word((enum place_class)j));
	}
	for (unsigned i = 0; i < PLACE_FATE_COUNT; i++) {
		const char *word = place_fate_word((enum place_fate)i);

		expect_word(word);
		expect_text(place_fate_text((enum place_fate)i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(word, place_fate_word((enum place_fate)j));
	}
}

static void test_sources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PLACE_EVIDENCE_COUNT; i++) {
		const char *word = place_evidence_word((enum place_evidence)i);

		expect_word(word);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(word, place_evidence_word((enum place_evidence)j));
	}
	for (unsigned i = 0; i < PLACE_BYTES_COUNT; i++) {
		const char *word = place_bytes_word((enum place_bytes_source)i);

		expect_word(word);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(word, place_bytes_word((enum place_bytes_source)j));
	}
}

static void test_words_are_stable(void **state)
{
	(void)state;
	assert_string_equal(place_reason_word(PLACE_REASON_CHOSEN), "chosen");
	assert_string_equal(place_class_word(PLACE_CLASS_FREE), "free");
	assert_string_equal(place_class_word(PLACE_CLASS_CONFIDENTIAL), "confidential");
	assert_string_equal(place_fate_word(PLACE_FATE_HELD_OFF), "held_off");
	assert_string_equal(place_evidence_word(PLACE_EVIDENCE_HINT_FAULTS), "hint_faults");
	assert_string_equal(place_bytes_word(PLACE_BYTES_CGROUP), "cgroup");
	assert_string_equal(place_reason_word(PLACE_REASON_TOO_LITTLE_MEMORY), "too_little_memory");
	assert_string_equal(place_reason_word(PLACE_REASON_NOT_ALLOWED), "not_allowed");
	assert_string_equal(place_verdict_word(PLACE_VERDICT_ONE_NODE), "one_node");
	assert_string_equal(place_verdict_word(PLACE_VERDICT_NO_ROOM), "no_room");
	assert_string_equal(place_verdict_word(PLACE_VERDICT_BLIND), "blind");
}

static void test_unknown(void **state)
{
	(void)state;
	assert_string_equal(place_reason_word(PLACE_REASON_COUNT), "unknown");
	assert_string_equal(place_reason_text((enum place_reason) - 1), "unknown");
	assert_string_equal(place_verdict_word(PLACE_VERDICT_COUNT), "unknown");
	assert_string_equal(place_verdict_text((enum place_verdict) - 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),		  cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_classes_and_fates), cmocka_unit_test(test_sources),
		cmocka_unit_test(test_words_are_stable),  cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
