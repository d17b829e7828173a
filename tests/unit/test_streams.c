/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A made-up process whose threads come, take a name, and go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/root.h"
#include "observe/streams.h"
#include "tree.h"

#define PID 100
#define S UINT64_C(1000000000)

static struct place_root root;
static struct place_text text;
static struct place_streams streams;
static uint64_t now_ns;

static void put_thread(unsigned tid, const char *name)
{
	char line[64];

	snprintf(line, sizeof(line), "%s\n", name);
	tree_put(line, "proc/%d/task/%u/comm", PID, tid);
}

static int set_up(void **state)
{
	(void)state;
	tree_make();
	now_ns = 7 * S;
	put_thread(PID, "qemu-system-x86");
	put_thread(101, "CPU 0/KVM");
	return place_root_open(tree_path, &root);
}

static int tear_down(void **state)
{
	(void)state;
	place_streams_done(&streams);
	place_text_done(&text);
	place_root_close(&root);
	tree_remove();
	return 0;
}

static int look(uint64_t after_ns)
{
	now_ns += after_ns;
	return place_streams_look(&root, &text, PID, now_ns, &streams);
}

static void test_a_thread_that_comes(void **state)
{
	(void)state;
	assert_int_equal(look(0), 0);
	assert_int_equal(look(S), 0);
	put_thread(102, "worker");
	assert_int_equal(look(S), 0);
	put_thread(103, "mig/src/main");
	assert_int_equal(look(S), 1);
	tree_drop("proc/%d/task/%u", PID, 103);
	assert_int_equal(look(S), 0);
	assert_int_equal(streams.n, 3);
}

static void test_one_that_was_there(void **state)
{
	(void)state;
	put_thread(102, "live_migration");
	assert_int_equal(look(0), 1);
}

/* QEMU's threads name themselves, after they have begun. */
static void test_a_name_that_comes_later(void **state)
{
	(void)state;
	assert_int_equal(look(0), 0);
	put_thread(102, "qemu-system-x86");
	assert_int_equal(look(S), 0);
	put_thread(102, "live_migration");
	assert_int_equal(look(S / 10), 1);
}

/* What was read often enough is not read again: a guest may have thousands. */
static void test_settled_names_are_not_read(void **state)
{
	(void)state;
	assert_int_equal(look(0), 0);
	assert_int_equal(look(S), 0);
	put_thread(101, "live_migration");
	assert_int_equal(look(S), 0);
	/* Another one with its number is. */
	tree_drop("proc/%d/task/%u", PID, 101);
	assert_int_equal(look(S / 10), 0);
	put_thread(101, "live_migration");
	assert_int_equal(look(S / 10), 1);
}

static void test_many(void **state)
{
	(void)state;
	for (unsigned tid = 200; tid < 500; tid++)
		put_thread(tid, "worker");
	assert_int_equal(look(0), 0);
	assert_int_equal(streams.n, 302);
	put_thread(150, "multifdsend_0"); /* a recording lists in any order, and so may this one */
	assert_int_equal(look(2 * S), 1);
	assert_int_equal(streams.n, 303);
}

static void test_names_that_only_look_so(void **state)
{
	(void)state;
	put_thread(102, "CPU 1\nlive_migration");
	put_thread(103, "");
	put_thread(104, "migration/0");
	assert_int_equal(look(0), 0);
}

static void test_gone(void **state)
{
	(void)state;
	tree_drop("proc/%d", PID);
	assert_int_equal(look(0), -ENOENT);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_a_thread_that_comes),
		SCENE(test_one_that_was_there),
		SCENE(test_a_name_that_comes_later),
		SCENE(test_settled_names_are_not_read),
		SCENE(test_many),
		SCENE(test_names_that_only_look_so),
		SCENE(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
