/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of wide guests, what is remote of one, and a look in a child: at ourselves, who have no
 * cells, and at a process that is gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/facts.h"
#include "wide.h"

static struct wide wide;
static struct place_host host;
static unsigned n_looked;

static int begin(void **state)
{
	(void)state;
	memset(&wide, 0, sizeof(wide));
	n_looked = 0;
	return 0;
}

static void test_table(void **state)
{
	struct wide_guest *guest;

	(void)state;
	assert_null(wide_find(&wide, 7, 1));
	guest = wide_add(&wide, 7, 1);
	assert_non_null(guest);
	assert_ptr_equal(wide_add(&wide, 7, 1), guest);
	assert_ptr_equal(wide_find(&wide, 7, 1), guest);
	assert_null(wide_find(&wide, 7, 2));
	for (int i = 1; i < WIDE_MAX; i++) {
		assert_true(wide_has_room(&wide));
		assert_non_null(wide_add(&wide, 7 + i, 1));
	}
	assert_false(wide_has_room(&wide));
	assert_null(wide_add(&wide, 1, 1));
	assert_ptr_equal(wide_add(&wide, 7, 1), guest);
}

static void test_forget(void **state)
{
	struct place_guest guests[] = { { .pid = 8, .start_ns = 1 }, { .pid = 9, .start_ns = 2 } };
	const struct place_watch watch = { .guests = guests, .n = 2 };

	(void)state;
	assert_non_null(wide_add(&wide, 7, 1)); /* gone */
	assert_non_null(wide_add(&wide, 8, 1));
	assert_non_null(wide_add(&wide, 9, 1)); /* the pid is another's now */
	wide_forget(&wide, &watch);
	assert_null(wide_find(&wide, 7, 1));
	assert_non_null(wide_find(&wide, 8, 1));
	assert_null(wide_find(&wide, 9, 1));
}

static void test_remote(void **state)
{
	struct wide_guest *guest = wide_add(&wide, 7, 1);
	unsigned permille = 5;

	(void)state;
	guest->n_cells = 3;
	guest->cells[0] = (struct wide_cell){ .present_bytes = 400, .right_bytes = 300 };
	guest->cells[1] = (struct wide_cell){ .present_bytes = 600, .right_bytes = 600 };
	guest->cells[2] = (struct wide_cell){ .present_bytes = 9, .to_node = PLACE_CELL_NOWHERE };
	assert_false(wide_remote_permille(guest, &permille));
	guest->is_wide = true;
	assert_false(wide_remote_permille(guest, &permille));
	guest->looked_ns = 1;
	assert_true(wide_remote_permille(guest, &permille));
	assert_int_equal(permille, 100);
	guest->n_cells = 0;
	assert_false(wide_remote_permille(guest, &permille));
}

static void on_looked(void *data, struct wide_guest *guest, const struct place_cells_look *look,
		      const uint64_t *bytes)
{
	assert_non_null(guest);
	assert_null(look);
	assert_null(bytes);
	n_looked++;
	sd_event_exit(data, 0);
}

static int look_at(struct place_guest *facts)
{
	struct wide_guest *guest = wide_add(&wide, facts->pid, facts->start_ns);
	sd_event *event = NULL;

	assert_true(sd_event_new(&event) >= 0);
	wide.on_looked = on_looked;
	wide.data = event;
	wide.n_samples = 100;
	assert_int_equal(wide_look(&wide, event, &host, facts), 0);
	assert_int_equal(wide_look(&wide, event, &host, facts), -EBUSY);
	assert_int_equal(sd_event_loop(event), 0);
	sd_event_unref(event);
	return guest->error;
}

static void test_look(void **state)
{
	struct place_guest facts = { .pid = getpid() };

	(void)state;
	assert_int_equal(place_facts_read_start(&host.root, &host.text, facts.pid, &facts.start_ns),
			 0);
	assert_int_equal(look_at(&facts), -ENODATA);
	facts.start_ns++;
	assert_int_equal(look_at(&facts), -ESRCH);
	assert_int_equal(n_looked, 2);
	wide_done(&wide);
}

static int set_up(void **state)
{
	(void)state;
	return place_host_init(NULL, &host) < 0 || place_host_read_topology(&host, true) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	place_host_done(&host);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table, begin),
		cmocka_unit_test_setup(test_forget, begin),
		cmocka_unit_test_setup(test_remote, begin),
		cmocka_unit_test_setup(test_look, begin),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
