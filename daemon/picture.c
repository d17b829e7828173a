/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The view of what the cycle has: findings, cells of wide guests, moves, and the model. */
#include "picture.h"

#include <unistd.h>

#include "config.h"
#include "decide/model.h"
#include "decide/plan.h"
#include "decide/pressure.h"

bool picture_knows_risks(const struct cycle *cycle)
{
	return cycle->risks.n == cycle->watch.n;
}

static void add_finding(struct picture *picture, const struct report_finding *finding)
{
	picture->findings[picture->view.n_findings++] = *finding;
}

/* Guests at that risk, as long as there is place. Returns: how many were left out. */
static size_t add_risks_of(const struct cycle *cycle, struct picture *picture, bool is_of_system,
			   enum place_risk risk, enum report_level level)
{
	struct picture_risks *shown = is_of_system ? &picture->system_risks : &picture->other_risks;
	size_t n_left_out = 0;

	for (size_t i = 0; i < cycle->risks.n; i++) {
		const struct place_guest *guest = &cycle->watch.guests[i];
		struct risk_words *words;

		if (cycle->risks.settled[i] != risk ||
		    place_plan_is_of_system(cycle->watch.traits[i]) != is_of_system)
			continue;
		if (shown->n == PICTURE_RISKS_MAX) {
			n_left_out++;
			continue;
		}
		words = &shown->list[shown->n++];
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

/* The system's guests first. */
static size_t add_risks(const struct cycle *cycle, struct picture *picture, enum place_risk risk,
			enum report_level level)
{
	const size_t n_left_out = add_risks_of(cycle, picture, true, risk, level);

	return n_left_out + add_risks_of(cycle, picture, false, risk, level);
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

	if (!picture_knows_risks(cycle))
		snprintf(picture->unjudged, size,
			 "it could not be found out which guests may come to harm");
	else if (n)
		snprintf(picture->unjudged, size,
			 "%zu guest%s cannot be judged: too little is known of what it has, may "
			 "take, or of its nodes",
			 n, n == 1 ? "" : "s");
	else
		return;
	add_finding(picture,
		    &(struct report_finding){
			    .what = "guests_not_judged",
			    .subject = "",
			    .text = picture->unjudged,
			    .remedy = "",
			    .level = picture_knows_risks(cycle) ? REPORT_NOTICE : REPORT_UNKNOWN,
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

void picture_fill(const struct commands *commands, struct picture *picture)
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
		.is_recorded = !cycle->host->root.is_live,
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
	if (advice_has_place(&cycle->advice) &&
	    place_model_build(view->topology, view->sample, cycle->advice.ledger.promises,
			      cycle->advice.ledger.n, &cycle->policy, cycle->advice.nodes,
			      &picture->model) == 0)
		view->model = &picture->model;
	view->moves = picture->moves;
	view->n_moves = moves_report(&cycle->moves, picture->moves);
	view->intents = &cycle->moves.intents;
	view->nearness = cycle->risks.nearness;
	view->stall = cycle->risks.stall;
	if (cycle->risks.n && picture_knows_risks(cycle)) {
		view->pressures = cycle->risks.pressures;
		view->risks = cycle->risks.settled;
	}
	fill_cells(&cycle->wide, picture);
	fill_findings(cycle, picture);
	picture_count(commands, picture);
}
