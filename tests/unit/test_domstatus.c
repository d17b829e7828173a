/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's status XML: what it looks like, and what a user may have put into the parts of it
 * that are his, to be mistaken for the rest.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/domstatus.h"

#define KIB UINT64_C(1024)
#define HEAD "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n"
#define STATUS "<domstatus state='running' reason='booted' pid='241'>\n"
#define ADVISED "  <numad nodeset='1' cpuset='4-7'/>\n"
#define DOMAIN "  <domain type='kvm' id='1'>\n    <name>db</name>\n"
#define BALLOON "    <currentMemory unit='KiB'>262144</currentMemory>\n"
#define AUTO "    <numatune>\n      <memory mode='strict' placement='auto'/>\n    </numatune>\n"
#define END "  </domain>\n</domstatus>\n"

static void expect_status(const char *text, uint64_t balloon_kib, enum place_bind bind,
			  const char *mems)
{
	static char list[PLACE_SET_TEXT_MAX];
	struct place_domstatus status;

	memset(&status, 0x5a, sizeof(status));
	assert_int_equal(place_domstatus_parse(text, &status), 0);
	assert_int_equal(status.pid, 241);
	assert_int_equal(status.have_balloon, balloon_kib != 0);
	if (balloon_kib)
		assert_int_equal(status.balloon_bytes, balloon_kib * KIB);
	assert_true(place_set_format(&status.mems, list, sizeof(list)) >= 0);
	assert_int_equal(status.bind, bind);
	assert_string_equal(list, mems);
}

static void test_usual(void **state)
{
	(void)state;
	expect_status(HEAD STATUS ADVISED DOMAIN BALLOON AUTO END, 262144, PLACE_BIND_STRICT, "1");
	expect_status(HEAD STATUS DOMAIN BALLOON END, 262144, PLACE_BIND_NONE, "");
	expect_status(HEAD STATUS DOMAIN END, 0, PLACE_BIND_NONE, "");
	expect_status(STATUS, 0, PLACE_BIND_NONE, "");
	/* Advised CPUs alone tie no memory. */
	expect_status(HEAD STATUS ADVISED DOMAIN BALLOON END, 262144, PLACE_BIND_NONE, "");
}

static void test_modes(void **state)
{
	static const struct {
		const char *mode;
		enum place_bind bind;
	} cases[] = {
		{ "strict", PLACE_BIND_STRICT },	{ "interleave", PLACE_BIND_INTERLEAVE },
		{ "preferred", PLACE_BIND_PREFERRED },	{ "restrictive", PLACE_BIND_CPUSET },
		{ "from-the-future", PLACE_BIND_NONE }, { "", PLACE_BIND_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_domstatus status;
		char text[1000];

		snprintf(text, sizeof(text),
			 HEAD STATUS DOMAIN "    <numatune>\n      <memory mode='%s' "
					    "nodeset='0,2-3'/>\n    </numatune>\n" END,
			 cases[i].mode);
		assert_int_equal(place_domstatus_parse(text, &status), 0);
		assert_int_equal(status.bind, cases[i].bind);
	}
	/* A nodeset of its own comes before an advised one. */
	expect_status(HEAD STATUS ADVISED DOMAIN
		      "    <numatune>\n      <memory mode='strict' nodeset='0,2-3'/>\n" END,
		      0, PLACE_BIND_STRICT, "0,2-3");
	/* Only cells are tied: not said by this element. */
	expect_status(HEAD STATUS DOMAIN
		      "    <numatune>\n      <memnode cellid='0' mode='strict' nodeset='2'/>\n" END,
		      0, PLACE_BIND_NONE, "");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"<",
		"<domain type='kvm'>\n</domain>",
		"<domstatus ",
		"<domstatus state='running'>",
		"<domstatus pid='241'",
		"<domstatus pid='",
		"<domstatus pid=''>",
		"<domstatus pid='-1'>",
		"<domstatus pid='2147483648'>",
		"<domstatus pid='12345678901234567890'>",
		"<domstatus pid='24 1'>",
		"<domstatus pid=\"241\">",
		"<domstatus state='x'>\n<vcpu pid='3'/>",
		"<domstatus xpid='241'>",
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		struct place_domstatus status = { .pid = 4711 };

		if (place_domstatus_parse(bad[i], &status) != -EINVAL || status.pid != 4711)
			fail_msg("taken: %s", bad[i]);
	}
}

/* Half a file, at every byte: no reading past its end (a sanitizer watches), no surprise. */
static void test_cut_off(void **state)
{
	static const char whole[] = HEAD STATUS ADVISED DOMAIN BALLOON AUTO END;
	char text[sizeof(whole)];

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		struct place_domstatus status;
		int r;

		memset(text, 0, sizeof(text));
		memcpy(text, whole, n);
		r = place_domstatus_parse(text, &status);
		assert_true(r == 0 || r == -EINVAL);
		if (r == 0)
			assert_int_equal(status.pid, 241);
	}
}

static void test_damaged_values(void **state)
{
	(void)state;
	expect_status(HEAD STATUS DOMAIN "    <currentMemory unit='KiB'>lots</currentMemory>\n" END,
		      0, PLACE_BIND_NONE, "");
	expect_status(HEAD STATUS DOMAIN
		      "    <numatune>\n      <memory mode='strict' nodeset='7-2'/>\n" END,
		      0, PLACE_BIND_NONE, "");
	expect_status(HEAD STATUS DOMAIN
		      "    <numatune>\n      <memory mode='a-mode-that-is-far-too-long-for-us' "
		      "nodeset='0'/>\n" END,
		      0, PLACE_BIND_NONE, "");
	expect_status(HEAD STATUS "  <numad nodeset='x'/>\n" DOMAIN AUTO END, 0, PLACE_BIND_NONE,
		      "");
}

#define METADATA(text)                                                                             \
	"    <metadata>\n      <app:x xmlns:app='u'>" text "</app:x>\n    </metadata>\n"
#define FAKE_BALLOON "\n    <currentMemory unit='KiB'>4</currentMemory>\n"
#define FAKE_TUNE "\n    <numatune>\n      <memory mode='interleave' nodeset='6'/>\n"

/* Metadata is the user's, and CDATA in it is kept to the byte. */
static void test_metadata_is_not_believed(void **state)
{
	(void)state;
	expect_status(HEAD STATUS ADVISED DOMAIN METADATA("<![CDATA[" FAKE_BALLOON FAKE_TUNE "]]>")
			      BALLOON AUTO END,
		      262144, PLACE_BIND_STRICT, "1");
	expect_status(HEAD STATUS DOMAIN METADATA("<!--" FAKE_BALLOON FAKE_TUNE
						  "\n    </metadata>\n" FAKE_TUNE "-->")
			      BALLOON END,
		      262144, PLACE_BIND_NONE, "");
	expect_status(HEAD STATUS DOMAIN METADATA("<![CDATA[\n  <numad nodeset='6'/>\n]]>")
			      BALLOON AUTO END,
		      262144, PLACE_BIND_NONE, "");
}

#define STATE(state, reason) "<domstatus state='" state "' reason='" reason "' pid='241'>\n"
#define JOB(type, async) "  <job type='" type "' async='" async "' phase='perform' flags='0x1'/>\n"
#define TUNE(line) "    <numatune>\n" line "    </numatune>\n"

/* Shapes as libvirt 9.0.0 writes them. */
static void test_traits(void **state)
{
	const unsigned advised = PLACE_TRAIT_ADVISED, nodeset = PLACE_TRAIT_NODESET,
		       migrating = PLACE_TRAIT_MIGRATING, slots = PLACE_TRAIT_SLOTS,
		       cells = PLACE_TRAIT_CELLS;
	const struct {
		const char *text;
		unsigned traits;
	} cases[] = {
		{ STATUS DOMAIN BALLOON END, 0 },
		{ STATUS ADVISED DOMAIN AUTO END, advised },
		/* Advised CPUs, and memory where the administrator wants it. */
		{ STATUS ADVISED DOMAIN TUNE("      <memory mode='strict' nodeset='0'/>\n") END,
		  advised | nodeset },
		{ STATUS DOMAIN TUNE("      <memnode cellid='0' mode='strict' nodeset='2'/>\n") END,
		  nodeset },
		{ STATUS DOMAIN TUNE("      <memory mode='strict' placement='auto'/>\n"
				     "      <memnode cellid='0' mode='strict' nodeset='2'/>\n") END,
		  nodeset },
		/* Behind <numatune>: a device, not a policy. */
		{ STATUS DOMAIN TUNE(
			  "      <memory mode='strict' placement='auto'/>\n") "    <devices>\n     "
									      " <memory "
									      "model='dimm'>\n     "
									      "   <source>\n"
									      "          "
									      "<nodemask>1</"
									      "nodemask>\n" END,
		  slots },
		{ STATUS DOMAIN "    <vcpu placement='static'>2</vcpu>\n" END, 0 },
		{ STATUS DOMAIN "    <vcpu placement='static' cpuset='0-3'>2</vcpu>\n" END,
		  nodeset },
		{ STATUS DOMAIN "    <vcpu placement='auto'>2</vcpu>\n"
				"    <x cpuset='0-3'/>\n" END,
		  0 },
		{ STATUS DOMAIN "    <maxMemory slots='16' unit='KiB'>4194304</maxMemory>\n" END,
		  slots },
		{ STATUS DOMAIN
		  "    <cpu mode='custom'>\n      <numa>\n        <cell id='0'/>\n" END,
		  cells },
		{ STATUS JOB("none", "migration out") DOMAIN END, migrating },
		{ STATUS JOB("modify", "migration in") DOMAIN END, migrating },
		{ STATUS JOB("migration operation", "none") DOMAIN END, migrating },
		{ STATUS JOB("none", "save") DOMAIN END, migrating },
		{ STATUS JOB("none", "snapshot") DOMAIN END, migrating },
		{ STATUS JOB("none", "dump") DOMAIN END, migrating },
		{ STATUS JOB("query", "migration out") DOMAIN END, migrating },
		{ STATUS JOB("none", "start") DOMAIN END, 0 },
		{ STATUS JOB("none", "backup") DOMAIN END, 0 },
		{ STATUS JOB("modify", "none") DOMAIN END, 0 },
		{ STATE("paused", "migration") DOMAIN END, migrating },
		{ STATE("running", "post-copy") DOMAIN END, migrating },
		{ STATE("paused", "post-copy failed") DOMAIN END, migrating },
		{ STATE("running", "post-copy failed") DOMAIN END, migrating },
		{ STATE("running", "migration canceled") DOMAIN END, 0 },
		{ STATE("running", "restored") DOMAIN END, 0 },
		{ STATE("running", "migrated") DOMAIN END, 0 },
		{ STATE("paused", "user") DOMAIN END, 0 },
		/* A domain's own text is no job. */
		{ STATUS DOMAIN METADATA("<![CDATA[\n" JOB("none", "migration out") "]]>") END, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_domstatus status;

		assert_int_equal(place_domstatus_parse(cases[i].text, &status), 0);
		if (status.traits != cases[i].traits)
			fail_msg("%s: %#x", cases[i].text, status.traits);
	}
}

static void test_starting_and_pins(void **state)
{
	struct place_domstatus status;

	(void)state;
	assert_int_equal(place_domstatus_parse(STATE("paused", "starting up") DOMAIN END, &status),
			 0);
	assert_true(status.is_starting);
	assert_false(status.has_pins);
	assert_int_equal(place_domstatus_parse(STATE("running", "starting up") DOMAIN
					       "    <cputune>\n      <vcpupin vcpu='0' "
					       "cpuset='2'/>\n" END,
					       &status),
			 0);
	assert_false(status.is_starting);
	assert_true(status.has_pins);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_damaged_values),
		cmocka_unit_test(test_metadata_is_not_believed),
		cmocka_unit_test(test_traits),
		cmocka_unit_test(test_starting_and_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
