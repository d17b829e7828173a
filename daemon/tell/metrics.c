/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prometheus' text format 0.0.4 (prometheus.io, "Exposition formats"). Names are placed_*, units
 * are bytes and seconds; what is not known has no sample.
 */
#include <inttypes.h>

#include "decide/reason.h"
#include "host/text.h"
#include "tell/report.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP placed_%s %s\n# TYPE placed_%s %s\n", name, help, name, type);
}

/* A label's value: escaped as names are, and its backslashes once more. */
static void put_label(FILE *out, const char *text)
{
	char escaped[PLACE_GUEST_NAME_MAX * 4];

	place_text_escape(text, escaped, sizeof(escaped));
	for (const char *at = escaped; *at; at++) {
		if (*at == '\\')
			fputc('\\', out);
		fputc(*at, out);
	}
}

enum node_figure {
	NODE_TOTAL,
	NODE_FREE,
	NODE_RECLAIMABLE,
	NODE_RESERVE,
	NODE_PROMISED,
	NODE_USABLE,
	NODE_FIGURE_COUNT,
};

static bool node_figure(const struct report_view *view, size_t i, enum node_figure figure,
			uint64_t *ret_bytes)
{
	const struct place_node_sample *raw = &view->sample->nodes[i];
	const struct place_node_model *model = view->model ? &view->model->nodes[i] : NULL;
	const uint64_t bytes[NODE_FIGURE_COUNT] = {
		[NODE_TOTAL] = raw->total_bytes,
		[NODE_FREE] = raw->free_bytes,
		[NODE_RECLAIMABLE] = raw->reclaimable_bytes,
		[NODE_RESERVE] = model ? model->reserve_bytes : 0,
		[NODE_PROMISED] = model ? model->promised_bytes : 0,
		[NODE_USABLE] = model ? model->usable_bytes : 0,
	};
	const unsigned facts[] = { PLACE_NODE_TOTAL, PLACE_NODE_FREE, PLACE_NODE_RECLAIMABLE };

	*ret_bytes = bytes[figure];
	if (figure < NODE_RESERVE)
		return raw->known & facts[figure];
	return model && model->flags & PLACE_NODE_MEMORY_KNOWN;
}

static void put_nodes(const struct report_view *view, FILE *out)
{
	static const struct {
		const char *name, *help;
	} figures[NODE_FIGURE_COUNT] = {
		[NODE_TOTAL] = { "node_memory_total_bytes", "Memory of the node." },
		[NODE_FREE] = { "node_memory_free_bytes", "Of it free." },
		[NODE_RECLAIMABLE] = { "node_memory_reclaimable_bytes",
				       "Page cache that goes without writing." },
		[NODE_RESERVE] = { "node_memory_reserve_bytes",
				   "Left for the kernel and the host." },
		[NODE_PROMISED] = { "node_memory_promised_bytes",
				    "Promised to guests that run or are about to start." },
		[NODE_USABLE] = { "node_memory_usable_bytes", "For a new guest." },
	};

	for (int figure = 0; figure < NODE_FIGURE_COUNT; figure++) {
		head(out, figures[figure].name, "gauge", figures[figure].help);
		for (size_t i = 0; i < view->topology->n_nodes; i++) {
			uint64_t bytes;

			if (node_figure(view, i, (enum node_figure)figure, &bytes))
				fprintf(out, "placed_%s{node=\"%u\"} %" PRIu64 "\n",
					figures[figure].name, view->topology->nodes[i].id, bytes);
		}
	}
}

/* pid and name: a name may be there twice, and samples of one name and labels may not. */
static void put_guest_labels(const struct report_view *view, size_t i, FILE *out)
{
	const struct place_guest *guest = &view->sample->guests[i];

	fprintf(out, "{pid=\"%d\",name=\"", guest->pid);
	put_label(out, guest->known & PLACE_GUEST_NAME ? guest->name : "");
	fputc('"', out);
}

static void put_permille(FILE *out, uint64_t permille)
{
	fprintf(out, "} %" PRIu64 ".%03" PRIu64 "\n", permille / 1000, permille % 1000);
}

static void put_guest_bytes(const struct report_view *view, FILE *out)
{
	head(out, "guest_memory_bytes", "gauge", "Memory of the guest on a node.");
	for (size_t i = 0; i < view->sample->n_guests; i++)
		for (size_t j = 0; view->activities[i].known & PLACE_ACTIVITY_BYTES &&
				   j < view->topology->n_nodes;
		     j++) {
			fprintf(out, "placed_guest_memory_bytes");
			put_guest_labels(view, i, out);
			fprintf(out, ",node=\"%u\"} %" PRIu64 "\n", view->topology->nodes[j].id,
				view->activities[i].bytes[j]);
		}
}

static void put_guests(const struct report_view *view, FILE *out)
{
	head(out, "guest_remote_ratio", "gauge", "Share of the guest's access that is remote.");
	for (size_t i = 0; i < view->sample->n_guests; i++) {
		if (!(view->activities[i].known & PLACE_ACTIVITY_REMOTE))
			continue;
		fprintf(out, "placed_guest_remote_ratio");
		put_guest_labels(view, i, out);
		fprintf(out, ",evidence=\"%s\"", place_evidence_word(view->activities[i].evidence));
		put_permille(out, view->activities[i].remote_permille);
	}
	head(out, "guest_busy_cpus", "gauge", "CPUs that the guest uses.");
	for (size_t i = 0; i < view->sample->n_guests; i++) {
		if (!(view->activities[i].known & PLACE_ACTIVITY_RUN))
			continue;
		fprintf(out, "placed_guest_busy_cpus");
		put_guest_labels(view, i, out);
		put_permille(out, view->activities[i].busy_millicpu);
	}
	put_guest_bytes(view, out);
	head(out, "guest_verdict", "gauge",
	     "1 for what is to be done with the guest, and its class.");
	for (size_t i = 0; i < view->sample->n_guests; i++) {
		fprintf(out, "placed_guest_verdict");
		put_guest_labels(view, i, out);
		fprintf(out, ",class=\"%s\",verdict=\"%s\"} 1\n",
			place_class_word(view->classes[i]), place_fate_word(view->fates[i]));
	}
}

static void put_short(const struct report_view *view, FILE *out)
{
	head(out, "guest_short_bytes", "gauge",
	     "What the nodes of a guest at risk lack for all that it may take.");
	for (size_t i = 0; view->risks && i < view->sample->n_guests; i++) {
		if (view->risks[i] < PLACE_RISK_LOCALITY)
			continue;
		fprintf(out, "placed_guest_short_bytes");
		put_guest_labels(view, i, out);
		fprintf(out, ",risk=\"%s\"} %" PRIu64 "\n", place_risk_word(view->risks[i]),
			view->pressures[i].short_bytes);
	}
}

static void put_single(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "gauge", help);
	fprintf(out, "placed_%s %" PRIu64 "\n", name, value);
}

void report_metrics(const struct report_view *view, FILE *out)
{
	put_single(out, "guests", "Guests that are seen.", view->sample->n_guests);
	put_single(out, "findings", "Things that placectl doctor would say.", view->n_findings);
	put_single(out, "paused", "1 while nothing is moved on somebody's order.",
		   view->is_paused ? 1 : 0);
	put_single(out, "promises", "Answers that are held for guests.",
		   view->ledger ? view->ledger->n : 0);
	for (size_t i = 0; i < view->n_counters; i++) {
		const struct report_counter *counter = &view->counters[i];

		head(out, counter->name, counter->is_gauge ? "gauge" : "counter", counter->help);
		fprintf(out, "placed_%s %" PRIu64 "\n", counter->name, counter->value);
	}
	put_nodes(view, out);
	put_guests(view, out);
	put_short(view, out);
}
