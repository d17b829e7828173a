/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that change nodes: what is written down before and after, and what a job makes of groups
 * that a crash left wide or that libvirt added, in a made-up host.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "moves_parts.h"
#include "state_dir.h"
#include "tree.h"

#define START_NS UINT64_C(50000000) /* 5 ticks */
#define GROUPS "sys/fs/cgroup/machine/a.libvirt-qemu/"

static struct place_host host;
static struct place_watch watch;
static struct moves moves;
static char saved[1024]; /* what was written down last */
static unsigned n_saved;
static bool refuse_to_save, refuse_to_write;
static unsigned promised_mib; /* to others, of the old node */
/* What the watch knows of it: all of it on the old node, 1, and its group says so. */
static struct place_guest guest;
static enum place_class guest_class;
static unsigned guest_traits;
static uint64_t guest_bytes[2];
static struct place_activity activity;

/* ---- the file of intents ------------------------------------------------------------------- */

int state_dir_open(unsigned wait_ms, struct state_dir *ret_state)
{
	(void)wait_ms;
	*ret_state = (struct state_dir){ .fd = -1, .lock_fd = -1 };
	return refuse_to_save ? -ENOSPC : 0;
}

void state_dir_close(struct state_dir *state)
{
	(void)state;
}

int state_dir_replace(const struct state_dir *state, const char *name, const char *text,
		      size_t size)
{
	(void)state;
	assert_string_equal(name, INTENT_NAME);
	snprintf(saved, sizeof(saved), "%.*s", (int)size, text);
	n_saved++;
	return 0;
}

/* ---- the host ------------------------------------------------------------------------------ */

static void put_group(const char *name, const char *mems)
{
	tree_put(mems, GROUPS "%s/cpuset.mems", name);
}

static void expect_group(const char *name, const char *mems)
{
	assert_string_equal(tree_line(GROUPS "%s/cpuset.mems", name), mems);
}

static bool hangs_in_write; /* and whoever waits for the child hears that it is lost */

static int write_mems(struct act *act, const char *group, const char *mems)
{
	(void)act;
	if (hangs_in_write) {
		close_range(3, ~0U, 0);
		pause();
	}
	if (refuse_to_write)
		return -EBUSY;
	tree_put(mems, "sys/fs/cgroup/%s/cpuset.mems", group);
	return 0;
}

static void put_thread(int tid, const char *group)
{
	char text[128];

	snprintf(text, sizeof(text), "0::/machine/a.libvirt-qemu/%s\n", group);
	tree_put(text, "proc/100/task/%d/cgroup", tid);
}

/* reclaimable_mib: clean page cache that nobody uses. */
static void put_node(unsigned node, unsigned free_mib, unsigned reclaimable_mib)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "Node %u MemTotal: 4194304 kB\nNode %u MemFree: %u kB\n"
		 "Node %u Inactive(file): %u kB\n",
		 node, node, free_mib << 10, node, reclaimable_mib << 10);
	tree_put(text, "sys/devices/system/node/node%u/meminfo", node);
}

static void put_memory(unsigned behind_mib, unsigned there_mib)
{
	guest_bytes[1] = (uint64_t)behind_mib << 20;
	guest_bytes[0] = (uint64_t)there_mib << 20;
}

static void set_time(unsigned s)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.00 0.00\n", s);
	tree_put(text, "proc/uptime");
}

static void on_end(int pid, uint64_t start_ns, enum mover_end end, void *data)
{
	(void)pid, (void)start_ns, (void)end, (void)data;
}

static int set_up(void **state)
{
	static const struct act_ops ops = { .write_mems = write_mems };
	static struct place_node nodes[2] = { { .id = 0 }, { .id = 1 } };
	static struct act act;

	(void)state;
	tree_make();
	act = (struct act){ .ops = &ops, .root_path = tree_path };
	host = (struct place_host){ .topology = { .n_nodes = 2, .nodes = nodes } };
	guest = (struct place_guest){ .pid = 100, .start_ns = START_NS };
	guest_class = PLACE_CLASS_AUTO;
	activity = (struct place_activity){ .bytes = guest_bytes,
					    .bytes_source = PLACE_BYTES_CGROUP,
					    .bytes_ns = UINT64_MAX / 2 };
	watch = (struct place_watch){ .n = 1,
				      .guests = &guest,
				      .classes = &guest_class,
				      .traits = &guest_traits,
				      .activities = &activity };
	put_memory(1000, 0);
	moves = (struct moves){ .host = &host, .watch = &watch, .act = &act, .on_end = on_end };
	saved[0] = '\0';
	n_saved = promised_mib = 0;
	refuse_to_save = refuse_to_write = hangs_in_write = false;
	tree_put("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "proc/mounts");
	tree_put("100 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 5 0 0\n", "proc/100/stat");
	put_thread(100, "emulator");
	put_thread(101, "vcpu0");
	put_group("emulator", "1\n");
	put_group("vcpu0", "1\n");
	put_node(0, 2000, 0);
	put_node(1, 2000, 0);
	set_time(1000);
	assert_return_code(place_root_open(tree_path, &host.root), 0);
	return sd_event_new(&moves.event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	intents_done(&moves.intents);
	sd_event_unref(moves.event);
	place_text_done(&host.text);
	place_root_close(&host.root);
	free(host.sample.nodes);
	tree_remove();
	return 0;
}

/* ---- what is done -------------------------------------------------------------------------- */

static const struct place_step step = {
	.pid = 100,
	.start_ns = START_NS,
	.to_node = 0,
	.changes_nodes = true,
	.from_node = 1,
};

/* A turn, and all that its job brings. */
static void turn(void)
{
	moves_mems_check(&moves);
	while (moves.mend_job)
		assert_true(sd_event_run(moves.event, UINT64_MAX) >= 0);
}

static void put_intent(enum intent_kind kind, bool is_inherited)
{
	struct intent intent = { .kind = kind,
				 .pid = 100,
				 .start_ns = START_NS,
				 .is_inherited = is_inherited,
				 .promised_bytes = (uint64_t)promised_mib << 20 };

	place_set_add(&intent.before, 1);
	place_set_add(&intent.given, 0);
	assert_int_equal(intents_put(&moves.intents, &intent), 0);
}

static void end_as(enum relocate_state state)
{
	const struct move move = {
		.moves = &moves, .pid = 100, .start_ns = START_NS, .report = { .mems = state }
	};

	moves_mems_end(&moves, &move);
}

static void test_written_before(void **state)
{
	(void)state;
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	assert_string_equal(saved, "placed intents 1\n"
				   "mems pid 100 start_ns 50000000 before 1 given 0\n");
	assert_true(moves_is_mending(&moves, 100, START_NS));
	assert_false(moves_is_mending(&moves, 100, START_NS + 1));
	assert_true(moves_has_to_mend(&moves));
	end_as(RELOCATE_BACK);
	assert_string_equal(saved, "placed intents 1\n");
	assert_false(moves_has_to_mend(&moves));
	/* What cannot be written down is not done. */
	refuse_to_save = true;
	assert_int_equal(moves_mems_begin(&moves, &step), -ENOSPC);
	assert_false(moves_has_to_mend(&moves));
}

static void test_what_libvirt_does_not_know(void **state)
{
	const struct place_step back = { .pid = 100,
					 .start_ns = START_NS,
					 .to_node = 1,
					 .changes_nodes = true,
					 .from_node = 2 };
	struct place_step on = step;

	(void)state;
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	end_as(RELOCATE_FORWARD);
	/* What is decided before the next look goes by where it is. */
	assert_true(place_set_has(&guest.mems, 0) && !place_set_has(&guest.mems, 1));
	assert_string_equal(saved, "placed intents 1\n"
				   "nodes pid 100 start_ns 50000000 before 1 given 0\n");
	on.from_node = 0;
	on.to_node = 2;
	assert_int_equal(moves_mems_begin(&moves, &on), 0);
	end_as(RELOCATE_FORWARD);
	assert_string_equal(saved, "placed intents 1\n"
				   "nodes pid 100 start_ns 50000000 before 1 given 2\n");
	/* Where libvirt thinks that it is. */
	assert_int_equal(moves_mems_begin(&moves, &back), 0);
	end_as(RELOCATE_FORWARD);
	assert_string_equal(saved, "placed intents 1\n");
}

/* The mover died: the groups are narrowed by a job, and nothing is left to do. */
static void test_died_wide(void **state)
{
	(void)state;
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	put_group("emulator", "0-1\n");
	put_group("vcpu0", "0-1\n");
	end_as(RELOCATE_WIDE);
	assert_true(moves_has_to_mend(&moves));
	turn();
	expect_group("emulator", "1");
	expect_group("vcpu0", "1");
	assert_string_equal(saved, "placed intents 1\n");
	/* It was narrowing to the new node already. */
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	put_group("emulator", "0-1\n");
	put_group("vcpu0", "0\n");
	end_as(RELOCATE_WIDE);
	turn();
	expect_group("emulator", "0");
	assert_string_equal(saved, "placed intents 1\n"
				   "nodes pid 100 start_ns 50000000 before 1 given 0\n");
}

/* Groups that a crash or a migration left wide, memory on both nodes. Returns: where they end. */
static const char *mend(unsigned behind_mib, unsigned there_mib)
{
	static char line[64];

	put_memory(behind_mib, there_mib);
	put_group("emulator", "0-1\n");
	put_group("vcpu0", "0-1\n");
	put_intent(INTENT_MEMS, false);
	turn();
	snprintf(line, sizeof(line), "%s", tree_line(GROUPS "vcpu0/cpuset.mems"));
	expect_group("emulator", line);
	assert_int_equal(moves_has_to_mend(&moves), strcmp(line, "0-1") == 0);
	return line;
}

/* It was cut at 90 %, and somebody has filled the node that it left: it goes on. */
static void test_ends_where_it_lies(void **state)
{
	(void)state;
	put_node(1, 0, 0);
	assert_string_equal(mend(100, 900), "0");
	assert_string_equal(saved, "placed intents 1\n"
				   "nodes pid 100 start_ns 50000000 before 1 given 0\n");
	put_node(1, 2000, 0);
	assert_string_equal(mend(100, 900), "0");
	assert_string_equal(mend(900, 100), "1");
}

static void test_ends_where_there_is_room(void **state)
{
	(void)state;
	/* The new node has filled since. */
	put_node(0, 80, 0);
	assert_string_equal(mend(100, 900), "1");
	put_node(0, 80, 10);
	assert_string_equal(mend(100, 900), "0");
	/* What the kernel keeps for itself is none: 20 + 2 * 5 MiB of each. */
	tree_put("40960\n", "proc/sys/vm/min_free_kbytes");
	assert_string_equal(mend(100, 900), "1");
	put_node(0, 120, 0);
	assert_string_equal(mend(100, 900), "0");
	/* What lies there by chance is no reason to stay wide. */
	put_node(0, 0, 0);
	put_node(1, 0, 0);
	assert_string_equal(mend(900, 16), "1");
}

/* Nothing is reclaimed for it, and nobody swapped: it waits for room. */
static void test_waits_for_room(void **state)
{
	(void)state;
	put_node(1, 0, 0);
	assert_string_equal(mend(700, 300), "0-1");
	put_node(0, 0, 0);
	set_time(1001);
	assert_string_equal(mend(300, 700), "0-1");
	moves_mems_stop(&moves);
	expect_group("vcpu0", "0-1");
	put_node(1, 0, 300);
	set_time(1010);
	assert_string_equal(mend(700, 300), "1");
}

/* It made room for somebody who has not taken it yet: it does not come back into that. */
static void test_promised_room(void **state)
{
	(void)state;
	put_node(1, 1000, 500);
	promised_mib = 600;
	assert_string_equal(mend(700, 300), "1");
	promised_mib = 900;
	assert_string_equal(mend(700, 300), "0-1");
	/* What goes on to the new node is nothing to those. */
	set_time(1010);
	assert_string_equal(mend(300, 700), "0");
	/* A promise is not for ever: moves_keep_free(). */
	set_time(1020);
	assert_string_equal(mend(700, 300), "0-1");
	promised_mib = 0;
	set_time(1030);
	assert_string_equal(mend(700, 300), "1");
	/* Nor is there anybody who would try again after a stop. */
	promised_mib = 900;
	put_intent(INTENT_MEMS, false);
	put_group("vcpu0", "0-1\n");
	moves_mems_stop(&moves);
	expect_group("vcpu0", "1");
}

#define POOL "sys/devices/system/node/node%u/hugepages/hugepages-2048kB/"

/* Its pages are in a pool: what else is free is nothing to them. */
static void test_room_in_a_pool(void **state)
{
	(void)state;
	guest.hugepage_bytes = 2 << 20;
	for (unsigned node = 0; node < 2; node++) {
		tree_put("1000\n", POOL "nr_hugepages", node);
		tree_put(node ? "500\n" : "10\n", POOL "free_hugepages", node);
	}
	assert_string_equal(mend(100, 900), "1");
	put_node(0, 0, 0);
	tree_put("50\n", POOL "free_hugepages", 0);
	assert_string_equal(mend(100, 900), "0");
}

/* Its group says nothing, or what it said is old: then its pages are asked for. */
static void test_asks_where_it_lies(void **state)
{
	(void)state;
	put_node(1, 0, 0);
	activity.bytes_ns = UINT64_C(997000000000);
	/* Nor can they be: nobody knows. */
	assert_string_equal(mend(900, 100), "0-1");
	tree_put("7f0000000000-7f0006000000 rw-p 00000000 00:00 0 \n", "proc/100/maps");
	tree_put("7f0000000000 default anon=24576 N0=20000 N1=4576 kernelpagesize_kB=4\n",
		 "proc/100/numa_maps");
	set_time(1010);
	assert_string_equal(mend(900, 100), "0");
	activity.bytes_source = PLACE_BYTES_NONE;
	activity.bytes_ns = UINT64_MAX / 2;
	assert_string_equal(mend(900, 100), "0");
}

/* A stop narrows as well, by the same. */
static void test_a_stop_looks_too(void **state)
{
	(void)state;
	put_memory(100, 900);
	put_intent(INTENT_MEMS, false);
	put_group("vcpu0", "0-1\n");
	moves_mems_stop(&moves);
	expect_group("vcpu0", "0");
}

/* To narrow them would move pages: not while it migrates, nor is that a reason for early turns. */
static void test_not_while_it_migrates(void **state)
{
	(void)state;
	guest_class = PLACE_CLASS_MIGRATING;
	put_intent(INTENT_MEMS, false);
	put_group("vcpu0", "0-1\n");
	turn();
	expect_group("vcpu0", "0-1");
	assert_false(moves_mends_soon(&moves));
	assert_true(moves_is_mending(&moves, 100, START_NS));
	/* The class is older than its thread. */
	guest_class = PLACE_CLASS_AUTO;
	tree_put("live_migration\n", "proc/100/task/101/comm");
	assert_true(moves_mends_soon(&moves));
	turn();
	expect_group("vcpu0", "0-1");
	tree_put("CPU 0/KVM\n", "proc/100/task/101/comm");
	set_time(1010);
	turn();
	expect_group("vcpu0", "1");
	assert_false(moves_has_to_mend(&moves));
}

/* Whom the watch does not know yet may be one that migrates; who is gone is waited for by nobody.
 */
static void test_not_before_it_is_known(void **state)
{
	(void)state;
	watch.n = 0;
	put_intent(INTENT_MEMS, true);
	put_group("vcpu0", "0-1\n");
	turn();
	expect_group("vcpu0", "0-1");
	assert_false(moves_mends_soon(&moves));
	set_time(1059);
	turn();
	expect_group("vcpu0", "0-1");
	watch.n = 1;
	guest_class = PLACE_CLASS_MIGRATING;
	turn();
	expect_group("vcpu0", "0-1");
	guest_class = PLACE_CLASS_AUTO;
	turn();
	expect_group("vcpu0", "1");
}

/* It is no guest any more, or beyond what the watch can list. */
static void test_never_known(void **state)
{
	(void)state;
	watch.n = 0;
	tree_put("7f0000000000-7f0006000000 rw-p 00000000 00:00 0 \n", "proc/100/maps");
	tree_put("7f0000000000 default anon=24576 N1=24576 kernelpagesize_kB=4\n",
		 "proc/100/numa_maps");
	put_intent(INTENT_MEMS, true);
	put_group("vcpu0", "0-1\n");
	turn();
	expect_group("vcpu0", "0-1");
	set_time(1060);
	turn();
	expect_group("vcpu0", "1");
}

/* What cannot be narrowed is tried again, but not for ever with each turn. */
static void test_mended_in_vain(void **state)
{
	unsigned now_s = 1000;

	(void)state;
	put_intent(INTENT_MEMS, false);
	put_group("vcpu0", "0-1\n");
	refuse_to_write = true;
	for (unsigned after_s = 2; after_s <= 32; after_s *= 2) {
		assert_true(moves_mends_soon(&moves));
		turn();
		set_time(now_s + after_s - 1);
		moves_mems_check(&moves);
		assert_null(moves.mend_job);
		set_time(now_s += after_s);
	}
	assert_false(moves_mends_soon(&moves));
	assert_true(moves_has_to_mend(&moves));
	refuse_to_write = false;
	turn();
	expect_group("vcpu0", "1");
	assert_false(moves_has_to_mend(&moves));
}

/* A mover that hangs in the kernel may still write: not before it is gone. */
static void test_not_beside_a_mover(void **state)
{
	const pid_t child = fork();

	(void)state;
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	put_group("vcpu0", "0-1\n");
	moves.list[3] = (struct move){ .pid = 100, .start_ns = START_NS, .child = child };
	turn();
	expect_group("vcpu0", "0-1");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	turn();
	expect_group("vcpu0", "1");
	assert_false(moves_has_to_mend(&moves));
}

/* A child of the daemon that died may write once more: looked at twice. */
static void test_inherited(void **state)
{
	(void)state;
	put_intent(INTENT_MEMS, true);
	put_group("vcpu0", "0-1\n");
	turn();
	expect_group("vcpu0", "1");
	assert_true(moves_has_to_mend(&moves));
	assert_int_equal(n_saved, 0);
	put_group("emulator", "0-1\n");
	set_time(1004);
	turn();
	expect_group("emulator", "1");
	assert_true(moves_has_to_mend(&moves));
	set_time(1005);
	turn();
	assert_false(moves_has_to_mend(&moves));
	assert_string_equal(saved, "placed intents 1\n");
}

/* Whoever has its pid now is none of ours. */
static void test_gone(void **state)
{
	(void)state;
	put_intent(INTENT_MEMS, true);
	put_intent(INTENT_NODES, true);
	put_group("vcpu0", "0-1\n");
	tree_put("100 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 6 0 0\n", "proc/100/stat");
	turn();
	expect_group("vcpu0", "0-1");
	assert_int_equal(moves.intents.n, 1);
	turn();
	assert_int_equal(moves.intents.n, 0);
}

static void test_what_libvirt_adds(void **state)
{
	(void)state;
	put_intent(INTENT_NODES, true);
	put_group("emulator", "0\n");
	put_group("vcpu0", "0\n");
	turn();
	/* No thread came: nothing is looked at. */
	put_group("vcpu1", "1\n");
	set_time(1015);
	moves_mems_check(&moves);
	assert_null(moves.mend_job);
	/* It is in another group until libvirt has made its own. */
	put_thread(102, "emulator");
	turn();
	expect_group("vcpu1", "1");
	/* libvirt writes last what it thinks; looked at 3 s after the thread came. */
	put_thread(102, "vcpu1");
	set_time(1017);
	turn();
	expect_group("vcpu1", "1");
	set_time(1020);
	turn();
	expect_group("vcpu1", "0");
	assert_int_equal(moves.intents.n, 1);
	/* Turns that are 15 s apart do not miss one. */
	put_group("vcpu2", "1\n");
	put_thread(103, "vcpu2");
	set_time(1035);
	turn();
	expect_group("vcpu2", "1");
	set_time(1050);
	turn();
	expect_group("vcpu2", "0");
	/* Missed, since another one ended: found a while later. */
	put_group("vcpu1", "1\n");
	set_time(1109);
	moves_mems_check(&moves);
	assert_null(moves.mend_job);
	set_time(1110);
	turn();
	expect_group("vcpu1", "0");
}

/* libvirt writes the main thread's group first where an administrator gives all of them nodes. */
static void test_an_order_half_way(void **state)
{
	(void)state;
	put_intent(INTENT_NODES, false);
	put_thread(100, "emulator");
	put_group("emulator", "1\n");
	put_group("vcpu0", "0\n");
	turn();
	expect_group("emulator", "1");
	expect_group("vcpu0", "0");
	assert_int_equal(moves.intents.n, 1);
	/* And then the others. */
	put_group("vcpu0", "1\n");
	set_time(1060);
	turn();
	assert_int_equal(moves.intents.n, 0);
}

/* On its way to a third node it is followed to no other, and the record stays. */
static void test_not_while_it_goes_on(void **state)
{
	struct place_step on = step;

	(void)state;
	put_intent(INTENT_NODES, false);
	on.from_node = 0;
	on.to_node = 2;
	assert_int_equal(moves_mems_begin(&moves, &on), 0);
	put_group("emulator", "0,2\n");
	put_group("vcpu0", "2\n");
	turn();
	expect_group("emulator", "2");
	assert_string_equal(saved, "placed intents 1\n"
				   "nodes pid 100 start_ns 50000000 before 1 given 2\n");
}

/* All of its groups were given other nodes by somebody else: what he gave stands. */
static void test_taken_back(void **state)
{
	(void)state;
	put_intent(INTENT_NODES, false);
	turn();
	expect_group("emulator", "1");
	expect_group("vcpu0", "1");
	assert_int_equal(moves.intents.n, 0);
	assert_string_equal(saved, "placed intents 1\n");
}

/* Who cannot be looked at just now is not gone, and nobody gave it other nodes. */
static void test_unknown_is_kept(void **state)
{
	char line[PLACE_GROUP_PATH_MAX + 16] = "0::/";

	(void)state;
	put_intent(INTENT_NODES, false);
	memset(line + 4, 'x', PLACE_GROUP_PATH_MAX);
	tree_put(line, "proc/100/task/101/cgroup");
	turn();
	assert_int_equal(moves.intents.n, 1);
}

/*
 * One that was given up may write once more when it comes out of the kernel: until then there is no
 * second one beside it.
 */
static void test_a_job_that_hangs(void **state)
{
	struct intent other = { .kind = INTENT_MEMS, .pid = 200, .start_ns = START_NS };
	pid_t child;

	(void)state;
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	put_group("vcpu0", "0-1\n");
	end_as(RELOCATE_WIDE);
	other.before = moves.intents.list[0].before;
	other.given = moves.intents.list[0].given;
	assert_int_equal(intents_put(&moves.intents, &other), 0);
	hangs_in_write = true;
	turn();
	assert_true(moves.mend_child > 0);
	hangs_in_write = false;
	assert_int_equal(waitpid(moves.mend_child, NULL, 0), moves.mend_child);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	moves.mend_child = child;
	turn();
	expect_group("vcpu0", "0-1");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* Who held it up waits as if it had failed, and to whom it did not come is next. */
	assert_int_equal(moves.intents.list[0].n_in_vain, 1);
	assert_int_equal(moves.intents.list[1].n_in_vain, 0);
	assert_int_equal(moves.intents.list[1].looked_ns, 0);
	set_time(1010);
	turn();
	expect_group("vcpu0", "1");
	assert_false(moves_has_to_mend(&moves));
}

/* Nor does the stop write beside it, as long as it waits. */
static void test_a_stop_waits_for_the_job(void **state)
{
	const pid_t child = fork();

	(void)state;
	if (child == 0) {
		usleep(50000);
		write_mems(NULL, "machine/a.libvirt-qemu/vcpu0", "0-1\n");
		_exit(0);
	}
	assert_true(child > 0);
	put_intent(INTENT_MEMS, false);
	moves.mend_child = child;
	moves_mems_stop(&moves);
	expect_group("vcpu0", "1");
	assert_int_equal(waitpid(child, NULL, WNOHANG), -1);
}

/* Nobody is left to mend it, perhaps for good; whether it worked the next daemon looks. */
static void test_a_stop_leaves_nothing_wide(void **state)
{
	(void)state;
	moves_mems_stop(&moves);
	put_intent(INTENT_NODES, false);
	put_group("vcpu0", "0-1\n");
	moves_mems_stop(&moves);
	expect_group("vcpu0", "0-1");
	put_intent(INTENT_MEMS, false);
	moves_mems_stop(&moves);
	expect_group("vcpu0", "1");
	assert_int_equal(moves.intents.n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_written_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_libvirt_does_not_know, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_died_wide, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends_where_it_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends_where_there_is_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits_for_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_promised_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room_in_a_pool, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asks_where_it_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_looks_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_while_it_migrates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_before_it_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_never_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mended_in_vain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_beside_a_mover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_inherited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_libvirt_adds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_order_half_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_while_it_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_taken_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_job_that_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_leaves_nothing_wide, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_waits_for_the_job, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
