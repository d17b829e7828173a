/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relief_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct relief_host host;
struct place_relief relief;

struct place_set set_of(const char *list)
{
	struct place_set set;

	assert_return_code(place_set_parse_list(list, &set), 0);
	return set;
}

size_t add(enum place_class class, enum place_bind bind, const char *mems, uint64_t memory_mib,
	   unsigned node)
{
	const size_t i = relief_host_add_guest(&host, memory_mib * MIB);

	host.guests[i].bind = bind;
	host.guests[i].mems = set_of(mems);
	host.classes[i] = class;
	host.bytes[i][node] = memory_mib * MIB;
	host.run_permille[i][node] = 1000;
	host.raw[node].free_bytes -= memory_mib * MIB;
	host.may_steer[i] = class == PLACE_CLASS_FREE;
	return i;
}

size_t add_free(uint64_t memory_mib)
{
	return add(PLACE_CLASS_FREE, PLACE_BIND_NONE, "0,2,4,6", memory_mib, 0);
}

size_t add_auto(uint64_t memory_mib, uint64_t resident_mib, unsigned node)
{
	const char *const names[] = { "0", "2", "4", "6" };
	const size_t i = add(PLACE_CLASS_AUTO, PLACE_BIND_STRICT, names[node], resident_mib, node);

	host.guests[i].memory_bytes = memory_mib * MIB;
	host.may_change_nodes[i] = true;
	return i;
}

void fill_node(size_t node, uint64_t left_mib)
{
	host.raw[node].free_bytes = host.raw[node].reserve_bytes + left_mib * MIB;
}

int begin(void **state)
{
	(void)state;
	relief_host_begin(&host, N_NODES, 2);
	for (size_t i = 0; i < N_NODES; i++) {
		relief_host_add_cpus(&host, i, 8);
		host.raw[i].total_bytes = host.raw[i].free_bytes = 4000 * MIB;
	}
	add(PLACE_CLASS_STATIC, PLACE_BIND_STRICT, "0", 0, 0);
	host.guests[0].memory_bytes = 1000 * MIB;
	host.traits[0] = PLACE_TRAIT_LIBVIRT | PLACE_TRAIT_NODESET;
	return 0;
}

void find_pressures(void)
{
	assert_return_code(relief_host_look(&host), 0);
}

size_t find(void)
{
	find_pressures();
	memset(&relief, 0x5a, sizeof(relief));
	assert_return_code(place_relief_find(&host.input, &relief_scratch, &relief), 0);
	return relief.n_steps;
}

void assert_only(size_t i, unsigned to_node, uint64_t mib)
{
	const struct place_step *step = &relief.steps[0];

	assert_int_equal(find(), 1);
	assert_int_equal(step->pid, host.guests[i].pid);
	assert_int_equal(step->start_ns, host.guests[i].start_ns);
	assert_int_equal(step->to_node, to_node);
	assert_int_equal(step->bytes / MIB, mib);
	assert_int_equal(step->cause, PLACE_CAUSE_ARRIVAL);
	assert_int_equal(step->for_pid, host.guests[0].pid);
	assert_int_equal(step->for_bytes, 0);
	assert_true(relief.is_urgent);
}

void do_steps(const struct place_step *steps, size_t n)
{
	for (size_t k = 0; k < n; k++)
		assert_true(relief_host_do(&host, &steps[k]));
}
