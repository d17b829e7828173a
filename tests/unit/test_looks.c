/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is asked for a look: everybody once, and whoever hung at the last one not for a while. And
 * what is known of one whose policy does not come back: here its numa_maps is a pipe without a
 * writer.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "looks.h"

#define MIB (UINT64_C(1) << 20)
#define S UINT64_C(1000000000)
/* init is nobody's child. */
#define GONE 1
/* Of the recording, and started without a policy and without libvirt. */
#define PID 255
/* Ends a test that waits for ever. */
#define PATIENCE_S 60

static struct place_host host;
static struct place_watch watch;
static struct looks looks;
static sd_event *event_loop;
static char copied[64];
static unsigned n_looked, n_early;
static bool is_done;
static int behind_it; /* another one that is asked for, or 0 */

static int set_up(void **state)
{
	(void)state;
	assert_return_code(place_host_init(NULL, &host), 0);
	looks = (struct looks){ .host = &host };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	place_host_done(&host);
	return 0;
}

static void test_asked_once(void **state)
{
	(void)state;
	assert_int_equal(looks_want(&looks, 10), 0);
	assert_int_equal(looks_want(&looks, 10), 0);
	assert_int_equal(looks.n_asked, 1);
}

static void test_full(void **state)
{
	(void)state;
	for (int pid = 1; pid <= LOOKS_PER_JOB; pid++)
		assert_int_equal(looks_want(&looks, pid), 0);
	assert_int_equal(looks_want(&looks, LOOKS_PER_JOB + 1), -EAGAIN);
}

static void test_left_alone(void **state)
{
	const uint64_t now_ns = place_host_now_ns(&host);

	(void)state;
	hung_add(&looks.hung, 10, GONE, now_ns + 60 * S);
	hung_add(&looks.hung, 11, GONE, now_ns - 60 * S);
	assert_int_equal(looks_want(&looks, 10), 0);
	assert_int_equal(looks.n_asked, 0);
	assert_int_equal(looks_want(&looks, 11), 0);
	assert_int_equal(looks.n_asked, 1);
}

/* ---- a look that hangs --------------------------------------------------------------------- */

static void on_look(struct place_look *look, void *data)
{
	(void)data;
	assert_int_equal(look->guest.pid, PID);
	n_looked++;
}

static void on_early(void *data)
{
	(void)data;
	n_early++;
}

static void on_done(void *data)
{
	(void)data;
	is_done = true;
}

/* Shell code that finds the copy as $copy, and the sources as $srcdir. */
static void run_shell(const char *code)
{
	assert_int_equal(setenv("copy", copied, 1), 0);
	assert_int_equal(system(code), 0);
}

/* Read as the live host is: of a recording nobody waits for a pipe. */
static int set_up_pipe(void **state)
{
	(void)state;
	strcpy(copied, "/tmp/placed-looks-XXXXXX");
	assert_non_null(mkdtemp(copied));
	run_shell("cp -r ${srcdir:-.}/tests/hosts/recorded/4n-guests/. $copy && "
		  "chmod -R u+w $copy && rm -r $copy/run && cd $copy/proc/255 && "
		  "printf 'qemu-system-x86_64\\0-m\\0256\\0' >cmdline && "
		  "sed -i 's/^Mems_allowed_list:.*/Mems_allowed_list:\\t2/' status && "
		  "rm numa_maps && mkfifo numa_maps && ln -s /usr/bin/qemu-system-x86_64 exe");
	assert_return_code(place_host_init(copied, &host), 0);
	assert_return_code(place_host_read_topology(&host, false), 0);
	host.root.is_live = true;
	assert_return_code(place_watch_init(&watch, &host.root, &host.topology, NULL), 0);
	assert_true(sd_event_new(&event_loop) >= 0);
	looks = (struct looks){ .event = event_loop,
				.host = &host,
				.watch = &watch,
				.on_look = on_look,
				.on_early = on_early,
				.on_done = on_done };
	return 0;
}

static int tear_down_pipe(void **state)
{
	(void)state;
	looks_done(&looks);
	sd_event_unref(event_loop);
	place_watch_done(&watch);
	place_host_done(&host);
	run_shell("rm -r $copy");
	return 0;
}

/* A look that has come to its policy, and is ended there as the deadline would. */
static void look_in_vain(void)
{
	char path[128];
	pid_t child;
	int fd;

	is_done = false;
	n_looked = 0;
	assert_int_equal(looks_want(&looks, PID), 0);
	if (behind_it)
		assert_int_equal(looks_want(&looks, behind_it), 0);
	assert_true(looks_start(&looks));
	child = job_pid(looks.look_job);
	snprintf(path, sizeof(path), "%s/proc/%d/numa_maps", copied, PID);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_int_equal(kill(child, SIGKILL), 0);
	while (!is_done)
		assert_true(sd_event_run(event_loop, UINT64_MAX) >= 0);
	close(fd);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* It is known while its policy is waited for, and what it may do when that is there. */
static void test_told_early(void **state)
{
	static const char line[] = "55648d240000 prefer:2 anon=1 N2=1 kernelpagesize_kB=4\n";
	char path[128];
	int fd;

	(void)state;
	is_done = false;
	n_looked = n_early = 0;
	assert_int_equal(looks_want(&looks, PID), 0);
	assert_true(looks_start(&looks));
	while (!n_early)
		assert_true(sd_event_run(event_loop, UINT64_MAX) >= 0);
	assert_non_null(looks.look_job);
	assert_int_equal(watch.n, 1);
	assert_int_equal(watch.classes[0], PLACE_CLASS_UNREADABLE);
	assert_int_equal(watch.guests[0].bind, PLACE_BIND_CPUSET);
	/* Once is enough. */
	for (unsigned i = 0; i < 3; i++)
		assert_true(sd_event_run(event_loop, UINT64_MAX) >= 0);
	assert_int_equal(n_early, 1);
	snprintf(path, sizeof(path), "%s/proc/%d/numa_maps", copied, PID);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, line, sizeof(line) - 1), sizeof(line) - 1);
	close(fd);
	while (!is_done)
		assert_true(sd_event_run(event_loop, UINT64_MAX) >= 0);
	assert_int_equal(looks.n_looks, 1);
	assert_int_equal(looks.n_stuck, 0);
	assert_int_equal(n_looked, 2);
	assert_int_equal(watch.guests[0].bind, PLACE_BIND_PREFERRED);
}

/* Whoever stood behind one that hung is looked at in the next job. */
static void test_the_rest_is_not_forgotten(void **state)
{
	(void)state;
	behind_it = 300;
	look_in_vain();
	behind_it = 0;
	assert_int_equal(looks.n_stuck, 1);
	assert_int_equal(looks.n_asked, 1);
	assert_int_equal(looks.asked[0].pid, 300);
}

static void test_known_before_its_policy(void **state)
{
	const struct place_guest *guest;

	(void)state;
	look_in_vain();
	assert_int_equal(looks.n_stuck, 1);
	assert_int_equal(looks.n_looks, 0);
	assert_int_equal(n_looked, 1);
	assert_int_equal(watch.n, 1);
	assert_int_equal(watch.classes[0], PLACE_CLASS_UNREADABLE);
	guest = &watch.guests[0];
	assert_true(guest->known & PLACE_GUEST_MEMORY);
	assert_true(guest->memory_bytes >= 100 * MIB);
	assert_int_equal(guest->bind, PLACE_BIND_CPUSET);
	assert_true(place_set_has(&guest->mems, 2));
	assert_int_equal(place_set_count(&guest->mems), 1);
	assert_true(hung_is_left_alone(&looks.hung, PID, place_host_now_ns(&host)));
}

/* What an earlier look has found is not given up for less. */
static void test_whole_looks_are_kept(void **state)
{
	struct place_look look = { .is_guest = true, .guest.pid = PID };

	(void)state;
	look.guest.bind = PLACE_BIND_STRICT;
	assert_int_equal(place_watch_adopt(&watch, &look, S), 0);
	look_in_vain();
	assert_int_equal(looks.n_stuck, 1);
	assert_int_equal(n_looked, 0);
	assert_int_equal(watch.classes[0], PLACE_CLASS_UNREADABLE);
	assert_int_equal(watch.guests[0].bind, PLACE_BIND_STRICT);
}

/* Of one without a cpuset only its policy would say whether it is confined. */
static void test_nothing_is_said_where_the_policy_matters(void **state)
{
	(void)state;
	run_shell("sed -i 's/^Mems_allowed_list:.*/Mems_allowed_list:\\t0-3/' "
		  "$copy/proc/255/status");
	look_in_vain();
	assert_int_equal(looks.n_stuck, 1);
	assert_int_equal(n_looked, 0);
	assert_int_equal(watch.guests[0].known & PLACE_GUEST_MEMORY, 0);
}

/* And with its policy once it comes back. */
static void test_whole_when_it_comes_back(void **state)
{
	(void)state;
	look_in_vain();
	run_shell("cd $copy/proc/255 && rm numa_maps && "
		  "echo '55648d240000 prefer:2 anon=1 N2=1 kernelpagesize_kB=4' >numa_maps");
	looks.hung = (struct hung){ 0 };
	is_done = false;
	assert_int_equal(looks_want(&looks, PID), 0);
	assert_true(looks_start(&looks));
	while (!is_done)
		assert_true(sd_event_run(event_loop, UINT64_MAX) >= 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(looks.n_looks, 1);
	assert_int_equal(looks.n_stuck, 1);
	assert_int_equal(watch.guests[0].bind, PLACE_BIND_PREFERRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_asked_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_told_early, set_up_pipe, tear_down_pipe),
		cmocka_unit_test_setup_teardown(test_the_rest_is_not_forgotten, set_up_pipe,
						tear_down_pipe),
		cmocka_unit_test_setup_teardown(test_known_before_its_policy, set_up_pipe,
						tear_down_pipe),
		cmocka_unit_test_setup_teardown(test_whole_looks_are_kept, set_up_pipe,
						tear_down_pipe),
		cmocka_unit_test_setup_teardown(test_nothing_is_said_where_the_policy_matters,
						set_up_pipe, tear_down_pipe),
		cmocka_unit_test_setup_teardown(test_whole_when_it_comes_back, set_up_pipe,
						tear_down_pipe),
	};

	alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
