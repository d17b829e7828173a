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

#define START_NS UINT64_C(50000000) /* 5 ticks */
#define GROUPS "sys/fs/cgroup/machine/a.libvirt-qemu/"

static char top[32];
static struct place_host host;
static struct place_watch watch;
static struct moves moves;
static char saved[1024]; /* what was written down last */
static unsigned n_saved;
static bool refuse_to_save, refuse_to_write;

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

static void write_file(const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", top, path);
	for (char *slash = strchr(full + strlen(top) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_group(const char *name, const char *mems)
{
	char path[256];

	snprintf(path, sizeof(path), GROUPS "%s/cpuset.mems", name);
	write_file(path, mems);
}

static void expect_group(const char *name, const char *mems)
{
	char path[512], line[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/" GROUPS "%s/cpuset.mems", top, name);
	file = fopen(path, "re");
	assert_non_null(file);
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line, mems);
}

static bool hangs_in_write; /* and whoever waits for the child hears that it is lost */

static int write_mems(struct act *act, const char *group, const char *mems)
{
	char path[256];

	(void)act;
	if (hangs_in_write) {
		close_range(3, ~0U, 0);
		pause();
	}
	if (refuse_to_write)
		return -EBUSY;
	snprintf(path, sizeof(path), "sys/fs/cgroup/%s/cpuset.mems", group);
	write_file(path, mems);
	return 0;
}

static void put_thread(int tid, const char *group)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "proc/100/task/%d/cgroup", tid);
	snprintf(text, sizeof(text), "0::/machine/a.libvirt-qemu/%s\n", group);
	write_file(path, text);
}

static void set_time(unsigned s)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.00 0.00\n", s);
	write_file("proc/uptime", text);
}

static void on_end(int pid, uint64_t start_ns, void *data)
{
	(void)pid, (void)start_ns, (void)data;
}

static int set_up(void **state)
{
	static const struct act_ops ops = { .write_mems = write_mems };
	static struct act act;

	(void)state;
	strcpy(top, "/tmp/placed-mems-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	act = (struct act){ .ops = &ops, .root_path = top };
	host = (struct place_host){ 0 };
	watch = (struct place_watch){ 0 };
	moves = (struct moves){ .host = &host, .watch = &watch, .act = &act, .on_end = on_end };
	saved[0] = '\0';
	n_saved = 0;
	refuse_to_save = refuse_to_write = hangs_in_write = false;
	write_file("proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
	write_file("proc/100/stat", "100 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 5 0 0\n");
	put_thread(100, "emulator");
	put_thread(101, "vcpu0");
	put_group("emulator", "1\n");
	put_group("vcpu0", "1\n");
	set_time(1000);
	return place_root_open(top, &host.root) < 0 || sd_event_new(&moves.event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	intents_done(&moves.intents);
	sd_event_unref(moves.event);
	place_text_done(&host.text);
	place_root_close(&host.root);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
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
	struct intent intent = {
		.kind = kind, .pid = 100, .start_ns = START_NS, .is_inherited = is_inherited
	};

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
	write_file("proc/100/stat", "100 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 6 0 0\n");
	turn();
	expect_group("vcpu0", "0-1");
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
	write_file("proc/100/task/101/cgroup", line);
	turn();
	assert_int_equal(moves.intents.n, 1);
}

/*
 * One that was given up may write once more when it comes out of the kernel: until then there is no
 * second one beside it.
 */
static void test_a_job_that_hangs(void **state)
{
	pid_t child;

	(void)state;
	assert_int_equal(moves_mems_begin(&moves, &step), 0);
	put_group("vcpu0", "0-1\n");
	end_as(RELOCATE_WIDE);
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
	/* Whom it did not come to waits as if it had failed. */
	assert_int_equal(moves.intents.list[0].n_in_vain, 1);
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
		cmocka_unit_test_setup_teardown(test_mended_in_vain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_beside_a_mover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_inherited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_libvirt_adds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_taken_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_job_that_hangs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_leaves_nothing_wide, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stop_waits_for_the_job, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
