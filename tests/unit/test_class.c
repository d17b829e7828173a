/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Classes: each trait alone, the strictest of any two, and what follows from a class. The order
 * is written down here a second time, on purpose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decide/class.h"
#include "decide/reason.h"
#include "host/cleanup.h"

static const unsigned whole = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;

/* The strictest first; each row as it comes alone. */
static const struct {
	unsigned traits;
	enum place_bind bind;
	enum place_class class;
} order[] = {
	{ PLACE_TRAIT_EXCLUDED, PLACE_BIND_NONE, PLACE_CLASS_EXCLUDED },
	{ PLACE_TRAIT_CONFIDENTIAL, PLACE_BIND_NONE, PLACE_CLASS_CONFIDENTIAL },
	{ PLACE_TRAIT_PARTIAL, PLACE_BIND_NONE, PLACE_CLASS_UNREADABLE },
	{ PLACE_TRAIT_MIGRATING, PLACE_BIND_NONE, PLACE_CLASS_MIGRATING },
	{ PLACE_TRAIT_VFIO, PLACE_BIND_NONE, PLACE_CLASS_DEVICE },
	{ 0, PLACE_BIND_INTERLEAVE, PLACE_CLASS_INTERLEAVED },
	{ PLACE_TRAIT_PINNED, PLACE_BIND_NONE, PLACE_CLASS_PINNED },
	{ PLACE_TRAIT_NODESET, PLACE_BIND_NONE, PLACE_CLASS_STATIC },
	{ PLACE_TRAIT_ADVISED, PLACE_BIND_NONE, PLACE_CLASS_AUTO },
	{ PLACE_TRAIT_CONFINED, PLACE_BIND_NONE, PLACE_CLASS_STATIC },
	{ 0, PLACE_BIND_STRICT, PLACE_CLASS_STATIC },
	{ 0, PLACE_BIND_PREFERRED, PLACE_CLASS_STATIC },
	{ 0, PLACE_BIND_CPUSET, PLACE_CLASS_STATIC },
	{ 0, PLACE_BIND_NONE, PLACE_CLASS_FREE },
};

static enum place_class class_of(unsigned known, enum place_bind bind, unsigned traits)
{
	static struct place_guest guest;

	guest.known = known;
	guest.bind = bind;
	return place_class_of(&guest, traits);
}

static void test_each_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(order); i++) {
		const enum place_class class = class_of(whole, order[i].bind, order[i].traits);

		if (class != order[i].class)
			fail_msg("row %zu: %s", i, place_class_word(class));
	}
}

static void test_the_strictest_of_two(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(order); i++) {
		for (size_t j = i + 1; j < ELEMENTSOF(order); j++) {
			const enum place_bind bind =
				order[i].bind != PLACE_BIND_NONE ? order[i].bind : order[j].bind;
			const unsigned traits = order[i].traits | order[j].traits;

			if (class_of(whole, bind, traits) != order[i].class)
				fail_msg("rows %zu and %zu", i, j);
		}
	}
}

/* By its cells as by its policy, whichever of them that is. */
static void test_bound_cell_by_cell(void **state)
{
	struct place_guest guest = { .known = whole, .is_split = true };

	(void)state;
	for (unsigned bind = 0; bind < PLACE_BIND_COUNT; bind++) {
		guest.bind = (enum place_bind)bind;
		assert_int_equal(place_class_of(&guest, PLACE_TRAIT_NODESET | PLACE_TRAIT_PINNED),
				 PLACE_CLASS_INTERLEAVED);
		assert_int_equal(place_class_of(&guest, PLACE_TRAIT_VFIO), PLACE_CLASS_DEVICE);
	}
}

/* These say something of it, but nothing about who may move it. */
static void test_other_traits_change_nothing(void **state)
{
	const unsigned others = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_SLOTS | PLACE_TRAIT_CELLS |
				PLACE_TRAIT_SHARED | PLACE_TRAIT_INCLUDED;

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(order); i++)
		assert_int_equal(class_of(whole, order[i].bind, order[i].traits | others),
				 order[i].class);
}

static void test_unknown_is_not_moved(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit <= whole; bit <<= 1) {
		if (!(bit & whole))
			continue;
		assert_int_equal(class_of(whole & ~bit, PLACE_BIND_NONE, 0),
				 PLACE_CLASS_UNREADABLE);
		assert_int_equal(class_of(whole & ~bit, PLACE_BIND_NONE, PLACE_TRAIT_ADVISED),
				 PLACE_CLASS_UNREADABLE);
		assert_int_equal(class_of(whole & ~bit, PLACE_BIND_NONE, PLACE_TRAIT_EXCLUDED),
				 PLACE_CLASS_EXCLUDED);
	}
	assert_false(place_class_moves_memory(PLACE_CLASS_UNREADABLE));
}

static void test_what_moves(void **state)
{
	(void)state;
	for (unsigned class = 0; class < PLACE_CLASS_COUNT; class ++) {
		const bool memory = class == PLACE_CLASS_FREE || class == PLACE_CLASS_AUTO ||
				    class == PLACE_CLASS_STATIC || class == PLACE_CLASS_PINNED;
		const bool cpus = class == PLACE_CLASS_FREE || class == PLACE_CLASS_AUTO ||
				  class == PLACE_CLASS_DEVICE;

		assert_int_equal(place_class_moves_memory(class), memory);
		assert_int_equal(place_class_moves_cpus(class, 0), cpus);
		assert_false(place_class_moves_cpus(class, PLACE_TRAIT_PINNED));
		assert_false(place_class_moves_cpus(class, PLACE_TRAIT_NODESET));
		assert_false(place_class_moves_cpus(class, PLACE_TRAIT_CONFINED));
	}
	/* libvirt keeps an advised guest on the nodes of the advice. */
	assert_true(place_class_moves_cpus(PLACE_CLASS_AUTO,
					   PLACE_TRAIT_ADVISED | PLACE_TRAIT_CONFINED));
}

static void test_who_changes_nodes(void **state)
{
	struct place_guest guest = { .known = whole | PLACE_GUEST_MEMS, .bind = PLACE_BIND_STRICT };

	(void)state;
	place_set_add(&guest.mems, 1);
	for (unsigned class = 0; class < PLACE_CLASS_COUNT; class ++)
		assert_int_equal(place_class_changes_nodes(class, &guest, 0),
				 class == PLACE_CLASS_AUTO);
	for (unsigned bind = 0; bind < PLACE_BIND_COUNT; bind++) {
		guest.bind = bind;
		assert_int_equal(place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, 0),
				 bind == PLACE_BIND_STRICT || bind == PLACE_BIND_CPUSET);
		assert_int_equal(
			place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, PLACE_TRAIT_SHARED),
			bind == PLACE_BIND_CPUSET);
		assert_false(
			place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, PLACE_TRAIT_SLOTS));
		/* Its record is a user's own. */
		assert_false(
			place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, PLACE_TRAIT_SESSION));
	}
	guest.bind = PLACE_BIND_STRICT;
	place_set_add(&guest.mems, 0);
	assert_false(place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, 0));
	guest.mems = (struct place_set){ 0 };
	assert_false(place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, 0));
	place_set_add(&guest.mems, 0);
	assert_true(place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, 0));
	guest.known = whole;
	assert_false(place_class_changes_nodes(PLACE_CLASS_AUTO, &guest, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_alone),
		cmocka_unit_test(test_the_strictest_of_two),
		cmocka_unit_test(test_bound_cell_by_cell),
		cmocka_unit_test(test_other_traits_change_nothing),
		cmocka_unit_test(test_unknown_is_not_moved),
		cmocka_unit_test(test_what_moves),
		cmocka_unit_test(test_who_changes_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
