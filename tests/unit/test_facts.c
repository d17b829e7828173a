/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the command line, the cpuset and libvirt's record say of a guest together: one guest in a
 * tree of its own, on a host of nodes 0 to 3.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "observe/facts.h"

#define RAM(more)                                                                                  \
	"qemu|-name|guest=web|-m|1024|-object|memory-backend-ram,id=pc.ram,size=1G" more "|"
#define ON(nodes, policy) ",host-nodes=" nodes ",policy=" policy

static char folder[] = "/tmp/test_facts.XXXXXX";
static struct place_root root;
static struct place_text text;
static struct place_topology topology;
static struct place_qemu_args args;
static const struct place_mounts mounts;

static void write_bytes(const char *path, const char *bytes, size_t size)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

/* Arguments with a bar behind each. */
static void write_line(const char *line)
{
	char bytes[1000];
	const size_t size = strlen(line);

	assert_true(size < sizeof(bytes));
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(line[i] == '|' ? '\0' : line[i]);
	write_bytes("proc/241/cmdline", bytes, size);
}

static void write_allowed(const char *nodes)
{
	char lines[200];

	snprintf(
		lines, sizeof(lines),
		"Name:\tqemu\nRssAnon:\t1024 kB\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t%s\n",
		nodes);
	write_bytes("proc/241/status", lines, strlen(lines));
}

static int make_tree(void **state)
{
	static const char *const folders[] = { "proc", "proc/241", "run", "run/libvirt",
					       "run/libvirt/qemu" };
	static const char stat[] = "241 (qemu) S 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 4 0 100 0 0\n";

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	for (size_t i = 0; i < ELEMENTSOF(folders); i++)
		assert_int_equal(mkdir(folders[i], 0755), 0);
	write_bytes("proc/241/stat", stat, strlen(stat));
	return place_root_open(folder, &root);
}

static int drop_tree(void **state)
{
	(void)state;
	place_text_done(&text);
	place_root_close(&root);
	assert_int_equal(chdir("/"), 0);
	return system("rm -r /tmp/test_facts.??????");
}

/* Its memory may use all nodes, and libvirt knows nothing of it. */
static int begin(void **state)
{
	(void)state;
	(void)unlink("run/libvirt/qemu/web.xml");
	write_line(RAM(""));
	write_allowed("0-3");
	topology = (struct place_topology){ 0 };
	assert_int_equal(place_set_parse_list("0-3", &topology.node_ids), 0);
	topology.memory_ids = topology.node_ids;
	return 0;
}

static struct place_guest read_guest(struct place_facts *ret_facts)
{
	const struct place_facts_reader reader = { .root = &root,
						   .text = &text,
						   .topology = &topology,
						   .mounts = &mounts,
						   .args = &args };
	struct place_guest guest = { .pid = 241 };

	assert_int_equal(place_facts_read(&reader, &guest, ret_facts), 0);
	return guest;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static void expect_nodes(enum place_bind bind, const char *mems, const char *allowed)
{
	static char list[PLACE_SET_TEXT_MAX];
	struct place_facts facts;
	const struct place_guest guest = read_guest(&facts);
	struct place_set set;

	assert_int_equal(guest.bind, bind);
	assert_true(guest.known & PLACE_GUEST_MEMS);
	assert_true(place_set_format(&guest.mems, list, sizeof(list)) >= 0);
	assert_string_equal(list, mems);
	assert_int_equal(!(guest.known & PLACE_GUEST_ALLOWED), !allowed[0]);
	place_nodes_to_set(&guest.allowed, &set);
	assert_true(place_set_format(&set, list, sizeof(list)) >= 0);
	assert_string_equal(list, allowed);
}

/* A cpuset is a wall whatever the policy inside it says. */
static void test_cpuset_and_policy(void **state)
{
	static const struct {
		const char *policy;
		enum place_bind bind;
	} cases[] = {
		{ RAM(ON("0", "bind")), PLACE_BIND_STRICT },
		{ RAM(ON("0", "preferred")), PLACE_BIND_PREFERRED },
		{ RAM(ON("0", "interleave")), PLACE_BIND_INTERLEAVE },
	};

	(void)state;
	expect_nodes(PLACE_BIND_NONE, "0-3", "");
	write_allowed("0-1");
	expect_nodes(PLACE_BIND_CPUSET, "0-1", "0-1");
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		write_line(cases[i].policy);
		write_allowed("0-3");
		expect_nodes(cases[i].bind, "0", "");
		write_allowed("0-1");
		expect_nodes(cases[i].bind, "0", "0-1");
		/* Taken elsewhere since its start, and its policy with it. */
		write_allowed("2-3");
		expect_nodes(cases[i].bind, "2-3", "2-3");
		/* Nonsense. */
		write_allowed("700");
		expect_nodes(cases[i].bind, "0", "");
	}
}

/* What its cpuset has lost since the start, its policy does not give it. */
static void test_policy_that_was_narrowed(void **state)
{
	struct place_facts facts;

	(void)state;
	write_line(RAM(ON("0-1", "bind")));
	write_allowed("0-2");
	expect_nodes(PLACE_BIND_STRICT, "0-1", "0-2");
	(void)read_guest(&facts);
	assert_false(facts.traits & PLACE_TRAIT_NODESET);
	write_allowed("0,3");
	expect_nodes(PLACE_BIND_STRICT, "0", "0,3");
	/* Those were not advised: nobody is to give it others instead. */
	(void)read_guest(&facts);
	assert_true(facts.traits & PLACE_TRAIT_NODESET);
	/* Taken from one node to another, as we do it, it has what it had. */
	write_line(RAM(ON("0", "bind")));
	write_allowed("0,2");
	expect_nodes(PLACE_BIND_STRICT, "0", "0,2");
	(void)read_guest(&facts);
	assert_false(facts.traits & PLACE_TRAIT_NODESET);
	write_allowed("2");
	expect_nodes(PLACE_BIND_STRICT, "2", "2");
	(void)read_guest(&facts);
	assert_false(facts.traits & PLACE_TRAIT_NODESET);
}

/* Nodes without memory are in no cpuset: that one has all there is. */
static void test_nodes_without_memory(void **state)
{
	(void)state;
	place_set_remove(&topology.memory_ids, 1);
	write_allowed("0,2-3");
	expect_nodes(PLACE_BIND_NONE, "0,2-3", "");
	write_allowed("0,2");
	expect_nodes(PLACE_BIND_CPUSET, "0,2", "0,2");
}

/* ---- what its balloon keeps --------------------------------------------------------------- */

#define RUNNING "state='running' reason='booted'"
#define STARTING "state='paused' reason='starting up'"
#define COMES "  <job type='none' async='migration in' phase='prepare' flags='0x41'/>\n"
#define GOES "  <job type='none' async='migration out' phase='perform' flags='0x41'/>\n"
#define SHARED ",share=on"
#define FILLED ",prealloc=on"
#define WAITS "-incoming|defer|"

/* libvirt says: 1 GiB, of which the balloon keeps three quarters. */
static void write_record(const char *state, const char *job)
{
	char record[1000];

	snprintf(
		record, sizeof(record),
		"<domstatus %s pid='241'>\n%s  <domain type='kvm' id='1'>\n    <name>web</name>\n"
		"    <memory unit='KiB'>1048576</memory>\n"
		"    <currentMemory unit='KiB'>262144</currentMemory>\n  </domain>\n</domstatus>\n",
		state, job);
	write_bytes("run/libvirt/qemu/web.xml", record, strlen(record));
}

/* It counts where it is taken before it is given back, or never comes back. */
static void test_what_its_balloon_keeps(void **state)
{
	static const struct {
		const char *line, *state, *job;
		bool counts;
	} cases[] = {
		{ RAM(""), RUNNING, "", false },
		{ RAM(""), STARTING, "", false },
		{ RAM("") WAITS, STARTING, COMES, false },
		{ RAM(SHARED), STARTING, "", false },
		{ RAM(SHARED) WAITS, STARTING, COMES, true },
		{ RAM(SHARED) WAITS, STARTING, "", true }, /* restored */
		{ RAM(SHARED) WAITS, "state='paused' reason='migration'", COMES, true },
		{ RAM(SHARED) WAITS, RUNNING, "", false },
		{ RAM(SHARED) WAITS, RUNNING, GOES, false },
		{ RAM(",mem-path=/srv/ram") WAITS, STARTING, COMES, true },
		{ RAM(FILLED), STARTING, "", true },
		{ RAM(FILLED) WAITS, "state='paused' reason='migration'", COMES, true },
		{ RAM(FILLED), RUNNING, "", false },
		{ RAM(",prealloc=off"), STARTING, "", false },
		{ RAM("") "-mem-prealloc|" WAITS, STARTING, COMES, true },
		{ RAM(",hugetlb=on"), RUNNING, "", true },
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct place_facts facts;
		struct place_guest guest;

		write_line(cases[i].line);
		write_record(cases[i].state, cases[i].job);
		guest = read_guest(&facts);
		assert_true(facts.traits & PLACE_TRAIT_LIBVIRT);
		if (!(guest.known & PLACE_GUEST_BALLOON) != cases[i].counts)
			fail_msg("case %zu: %s", i, cases[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cpuset_and_policy, begin),
		cmocka_unit_test_setup(test_policy_that_was_narrowed, begin),
		cmocka_unit_test_setup(test_nodes_without_memory, begin),
		cmocka_unit_test_setup(test_what_its_balloon_keeps, begin),
	};

	return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
