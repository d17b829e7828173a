/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each word a function; the lines are made by tell/report.c from a view of what is there. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "config.h"
#include "decide/model.h"
#include "decide/pressure.h"
#include "host/cleanup.h"
#include "tell/event.h"
#include "tell/report.h"
#include "tell/risk.h"

#define COUNTERS_MAX 48
/* More guests at risk than these are one line together. */
#define RISKS_SHOWN_MAX 64

struct picture {
	struct report_view view;
	struct place_model model;
	struct report_counter counters[COUNTERS_MAX];
	struct report_move moves[MOVES_MAX];
	struct report_cell cells[WIDE_MAX * PLACE_CELLS_MAX];
	struct report_finding findings[FINDINGS_MAX + RISKS_SHOWN_MAX + 3];
	size_t n_risks;
	struct risk_words risks[RISKS_SHOWN_MAX];
	char more_risks[128], unjudged[192];
};

static void count(struct picture *picture, const char *name, const char *help, uint64_t value)
{
	struct report_view *view = &picture->view;

	if (view->n_counters == COUNTERS_MAX)
		return;
	picture->counters[view->n_counters++] =
		(struct report_counter){ .name = name, .help = help, .value = value };
}

static void gauge(struct picture *picture, const char *name, const char *help, uint64_t value)
{
	count(picture, name, help, value);
	picture->counters[picture->view.n_counters - 1].is_gauge = true;
}

static void count_served(const struct commands *commands, struct picture *picture)
{
	if (commands->socket) {
		const struct serve_socket_counters *served = socket_counters(commands->socket);

		count(picture, "socket_clients_total", "Clients that were let in.",
		      served->n_accepted);
		count(picture, "socket_refused_total", "Clients over a limit.", served->n_refused);
		count(picture, "socket_malformed_total", "Requests that were none.",
		      served->n_malformed);
		count(picture, "socket_denied_total", "Orders of those who may not.",
		      served->n_denied);
		count(picture, "socket_dropped_total",
		      "Clients that said nothing, or read nothing, in time.",
		      served->n_idle + served->n_slow);
		count(picture, "socket_unanswered_total",
		      "Questions whose client has gone, or was not answered in time.",
		      served->n_given_up + served->n_unanswered);
		count(picture, "socket_undelivered_total",
		      "Answers whose client had gone: booked for nobody, perhaps.",
		      served->n_undelivered);
	}
	if (commands->queue) {
		const struct numad_queue_counters *served = numad_queue_counters(commands->queue);

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
}

/* Else the last turn could not find out who is at risk, which is not that nobody is. */
static bool has_risks(const struct cycle *cycle)
{
	return cycle->risks.n == cycle->watch.n;
}

static void count_risks(const struct cycle *cycle, struct picture *picture)
{
	if (!has_risks(cycle))
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

static void count_all(const struct commands *commands, struct picture *picture)
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
	count(picture, "moves_failed_total", "Moves that did not go through all of the memory.",
	      cycle->moves.n_failed);
	count(picture, "moved_bytes_total", "Guest memory moved.", cycle->moves.n_moved_bytes);
	count_risks(cycle, picture);
	count(picture, "risk_warnings_total", "Warnings about guests that may be harmed.",
	      cycle->risks.n_said);
	count(picture, "log_lost_total", "Lines that the log did not take.", event_lost_count());
	count(picture, "log_held_total", "Lines held back as too many of their kind.",
	      event_held_count());
	count_served(commands, picture);
}

static void add_finding(struct picture *picture, const struct report_finding *finding)
{
	picture->findings[picture->view.n_findings++] = *finding;
}

/* Guests at that risk, as long as there is place. Returns: how many were left out. */
static size_t add_risks(const struct cycle *cycle, struct picture *picture, enum place_risk risk,
			enum report_level level)
{
	size_t n_left_out = 0;

	for (size_t i = 0; i < cycle->risks.n; i++) {
		const struct place_guest *guest = &cycle->watch.guests[i];
		struct risk_words *words;

		if (cycle->risks.settled[i] != risk)
			continue;
		if (picture->n_risks == RISKS_SHOWN_MAX) {
			n_left_out++;
			continue;
		}
		words = &picture->risks[picture->n_risks++];
		risk_describe(guest, &cycle->risks.pressures[i], risk, &cycle->risks.stall, words);
		add_finding(picture,
			    &(struct report_finding){ .what = words->what,
						      .subject = words->subject,
						      .text = words->text,
						      .remedy = words->remedy,
						      .level = level,
						      .pressure = &cycle->risks.pressures[i],
						      .pid = guest->pid,
						      .nodes = words->nodes });
	}
	return n_left_out;
}

static void add_host_findings(const struct cycle *cycle, struct picture *picture)
{
	for (size_t i = 0; i < cycle->findings.n; i++)
		add_finding(picture, &cycle->findings.list[i]);
	if (cycle->moves.realtime_text[0])
		add_finding(picture, &(struct report_finding){ .what = MOVES_FINDING_REALTIME,
							       .subject = "",
							       .text = cycle->moves.realtime_text,
							       .remedy = "",
							       .level = REPORT_WARNING });
}

/* Guests of which it is not known whether they may be harmed: silence would be taken for health. */
static size_t count_unjudged(const struct cycle *cycle)
{
	size_t n = 0;

	for (size_t i = 0; i < cycle->risks.n; i++)
		n += cycle->risks.settled[i] == PLACE_RISK_UNKNOWN &&
		     place_pressure_may_be_confined(&cycle->watch.guests[i]);
	return n;
}

static void add_unjudged(const struct cycle *cycle, struct picture *picture)
{
	const size_t n = count_unjudged(cycle);
	const size_t size = sizeof(picture->unjudged);

	if (!has_risks(cycle))
		snprintf(picture->unjudged, size,
			 "it could not be found out which guests may come to harm");
	else if (n)
		snprintf(picture->unjudged, size,
			 "%zu guest%s cannot be judged: too little is known of what it has, may "
			 "take, or of its nodes",
			 n, n == 1 ? "" : "s");
	else
		return;
	add_finding(picture, &(struct report_finding){
				     .what = "guests_not_judged",
				     .subject = "",
				     .text = picture->unjudged,
				     .remedy = "",
				     .level = has_risks(cycle) ? REPORT_NOTICE : REPORT_UNKNOWN,
			     });
}

/* The most urgent first. */
static void fill_findings(const struct cycle *cycle, struct picture *picture)
{
	size_t n_left_out;

	n_left_out = add_risks(cycle, picture, PLACE_RISK_KILL, REPORT_CRITICAL);
	add_host_findings(cycle, picture);
	n_left_out += add_risks(cycle, picture, PLACE_RISK_SWAP, REPORT_WARNING);
	n_left_out += add_risks(cycle, picture, PLACE_RISK_LOCALITY, REPORT_NOTICE);
	add_unjudged(cycle, picture);
	if (!n_left_out)
		return;
	snprintf(picture->more_risks, sizeof(picture->more_risks),
		 "%zu more guests are at risk: placectl status --json shows all", n_left_out);
	add_finding(picture, &(struct report_finding){ .what = "more_at_risk",
						       .subject = "",
						       .text = picture->more_risks,
						       .remedy = "",
						       .level = REPORT_NOTICE });
}

static void fill_cells(const struct wide *wide, struct picture *picture)
{
	struct report_view *view = &picture->view;

	view->cells = picture->cells;
	for (size_t i = 0; i < WIDE_MAX; i++) {
		const struct wide_guest *guest = &wide->list[i];

		for (size_t k = 0; guest->pid && guest->is_wide && k < guest->n_cells; k++)
			picture->cells[view->n_cells++] = (struct report_cell){
				.pid = guest->pid,
				.name = guest->name,
				.id = guest->cells[k].id,
				.n_vcpus = guest->cells[k].n_vcpus,
				.present_bytes = guest->cells[k].present_bytes,
				.has_node = guest->cells[k].to_node != PLACE_CELL_NOWHERE,
				.to_node = guest->cells[k].to_node,
				.right_bytes = guest->cells[k].right_bytes,
				.is_due = guest->cells[k].is_due,
			};
	}
}

static void fill_view(const struct commands *commands, struct picture *picture)
{
	struct cycle *cycle = commands->cycle;
	struct report_view *view = &picture->view;

	*picture = (struct picture){ 0 };
	*view = (struct report_view){
		.version = PACKAGE_VERSION,
		.pid = getpid(),
		.now_ns = place_host_now_ns(cycle->host),
		.started_ns = commands->started_ns,
		.interval_s = cycle->is_quick ? cycle->settings->interval_min_s :
						cycle->settings->interval_max_s,
		.is_paused = cycle->is_paused || !cycle->settings->move_enabled,
		.is_dry_run = cycle->is_dry_run,
		.topology = &cycle->host->topology,
		.sample = &cycle->sample,
		.activities = cycle->watch.activities,
		.traits = cycle->watch.traits,
		.classes = cycle->watch.classes,
		.fates = cycle->plan.fates,
		.ledger = &cycle->advice.ledger,
		.findings = picture->findings,
		.counters = picture->counters,
	};
	(void)advice_settle(&cycle->advice);
	if (place_model_build(view->topology, view->sample, cycle->advice.ledger.promises,
			      cycle->advice.ledger.n, &cycle->policy, cycle->advice.nodes,
			      &picture->model) == 0)
		view->model = &picture->model;
	view->moves = picture->moves;
	view->n_moves = moves_report(&cycle->moves, picture->moves);
	view->intents = &cycle->moves.intents;
	view->nearness = cycle->risks.nearness;
	view->stall = cycle->risks.stall;
	if (cycle->risks.n && has_risks(cycle)) {
		view->pressures = cycle->risks.pressures;
		view->risks = cycle->risks.settled;
	}
	fill_cells(&cycle->wide, picture);
	fill_findings(cycle, picture);
	count_all(commands, picture);
}

static int pause_or_resume(struct commands *commands, bool is_paused)
{
	commands->cycle->is_paused = is_paused;
	cycle_settings_changed(commands->cycle);
	event(LOG_NOTICE, is_paused ? EVENT_PAUSE : EVENT_RESUME);
	return 0;
}

static int run_order(struct commands *commands, const char *verb, FILE *out)
{
	if (!strcmp(verb, "pause"))
		return pause_or_resume(commands, true);
	if (!strcmp(verb, "resume"))
		return pause_or_resume(commands, false);
	if (!strcmp(verb, "reload"))
		return commands->reload(commands->data, out);
	return -EOPNOTSUPP;
}

static bool is_order(const char *verb)
{
	return !strcmp(verb, "pause") || !strcmp(verb, "resume") || !strcmp(verb, "reload");
}

int commands_run(struct commands *commands, const struct serve_peer *peer, const char *verb,
		 const char *argument, FILE *out)
{
	_cleanup_free_ struct picture *picture = NULL;

	if (is_order(verb))
		return peer->is_root ? run_order(commands, verb, out) : -EPERM;
	picture = malloc(sizeof(*picture));
	if (!picture)
		return -ENOMEM;
	cycle_show(commands->cycle);
	fill_view(commands, picture);
	if (!strcmp(verb, "status"))
		report_status(&picture->view, out);
	else if (!strcmp(verb, "explain"))
		return report_explain(&picture->view, argument, out);
	else if (!strcmp(verb, "doctor"))
		report_findings(&picture->view, out);
	else if (!strcmp(verb, "metrics"))
		report_metrics(&picture->view, out);
	else
		return -EOPNOTSUPP;
	return 0;
}
