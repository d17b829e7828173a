/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers for metrics: what was done since the start, and how things stand. */
#include "picture.h"

#include "tell/event.h"

static void count(struct picture *picture, const char *name, const char *help, uint64_t value)
{
	struct report_view *view = &picture->view;

	if (view->n_counters == PICTURE_COUNTERS_MAX)
		return;
	picture->counters[view->n_counters++] =
		(struct report_counter){ .name = name, .help = help, .value = value };
}

static void gauge(struct picture *picture, const char *name, const char *help, uint64_t value)
{
	count(picture, name, help, value);
	picture->counters[picture->view.n_counters - 1].is_gauge = true;
}

static void count_socket(const struct serve_socket *socket, struct picture *picture)
{
	const struct serve_socket_counters *served = socket_counters(socket);

	count(picture, "socket_clients_total", "Clients that were let in.", served->n_accepted);
	count(picture, "socket_refused_total", "Clients over a limit.", served->n_refused);
	count(picture, "socket_malformed_total", "Requests that were none.", served->n_malformed);
	count(picture, "socket_denied_total", "Orders of those who may not.", served->n_denied);
	count(picture, "socket_dropped_total",
	      "Clients that said nothing, or read nothing, in time.",
	      served->n_idle + served->n_slow);
	count(picture, "socket_unanswered_total",
	      "Questions whose client has gone, or was not answered in time.",
	      served->n_given_up + served->n_unanswered);
	count(picture, "socket_undelivered_total",
	      "Answers whose client had gone: booked for nobody, perhaps.", served->n_undelivered);
}

static void count_queue(const struct numad_queue *queue, struct picture *picture)
{
	const struct numad_queue_counters *served = numad_queue_counters(queue);

	gauge(picture, "numad_queues", "Message queues of numad that are served.",
	      served->n_served);
	count(picture, "numad_answers_total", "Replies to foreign numad programs.",
	      served->n_answers);
	count(picture, "numad_dropped_total", "Messages that were not served.",
	      served->n_long + served->n_malformed + served->n_unknown);
	count(picture, "numad_undelivered_total",
	      "Replies that found no room in the queue, or no queue.",
	      served->n_full + served->n_lost);
	count(picture, "numad_swept_total", "Messages that nobody would have taken.",
	      served->n_swept);
	count(picture, "numad_made_anew_total", "Times that a queue was made anew.",
	      served->n_made_anew);
}

static void count_risks(const struct cycle *cycle, struct picture *picture)
{
	if (!picture_knows_risks(cycle))
		return;
	gauge(picture, "guests_may_be_killed", "Guests that may be killed if they grow.",
	      risks_count(&cycle->risks, PLACE_RISK_KILL));
	gauge(picture, "guests_may_be_swapped", "Guests whose nodes may be swapped if they grow.",
	      risks_count(&cycle->risks, PLACE_RISK_SWAP));
	gauge(picture, "guests_locality_at_risk", "Guests that may come to lie elsewhere too.",
	      risks_count(&cycle->risks, PLACE_RISK_LOCALITY));
	gauge(picture, "guests_not_judged", "Guests of which too little is known to say.",
	      risks_count(&cycle->risks, PLACE_RISK_UNKNOWN));
}

void picture_count(const struct commands *commands, struct picture *picture)
{
	const struct cycle *cycle = commands->cycle;

	count(picture, "turns_total", "Turns of the daemon.", cycle->n_turns);
	count(picture, "answers_total", "Questions answered.", cycle->advice.n_answered);
	count(picture, "answers_booked_total", "Answers booked.", cycle->advice.n_booked);
	count(picture, "looks_total", "Closer looks at a process.", cycle->looks.n_looks);
	count(picture, "looks_stuck_total", "Looks that did not come back.", cycle->looks.n_stuck);
	count(picture, "sample_jobs_total", "Times that pages of guests were sampled.",
	      cycle->looks.n_sample_jobs);
	count(picture, "moves_total", "Moves that ended.", cycle->moves.n_ended);
	count(picture, "moves_failed_total", "Moves that did not come to what they were for.",
	      cycle->moves.n_failed);
	count(picture, "moves_for_others_total", "Moves that made room for another guest.",
	      cycle->moves.n_for_others);
	count(picture, "moved_bytes_total", "Guest memory moved.", cycle->moves.n_moved_bytes);
	count_risks(cycle, picture);
	count(picture, "risk_warnings_total", "Warnings about guests that may be harmed.",
	      cycle->risks.n_said);
	count(picture, "log_lost_total", "Lines that the log did not take.", event_lost_count());
	count(picture, "log_held_total", "Lines held back as too many of their kind.",
	      event_held_count());
	if (commands->socket)
		count_socket(commands->socket, picture);
	if (commands->queue)
		count_queue(commands->queue, picture);
}
