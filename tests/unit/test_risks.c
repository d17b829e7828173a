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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "decide/model.h"
#include "risks.h"
#include "tell/event.h"
#include "tell/risk.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000000)
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
static unsigned traits[GUESTS_MAX];
static struct risks risks;
static uint64_t now_ns;

/* By this the log counts what it takes in 10 s: as turns go, and anew for each test. */
static uint64_t tests_ns;

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	const uint64_t ns = tests_ns + now_ns;

	(void)clock;
	*ret_time = (struct timespec){ .tv_sec = (time_t)(ns / SECOND),
				       .tv_nsec = (long)(ns % SECOND) };
	return 0;
}

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
	memset(traits, 0, sizeof(traits));
	add_guest("web1", PLACE_BIND_STRICT, 900);
	assert_return_code(risks_resize(&risks, 2), 0);
	risks.stall = (struct place_stall){ .known = PLACE_STALL_SWAP,
					    .swap_total_bytes = 500 * MIB,
					    .swap_free_bytes = 500 * MIB };
	tests_ns += now_ns + 100 * SECOND;
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

static unsigned n_said; /* lines since the turn began */
static size_t said_size;

/* The kernel keeps ten lines for us, at the least. */
static void drain(void)
{
	ssize_t size;

	while ((size = recv(reader, said + said_size, sizeof(said) - said_size - 1, MSG_DONTWAIT)) >
	       0) {
		said_size += (size_t)size;
		said[said_size++] = '\n';
		said[said_size] = '\0';
		n_said++;
	}
}

static struct risk_memory *memory_of(size_t i, void *data)
{
	(void)data;
	drain();
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

	now_ns += SECOND;
	assert_return_code(place_model_build(&topology, &sample, NULL, 0, &policy, models, &model),
			   0);
	assert_return_code(risks_find(&risks, &input, memory_of, NULL), 0);
	said[0] = '\0';
	said_size = n_said = 0;
	risks_tell(&risks, guests, traits, memory_of, NULL, now_ns);
	drain();
	assert_int_equal(event_held_count() + event_lost_count(), 0);
	return n_said;
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

/* Turns, each a second after the one before. Returns: the lines that were said in them. */
static unsigned turns(unsigned n_turns)
{
	unsigned n = 0;

	while (n_turns--)
		n += turn();
	return n;
}

static void test_end_is_said(void **state)
{
	(void)state;
	wants(1300);
	assert_int_equal(turn(), 1);
	/* Just enough is not the end of it. */
	wants(999);
	assert_int_equal(turns(400), 0);
	/* Nor is a moment without it. */
	wants(900);
	assert_int_equal(turns(300), 0);
	assert_int_equal(turn(), 1);
	assert_said("what=risk_over");
	assert_said("<29>"); /* daemon.notice */
	assert_int_equal(turns(400), 0);
}

/* Whose end was said is warned of as if it had never been, at once. */
static void test_back_after_its_end(void **state)
{
	(void)state;
	wants(1501);
	assert_int_equal(turn(), 1);
	assert_said("what=may_be_killed");
	wants(900);
	assert_int_equal(turns(301), 1);
	assert_said("what=risk_over");
	wants(1300);
	assert_int_equal(turn(), 1);
	assert_said("what=may_be_swapped");
	assert_int_equal(turns(5000), 0);
	wants(900);
	assert_int_equal(turns(301), 1);
	assert_said("what=risk_over");
}

/* What comes and goes within minutes was said, and is not over. */
static void test_back_before_its_end(void **state)
{
	(void)state;
	wants(1300);
	assert_int_equal(turn(), 1);
	for (unsigned i = 0; i < 40; i++) {
		wants(i % 2 ? 1300 : 900);
		assert_int_equal(turns(i % 2 ? 1 : 290), 0);
	}
	wants(900);
	assert_int_equal(turns(300), 0);
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

static void assert_with_swap(bool is_bound_to_it)
{
	bool with_swap[5];

	risks_find_swapped(&risks, &sample, with_swap);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(with_swap[i], is_bound_to_it && i < 3);
}

/* What swap has is read of those whom it bears on: bound to the nodes of one that may swap. */
static void test_whose_swap_matters(void **state)
{
	(void)state;
	add_guest("beside", PLACE_BIND_CPUSET, 10);
	add_guest("asks for it", PLACE_BIND_PREFERRED, 10);
	add_guest("elsewhere", PLACE_BIND_STRICT, 10);
	place_set_clear(&guests[3].mems);
	place_set_add(&guests[3].mems, 0);
	add_guest("anywhere", PLACE_BIND_NONE, 10);
	assert_int_equal(turn(), 0);
	assert_with_swap(false);
	risks.settled[0] = PLACE_RISK_LOCALITY;
	assert_with_swap(false);
	risks.settled[0] = PLACE_RISK_SWAP;
	assert_with_swap(true);
	risks.settled[0] = PLACE_RISK_KILL;
	assert_with_swap(true);
	/* Of a pool that runs out nothing is swapped. */
	risks.pressures[0].is_pool = true;
	assert_with_swap(false);
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

static void add_guests(unsigned n, const char *prefix, enum place_bind bind, uint64_t memory_mib)
{
	for (unsigned i = 0; i < n; i++) {
		char name[PLACE_GUEST_NAME_MAX];

		snprintf(name, sizeof(name), "%s-%u", prefix, i);
		add_guest(name, bind, memory_mib);
	}
}

static void make_system(size_t i)
{
	traits[i] = PLACE_TRAIT_LIBVIRT;
}

/* All are said in the end, and never so many at once that the log holds any back. */
static void check_many(unsigned n_at_once)
{
	unsigned n_turns = 0, n;

	sample.n_guests = 0;
	add_guests(GUESTS_MAX, "guest", PLACE_BIND_STRICT, 1300);
	n = turn();
	assert_int_equal(n, n_at_once);
	while (n < GUESTS_MAX && n_turns++ < 1000)
		n += turn();
	assert_true(n_turns >= 9);
	assert_int_equal(n, GUESTS_MAX);
	assert_int_equal(turns(20), 0);
}

static void test_many(void **state)
{
	(void)state;
	check_many(20);
}

static void test_many_of_the_system(void **state)
{
	(void)state;
	for (size_t i = 0; i < GUESTS_MAX; i++)
		make_system(i);
	check_many(30);
}

/* Where that one lies among the lines of the turn. */
static const char *line_of(const char *name)
{
	char field[PLACE_GUEST_NAME_MAX + 16];

	snprintf(field, sizeof(field), "subject=%s ", name);
	return strstr(said, field);
}

/* Whoever has the lower pid, and however many there are that nobody harms. */
static void test_harm_is_said_before_notices(void **state)
{
	(void)state;
	sample.n_guests = 0;
	add_guests(30, "far", PLACE_BIND_PREFERRED, 1300);
	for (size_t i = 0; i < sample.n_guests; i++)
		make_system(i);
	add_guest("confined", PLACE_BIND_STRICT, 0);
	assert_int_equal(turn(), 20);
	guests[30].memory_bytes = 1300 * MIB;
	assert_int_equal(turns(9), 0);
	assert_int_equal(turn(), 11);
	assert_non_null(line_of("confined"));
	assert_true(line_of("confined") < strstr(said, "subject=far"));
}

/* Anybody can start as many guests as he likes, all the time. */
static void test_the_system_is_said_first(void **state)
{
	(void)state;
	sample.n_guests = 0;
	add_guests(30, "mine", PLACE_BIND_STRICT, 2000);
	add_guest("far", PLACE_BIND_PREFERRED, 1300);
	add_guest("db", PLACE_BIND_STRICT, 1300);
	add_guest("web", PLACE_BIND_STRICT, 0);
	for (size_t i = 30; i < 33; i++)
		make_system(i);
	assert_int_equal(turn(), 20);
	assert_non_null(line_of("db"));
	assert_true(line_of("db") < strstr(said, "subject=mine"));
	assert_null(line_of("far"));
	/* They have used up what there is for all, and not what there is for it. */
	guests[32].memory_bytes = 2000 * MIB;
	assert_int_equal(turn(), 1);
	assert_non_null(line_of("web"));
	assert_int_equal(turns(8), 0);
	turn();
	assert_non_null(line_of("far"));
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

static void test_other_words(void **state)
{
	struct place_guest guest = { .known = PLACE_GUEST_MEMS, .bind = PLACE_BIND_STRICT };
	const struct place_pressure pressure = {
		.is_by_cell = true, .is_unswappable = true, .short_node = 3, .short_bytes = 5 * MIB
	};
	const struct place_stall stall = { .known = PLACE_STALL_SWAP, .swap_free_bytes = MIB };
	struct risk_words words;

	(void)state;
	risk_describe(&guest, &pressure, PLACE_RISK_KILL, &stall, &words);
	assert_non_null(strstr(words.text, "5 MiB short where its NUMA cells are bound to one node "
					   "each (most on node 3), and their groups may not swap"));
}

/* By a cpuset, whatever its policy: that is what is named, and what helps. */
static void test_words_of_a_cpuset(void **state)
{
	struct place_guest guest = { .known = PLACE_GUEST_MEMS | PLACE_GUEST_ALLOWED,
				     .bind = PLACE_BIND_PREFERRED };
	const struct place_pressure pressure = { .is_by_cpuset = true,
						 .short_bytes = 5 * MIB,
						 .has_better = true,
						 .better_node = 3,
						 .remedy = PLACE_REMEDY_MODE };
	const struct place_stall stall = { .known = PLACE_STALL_SWAP };
	struct risk_words words;

	(void)state;
	place_set_add(&guest.mems, 0);
	place_set_add(&guest.mems, 1);
	place_nodes_from_set(&guest.mems, &guest.allowed);
	place_set_remove(&guest.mems, 1);
	risk_describe(&guest, &pressure, PLACE_RISK_SWAP, &stall, &words);
	assert_string_equal(words.nodes, "0-1");
	assert_non_null(strstr(words.text, ", only from nodes 0-1, which"));
	assert_string_equal(words.remedy, "more nodes in the cpuset of its groups "
					  "(AllowedMemoryNodes=): node 3 has room");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_is_well, begin, end),
		cmocka_unit_test_setup_teardown(test_said_once_before_harm, begin, end),
		cmocka_unit_test_setup_teardown(test_worse_is_news, begin, end),
		cmocka_unit_test_setup_teardown(test_end_is_said, begin, end),
		cmocka_unit_test_setup_teardown(test_back_after_its_end, begin, end),
		cmocka_unit_test_setup_teardown(test_back_before_its_end, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_not_known, begin, end),
		cmocka_unit_test_setup_teardown(test_whose_swap_matters, begin, end),
		cmocka_unit_test_setup_teardown(test_locality_is_a_notice, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
		cmocka_unit_test_setup_teardown(test_many_of_the_system, begin, end),
		cmocka_unit_test_setup_teardown(test_harm_is_said_before_notices, begin, end),
		cmocka_unit_test_setup_teardown(test_the_system_is_said_first, begin, end),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_pool_words),
		cmocka_unit_test(test_other_words),
		cmocka_unit_test(test_words_of_a_cpuset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
