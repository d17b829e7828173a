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

#include "cycle_wide.h"
#include "observe/facts.h"
#include "observe/ledger.h"
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
	struct cycle_memory memories[2] = { 0 };
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
	cycle.memories = memories;
	/* Who was refused again and again is left alone for a while. */
	memories[0].n_denied = memories[1].n_denied = 2;
	memories[0].held_until_ns = memories[1].held_until_ns = 1;
	cycle_act_wide(&cycle);
	assert_null(cycle.wide.job);
	memories[1].n_denied = 1;
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

/* ---- cells whose pages are from a pool ------------------------------------------------------ */

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Two nodes with plenty of plain memory, and a guest of two cells of 4 GiB, bytes[cell][node]. */
static struct {
	struct cycle cycle;
	struct settings settings;
	struct place_host host;
	struct place_node nodes[2];
	struct place_node_sample samples[2];
	struct place_node_model models[2];
	struct place_guest guest;
	struct place_activity activity;
	unsigned traits;
	enum place_class class;
	enum place_fate fate;
	struct cycle_memory memory;
	struct act act;
	struct place_cells_look look;
	uint64_t bytes[2][2];
} pools;

static void put_cell(unsigned k, uint64_t page_bytes, uint64_t bytes_on_0)
{
	struct place_cell_look *cell = &pools.look.list[k];

	*cell = (struct place_cell_look){
		.id = k,
		.bytes = 4 * GIB,
		.present_bytes = 4 * GIB,
		.range = { .start = (k + 1) * 8 * GIB,
			   .end = (k + 1) * 8 * GIB + 4 * GIB,
			   .page_bytes = page_bytes },
		.n_threads = 1,
		.cpus = pools.nodes[0].cpus,
	};
	place_set_or(&cell->cpus, &pools.nodes[1].cpus);
	place_set_add(&cell->vcpus, k);
	pools.bytes[k][0] = bytes_on_0;
	pools.bytes[k][1] = 4 * GIB - bytes_on_0;
}

static void put_node(unsigned j)
{
	pools.nodes[j].id = j;
	pools.nodes[j].n_cpus = pools.nodes[j].n_cores = 4;
	for (unsigned cpu = 0; cpu < 4; cpu++)
		place_set_add(&pools.nodes[j].cpus, j * 4 + cpu);
	place_set_or(&pools.host.topology.cpus_online, &pools.nodes[j].cpus);
	pools.samples[j] = (struct place_node_sample){
		.known = PLACE_NODE_TOTAL | PLACE_NODE_FREE | PLACE_NODE_POOLS,
		.total_bytes = 64 * GIB,
		.free_bytes = 32 * GIB,
		.n_pools = 1,
		.pools = { { .page_bytes = 2 * MIB, .total_pages = 4096 } },
	};
}

static int begin_pools(void **state)
{
	struct cycle *cycle = &pools.cycle;

	(void)state;
	memset(&pools, 0, sizeof(pools));
	settings_default(&pools.settings);
	pools.host.root = host.root;
	pools.host.topology.n_nodes = 2;
	pools.host.topology.nodes = pools.nodes;
	put_node(0);
	put_node(1);
	pools.guest = (struct place_guest){
		.known = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT,
		.pid = 7,
		.start_ns = 1,
		.memory_bytes = 8 * GIB,
		.hugepage_bytes = 2 * MIB,
		.resident_pool_bytes = 8 * GIB,
	};
	pools.traits = PLACE_TRAIT_CELLS;
	pools.class = PLACE_CLASS_PINNED;
	pools.fate = PLACE_FATE_LOCAL;
	pools.activity.busy_millicpu = 8000;
	pools.act.base_bytes = 4096;
	pools.look.n = 2;
	cycle->settings = &pools.settings;
	cycle->host = &pools.host;
	cycle->sample = (struct place_sample){
		.n_nodes = 2, .nodes = pools.samples, .n_guests = 1, .guests = &pools.guest
	};
	cycle->watch = (struct place_watch){ .n = 1,
					     .guests = &pools.guest,
					     .activities = &pools.activity,
					     .traits = &pools.traits,
					     .classes = &pools.class };
	cycle->plan.fates = &pools.fate;
	cycle->memories = &pools.memory;
	cycle->scratch.nodes = pools.models;
	cycle->move.is_enabled = true;
	cycle->move.payback_s = 600;
	cycle->moves.act = &pools.act;
	cycle->advice = (struct advice){ .host = &pools.host,
					 .sample = &cycle->sample,
					 .policy = &cycle->policy,
					 .is_read = true };
	return 0;
}

static int end_pools(void **state)
{
	(void)state;
	/* Where a host has promises they are read. */
	place_ledger_done(&pools.cycle.advice.ledger);
	place_text_done(&pools.host.text);
	settings_done(&pools.settings);
	return 0;
}

static unsigned count_on_1(void)
{
	struct wide_guest guest = { .pid = 7, .start_ns = 1 };
	unsigned n = 0;

	assert_int_equal(
		cycle_sort_cells(&pools.cycle, 0, true, &guest, &pools.look, &pools.bytes[0][0]),
		0);
	assert_true(guest.is_wide);
	for (size_t k = 0; k < guest.n_cells; k++)
		n += guest.cells[k].to_node == 1;
	return n;
}

/* Of plain memory each node has enough for both. */
static void test_a_node_without_pages(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++)
		put_cell(k, 4096, 4 * GIB);
	assert_int_equal(count_on_1(), 1);
	for (unsigned k = 0; k < 2; k++)
		put_cell(k, 2 * MIB, 4 * GIB);
	assert_int_equal(count_on_1(), 0);
	pools.samples[1].pools[0].free_pages = 2047;
	assert_int_equal(count_on_1(), 0);
	pools.samples[1].pools[0].free_pages = 2048;
	assert_int_equal(count_on_1(), 1);
}

/* The one of plain memory goes, whichever it is. */
static void test_cells_of_both_kinds(void **state)
{
	(void)state;
	for (unsigned plain = 0; plain < 2; plain++) {
		struct wide_guest guest = { .pid = 7, .start_ns = 1 };

		for (unsigned k = 0; k < 2; k++)
			put_cell(k, k == plain ? 4096 : 2 * MIB, 4 * GIB);
		assert_int_equal(cycle_sort_cells(&pools.cycle, 0, true, &guest, &pools.look,
						  &pools.bytes[0][0]),
				 0);
		assert_int_equal(guest.cells[plain].to_node, 1);
		assert_int_equal(guest.cells[!plain].to_node, 0);
	}
}

static void look_at_pools(struct wide_guest **ret_guest)
{
	struct cycle *cycle = &pools.cycle;

	assert_true(sd_event_new(&cycle->event) >= 0);
	cycle_act_wide(cycle);
	assert_non_null(cycle->wide.job);
	*ret_guest = wide_find(&cycle->wide, 7, 1);
	assert_non_null(*ret_guest);
	cycle->wide.on_looked(cycle, *ret_guest, &pools.look, &pools.bytes[0][0]);
	wide_done(&cycle->wide);
	cycle->event = sd_event_unref(cycle->event);
}

/* A tenth of each is in the other's place, and there is no page to begin with. */
static void test_what_cannot_come_is_not_due(void **state)
{
	struct wide_guest *guest;

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		put_cell(k, 2 * MIB, (k ? UINT64_C(204) : 1844) * 2 * MIB);
		pools.look.list[k].cpus = pools.nodes[k].cpus;
		/* Shares of samples are rounded down. */
		pools.bytes[k][0]--;
	}
	look_at_pools(&guest);
	assert_int_equal(guest->error, 0);
	assert_true(guest->is_wide);
	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(guest->cells[k].to_node, k);
		assert_false(guest->cells[k].is_due);
	}
	pools.samples[1].pools[0].free_pages = 1;
	pools.cycle.wide = (struct wide){ 0 };
	look_at_pools(&guest);
	assert_false(guest->cells[0].is_due);
	assert_true(guest->cells[1].is_due);
}

/* The plan is told that the system's cells found all places taken, and nobody else's. */
static void test_a_place_among_moves(void **state)
{
	struct cycle *cycle = &pools.cycle;
	struct wide_guest guest = { .pid = 7, .start_ns = 1, .is_wide = true, .n_cells = 1 };

	(void)state;
	guest.cells[0] = (struct wide_cell){ .to_node = 1, .present_bytes = GIB, .is_due = true };
	cycle->move.steps_max = 1;
	cycle->moves.list[0].mover = (struct mover *)(void *)cycle;
	cycle_move_next_cell(cycle, &guest, 0);
	assert_false(cycle->wide.is_crowded_out);
	pools.traits |= PLACE_TRAIT_LIBVIRT;
	cycle_move_next_cell(cycle, &guest, 0);
	assert_true(cycle->wide.is_crowded_out);
	assert_true(guest.cells[0].is_due);
	cycle->moves.list[0].mover = NULL;
	pools.fate = PLACE_FATE_IDLE;
	cycle_act_wide(cycle);
	assert_false(cycle->wide.is_crowded_out);
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
		cmocka_unit_test_setup_teardown(test_a_node_without_pages, begin_pools, end_pools),
		cmocka_unit_test_setup_teardown(test_cells_of_both_kinds, begin_pools, end_pools),
		cmocka_unit_test_setup_teardown(test_what_cannot_come_is_not_due, begin_pools,
						end_pools),
		cmocka_unit_test_setup_teardown(test_a_place_among_moves, begin_pools, end_pools),
		cmocka_unit_test_setup(test_look, begin),
		cmocka_unit_test_setup(test_hung, begin),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
