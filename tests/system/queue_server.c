/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue_server NODESET: numad's queues with one answer to every question and yes to every order,
 * for tests. Says on stdout what it is told. Commands on stdin, one per line:
 *
 *   hold      keep answers back      release   give them
 *   drop      keep the capabilities that the daemon keeps, and no other
 *   counters  print them             stop      as the end of stdin
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/numad_queue.h"
#include "tell/event.h"

#define PID_PATH "/run/numad.pid"

struct server {
	struct place_set nodes;
	struct serve_ask *waiting;
	bool is_held;
	sd_event *event;
	struct numad_queue *queue;
};

static void answer(const struct server *server, struct serve_ask *ask)
{
	const struct serve_answer words = { .nodes = &server->nodes, .verdict = "one_node" };

	ask->answer(ask, &words);
}

static void on_ask(void *daemon, struct serve_ask *ask)
{
	struct server *server = daemon;

	printf("ask %u %llu\n", ask->request.vcpus_centi,
	       (unsigned long long)ask->request.memory_bytes);
	if (!server->is_held) {
		answer(server, ask);
		return;
	}
	ask->next = server->waiting;
	server->waiting = ask;
}

static void on_forget(void *daemon, struct serve_ask *ask)
{
	struct server *server = daemon;
	struct serve_ask **at = &server->waiting;

	while (*at && *at != ask)
		at = &(*at)->next;
	if (*at)
		*at = ask->next;
	printf("forget\n");
}

static int on_order(void *daemon, const struct serve_order *order)
{
	(void)daemon;
	printf("order %c %lld %lld%s\n", order->letter, (long long)order->arg1,
	       (long long)order->arg2, order->peer.is_root ? " root" : "");
	return order->letter == 'u' && order->arg1 == 0 ? -ERANGE : 0;
}

static int on_command(void *daemon, const struct serve_peer *peer, const char *verb,
		      const char *argument, FILE *out)
{
	(void)daemon, (void)peer, (void)verb, (void)argument, (void)out;
	return -EOPNOTSUPP;
}

static void drop(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	(void)capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			    CAP_SYS_NICE, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, -1);
	printf("dropped %d\n", capng_apply(CAPNG_SELECT_BOTH));
}

static void print_counters(const struct numad_queue_counters *counters)
{
	printf("counters served=%u answers=%llu shortened=%llu orders=%llu refused=%llu long=%llu "
	       "malformed=%llu unknown=%llu full=%llu lost=%llu swept=%llu anew=%llu\n",
	       counters->n_served, (unsigned long long)counters->n_answers,
	       (unsigned long long)counters->n_shortened, (unsigned long long)counters->n_orders,
	       (unsigned long long)counters->n_refused, (unsigned long long)counters->n_long,
	       (unsigned long long)counters->n_malformed, (unsigned long long)counters->n_unknown,
	       (unsigned long long)counters->n_full, (unsigned long long)counters->n_lost,
	       (unsigned long long)counters->n_swept, (unsigned long long)counters->n_made_anew);
}

static void obey(struct server *server, const char *command)
{
	if (!strcmp(command, "hold")) {
		server->is_held = true;
	} else if (!strcmp(command, "release")) {
		server->is_held = false;
		while (server->waiting) {
			struct serve_ask *ask = server->waiting;

			server->waiting = ask->next;
			answer(server, ask);
		}
	} else if (!strcmp(command, "drop")) {
		drop();
	} else if (!strcmp(command, "counters")) {
		print_counters(numad_queue_counters(server->queue));
	} else if (!strcmp(command, "stop")) {
		(void)sd_event_exit(server->event, 0);
	}
}

static int on_stdin(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct server *server = userdata;
	char text[256], *rest = text, *command;
	const ssize_t n = read(fd, text, sizeof(text) - 1);

	(void)source, (void)revents;
	if (n <= 0)
		return sd_event_exit(server->event, 0);
	text[n] = '\0';
	while ((command = strsep(&rest, "\n")))
		obey(server, command);
	return 0;
}

static void write_pid(void)
{
	FILE *file = fopen(PID_PATH, "w");

	if (!file)
		exit(EXIT_FAILURE);
	fprintf(file, "%d\n", getpid());
	fclose(file);
}

int main(int argc, char **argv)
{
	struct server server = { 0 };
	const struct serve_ops ops = { .ask = on_ask,
				       .forget = on_forget,
				       .order = on_order,
				       .command = on_command,
				       .daemon = &server };

	if (argc != 2 || place_set_parse_list(argv[1], &server.nodes) < 0)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	event_open(true);
	if (sd_event_default(&server.event) < 0 ||
	    sd_event_add_io(server.event, NULL, STDIN_FILENO, EPOLLIN, on_stdin, &server) < 0 ||
	    numad_queue_open(server.event, &ops, &server.queue) < 0)
		return EXIT_FAILURE;
	write_pid();
	printf("ready\n");
	(void)sd_event_loop(server.event);
	unlink(PID_PATH);
	numad_queue_close(server.queue);
	sd_event_unref(server.event);
	event_close();
	printf("stopped\n");
	return EXIT_SUCCESS;
}
