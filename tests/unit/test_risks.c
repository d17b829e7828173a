/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the log is told of guests that may come to harm: one line each before harm, another only
 * when it changes, none of what comes and goes with a page, and never more than the log takes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "decide/model.h"
#include "risks.h"
#include "tell/event.h"
#include "tell/risk.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000000)
/* Below the 50 lines that the log takes in its own 10 s, which no test waits for. */
#define GUESTS_MAX 36

static char folder[] = "/tmp/test_risks.XXXXXX";
static int reader;
static char said[1 << 20]; /* all lines since the last take() */

static struct place_node nodes[2] = { { .id = 0, .n_cpus = 4 }, { .id = 1, .n_cpus = 4 } };
static uint8_t distance[4];
static struct place_topology topology;
static struct place_node_sample raw[2];
static struct place_guest guests[GUESTS_MAX];
static struct place_sample sample;
static const struct place_policy policy = { .count_reclaimable = true };
static struct risk_memory memories[GUESTS_MAX];
static struct risks risks;
static uint64_t now_ns;

static void add_guest(const char *name, enum place_bind bind, uint64_t memory_mib)
{
	struct place_guest *guest = &guests[sample.n_guests];

	*guest = (struct place_guest){
		.known = PLACE_GUEST_NAME | PLACE_GUEST_MEMS | PLACE_GUEST_MEMORY |
			 PLACE_GUEST_RESIDENT,
		.pid = 4711 + (int)sample.n_guests++,
		.memory_bytes = memory_mib * MIB,
		.bind = bind,
	};
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	place_set_add(&guest->mems, 1);
}

/* Two nodes with room for 1000 MiB, swap for 500, one strict guest that fits. */
static int begin(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	strcpy(folder, "/tmp/test_risks.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/log", folder);
	reader = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(reader, (const struct sockaddr *)&address, sizeof(address)), 0);
	event_open_at(false, "/nonexistent/journal", address.sun_path);
	for (size_t i = 0; i < 2; i++)
		raw[i] = (struct place_node_sample){ .known = PLACE_NODE_TOTAL | PLACE_NODE_FREE |
							      PLACE_NODE_RECLAIMABLE |
							      PLACE_NODE_RESERVE,
						     .total_bytes = 4000 * MIB,
						     .free_bytes = 1100 * MIB,
						     .reserve_bytes = 100 * MIB };
	topology = (struct place_topology){ .n_nodes = 2, .nodes = nodes, .distance = distance };
	sample = (struct place_sample){ .n_nodes = 2, .nodes = raw, .guests = guests };
	memset(memories, 0, sizeof(memories));
	add_guest("web1", PLACE_BIND_STRICT, 900);
	assert_return_code(risks_resize(&risks, 2), 0);
	risks.stall = (struct place_stall){ .known = PLACE_STALL_SWAP,
					    .swap_total_bytes = 500 * MIB,
					    .swap_free_bytes = 500 * MIB };
	now_ns = SECOND;
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	risks_done(&risks);
	event_close();
	close(reader);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static struct risk_memory *memory_of(size_t i, void *data)
{
	(void)data;
	return &memories[i];
}

/* A turn. Returns: the lines that were said in it. */
static unsigned turn(void)
{
	struct place_node_model models[2];
	struct place_model model;
	struct place_pressure_input input = {
		.topology = &topology, .sample = &sample, .model = &model, .policy = &policy
	};
	unsigned n = 0;
	size_t at = 0;
	ssize_t size;

	now_ns += SECOND;
	assert_return_code(place_model_build(&topology, &sample, NULL, 0, &policy, models, &model),
			   0);
	assert_return_code(risks_find(&risks, &input, memory_of, NULL), 0);
	said[0] = '\0';
	for (size_t i = 0; i < sample.n_guests; i++) {
		risks_tell(&risks, &guests[i], i, &memories[i], now_ns);
		while ((size = recv(reader, said + at, sizeof(said) - at - 1, MSG_DONTWAIT)) > 0) {
			at += (size_t)size;
			said[at] = '\0';
			n++;
		}
	}
	assert_int_equal(event_held_count() + event_lost_count(), 0);
	return n;
}

static void wants(uint64_t mib)
{
	guests[0].memory_bytes = mib * MIB;
}

static void assert_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("not said: %s\nbut: %s", text, said);
}

static void test_all_is_well(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(turn(), 0);
	assert_int_equal(risks_count(&risks, PLACE_RISK_NONE), 1);
	assert_int_equal(risks.n_said, 0);
}

static void test_said_once_before_harm(void **state)
{
	(void)state;
	wants(1300);
	assert_int_equal(turn(), 1);
	assert_said("<28>"); /* daemon.warning */
	assert_said("finding what=may_be_swapped subject=web1 pid=4711 nodes=1 "
		    "growth_bytes=1363148800 room_bytes=1048576000 neighbours_bytes=0 "
		    "short_bytes=314572800 ");
	assert_said("it may take 1300 MiB more, only from nodes 1, which have 1000 MiB left, 0 MiB "
		    "of that promised to others: 300 MiB short, so that it or others there may be "
		    "swapped out");
	assert_said("<numatune> mode preferred or interleave instead of strict, or other nodes: "
		    "node 0 has room");
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(turn(), 0);
	assert_int_equal(risks.n_said, 1);
	assert_int_equal(risks_count(&risks, PLACE_RISK_SWAP), 1);
}

static void test_worse_is_news(void **state)
{
	(void)state;
	wants(1300);
	assert_int_equal(turn(), 1);
	wants(1501);
	assert_int_equal(turn(), 1);
	assert_said("what=may_be_killed");
	assert_said("501 MiB short, and swap has 500 MiB: it or another there may be killed");
	/* Less bad is no news, nor is as bad as before. */
	for (unsigned i = 0; i < 100; i++) {
		wants(i % 2 ? 1300 : 1501);
		assert_int_equal(turn(), 0);
	}
	assert_int_equal(risks_count(&risks, PLACE_RISK_SWAP), 1);
	/* Until it was so for an hour. */
	for (unsigned i = 0; i < 3500; i++)
		assert_int_equal(turn(), 0);
	now_ns += 200 * SECOND;
	assert_int_equal(turn(), 1);
	assert_said("what=may_be_swapped");
	/* Other nodes are. */
	place_set_clear(&guests[0].mems);
	place_set_add(&guests[0].mems, 0);
	assert_int_equal(turn(), 1);
	assert_said("nodes=0");
	assert_said("what=may_be_swapped");
}

static void test_end_is_said(void **state)
{
	(void)state;
	wants(1300);
	assert_int_equal(turn(), 1);
	/* Just enough is not the end of it. */
	wants(999);
	assert_int_equal(turn(), 0);
	wants(900);
	assert_int_equal(turn(), 1);
	assert_said("what=risk_over");
	assert_said("<29>"); /* daemon.notice */
	/* What comes and goes within an hour was said. */
	for (unsigned i = 0; i < 100; i++) {
		wants(i % 2 ? 900 : 1300);
		assert_int_equal(turn(), 0);
	}
	now_ns += 3601 * SECOND;
	wants(1300);
	assert_int_equal(turn(), 1);
	assert_said("what=may_be_swapped");
}

/* What came back soon after its end, and stays, is said once an hour has gone by. */
static void test_back_for_good(void **state)
{
	unsigned n = 0;

	(void)state;
	wants(1300);
	assert_int_equal(turn(), 1);
	wants(900);
	assert_int_equal(turn(), 1);
	assert_said("what=risk_over");
	wants(1300);
	for (unsigned i = 0; i < 3500; i++)
		assert_int_equal(turn(), 0);
	for (unsigned i = 0; i < 3700; i++)
		n += turn();
	assert_int_equal(n, 1);
	wants(900);
	assert_int_equal(turn(), 1);
	assert_said("what=risk_over");
}

static void test_what_is_not_known(void **state)
{
	(void)state;
	guests[0].known &= ~(unsigned)PLACE_GUEST_RESIDENT;
	wants(5000);
	assert_int_equal(turn(), 0);
	guests[0].known |= PLACE_GUEST_RESIDENT;
	assert_int_equal(turn(), 1);
	/* It stays what it was. */
	raw[1].known = 0;
	assert_int_equal(turn(), 0);
	assert_int_equal(risks_count(&risks, PLACE_RISK_KILL), 1);
	sample.n_nodes = topology.n_nodes = 1;
	assert_int_equal(risks_find(&risks,
				    &(struct place_pressure_input){ .topology = &topology,
								    .sample = &sample },
				    memory_of, NULL),
			 -EINVAL);
	assert_int_equal(risks_count(&risks, PLACE_RISK_KILL), 0);
}

static void test_locality_is_a_notice(void **state)
{
	(void)state;
	guests[0].bind = PLACE_BIND_PREFERRED;
	wants(1300);
	assert_int_equal(turn(), 1);
	assert_said("what=locality_at_risk");
	assert_said("<29>");
	assert_said("300 MiB may come to lie elsewhere");
	assert_said("nobody is harmed");
	assert_int_equal(risks.n_said, 0);
}

/* All are said in the end, and never so many at once that the log holds any back. */
static void test_many(void **state)
{
	unsigned n = 0, n_turns = 0;

	(void)state;
	sample.n_guests = 0;
	for (unsigned i = 0; i < GUESTS_MAX; i++) {
		char name[PLACE_GUEST_NAME_MAX];

		snprintf(name, sizeof(name), "guest-%u", i);
		add_guest(name, PLACE_BIND_STRICT, 1300);
	}
	n = turn();
	assert_int_equal(n, 30);
	while (n < GUESTS_MAX && n_turns++ < 1000)
		n += turn();
	assert_true(n_turns >= 9);
	assert_int_equal(n, GUESTS_MAX);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(turn(), 0);
}

/* ---- words -------------------------------------------------------------------------------- */

/* The longest there are: nothing is cut in the middle, whatever is in them. */
static void test_words(void **state)
{
	struct place_guest guest = { .known = PLACE_GUEST_NAME | PLACE_GUEST_MEMS, .pid = 1 };
	const struct place_stall stall = { .known = PLACE_STALL_SWAP,
					   .swap_free_bytes = UINT64_MAX };
	struct place_pressure pressure = { .nearness = PLACE_NEARNESS_CLOSE,
					   .growth_bytes = UINT64_MAX,
					   .room_bytes = UINT64_MAX,
					   .neighbours_bytes = UINT64_MAX,
					   .short_bytes = UINT64_MAX,
					   .elsewhere_bytes = UINT64_MAX };
	struct risk_words words;

	(void)state;
	memset(guest.name, 'x', sizeof(guest.name) - 1);
	for (unsigned i = 0; i < PLACE_SET_MAX; i += 2)
		place_set_add(&guest.mems, i);
	for (unsigned k = 0; k < 2 * 2 * 3 * PLACE_REMEDY_COUNT; k++) {
		pressure.is_pool = k % 2;
		pressure.has_better = k / 2 % 2;
		pressure.remedy = (enum place_remedy)(k / 12);
		guest.hugepage_bytes = pressure.is_pool ? 1 : 0;
		risk_describe(&guest, &pressure, (enum place_risk)(PLACE_RISK_LOCALITY + k / 4 % 3),
			      &stall, &words);
		assert_string_equal(words.nodes, "...");
		assert_string_equal(words.subject, guest.name);
		assert_true(strlen(words.text) < sizeof(words.text) - 1);
		assert_true(strlen(words.remedy) < sizeof(words.remedy) - 1);
		assert_non_null(strstr(words.text, "; the kernel is about to reclaim there"));
		assert_string_not_equal(words.remedy, "");
	}
	guest.known = 0;
	risk_describe(&guest, &pressure, PLACE_RISK_KILL, &stall, &words);
	assert_string_equal(words.subject, "pid 1");
}

static void test_pool_words(void **state)
{
	struct place_guest guest = { .known = PLACE_GUEST_MEMS,
				     .pid = 1,
				     .hugepage_bytes = 2 * MIB };
	const struct place_pressure pressure = { .is_pool = true,
						 .growth_bytes = 11 * MIB,
						 .room_bytes = 6 * MIB,
						 .short_bytes = 5 * MIB };
	const struct place_stall stall = { 0 };
	struct risk_words words;

	(void)state;
	place_set_add(&guest.mems, 1);
	risk_describe(&guest, &pressure, PLACE_RISK_KILL, &stall, &words);
	assert_string_equal(words.what, "may_be_killed");
	assert_string_equal(
		words.text,
		"it may take 11 MiB more in pages of 2048 KiB, only from the pools of "
		"nodes 1, which have 6 MiB left, 0 MiB of that promised to others: 5 MiB "
		"short, and it is killed when they run out");
	assert_true(!strncmp(words.remedy, "3 more pages in ", 16));
	assert_non_null(strstr(words.remedy, "/hugepages-2048kB/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_is_well, begin, end),
		cmocka_unit_test_setup_teardown(test_said_once_before_harm, begin, end),
		cmocka_unit_test_setup_teardown(test_worse_is_news, begin, end),
		cmocka_unit_test_setup_teardown(test_end_is_said, begin, end),
		cmocka_unit_test_setup_teardown(test_back_for_good, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_not_known, begin, end),
		cmocka_unit_test_setup_teardown(test_locality_is_a_notice, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_pool_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
