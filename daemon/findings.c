/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One function per finding. Each says nothing where a fact is unknown: a warning that may be wrong
 * is worse than none. What a kernel does by default is a notice: it harms nobody by itself.
 */
#include "findings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arith.h"
#include "decide/nearness.h"
#include "decide/pressure.h"
#include "host/text.h"
#include "tell/event.h"

#define NS_PER_S UINT64_C(1000000000)
#define LOOK_NS (60 * NS_PER_S)
#define STAYS_SAID_NS (3600 * NS_PER_S)
#define NODES_TEXT_MAX 160

struct look {
	struct findings *findings;
	const struct place_root *root;
	struct place_text *text;
	const struct findings_view *view;
};

static void __attribute__((format(printf, 6, 7)))
found(struct look *look, enum report_level level, const char *what, const char *subject,
      const char *remedy, const char *format, ...)
{
	struct findings *findings = look->findings;
	struct finding_texts *texts;
	va_list arguments;

	if (findings->n == FINDINGS_MAX)
		return;
	texts = &findings->texts[findings->n];
	snprintf(texts->subject, sizeof(texts->subject), "%s", subject);
	snprintf(texts->remedy, sizeof(texts->remedy), "%s", remedy);
	va_start(arguments, format);
	vsnprintf(texts->text, sizeof(texts->text), format, arguments);
	va_end(arguments);
	findings->list[findings->n++] = (struct report_finding){
		.what = what,
		.level = level,
		.subject = texts->subject,
		.text = texts->text,
		.remedy = texts->remedy,
	};
}

/* A file with one number. Returns: whether it is there. */
static bool read_number(struct look *look, const char *path, uint64_t *ret_number)
{
	return place_root_read(look->root, look->text, path) == 0 &&
	       place_text_u64(look->text->data, ret_number) == 0;
}

/* A set that is too long is cut at "...", which is none in a sentence. */
static void format_nodes(const struct place_set *set, char text[NODES_TEXT_MAX])
{
	if (place_set_format(set, text, NODES_TEXT_MAX) < 0)
		strcpy(text, "...");
}

/* ---- of the host ---------------------------------------------------------------------------- */

static void look_at_ksm(struct look *look)
{
	uint64_t is_running, is_across;

	if (read_number(look, "sys/kernel/mm/ksm/run", &is_running) &&
	    read_number(look, "sys/kernel/mm/ksm/merge_across_nodes", &is_across) &&
	    is_running == 1 && is_across == 1)
		found(look, REPORT_NOTICE, "ksm_across_nodes", "",
		      "echo 2 >/sys/kernel/mm/ksm/run, echo 0 "
		      ">/sys/kernel/mm/ksm/merge_across_nodes, echo 1 >/sys/kernel/mm/ksm/run",
		      "KSM merges pages of guests on different nodes: one of them reads remote "
		      "memory, and such pages are not moved");
}

static void look_at_balancing(struct look *look)
{
	uint64_t mode;

	/* Bit 0: balancing; bit 1: tiering of memory-only nodes (sysctl, 5.18). */
	if (read_number(look, "proc/sys/kernel/numa_balancing", &mode) && (mode & 1))
		found(look, REPORT_NOTICE, "numa_balancing", "", "sysctl kernel.numa_balancing=0",
		      "the kernel's NUMA balancing moves pages of guests as well, and makes them "
		      "fault to find out which");
}

/* ---- of nodes ------------------------------------------------------------------------------- */

/* What is left on a node before promises: they are what it is weighed against. */
static uint64_t room_of(const struct place_node_model *node)
{
	const uint64_t there = place_add(node->free_bytes, node->reclaimable_bytes);

	return place_subtract(there, node->reserve_bytes);
}

static bool is_weighed(const struct place_node_model *node)
{
	return node->flags & PLACE_NODE_MEMORY_KNOWN && node->total_bytes;
}

/*
 * Page cache that is not known may be room, and a guest of whom it is not known what it has may
 * have all of it: either way the sum says nothing.
 */
static bool is_sum_known(const struct look *look)
{
	const struct place_sample *sample = look->view->sample;

	for (size_t i = 0; i < sample->n_nodes; i++)
		if (!(sample->nodes[i].known & PLACE_NODE_RECLAIMABLE))
			return false;
	for (size_t i = 0; i < sample->n_guests; i++)
		if (sample->guests[i].known & PLACE_GUEST_MEMORY &&
		    !(sample->guests[i].known & PLACE_GUEST_RESIDENT))
			return false;
	return true;
}

/* Who of them is in danger by that is said guest by guest (risks.c). */
static void look_at_promises(struct look *look)
{
	const struct place_pressure_node *pooled = look->view->pooled;
	const struct place_model *model = look->view->model;
	uint64_t room = 0, promised = 0;

	if (!is_sum_known(look))
		return;
	for (size_t i = 0; i < model->n_nodes; i++) {
		if (!is_weighed(&model->nodes[i]))
			return;
		room = place_add(room, room_of(&model->nodes[i]));
		promised = place_add(promised, place_subtract(model->nodes[i].promised_bytes,
							      pooled ? pooled[i].pooled_bytes : 0));
	}
	if (promised > room)
		found(look, REPORT_WARNING, "host_overcommitted", "",
		      "give guests less memory, move one to another host, or add swap",
		      "guests may use %" PRIu64 " MiB more than now, and all nodes together have "
		      "%" PRIu64 " MiB: some of them may be swapped or killed",
		      promised >> 20, room >> 20);
}

static bool has_swap(struct look *look)
{
	uint64_t bytes;

	return place_root_read(look->root, look->text, "proc/meminfo") == 0 &&
	       place_text_find_kib(look->text->data, "SwapTotal:", &bytes) && bytes;
}

/* Whether some guest may have to take memory from that node; others get it elsewhere. */
static bool has_confined(const struct look *look, unsigned node)
{
	const struct place_sample *sample = look->view->sample;

	for (size_t i = 0; i < sample->n_guests; i++)
		if (place_pressure_may_be_confined_to(&sample->guests[i], node))
			return true;
	return false;
}

static void look_at_swap(struct look *look, size_t i)
{
	const struct place_model *model = look->view->model;
	const struct place_node_sample *raw = &look->view->sample->nodes[i];
	const bool swaps = look->view->nearness && look->view->nearness[i] == PLACE_NEARNESS_SWAP;
	uint64_t elsewhere = 0;
	char subject[32];

	if (!is_weighed(&model->nodes[i]) || (!swaps && !place_nearness_is_close(raw)))
		return;
	for (size_t j = 0; j < model->n_nodes; j++)
		if (j != i && is_weighed(&model->nodes[j]))
			elsewhere = place_add(elsewhere, room_of(&model->nodes[j]));
	if (elsewhere < model->nodes[i].total_bytes / 20 || !has_swap(look))
		return;
	snprintf(subject, sizeof(subject), "node %u", model->nodes[i].id);
	found(look,
	      swaps || has_confined(look, model->nodes[i].id) ? REPORT_WARNING : REPORT_NOTICE,
	      swaps ? "node_swaps" : "node_about_to_swap", subject,
	      "let guests take memory elsewhere: mode preferred, or numactl --interleave=all",
	      "%" PRIu64 " MiB are left on it, and %s although others have %" PRIu64 " MiB",
	      raw->free_bytes >> 20,
	      swaps ? "it swaps" : "for who may take memory from it alone it will swap",
	      elsewhere >> 20);
}

/* ---- of guests ------------------------------------------------------------------------------ */

/* Guests use pages of this size, and some of the nodes that have CPUs have none. */
static void look_at_pools(struct look *look, uint64_t page_bytes)
{
	const struct place_topology *topology = look->view->topology;
	const struct place_sample *sample = look->view->sample;
	struct place_set with = { 0 }, without = { 0 };
	char subject[48], nodes[NODES_TEXT_MAX], others[NODES_TEXT_MAX];

	for (size_t i = 0; i < topology->n_nodes && i < sample->n_nodes; i++) {
		const struct place_pool *pool = place_node_pool(&sample->nodes[i], page_bytes);

		if (!(sample->nodes[i].known & PLACE_NODE_POOLS) || !topology->nodes[i].n_cpus)
			continue;
		place_set_add(pool && pool->total_pages ? &with : &without, topology->nodes[i].id);
	}
	if (!place_set_count(&with) || !place_set_count(&without))
		return;
	format_nodes(&with, nodes);
	format_nodes(&without, others);
	snprintf(subject, sizeof(subject), "%" PRIu64 " KiB pages", page_bytes >> 10);
	found(look, REPORT_WARNING, "hugepages_uneven", subject,
	      "echo N >/sys/devices/system/node/nodeX/hugepages/hugepages-*/nr_hugepages",
	      "the pools lie on nodes %s: guests that run on nodes %s have no such memory beside "
	      "them",
	      nodes, others);
}

static void look_at_guests(struct look *look)
{
	const struct place_sample *sample = look->view->sample;
	uint64_t sizes[PLACE_POOLS_MAX];
	size_t n_sizes = 0;

	for (size_t i = 0; i < sample->n_guests; i++) {
		const struct place_guest *guest = &sample->guests[i];
		size_t k = 0;

		if (!(guest->known & PLACE_GUEST_MEMORY) || !guest->hugepage_bytes)
			continue;
		while (k < n_sizes && sizes[k] != guest->hugepage_bytes)
			k++;
		if (k == n_sizes && n_sizes < PLACE_POOLS_MAX)
			sizes[n_sizes++] = guest->hugepage_bytes;
	}
	for (size_t k = 0; k < n_sizes; k++)
		look_at_pools(look, sizes[k]);
}

/* ---- telling -------------------------------------------------------------------------------- */

/* Where it is kept that this was said, or the place to keep it: free, or the longest unseen. */
static struct finding_told *told_of(struct findings *findings, const struct report_finding *finding)
{
	struct finding_told *oldest = &findings->told[0];

	for (size_t i = 0; i < FINDINGS_MAX; i++) {
		struct finding_told *told = &findings->told[i];

		if (told->what && !strcmp(told->what, finding->what) &&
		    !strcmp(told->subject, finding->subject))
			return told;
		if (told->seen_ns < oldest->seen_ns)
			oldest = told;
	}
	oldest->what = NULL;
	return oldest;
}

static void tell_new(struct findings *findings, uint64_t now_ns)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct report_finding *finding = &findings->list[i];
		struct finding_told *told = told_of(findings, finding);

		if (!told->what || now_ns > told->seen_ns + STAYS_SAID_NS)
			event(finding->level == REPORT_NOTICE ? LOG_NOTICE : LOG_WARNING,
			      EVENT_FINDING, KV("what", finding->what),
			      KV("subject", finding->subject[0] ? finding->subject : NULL),
			      KV("text", finding->text), KV("remedy", finding->remedy));
		told->what = finding->what;
		memcpy(told->subject, finding->subject, strlen(finding->subject) + 1);
		told->seen_ns = now_ns;
	}
}

bool findings_are_due(const struct findings *findings, uint64_t now_ns)
{
	return !findings->looked_ns || now_ns >= findings->looked_ns + LOOK_NS;
}

void findings_look(struct findings *findings, const struct place_root *root,
		   struct place_text *text, const struct findings_view *view)
{
	struct look look = { findings, root, text, view };

	findings->looked_ns = view->now_ns;
	findings->n = 0;
	/* One node: nothing can lie on the wrong one. */
	if (view->topology->n_nodes > 1) {
		look_at_ksm(&look);
		look_at_balancing(&look);
	}
	if (view->model)
		look_at_promises(&look);
	for (size_t i = 0; view->model && i < view->model->n_nodes; i++)
		look_at_swap(&look, i);
	look_at_guests(&look);
	tell_new(findings, view->now_ns);
}
