/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which cell goes where: by hand, and against all possibilities on small random hosts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/cells.h"

#define MIB (UINT64_C(1) << 20)

static struct place_cells_wanted wanted;
static unsigned node_of[PLACE_CELLS_WANTED_MAX];

static int begin(void **state)
{
	(void)state;
	memset(&wanted, 0, sizeof(wanted));
	memset(node_of, 0x5a, sizeof(node_of));
	return 0;
}

static void add_node(uint64_t room_mib, unsigned n_cpus)
{
	wanted.nodes[wanted.n_nodes++] =
		(struct place_cells_node){ .room_bytes = room_mib * MIB, .n_cpus = n_cpus };
}

static struct place_cell_want *add_cell(uint64_t mib, unsigned n_vcpus)
{
	struct place_cell_want *cell = &wanted.cells[wanted.n_cells++];

	cell->bytes = mib * MIB;
	cell->n_vcpus = n_vcpus;
	cell->allowed = (UINT64_C(1) << wanted.n_nodes) - 1;
	return cell;
}

static void test_interleaved(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add_node(1000, 2);
	for (unsigned i = 0; i < 4; i++) {
		struct place_cell_want *cell = add_cell(800, 2);

		for (unsigned j = 0; j < 4; j++)
			cell->here_bytes[j] = 200 * MIB;
	}
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(node_of[i], i);
}

/* What is there stays there, whatever its number. */
static void test_stays(void **state)
{
	(void)state;
	add_node(1000, 2);
	add_node(1000, 2);
	add_cell(800, 2)->here_bytes[1] = 500 * MIB;
	add_cell(800, 2)->here_bytes[0] = 100 * MIB;
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	assert_int_equal(node_of[0], 1);
	assert_int_equal(node_of[1], 0);
}

/* Two want one node, and it is worth more to the smaller one. */
static void test_most_stays(void **state)
{
	(void)state;
	add_node(1000, 2);
	add_node(1000, 2);
	add_cell(800, 2)->here_bytes[0] = 300 * MIB;
	wanted.cells[0].here_bytes[1] = 250 * MIB;
	add_cell(700, 2)->here_bytes[0] = 600 * MIB;
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	assert_int_equal(node_of[0], 1);
	assert_int_equal(node_of[1], 0);
}

static void test_room_and_cpus(void **state)
{
	(void)state;
	add_node(500, 8);
	add_node(1000, 1);
	add_node(1000, 2);
	add_cell(800, 2)->here_bytes[1] = 400 * MIB;
	add_cell(400, 8)->here_bytes[2] = 400 * MIB;
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	assert_int_equal(node_of[0], 2);
	assert_int_equal(node_of[1], 0);
	/* Nobody has nine CPUs: then each is alone all the same. */
	wanted.cells[1].n_vcpus = 9;
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	assert_int_equal(node_of[0], 1);
	assert_int_equal(node_of[1], 2);
	wanted.cells[0].bytes = 1001 * MIB;
	assert_int_equal(place_cells_assign(&wanted, node_of), -ENOSPC);
}

/* More cells than nodes: they share, evenly. */
static void test_shared(void **state)
{
	(void)state;
	add_node(1000, 4);
	add_node(1000, 4);
	for (unsigned i = 0; i < 4; i++)
		add_cell(500, 2);
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	assert_int_equal(node_of[0] + node_of[1] + node_of[2] + node_of[3], 2);
	add_cell(1, 0);
	assert_int_equal(place_cells_assign(&wanted, node_of), -ENOSPC);
}

/* Who may go nowhere stays, and what it has is no room. */
static void test_not_movable(void **state)
{
	(void)state;
	add_node(1000, 4);
	add_node(1000, 4);
	add_cell(500, 2)->here_bytes[0] = 500 * MIB;
	wanted.cells[0].allowed = 0;
	add_cell(800, 2)->here_bytes[0] = 100 * MIB;
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	assert_int_equal(node_of[0], PLACE_CELL_NOWHERE);
	assert_int_equal(node_of[1], 1);
	/* A pin: one node alone. */
	wanted.cells[1].allowed = 1;
	assert_int_equal(place_cells_assign(&wanted, node_of), -ENOSPC);
	wanted.n_cells = PLACE_CELLS_WANTED_MAX + 1;
	assert_int_equal(place_cells_assign(&wanted, node_of), -EINVAL);
}

/* Sixteen cells all over sixteen nodes: an answer, and soon. */
static void test_many(void **state)
{
	(void)state;
	srand(5);
	for (unsigned i = 0; i < 16; i++)
		add_node(1000, 4);
	for (unsigned i = 0; i < 16; i++) {
		struct place_cell_want *cell = add_cell(500, 2);

		for (unsigned j = 0; j < 16; j++)
			cell->here_bytes[j] = (uint64_t)(rand() % 30) * MIB;
	}
	assert_int_equal(place_cells_assign(&wanted, node_of), 0);
	for (unsigned i = 0; i < 16; i++)
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(node_of[i], node_of[j]);
}

/* ---- all possibilities ---------------------------------------------------------------------- */

struct worth {
	bool is_possible;
	unsigned way; /* 0 is best: alone with CPUs, shared with CPUs, alone, shared */
	uint64_t bytes;
};

static struct worth value_of(const unsigned *nodes)
{
	struct worth worth = { .is_possible = true };
	bool has_cpus = true, is_alone = true;

	for (size_t j = 0; j < wanted.n_nodes; j++) {
		uint64_t bytes = 0;
		unsigned n_vcpus = 0, n = 0;

		for (size_t i = 0; i < wanted.n_cells; i++) {
			if (nodes[i] != j)
				continue;
			bytes += wanted.cells[i].bytes;
			n_vcpus += wanted.cells[i].n_vcpus;
			worth.bytes += wanted.cells[i].here_bytes[j];
			worth.is_possible &= wanted.cells[i].allowed >> j & 1;
			n++;
		}
		worth.is_possible &= bytes <= wanted.nodes[j].room_bytes;
		has_cpus &= n_vcpus <= wanted.nodes[j].n_cpus;
		is_alone &= n < 2;
	}
	worth.way = has_cpus ? !is_alone : 3 - is_alone;
	return worth;
}

static struct worth find_best(void)
{
	struct worth best = { 0 };
	size_t n = 1;

	for (size_t i = 0; i < wanted.n_cells; i++)
		n *= wanted.n_nodes;
	for (size_t k = 0; k < n; k++) {
		unsigned nodes[PLACE_CELLS_WANTED_MAX];
		struct worth worth;
		size_t rest = k;

		for (size_t i = 0; i < wanted.n_cells; i++, rest /= wanted.n_nodes)
			nodes[i] = (unsigned)(rest % wanted.n_nodes);
		worth = value_of(nodes);
		if (worth.is_possible && (!best.is_possible || worth.way < best.way ||
					  (worth.way == best.way && worth.bytes > best.bytes)))
			best = worth;
	}
	return best;
}

static void test_against_all(void **state)
{
	unsigned n_possible = 0, n_shared = 0;

	srand(7);
	for (unsigned round = 0; round < 4000; round++) {
		const unsigned n_nodes = 1 + (unsigned)rand() % 4,
			       n_cells = 1 + (unsigned)rand() % 5;
		struct worth best, got;

		begin(state);
		for (unsigned j = 0; j < n_nodes; j++)
			add_node((uint64_t)(rand() % 12), (unsigned)rand() % 8);
		for (unsigned i = 0; i < n_cells; i++) {
			struct place_cell_want *cell =
				add_cell((uint64_t)(1 + rand() % 6), (unsigned)rand() % 4);

			for (unsigned j = 0; j < n_nodes; j++)
				cell->here_bytes[j] = (uint64_t)(rand() % 3) * MIB / 2;
			if (rand() % 4 == 0)
				cell->allowed = 1 + (uint64_t)rand() % cell->allowed;
		}
		best = find_best();
		if (place_cells_assign(&wanted, node_of) < 0) {
			assert_false(best.is_possible);
			continue;
		}
		got = value_of(node_of);
		assert_true(best.is_possible && got.is_possible);
		assert_int_equal(got.way, best.way);
		assert_int_equal(got.bytes, best.bytes);
		n_possible++;
		n_shared += got.way == 1;
	}
	/* Neither is all of it. */
	assert_in_range(n_possible, 400, 3600);
	assert_in_range(n_shared, 100, 3000);
}

static void test_fits_one(void **state)
{
	struct place_node_model nodes[2] = {
		{ .flags = PLACE_NODE_ELIGIBLE, .n_cpus = 4, .usable_bytes = 1000 },
		{ .flags = 0, .n_cpus = 64, .usable_bytes = 100000 },
	};
	const struct place_model model = { .n_nodes = 2, .nodes = nodes };
	struct place_request request = { .vcpus_centi = 400, .memory_bytes = 1000 };

	(void)state;
	assert_true(place_cells_fits_one(&model, &request));
	request.memory_bytes++;
	assert_false(place_cells_fits_one(&model, &request));
	request = (struct place_request){ .vcpus_centi = 401, .memory_bytes = 1 };
	assert_false(place_cells_fits_one(&model, &request));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_interleaved, begin),
		cmocka_unit_test_setup(test_stays, begin),
		cmocka_unit_test_setup(test_most_stays, begin),
		cmocka_unit_test_setup(test_room_and_cpus, begin),
		cmocka_unit_test_setup(test_shared, begin),
		cmocka_unit_test_setup(test_not_movable, begin),
		cmocka_unit_test_setup(test_many, begin),
		cmocka_unit_test(test_against_all),
		cmocka_unit_test(test_fits_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
