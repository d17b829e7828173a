/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of wide guests, what is remote of one, and a look in a child: at ourselves, who have no
 * cells, and at a process that is gone. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cycle_parts.h"
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
	guest = wide_add(&wide, 7, 1, true);
	assert_non_null(guest);
	assert_ptr_equal(wide_add(&wide, 7, 1, true), guest);
	assert_ptr_equal(wide_find(&wide, 7, 1), guest);
	assert_null(wide_find(&wide, 7, 2));
	for (int i = 1; i < WIDE_MAX; i++) {
		assert_true(wide_has_room(&wide, true));
		assert_non_null(wide_add(&wide, 7 + i, 1, true));
	}
	assert_false(wide_has_room(&wide, true));
	assert_null(wide_add(&wide, 1, 1, true));
	assert_ptr_equal(wide_add(&wide, 7, 1, true), guest);
}

/* Guests of anybody leave room for those of the system. */
static void test_room_of_the_system(void **state)
{
	(void)state;
	for (int i = 0; i < WIDE_MAX - WIDE_OF_SYSTEM; i++)
		assert_non_null(wide_add(&wide, 7 + i, 1, false));
	assert_false(wide_has_room(&wide, false));
	assert_null(wide_add(&wide, 1, 1, false));
	for (int i = 0; i < WIDE_OF_SYSTEM; i++)
		assert_non_null(wide_add(&wide, 1007 + i, 1, true));
	assert_false(wide_has_room(&wide, true));
}

static void test_forget(void **state)
{
	struct place_guest guests[] = { { .pid = 8, .start_ns = 1 }, { .pid = 9, .start_ns = 2 } };
	const struct place_watch watch = { .guests = guests, .n = 2 };

	(void)state;
	assert_non_null(wide_add(&wide, 7, 1, true)); /* gone */
	assert_non_null(wide_add(&wide, 8, 1, true));
	assert_non_null(wide_add(&wide, 9, 1, true)); /* the pid is another's now */
	wide_forget(&wide, &watch);
	assert_null(wide_find(&wide, 7, 1));
	assert_non_null(wide_find(&wide, 8, 1));
	assert_null(wide_find(&wide, 9, 1));
}

static void test_remote(void **state)
{
	struct wide_guest *guest = wide_add(&wide, 7, 1, true);
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
	struct wide_guest *guest = wide_add(&wide, facts->pid, facts->start_ns, true);
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

static void on_looked_in_vain(void *data, struct wide_guest *guest,
			      const struct place_cells_look *look, const uint64_t *bytes)
{
	assert_int_equal(guest->error, -ETIMEDOUT);
	assert_null(look);
	assert_null(bytes);
	sd_event_exit(data, 0);
}

static bool does_hang;

static void hang(void)
{
	if (does_hang)
		raise(SIGSTOP);
}

/* Whoever keeps a look from coming back gets no second one, and many who do stop all looks. */
static void test_hung(void **state)
{
	const struct place_guest facts = { .pid = getpid(), .start_ns = 1 };
	sd_event *event = NULL;
	pid_t child;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	(void)wide_add(&wide, facts.pid, facts.start_ns, true);
	wide.on_looked = on_looked_in_vain;
	wide.data = event;
	assert_int_equal(pthread_atfork(NULL, NULL, hang), 0);
	does_hang = true;
	assert_int_equal(wide_look(&wide, event, &host, &facts), 0);
	does_hang = false;
	/* It ends when it is killed, and is there until it is waited for. */
	child = job_pid(wide.job);
	assert_int_equal(sd_event_loop(event), 0);
	sd_event_unref(event);
	assert_true(sd_event_new(&event) >= 0);
	wide.data = event;
	assert_int_equal(wide_look(&wide, event, &host, &facts), -EBUSY);
	wide.list[0].child = 0;
	for (size_t i = 0; i < WIDE_HUNG_MAX; i++)
		wide.hung[i] = child;
	assert_int_equal(wide_look(&wide, event, &host, &facts), -EAGAIN);
	wide.list[0].child = child;
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(wide_look(&wide, event, &host, &facts), 0);
	wide_done(&wide);
	sd_event_unref(event);
}

/* A guest may write its command line anew: what was given to cells that are no more goes back. */
static void test_other_cells(void **state)
{
	static struct cycle cycle;
	static struct place_cells_look look = { .n = 2 };
	const struct wide_guest guest = { .pid = 7, .start_ns = 1 };
	struct intent intent = { .kind = INTENT_AFFINITY, .pid = 7, .start_ns = 1 };

	(void)state;
	place_set_add(&look.list[0].vcpus, 0);
	place_set_add(&look.list[1].vcpus, 1);
	/* What all of it was given is none of a cell's. */
	assert_int_equal(intents_put(&cycle.moves.intents, &intent), 0);
	intent.vcpus = look.list[1].vcpus;
	assert_int_equal(intents_put(&cycle.moves.intents, &intent), 0);
	assert_false(cycle_has_other_cells(&cycle, &guest, &look));
	place_set_add(&intent.vcpus, 2);
	intent.pid = 8;
	assert_int_equal(intents_put(&cycle.moves.intents, &intent), 0);
	assert_false(cycle_has_other_cells(&cycle, &guest, &look));
	intent.pid = 7;
	assert_int_equal(intents_put(&cycle.moves.intents, &intent), 0);
	assert_true(cycle_has_other_cells(&cycle, &guest, &look));
	intents_done(&cycle.moves.intents);
}

/* Anybody can start guests with cells: the system's are looked at first, whatever their pid. */
static void test_the_system_goes_first(void **state)
{
	static struct cycle cycle;
	static struct settings settings;
	struct place_guest guests[2] = { { .pid = 5 }, { .pid = 9 } };
	struct place_activity activities[2] = { 0 };
	unsigned traits[2] = { PLACE_TRAIT_CELLS, PLACE_TRAIT_CELLS | PLACE_TRAIT_LIBVIRT };
	enum place_class classes[2] = { PLACE_CLASS_PINNED, PLACE_CLASS_PINNED };
	enum place_fate fates[2] = { PLACE_FATE_LOCAL, PLACE_FATE_LOCAL };
	struct wide_guest *guest;

	(void)state;
	settings_default(&settings);
	assert_true(sd_event_new(&cycle.event) >= 0);
	for (unsigned i = 0; i < 2; i++)
		guests[i].known = PLACE_GUEST_START | PLACE_GUEST_MEMORY;
	cycle.settings = &settings;
	cycle.host = &host;
	cycle.watch = (struct place_watch){ .n = 2,
					    .guests = guests,
					    .activities = activities,
					    .traits = traits,
					    .classes = classes };
	cycle.plan.fates = fates;
	cycle_act_wide(&cycle);
	assert_non_null(cycle.wide.job);
	assert_int_equal(cycle.wide.guest.pid, 9);
	/* Somebody gives it a policy while it is looked at: what is found is for nobody. */
	guest = wide_find(&cycle.wide, 9, 0);
	assert_non_null(guest);
	classes[1] = PLACE_CLASS_INTERLEAVED;
	cycle.wide.on_looked(&cycle, guest, NULL, NULL);
	assert_int_equal(guest->next_ns, 0);
	classes[1] = PLACE_CLASS_PINNED;
	cycle.wide.on_looked(&cycle, guest, NULL, NULL);
	assert_int_not_equal(guest->next_ns, 0);
	wide_done(&cycle.wide);
	sd_event_unref(cycle.event);
	settings_done(&settings);
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
		cmocka_unit_test_setup(test_room_of_the_system, begin),
		cmocka_unit_test(test_other_cells),
		cmocka_unit_test(test_the_system_goes_first),
		cmocka_unit_test_setup(test_look, begin),
		cmocka_unit_test_setup(test_hung, begin),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
