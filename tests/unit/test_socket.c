/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our own socket with a daemon made of a few variables: what it is asked, and what comes back. The
 * loop runs in this process, between the steps of the client; no time passes that counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ask/client.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "serve/socket.h"
#include "serve/socket_client.h"

static struct {
	sd_event *event;
	struct serve_socket *socket;
	struct sockaddr_un address;
	struct serve_ask *asked; /* not answered yet */
	bool answers_at_once;
	unsigned n_asked, n_forgotten, n_ordered;
	struct serve_order order;
	char verb[PLACE_WIRE_WORD_MAX], argument[PLACE_WIRE_TEXT_MAX];
	size_t text_size;  /* of what a command says */
	useconds_t nap_us; /* that a command takes */
	int r;		   /* of an order or command */
} fake;

static void give_answer(struct serve_ask *ask)
{
	struct place_set nodes = { 0 };
	const struct serve_answer answer = {
		.nodes = &nodes, .verdict = "several", .note = "a note", .is_booked = true
	};

	place_set_add(&nodes, 0);
	place_set_add(&nodes, 2);
	fake.asked = NULL;
	ask->answer(ask, &answer);
}

static void fake_ask(void *daemon, struct serve_ask *ask)
{
	assert_ptr_equal(daemon, &fake);
	fake.n_asked++;
	fake.asked = ask;
	if (fake.answers_at_once)
		give_answer(ask);
}

static void fake_forget(void *daemon, struct serve_ask *ask)
{
	(void)daemon;
	assert_ptr_equal(ask, fake.asked);
	fake.asked = NULL;
	fake.n_forgotten++;
}

static int fake_order(void *daemon, const struct serve_order *order)
{
	(void)daemon;
	fake.n_ordered++;
	fake.order = *order;
	return fake.r;
}

static int fake_command(void *daemon, const struct serve_peer *peer, const char *verb,
			const char *argument, FILE *out)
{
	(void)daemon, (void)peer;
	strcpy(fake.verb, verb);
	strcpy(fake.argument, argument);
	usleep(fake.nap_us);
	for (size_t i = 0; i < fake.text_size; i++)
		fputc(i % 100 == 99 ? '\n' : 'a' + (int)(i % 7), out);
	return fake.r;
}

static const struct serve_ops ops = { fake_ask, fake_forget, fake_order, fake_command, &fake };

static int set_up(void **state)
{
	int fd;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.address.sun_family = AF_UNIX;
	/* In the abstract space: nothing is left, whatever happens. */
	snprintf(fake.address.sun_path + 1, sizeof(fake.address.sun_path) - 1, "placed-test-%d",
		 getpid());
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&fake.address, sizeof(fake.address)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_true(sd_event_new(&fake.event) >= 0);
	assert_int_equal(socket_open(fake.event, &ops, fd, &fake.socket), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake.socket = socket_close(fake.socket);
	fake.event = sd_event_unref(fake.event);
	return 0;
}

/* Everything that is ready. */
static void run(void)
{
	while (sd_event_run(fake.event, 0) > 0)
		;
}

static int connect_client(void)
{
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&fake.address, sizeof(fake.address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	run();
}

static void expect(int fd, const char *expected)
{
	char packet[PLACE_WIRE_MAX + 1];
	const ssize_t n = recv(fd, packet, sizeof(packet) - 1, 0);

	assert_true(n > 0);
	packet[n] = '\0';
	assert_string_equal(packet, expected);
}

static void expect_end(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	run();
	assert_int_equal(socket_counters(fake.socket)->n_root, 0);
	assert_int_equal(socket_counters(fake.socket)->n_strangers, 0);
}

#define ADVICE "placed 1 advice vcpus_centi=400 memory_bytes=1048576\n"
#define ANSWER "ok nodes=0,2 verdict=several booked=yes note=\"a note\"\n"

static void test_answers(void **state)
{
	char hello[64];
	int fd;

	(void)state;
	fd = connect_client();
	snprintf(hello, sizeof(hello), "ok pid=%d\n", getpid());
	say(fd, "placed 1 hello");
	expect(fd, hello);
	fake.answers_at_once = true;
	say(fd, ADVICE);
	expect(fd, ANSWER);
	/* Later, and meanwhile the next request waits. */
	fake.answers_at_once = false;
	say(fd, ADVICE);
	say(fd, "placed 1 hello");
	assert_int_equal(recv(fd, hello, 1, MSG_PEEK), -1);
	assert_int_equal(fake.asked->request.vcpus_centi, 400);
	assert_int_equal(fake.asked->request.memory_bytes, 1048576);
	assert_int_equal(fake.asked->peer.pid, getpid());
	assert_int_equal(fake.asked->peer.uid, geteuid());
	assert_int_equal(fake.asked->peer.is_root, geteuid() == 0);
	give_answer(fake.asked);
	run();
	expect(fd, ANSWER);
	expect(fd, hello);
	assert_int_equal(socket_counters(fake.socket)->n_advice, 2);
	close(fd);
	run();
	assert_int_equal(socket_counters(fake.socket)->n_given_up, 0);
}

/* Who hangs up is not answered: not when it waits, and not when its request was not read yet. */
static void test_hanging_up(void **state)
{
	int fd;

	(void)state;
	fd = connect_client();
	say(fd, ADVICE);
	assert_non_null(fake.asked);
	close(fd);
	run();
	assert_int_equal(fake.n_forgotten, 1);
	fd = connect_client();
	assert_true(send(fd, ADVICE, strlen(ADVICE), 0) > 0);
	close(fd);
	run();
	fd = connect_client();
	assert_true(send(fd, ADVICE, strlen(ADVICE), 0) > 0);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	run();
	close(fd);
	assert_int_equal(fake.n_asked, 1);
	assert_int_equal(socket_counters(fake.socket)->n_given_up, 3);
	/* Between its question and our knowing: counted, and no harm. */
	fd = connect_client();
	say(fd, ADVICE);
	assert_true(fake.asked->is_waiting(fake.asked));
	close(fd);
	assert_false(fake.asked->is_waiting(fake.asked));
	give_answer(fake.asked);
	run();
	assert_int_equal(fake.n_forgotten, 1);
	assert_int_equal(socket_counters(fake.socket)->n_undelivered, 1);
	/* We end first. */
	fd = connect_client();
	say(fd, ADVICE);
	fake.socket = socket_close(fake.socket);
	assert_int_equal(fake.n_forgotten, 2);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, 0), 0);
	close(fd);
}

static void test_orders(void **state)
{
	const int fd = connect_client();

	(void)state;
	say(fd, "placed 1 order letter=i arg1=5 arg2=-15\n");
	if (geteuid() != 0) {
		expect(fd, "error code=EPERM text=\"only root may change the running daemon\"\n");
		assert_int_equal(fake.n_ordered, 0);
		close(fd);
		return;
	}
	expect(fd, "ok\n");
	assert_int_equal(fake.order.letter, 'i');
	assert_int_equal(fake.order.arg1, 5);
	assert_int_equal(fake.order.arg2, -15);
	assert_true(fake.order.peer.is_root);
	fake.r = -ERANGE;
	say(fd, "placed 1 order letter=u arg1=500 arg2=0\n");
	expect(fd, "error code=ERANGE text=\"Numerical result out of range\"\n");
	close(fd);
}

static void test_commands(void **state)
{
	const int fd = connect_client();

	(void)state;
	say(fd, "placed 1 command verb=pause argument=\"\"\n");
	expect(fd, "ok\n");
	fake.text_size = 5;
	say(fd, "placed 1 command verb=explain argument=\"a \\x22b\\x22\"\n");
	assert_string_equal(fake.verb, "explain");
	assert_string_equal(fake.argument, "a \"b\"");
	expect(fd, "line abcde");
	expect(fd, "ok\n");
	/* What it wrote before it failed is not sent. */
	fake.r = -ENOENT;
	say(fd, "placed 1 command verb=explain argument=\"nobody\"\n");
	expect(fd, "error code=ENOENT text=\"No such file or directory\"\n");
	say(fd, "placed 1 hello");
	close(fd);
}

/* More than fits into the socket's buffer: it comes in pieces, whole and in order. */
static void test_long_replies(void **state)
{
	const size_t size = 3U << 20;
	const int fd = connect_client();
	char packet[PLACE_WIRE_MAX + 1];
	size_t at = 0;
	ssize_t n;

	(void)state;
	fake.text_size = size;
	say(fd, "placed 1 command verb=status argument=\"\"\n");
	for (;;) {
		n = recv(fd, packet, sizeof(packet), 0);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			run();
			n = recv(fd, packet, sizeof(packet), 0);
		}
		assert_true(n > 0 && n <= PLACE_WIRE_MAX);
		if (n == 3)
			break;
		assert_memory_equal(packet, "line ", 5);
		for (ssize_t i = 5; i < n; i++, at++)
			assert_int_equal(packet[i], at % 100 == 99 ? '\n' : 'a' + (int)(at % 7));
		assert_int_equal(packet[n - 1] == '\n' || at == size, 1);
	}
	assert_int_equal(at, size);
	/* Gone in the middle. */
	say(fd, "placed 1 command verb=status argument=\"\"\n");
	close(fd);
	run();
	assert_int_equal(socket_counters(fake.socket)->n_root, 0);
	assert_int_equal(socket_counters(fake.socket)->n_strangers, 0);
}

static void test_too_long_a_reply(void **state)
{
	const int fd = connect_client();

	(void)state;
	fake.text_size = SOCKET_TEXT_MAX + 1;
	say(fd, "placed 1 command verb=status argument=\"\"\n");
	expect(fd, "error code=EFBIG text=\"File too large\"\n");
	fake.text_size = 1;
	say(fd, "placed 1 command verb=status argument=\"\"\n");
	expect(fd, "line a");
	expect(fd, "ok\n");
	close(fd);
}

/* A turn that takes longer than a client may idle: it is not the client who is late. */
static void test_slow_turn(void **state)
{
	static const char asked[] = "placed 1 command verb=status argument=\"\"\n";
	const int first = connect_client(), second = connect_client();

	(void)state;
	run();
	/* As those of strangers: behind the timer. */
	for (struct client *client = fake.socket->clients; client; client = client->next)
		sd_event_source_set_priority(client->source, SD_EVENT_PRIORITY_NORMAL + 10);
	fake.nap_us = (SOCKET_IDLE_LIMIT_MS + 100) * 1000;
	fake.text_size = 1;
	assert_int_equal(send(first, asked, strlen(asked), MSG_NOSIGNAL), strlen(asked));
	assert_int_equal(send(second, asked, strlen(asked), MSG_NOSIGNAL), strlen(asked));
	run();
	expect(first, "line a");
	expect(first, "ok\n");
	expect(second, "line a");
	expect(second, "ok\n");
	fake.nap_us = 0;
	say(second, asked);
	expect(second, "line a");
	expect(second, "ok\n");
	close(first);
	close(second);
}

static void test_garbage(void **state)
{
	static const char *const garbage[] = { "x", "placed 1 order letter=u arg1=1", "ok\n",
					       "placed 1 hello\nplaced 1 hello\n" };
	char big[PLACE_WIRE_MAX + 1];
	int fd;

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
		fd = connect_client();
		say(fd, garbage[i]);
		expect(fd, "error code=EINVAL text=\"not a request\"\n");
		expect_end(fd);
	}
	fd = connect_client();
	say(fd, "placed 2 hello");
	expect(fd, "error code=EPROTONOSUPPORT text=\"this daemon speaks version 1\"\n");
	expect_end(fd);
	memset(big, 'x', sizeof(big));
	fd = connect_client();
	assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
	run();
	expect(fd, "error code=EMSGSIZE text=\"a request has at most 4096 bytes\"\n");
	expect_end(fd);
	fd = connect_client();
	assert_int_equal(send(fd, big, 0, 0), 0);
	run();
	expect_end(fd);
	assert_int_equal(socket_counters(fake.socket)->n_malformed, ELEMENTSOF(garbage) + 2);
	assert_int_equal(fake.n_asked + fake.n_ordered, 0);
}

/* Who asks and asks without reading: dropped, with all that was not sent. */
static void test_no_reader(void **state)
{
	const int fd = connect_client();
	ssize_t n = 1;

	(void)state;
	fake.answers_at_once = true;
	for (unsigned i = 0; i < 100000 && n > 0; i++) {
		n = send(fd, ADVICE, strlen(ADVICE), MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			n = 1;
		run();
	}
	assert_true(n < 0);
	assert_int_equal(socket_counters(fake.socket)->n_slow +
				 socket_counters(fake.socket)->n_undelivered,
			 1);
	close(fd);
}

static void test_what_is_no_listening_socket(void **state)
{
	struct serve_socket *socket_none = NULL;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(socket_open(fake.event, &ops, fds[0], &socket_none), -EINVAL);
	assert_true(fcntl(fds[0], F_GETFD) >= 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socket_open(fake.event, &ops, STDIN_FILENO, &socket_none), -ENOTSOCK);
	assert_null(socket_none);
}

/* The client's own half, against a server that does what it is told. */
static void test_client(void **state)
{
	const struct place_wire_request hello = { .kind = PLACE_WIRE_HELLO };
	struct place_wire_reply reply = { .pid = -7 };
	char packet[PLACE_WIRE_MAX];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	/* No answer: a deadline that is over, and nothing that comes later counts. */
	assert_int_equal(
		place_client_exchange(fds[0], &hello, place_clock_ms() + 1, packet, &reply),
		-ETIMEDOUT);
	assert_int_equal(recv(fds[1], packet, sizeof(packet), 0), 15);
	assert_int_equal(send(fds[1], "ok\n", 3, MSG_NOSIGNAL), -1);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	/* An answer at the last moment counts. */
	assert_int_equal(send(fds[1], "ok pid=9\n", 9, 0), 9);
	assert_int_equal(
		place_client_exchange(fds[0], &hello, place_clock_ms() - 1, packet, &reply), 0);
	assert_int_equal(reply.pid, 9);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(send(fds[1], "nonsense", 8, 0), 8);
	assert_int_equal(
		place_client_exchange(fds[0], &hello, place_clock_ms() + 60000, packet, &reply),
		-EINVAL);
	close(fds[1]);
	assert_int_equal(
		place_client_exchange(fds[0], &hello, place_clock_ms() + 60000, packet, &reply),
		-ECONNRESET);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hanging_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_orders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_commands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_replies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long_a_reply, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_garbage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_listening_socket, set_up,
						tear_down),
		cmocka_unit_test(test_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
