/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger: what ends a promise, what takes it up, what is a second attempt and what is not;
 * and that four guests that start at once never share a node that holds only one of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "decide/answer.h"
#include "decide/model.h"
#include "decide/promise.h"

#define GIB (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000000000)
#define LEDGER_MAX 16
#define GUESTS_MAX 16
#define NODES 4

static struct place_promise ledger[LEDGER_MAX];
static struct place_guest guests[GUESTS_MAX];
static struct place_sample sample;
static const struct place_policy policy = { .promise_ns = 60 * SECOND };
static size_t n_promises;

static struct place_set set_of(const char *list)
{
	struct place_set set;

	assert_int_equal(place_set_parse_list(list, &set), 0);
	return set;
}

static int reset(void **state)
{
	(void)state;
	memset(ledger, 0, sizeof(ledger));
	memset(guests, 0, sizeof(guests));
	sample = (struct place_sample){ .guests = guests, .guests_complete = true };
	n_promises = 0;
	return 0;
}

static void book(uint32_t vcpus, uint64_t gib, const char *nodes, uint64_t at_s)
{
	const struct place_request request = { vcpus * 100, gib * GIB };
	struct place_set set = set_of(nodes);

	assert_int_equal(place_promise_add(ledger, n_promises, LEDGER_MAX, &request, &set,
					   at_s * SECOND, &n_promises),
			 0);
}

static struct place_guest *appear(int pid, unsigned vcpus, uint64_t gib, const char *mems,
				  uint64_t at_s)
{
	struct place_guest *guest = &guests[sample.n_guests++];

	*guest = (struct place_guest){
		.known = PLACE_GUEST_VCPUS | PLACE_GUEST_MEMORY | PLACE_GUEST_MEMS |
			 PLACE_GUEST_START,
		.pid = pid,
		.start_ns = at_s * SECOND,
		.n_vcpus = vcpus,
		.memory_bytes = gib * GIB,
		.bind = PLACE_BIND_STRICT,
		.mems = set_of(mems),
	};
	return guest;
}

static void settle(uint64_t at_s)
{
	sample.taken_ns = at_s * SECOND;
	n_promises = place_promises_settle(ledger, n_promises, &sample, &policy, at_s * SECOND);
}

static void test_add(void **state)
{
	const struct place_request nothing = { 0, 0 }, some = { 100, GIB };
	const struct place_set none = { 0 }, one = set_of("3");
	size_t n = 0;

	(void)state;
	assert_int_equal(place_promise_add(ledger, 0, 2, &some, &none, 1, &n), -EINVAL);
	assert_int_equal(place_promise_add(ledger, 0, 2, &nothing, &one, 1, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(place_promise_add(ledger, 0, 2, &some, &one, 7, &n), 0);
	assert_int_equal(place_promise_add(ledger, n, 2, &some, &one, 8, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(place_promise_add(ledger, n, 2, &some, &one, 9, &n), -ENOSPC);
	assert_int_equal(n, 2);
	assert_int_equal(ledger[0].booked_ns, 7);
	assert_int_equal(ledger[1].memory_bytes, GIB);
	assert_true(place_set_equal(&ledger[1].nodes, &one));
	assert_true(ledger[0].id && ledger[0].id != ledger[1].id);
}

static void test_ends_with_time(void **state)
{
	(void)state;
	book(1, 1, "0", 100);
	book(2, 2, "0", 130);
	settle(160);
	assert_int_equal(n_promises, 2);
	settle(161);
	assert_int_equal(n_promises, 1);
	assert_int_equal(ledger[0].vcpus_centi, 200);
	/* Booked in the future: of another boot. */
	settle(129);
	assert_int_equal(n_promises, 0);
}

static void test_taken_up(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	appear(500, 4, 8, "1", 101);
	settle(102);
	assert_int_equal(n_promises, 1);
	assert_int_equal(ledger[0].pid, 500);
	assert_int_equal(ledger[0].start_ns, 101 * SECOND);
}

/* Everything that makes it another guest. */
static void test_not_taken_up(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	appear(500, 4, 9, "1", 101);
	appear(501, 3, 8, "1", 101);
	appear(502, 4, 8, "0", 101);
	appear(503, 4, 8, "0-1", 101);
	appear(504, 4, 8, "1", 98);
	appear(505, 4, 8, "1", 101)->bind = PLACE_BIND_NONE;
	appear(506, 4, 8, "1", 101)->known &= ~(unsigned)PLACE_GUEST_MEMORY;
	appear(507, 4, 8, "1", 101)->known &= ~(unsigned)PLACE_GUEST_START;
	appear(508, 4, 8, "1", 101)->known &= ~(unsigned)PLACE_GUEST_MEMS;
	settle(102);
	assert_int_equal(n_promises, 1);
	assert_int_equal(ledger[0].pid, 0);
}

static void test_nearly_the_same(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	ledger[0].memory_bytes -= 5;
	/* Clock ticks may round its start to before the booking; vCPUs may be unknown. */
	appear(500, 0, 8, "1", 100)->known &= ~(unsigned)PLACE_GUEST_VCPUS;
	guests[0].start_ns -= PLACE_PROMISE_SLACK_NS;
	settle(102);
	assert_int_equal(ledger[0].pid, 500);
}

static void test_preferred_keeps_one_of_several(void **state)
{
	(void)state;
	book(4, 8, "1-2", 100);
	appear(500, 4, 8, "1", 101)->bind = PLACE_BIND_PREFERRED;
	settle(102);
	assert_int_equal(ledger[0].pid, 500);
	reset(NULL);
	book(4, 8, "1-2", 100);
	appear(500, 4, 8, "1", 101);
	appear(501, 4, 8, "0-2", 101)->bind = PLACE_BIND_PREFERRED;
	settle(102);
	assert_int_equal(ledger[0].pid, 0);
}

static void test_one_guest_one_promise(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	book(4, 8, "1", 100);
	book(4, 8, "1", 101);
	appear(500, 4, 8, "1", 102);
	settle(103);
	settle(104);
	assert_int_equal(ledger[0].pid, 500);
	assert_int_equal(ledger[1].pid, 0);
	appear(501, 4, 8, "1", 104);
	appear(502, 4, 8, "1", 104);
	appear(503, 4, 8, "1", 104);
	settle(105);
	assert_int_equal(ledger[0].pid, 500);
	assert_int_equal(ledger[1].pid, 501);
	assert_int_equal(ledger[2].pid, 502);
}

/* The guest of an old promise must not take up the next one when the old one runs out. */
static void test_rival_outlives(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	book(4, 8, "1", 140);
	appear(500, 4, 8, "1", 141);
	settle(142);
	assert_int_equal(ledger[0].pid, 500);
	settle(190);
	assert_int_equal(n_promises, 2);
	assert_int_equal(ledger[1].pid, 0);
	settle(201);
	assert_int_equal(n_promises, 1);
	settle(203);
	assert_int_equal(n_promises, 0);
}

static void test_guest_gone(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	appear(500, 4, 8, "1", 101);
	settle(102);
	sample.n_guests = 0;
	settle(103);
	assert_int_equal(n_promises, 0);
}

static void test_guest_replaced(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	appear(500, 4, 8, "1", 101);
	settle(102);
	/* The same pid, another process. */
	guests[0].start_ns = 103 * SECOND;
	settle(104);
	assert_int_equal(n_promises, 0);
}

/* A guest takes up what was booked, and then a sample lacks it that may lack some. */
static void lose_from_sight(void)
{
	book(4, 8, "1", 100);
	appear(500, 4, 8, "1", 101);
	settle(102);
	sample.n_guests = 0;
	sample.guests_complete = false;
	settle(103);
}

static void test_guest_out_of_sight(void **state)
{
	(void)state;
	lose_from_sight();
	assert_int_equal(n_promises, 1);
	assert_true(place_promise_is_open(&ledger[0]));
	sample.n_guests = 1;
	settle(104);
	assert_int_equal(ledger[0].pid, 500);
	assert_false(place_promise_is_open(&ledger[0]));
	/* Its size can no longer be read: nobody else counts its memory. */
	guests[0].known &= ~(unsigned)PLACE_GUEST_MEMORY;
	sample.guests_complete = true;
	settle(105);
	assert_int_equal(n_promises, 1);
	assert_true(place_promise_is_open(&ledger[0]));
}

/* Who answers without a look has no guest in sight. Who ends meanwhile is gone all the same. */
static void test_gone_while_out_of_sight(void **state)
{
	(void)state;
	lose_from_sight();
	assert_true(place_promise_is_open(&ledger[0]));
	sample.guests_complete = true;
	settle(104);
	assert_int_equal(n_promises, 0);
}

/* Samples are taken before the ledger is locked, so one may come that is older than the last. */
static void test_older_sample(void **state)
{
	(void)state;
	book(4, 8, "1", 100);
	appear(500, 4, 8, "1", 101);
	settle(102);
	assert_false(place_promise_is_open(&ledger[0]));
	sample.n_guests = 0;
	sample.taken_ns = 101 * SECOND;
	n_promises = place_promises_settle(ledger, n_promises, &sample, &policy, 103 * SECOND);
	assert_int_equal(n_promises, 1);
	assert_true(place_promise_is_open(&ledger[0]));
	/* One that was begun as the guest was written down proves as little. */
	sample.n_guests = 1;
	sample.taken_ns = 103 * SECOND;
	n_promises = place_promises_settle(ledger, n_promises, &sample, &policy, 104 * SECOND);
	assert_false(place_promise_is_open(&ledger[0]));
	sample.n_guests = 0;
	sample.taken_ns = 102 * SECOND;
	n_promises = place_promises_settle(ledger, n_promises, &sample, &policy, 104 * SECOND);
	assert_int_equal(n_promises, 1);
	assert_true(place_promise_is_open(&ledger[0]));
	/* A newer one that does not see the guest says that it is gone. */
	sample.n_guests = 1;
	settle(105);
	assert_false(place_promise_is_open(&ledger[0]));
	sample.n_guests = 0;
	settle(106);
	assert_int_equal(n_promises, 0);
}

static void test_take_over(void **state)
{
	const struct place_request same = { 400, 8 * GIB }, other = { 400, 9 * GIB };

	(void)state;
	book(4, 8, "0", 100);
	book(4, 8, "1", 101);
	book(2, 8, "2", 101);
	/* Parallel starts are asked within seconds, and QEMU may take ten. */
	assert_int_equal(place_promises_take_over(ledger, 3, &same, 110 * SECOND), 3);
	assert_int_equal(place_promises_take_over(ledger, 3, &other, 130 * SECOND), 3);
	assert_int_equal(place_promises_take_over(ledger, 3, &same, 90 * SECOND), 3);
	ledger[0].pid = 7;
	assert_int_equal(place_promises_take_over(ledger, 3, &same, 130 * SECOND), 2);
	assert_int_equal(ledger[0].pid, 7);
	assert_int_equal(ledger[1].vcpus_centi, 200);
	assert_int_equal(place_promises_take_over(ledger, 0, &same, 130 * SECOND), 0);
}

/* ---- from ledger to ledger ---------------------------------------------------------------- */

static struct place_node nodes[NODES];
static struct place_node_sample node_samples[NODES];
static uint8_t distance[NODES * NODES];
static struct place_topology topology;

static void make_host(void)
{
	topology =
		(struct place_topology){ .n_nodes = NODES, .nodes = nodes, .distance = distance };
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i] = (struct place_node){ .id = i, .n_cpus = 8, .n_cores = 8 };
		for (unsigned cpu = 0; cpu < 8; cpu++)
			place_set_add(&nodes[i].cpus, i * 8 + cpu);
		place_set_or(&topology.cpus_online, &nodes[i].cpus);
		node_samples[i] =
			(struct place_node_sample){ .known = PLACE_NODE_TOTAL | PLACE_NODE_FREE,
						    .total_bytes = 10 * GIB,
						    .free_bytes = 10 * GIB };
		for (unsigned j = 0; j < NODES; j++)
			distance[i * NODES + j] = i == j ? 10 : 20;
	}
	sample.n_nodes = NODES;
	sample.nodes = node_samples;
}

static struct place_advice answer(uint32_t vcpus, uint64_t gib, uint64_t at_s, bool is_booked)
{
	static struct place_node_model models[NODES];
	static struct place_candidate candidates[NODES];
	static enum place_reason reasons[NODES];
	struct place_advise_scratch scratch = { NODES, candidates, reasons };
	struct place_ledger book_of = { ledger, n_promises, LEDGER_MAX };
	const struct place_request request = { vcpus * 100, gib * GIB };
	struct place_model model;
	struct place_advice advice;

	sample.taken_ns = at_s * SECOND;
	assert_int_equal(place_answer(&topology, &sample, &policy, &request, at_s * SECOND,
				      is_booked, &book_of, models, &scratch, &model, &advice),
			 0);
	n_promises = book_of.n;
	return advice;
}

static void test_four_at_once(void **state)
{
	struct place_set all = { 0 };

	(void)state;
	make_host();
	for (unsigned i = 0; i < 4; i++) {
		struct place_advice advice = answer(2, 6, 100, true);

		assert_int_equal(place_set_count(&advice.nodes), 1);
		place_set_or(&all, &advice.nodes);
	}
	assert_int_equal(place_set_count(&all), 4);
	/* The fifth holds on no node alone: it is told to spread rather than to share. */
	assert_int_equal(answer(2, 6, 101, true).verdict, PLACE_VERDICT_SEVERAL);
}

static void test_asking_books_nothing(void **state)
{
	struct place_advice first, second;

	(void)state;
	make_host();
	first = answer(2, 6, 100, false);
	second = answer(2, 6, 100, false);
	assert_int_equal(n_promises, 0);
	assert_true(place_set_equal(&first.nodes, &second.nodes));
}

static void test_retry_finds_its_room(void **state)
{
	(void)state;
	make_host();
	for (unsigned i = 0; i < 4; i++)
		(void)answer(2, 6, 100, true);
	/* A start that failed unseen, tried again: one promise is replaced, and only one. */
	assert_int_equal(answer(2, 6, 120, false).verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(answer(2, 6, 120, true).verdict, PLACE_VERDICT_ONE_NODE);
	assert_int_equal(n_promises, 4);
}

/* A guest of several nodes replaces its own predecessor, not every guest of its size. */
static void test_retry_replaces_one(void **state)
{
	(void)state;
	make_host();
	assert_int_equal(answer(2, 12, 100, true).verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(answer(2, 12, 101, true).verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(n_promises, 2);
	assert_int_equal(answer(2, 12, 120, true).verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(n_promises, 2);
	assert_int_equal(ledger[0].booked_ns, 101 * SECOND);
}

/* A size that is too large for the host must not spoil the answers after it. */
static void test_no_room_is_no_promise(void **state)
{
	(void)state;
	make_host();
	assert_int_equal(answer(2, 500, 100, true).verdict, PLACE_VERDICT_NO_ROOM);
	assert_int_equal(n_promises, 0);
	assert_int_equal(answer(2, 6, 101, true).verdict, PLACE_VERDICT_ONE_NODE);
	/* But what had been promised stays so, although there is no room for it any more. */
	for (unsigned i = 0; i < NODES; i++)
		node_samples[i].free_bytes = GIB;
	assert_int_equal(answer(2, 6, 120, true).verdict, PLACE_VERDICT_NO_ROOM);
	assert_int_equal(n_promises, 1);
	assert_int_equal(ledger[0].booked_ns, 120 * SECOND);
}

/* Before, while and after its memory is touched a guest holds the same room. */
static void test_room_is_held_throughout(void **state)
{
	struct place_advice advice;
	struct place_guest *guest;

	(void)state;
	make_host();
	for (unsigned i = 1; i < NODES; i++)
		node_samples[i].free_bytes = 3 * GIB;
	advice = answer(2, 6, 100, true);
	assert_true(place_set_has(&advice.nodes, 0));
	assert_int_equal(answer(2, 6, 101, false).verdict, PLACE_VERDICT_SEVERAL);
	guest = appear(500, 2, 6, "0", 102);
	guest->known |= PLACE_GUEST_RESIDENT;
	assert_int_equal(answer(2, 6, 103, false).verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(answer(2, 4, 103, false).verdict, PLACE_VERDICT_ONE_NODE);
	guest->resident_bytes = 6 * GIB;
	node_samples[0].free_bytes = 4 * GIB;
	assert_int_equal(answer(2, 5, 104, false).verdict, PLACE_VERDICT_SEVERAL);
	assert_int_equal(answer(2, 4, 104, false).verdict, PLACE_VERDICT_ONE_NODE);
	sample.n_guests = 0;
	node_samples[0].free_bytes = 10 * GIB;
	assert_int_equal(answer(2, 10, 105, false).verdict, PLACE_VERDICT_ONE_NODE);
}

static void test_full_ledger(void **state)
{
	(void)state;
	make_host();
	for (unsigned i = 0; i < LEDGER_MAX; i++)
		book(1, 0, "0", 100);
	{
		struct place_node_model models[NODES];
		struct place_candidate candidates[NODES];
		enum place_reason reasons[NODES];
		struct place_advise_scratch scratch = { NODES, candidates, reasons };
		struct place_ledger full = { ledger, n_promises, LEDGER_MAX };
		const struct place_request request = { 100, GIB };
		struct place_model model;
		struct place_advice advice = { 0 };

		assert_int_equal(place_answer(&topology, &sample, &policy, &request, 101 * SECOND,
					      true, &full, models, &scratch, &model, &advice),
				 -ENOSPC);
		assert_int_equal(place_set_count(&advice.nodes), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_add, reset),
		cmocka_unit_test_setup(test_ends_with_time, reset),
		cmocka_unit_test_setup(test_taken_up, reset),
		cmocka_unit_test_setup(test_not_taken_up, reset),
		cmocka_unit_test_setup(test_nearly_the_same, reset),
		cmocka_unit_test_setup(test_preferred_keeps_one_of_several, reset),
		cmocka_unit_test_setup(test_one_guest_one_promise, reset),
		cmocka_unit_test_setup(test_rival_outlives, reset),
		cmocka_unit_test_setup(test_guest_gone, reset),
		cmocka_unit_test_setup(test_guest_replaced, reset),
		cmocka_unit_test_setup(test_guest_out_of_sight, reset),
		cmocka_unit_test_setup(test_gone_while_out_of_sight, reset),
		cmocka_unit_test_setup(test_take_over, reset),
		cmocka_unit_test_setup(test_four_at_once, reset),
		cmocka_unit_test_setup(test_asking_books_nothing, reset),
		cmocka_unit_test_setup(test_retry_finds_its_room, reset),
		cmocka_unit_test_setup(test_retry_replaces_one, reset),
		cmocka_unit_test_setup(test_no_room_is_no_promise, reset),
		cmocka_unit_test_setup(test_room_is_held_throughout, reset),
		cmocka_unit_test_setup(test_full_ledger, reset),
		cmocka_unit_test_setup(test_older_sample, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
