/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's socket with answers from the command line, so that both ends can be tested without
 * a host behind them. socket_server [NODES [DELAY_MS [NAME]]]: answers NODES at once, or after
 * DELAY_MS; a negative delay: never. Says "ready" when it listens. Orders are printed and taken,
 * but for r (-ERANGE); `i` with 0 ends it after DELAY_MS. Commands: status (its counters), pause
 * (root's), long BYTES.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "host/text.h"
#include "life/privilege.h"
#include "serve/socket.h"

struct server {
	sd_event *event;
	struct serve_socket *socket;
	struct place_set nodes;
	int64_t delay_ms;
	struct serve_ask *first, **last;
	uint64_t n_forgotten;
};

static void answer_first(struct server *server)
{
	struct serve_ask *ask = server->first;
	const struct serve_answer answer = {
		.nodes = &server->nodes,
		.verdict = "one_node",
		.note = ask->request.vcpus_centi == 4200 ? "forty-two are \"many\"" : NULL,
		.is_booked = ask->peer.is_root,
	};

	server->first = ask->next;
	if (!server->first)
		server->last = &server->first;
	ask->answer(ask, &answer);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct server *server = userdata;

	(void)source, (void)usec;
	if (server->first)
		answer_first(server);
	return 0;
}

static int after(struct server *server, int64_t delay_ms, sd_event_time_handler_t handler)
{
	return sd_event_add_time_relative(server->event, NULL, CLOCK_MONOTONIC,
					  (uint64_t)delay_ms * 1000, 1, handler, server);
}

static void ask(void *daemon, struct serve_ask *asked)
{
	struct server *server = daemon;

	asked->next = NULL;
	*server->last = asked;
	server->last = &asked->next;
	if (server->delay_ms == 0)
		answer_first(server);
	else if (server->delay_ms > 0 && after(server, server->delay_ms, on_time) < 0)
		abort();
}

static void forget(void *daemon, struct serve_ask *asked)
{
	struct server *server = daemon;
	struct serve_ask **at = &server->first;

	while (*at != asked)
		at = &(*at)->next;
	*at = asked->next;
	if (!*at)
		server->last = at;
	server->n_forgotten++;
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec, (void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int order(void *daemon, const struct serve_order *ordered)
{
	struct server *server = daemon;

	printf("order %c %lld %lld\n", ordered->letter, (long long)ordered->arg1,
	       (long long)ordered->arg2);
	fflush(stdout);
	if (ordered->letter == 'i' && ordered->arg2 <= 0)
		return after(server, server->delay_ms < 0 ? 0 : server->delay_ms, on_end);
	return ordered->letter == 'r' ? -ERANGE : 0;
}

static void print_counters(const struct server *server, FILE *out)
{
	const struct serve_socket_counters *now = socket_counters(server->socket);

	fprintf(out, "root %u\nstrangers %u\n", now->n_root, now->n_strangers);
#define PRINT(name) fprintf(out, #name " %llu\n", (unsigned long long)now->n_##name)
	PRINT(accepted), PRINT(refused), PRINT(advice), PRINT(orders), PRINT(denied);
	PRINT(malformed), PRINT(idle), PRINT(slow), PRINT(given_up), PRINT(unanswered);
	PRINT(undelivered);
#undef PRINT
	fprintf(out, "forgotten %llu\n", (unsigned long long)server->n_forgotten);
}

static int command(void *daemon, const struct serve_peer *peer, const char *verb,
		   const char *argument, FILE *out)
{
	uint64_t bytes;

	if (!strcmp(verb, "status")) {
		print_counters(daemon, out);
		return 0;
	}
	if (!strcmp(verb, "pause"))
		return peer->is_root ? 0 : -EPERM;
	if (strcmp(verb, "long") != 0)
		return -EOPNOTSUPP;
	if (place_text_u64(argument, &bytes) < 0)
		return -EINVAL;
	for (uint64_t i = 0; i < bytes; i++)
		fputc(i % 80 == 79 ? '\n' : (int)('a' + i % 26), out);
	return 0;
}

int main(int argc, char **argv)
{
	struct server server = { .delay_ms = argc > 2 ? strtol(argv[2], NULL, 10) : 0 };
	const struct serve_ops ops = { ask, forget, order, command, &server };
	sigset_t signals;
	int r;

	server.last = &server.first;
	/* As the daemon is called; another name as that of a process in another PID namespace. */
	prctl(PR_SET_NAME, argc > 3 ? argv[3] : "placed");
	(void)privilege_raise_files();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	r = place_set_parse_list(argc > 1 ? argv[1] : "0", &server.nodes);
	if (r == 0)
		r = sd_event_new(&server.event);
	if (r >= 0)
		r = sd_event_add_signal(server.event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = socket_open(server.event, &ops, -1, &server.socket);
	if (r < 0) {
		printf("%s\n", socket_trouble(r));
		sd_event_unref(server.event);
		return EXIT_FAILURE;
	}
	printf("ready\n");
	fflush(stdout);
	r = sd_event_loop(server.event);
	socket_close(server.socket);
	sd_event_unref(server.event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
