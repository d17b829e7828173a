/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of status and of findings. explain.c says why, metrics.c counts. */
#include "tell/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "decide/reason.h"
#include "host/cleanup.h"
#include "host/text.h"

/* Sentences are ours and short; names have 127 bytes, each of which may become four. */
#define TEXT_MAX 1024

static const char *const state_words[] = {
	[REPORT_MOVE_RUNNING] = "running", [REPORT_MOVE_PAUSED] = "paused",
	[REPORT_MOVE_DONE] = "done",	   [REPORT_MOVE_STOPPED] = "stopped",
	[REPORT_MOVE_FAILED] = "failed",
};

_Static_assert(ELEMENTSOF(state_words) == REPORT_MOVE_STATE_COUNT, "a state has no word");

const char *report_move_state_word(enum report_move_state state)
{
	return (unsigned)state < REPORT_MOVE_STATE_COUNT ? state_words[state] : "unknown";
}

const char *report_level_word(enum report_level level)
{
	static const char *const words[] = {
		[REPORT_NOTICE] = "notice",
		[REPORT_WARNING] = "warning",
		[REPORT_CRITICAL] = "critical",
		[REPORT_UNKNOWN] = "unknown",
	};

	_Static_assert(ELEMENTSOF(words) == REPORT_LEVEL_COUNT, "a level has no word");
	return (unsigned)level < REPORT_LEVEL_COUNT ? words[level] : "unknown";
}

void report_text(FILE *out, const char *key, const char *text)
{
	char escaped[TEXT_MAX];

	place_text_escape(text, escaped, sizeof(escaped));
	fprintf(out, " %s=\"%s\"", key, escaped);
}

void report_number(FILE *out, const char *key, uint64_t number)
{
	fprintf(out, " %s=%" PRIu64, key, number);
}

void report_set(FILE *out, const char *key, const struct place_set *set)
{
	_cleanup_free_ char *text = malloc(PLACE_SET_TEXT_MAX);

	if (text && place_set_format(set, text, PLACE_SET_TEXT_MAX) >= 0)
		fprintf(out, " %s=\"%s\"", key, text);
}

static void report_if(FILE *out, bool is_known, const char *key, uint64_t number)
{
	if (is_known)
		report_number(out, key, number);
}

static uint64_t ms_since(const struct report_view *view, uint64_t then_ns)
{
	return view->now_ns > then_ns ? (view->now_ns - then_ns) / 1000000 : 0;
}

static const char *mode_word(const struct report_view *view)
{
	if (view->is_recorded)
		return "recorded";
	if (view->is_dry_run)
		return "dry_run";
	return view->is_paused ? "paused" : "active";
}

static void put_daemon(const struct report_view *view, FILE *out)
{
	fprintf(out, "daemon");
	report_text(out, "version", view->version);
	report_number(out, "pid", (uint64_t)view->pid);
	report_text(out, "mode", mode_word(view));
	report_number(out, "interval_s", view->interval_s);
	report_number(out, "uptime_ms", ms_since(view, view->started_ns));
	report_number(out, "sample_age_ms", ms_since(view, view->sample->taken_ns));
	fputc('\n', out);
}

/* By page size in KiB. */
static void put_pools(const struct place_node_sample *raw, FILE *out)
{
	if (!(raw->known & PLACE_NODE_POOLS) || !raw->n_pools)
		return;
	for (size_t i = 0; i < raw->n_pools && i < PLACE_POOLS_MAX; i++)
		fprintf(out, "%s%" PRIu64 ":%" PRIu64,
			i ? "," : " pool_free_pages=", raw->pools[i].page_bytes >> 10,
			raw->pools[i].free_pages);
	for (size_t i = 0; i < raw->n_pools && i < PLACE_POOLS_MAX; i++)
		fprintf(out, "%s%" PRIu64 ":%" PRIu64,
			i ? "," : " pool_total_pages=", raw->pools[i].page_bytes >> 10,
			raw->pools[i].total_pages);
}

/* The model has what was weighed; before there is one, the sample says what was read. */
static void put_node(const struct report_view *view, size_t i, FILE *out)
{
	const struct place_node *node = &view->topology->nodes[i];
	const struct place_node_sample *raw = &view->sample->nodes[i];
	const struct place_node_model *model =
		view->model && i < view->model->n_nodes ? &view->model->nodes[i] : NULL;
	const bool is_weighed = model && model->flags & PLACE_NODE_MEMORY_KNOWN;

	fprintf(out, "node");
	report_number(out, "node", node->id);
	report_if(out, raw->known & PLACE_NODE_TOTAL, "total_bytes", raw->total_bytes);
	report_if(out, raw->known & PLACE_NODE_FREE, "free_bytes", raw->free_bytes);
	report_if(out, raw->known & PLACE_NODE_RECLAIMABLE, "reclaimable_bytes",
		  raw->reclaimable_bytes);
	report_if(out, is_weighed, "reserve_bytes", model ? model->reserve_bytes : 0);
	report_if(out, is_weighed, "promised_bytes", model ? model->promised_bytes : 0);
	report_if(out, is_weighed, "usable_bytes", model ? model->usable_bytes : 0);
	if (view->nearness && view->nearness[i] != PLACE_NEARNESS_UNKNOWN)
		report_text(out, "nearness", place_nearness_word(view->nearness[i]));
	report_number(out, "cpus", node->n_cpus);
	report_number(out, "cores", node->n_cores);
	report_if(out, model, "capacity_millicpu", model ? model->capacity_millicpu : 0);
	report_if(out, model, "committed_millicpu", model ? model->committed_millicpu : 0);
	put_pools(raw, out);
	fputc('\n', out);
}

static void put_promise(const struct report_view *view, const struct place_promise *promise,
			FILE *out)
{
	fprintf(out, "promise");
	report_set(out, "nodes", &promise->nodes);
	report_number(out, "memory_bytes", promise->memory_bytes);
	report_number(out, "vcpus_centi", promise->vcpus_centi);
	report_number(out, "age_ms", ms_since(view, promise->booked_ns));
	report_if(out, !place_promise_is_open(promise), "pid", (uint64_t)promise->pid);
	fputc('\n', out);
}

static void put_bytes(const struct report_view *view, const struct place_activity *activity,
		      FILE *out)
{
	const char *separator = "";

	if (!(activity->known & PLACE_ACTIVITY_BYTES))
		return;
	fprintf(out, " bytes=");
	for (size_t i = 0; i < view->topology->n_nodes; i++) {
		fprintf(out, "%s%u:%" PRIu64, separator, view->topology->nodes[i].id,
			activity->bytes[i]);
		separator = ",";
	}
	report_text(out, "bytes_source", place_bytes_word(activity->bytes_source));
	report_number(out, "bytes_age_ms", ms_since(view, activity->bytes_ns));
}

static void put_run(const struct report_view *view, const struct place_activity *activity,
		    FILE *out)
{
	const char *separator = "";

	if (!(activity->known & PLACE_ACTIVITY_RUN))
		return;
	report_number(out, "busy_millicpu", activity->busy_millicpu);
	fprintf(out, " run_permille=");
	for (size_t i = 0; i < view->topology->n_nodes; i++) {
		fprintf(out, "%s%u:%" PRIu32, separator, view->topology->nodes[i].id,
			activity->run_permille[i]);
		separator = ",";
	}
}

static const char *bind_word(enum place_bind bind)
{
	static const char *const words[] = {
		[PLACE_BIND_NONE] = "none",	      [PLACE_BIND_CPUSET] = "cpuset",
		[PLACE_BIND_STRICT] = "strict",	      [PLACE_BIND_INTERLEAVE] = "interleave",
		[PLACE_BIND_PREFERRED] = "preferred",
	};

	_Static_assert(ELEMENTSOF(words) == PLACE_BIND_COUNT, "a bind has no word");
	return (unsigned)bind < PLACE_BIND_COUNT ? words[bind] : "unknown";
}

void report_guest_line(const struct report_view *view, size_t i, FILE *out)
{
	const struct place_guest *guest = &view->sample->guests[i];
	const struct place_activity *activity = &view->activities[i];
	const unsigned known = guest->known;

	fprintf(out, "guest pid=%d", guest->pid);
	if (known & PLACE_GUEST_NAME)
		report_text(out, "name", guest->name);
	if (known & PLACE_GUEST_UUID)
		report_text(out, "uuid", guest->uuid);
	report_text(out, "class", place_class_word(view->classes[i]));
	report_if(out, known & PLACE_GUEST_VCPUS, "vcpus", guest->n_vcpus);
	report_if(out, known & PLACE_GUEST_MEMORY, "memory_bytes", guest->memory_bytes);
	report_if(out, known & PLACE_GUEST_RESIDENT, "resident_bytes",
		  guest->resident_bytes + guest->resident_pool_bytes);
	report_if(out, known & PLACE_GUEST_BALLOON, "balloon_bytes", guest->balloon_bytes);
	report_if(out, known & PLACE_GUEST_MEMORY, "hugepage_bytes", guest->hugepage_bytes);
	if (known & PLACE_GUEST_MEMS) {
		report_text(out, "bind", bind_word(guest->bind));
		report_set(out, "mems", &guest->mems);
	}
	put_bytes(view, activity, out);
	put_run(view, activity, out);
	if (activity->known & PLACE_ACTIVITY_REMOTE) {
		report_number(out, "remote_permille", activity->remote_permille);
		report_number(out, "sure_permille", activity->sure_permille);
		report_text(out, "evidence", place_evidence_word(activity->evidence));
	}
	if (view->risks && view->risks[i] != PLACE_RISK_UNKNOWN) {
		report_text(out, "risk", place_risk_word(view->risks[i]));
		report_number(out, "growth_bytes", view->pressures[i].growth_bytes);
		report_number(out, "short_bytes", view->pressures[i].short_bytes);
	}
	report_text(out, "verdict", place_fate_word(view->fates[i]));
	report_text(out, "reason",
		    view->fates[i] == PLACE_FATE_CLASS ? place_class_text(view->classes[i]) :
							 place_fate_text(view->fates[i]));
	fputc('\n', out);
}

void report_move_line(const struct report_view *view, const struct report_move *move, FILE *out)
{
	const uint64_t until_ns = move->end_ns ? move->end_ns : view->now_ns;

	fprintf(out, "move pid=%d", move->pid);
	report_text(out, "name", move->name);
	report_set(out, "from", &move->from);
	report_number(out, "to", move->to_node);
	report_text(out, "state", report_move_state_word(move->state));
	report_number(out, "planned_bytes", move->planned_bytes);
	report_number(out, "moved_bytes", move->moved_bytes);
	report_number(out, "failed_bytes", move->failed_bytes);
	report_number(out, "age_ms", ms_since(view, move->begin_ns));
	report_number(out, "duration_ms",
		      until_ns > move->begin_ns ? (until_ns - move->begin_ns) / 1000000 : 0);
	report_text(out, "cause", place_cause_word(move->cause));
	if (move->for_pid)
		report_number(out, "for_pid", (uint64_t)move->for_pid);
	if (move->for_whom && move->for_whom[0])
		report_text(out, "for", move->for_whom);
	report_text(out, "reason", move->reason);
	fputc('\n', out);
}

static void put_pressure(const struct report_finding *finding, FILE *out)
{
	report_number(out, "pid", (uint64_t)finding->pid);
	report_text(out, "nodes", finding->nodes);
	report_number(out, "growth_bytes", finding->pressure->growth_bytes);
	report_number(out, "room_bytes", finding->pressure->room_bytes);
	report_number(out, "neighbours_bytes", finding->pressure->neighbours_bytes);
	report_number(out, "short_bytes", finding->pressure->short_bytes);
}

void report_findings(const struct report_view *view, FILE *out)
{
	for (size_t i = 0; i < view->n_findings; i++) {
		const struct report_finding *finding = &view->findings[i];

		fprintf(out, "finding");
		report_text(out, "what", finding->what);
		report_text(out, "level", report_level_word(finding->level));
		report_text(out, "subject", finding->subject);
		report_text(out, "text", finding->text);
		report_text(out, "remedy", finding->remedy);
		if (finding->pressure)
			put_pressure(finding, out);
		fputc('\n', out);
	}
}

void report_status(const struct report_view *view, FILE *out)
{
	put_daemon(view, out);
	for (size_t i = 0; i < view->topology->n_nodes && i < view->sample->n_nodes; i++)
		put_node(view, i, out);
	for (size_t i = 0; view->ledger && i < view->ledger->n; i++)
		put_promise(view, &view->ledger->promises[i], out);
	for (size_t i = 0; i < view->sample->n_guests; i++)
		report_guest_line(view, i, out);
	for (size_t i = 0; i < view->n_cells; i++)
		report_cell_line(&view->cells[i], out);
	for (size_t i = 0; i < view->n_moves; i++)
		report_move_line(view, &view->moves[i], out);
	report_findings(view, out);
}
