/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public face: opaque handles over the rooms of the library, and nothing of its own. */
#include "place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask/inquiry.h"
#include "ask/request.h"
#include "config.h"
#include "decide/reason.h"
#include "host/cleanup.h"
#include "observe/ledger.h"
#include "observe/sample.h"

struct place {
	struct place_host host;
	struct place_ledger ledger;
	uint64_t read_ns; /* when the last reading was complete */
	bool is_read;
};

struct pools {
	size_t n;
	struct place_pool list[PLACE_POOLS_MAX];
};

struct place_reply {
	char *nodes;
	enum place_verdict verdict;
	size_t n_rows;
	struct place_row *rows;
	struct pools *pools;
};

const char *place_version(void)
{
	return PACKAGE_VERSION;
}

int place_open(const char *root, struct place **ret_place)
{
	struct place *place = calloc(1, sizeof(*place));
	int r;

	if (!place)
		return -ENOMEM;
	r = place_host_init(root, &place->host);
	if (r < 0) {
		free(place);
		return r;
	}
	*ret_place = place;
	return 0;
}

struct place *place_close(struct place *place)
{
	if (place) {
		place_ledger_done(&place->ledger);
		place_host_done(&place->host);
		free(place);
	}
	return NULL;
}

int place_read(struct place *place)
{
	int r;

	place->host.n_notes = 0;
	place->host.is_kept_refused = false;
	r = place_host_read_topology(&place->host, false);
	if (r == 0)
		r = place_host_take_sample(&place->host, false);
	if (r == 0)
		r = place_ledger_load(&place->host, &place->ledger);
	place->read_ns = place_host_now_ns(&place->host);
	place->is_read = r == 0;
	return r;
}

size_t place_note_count(const struct place *place)
{
	return place->host.n_notes;
}

const char *place_note(const struct place *place, size_t i)
{
	return i < place->host.n_notes ? place->host.notes[i] : NULL;
}

int place_question_parse(const char *text, struct place_question *question)
{
	struct place_request request;
	int r;

	if (question->size < sizeof(*question))
		return -EINVAL;
	r = place_request_parse(text, &request);
	if (r < 0)
		return r;
	question->vcpus_centi = request.vcpus_centi;
	question->memory_bytes = request.memory_bytes;
	return 0;
}

static unsigned row_flags(unsigned known, bool is_chosen)
{
	return (is_chosen ? PLACE_ROW_CHOSEN : 0U) |
	       (known & PLACE_NODE_TOTAL ? PLACE_ROW_TOTAL : 0U) |
	       (known & PLACE_NODE_FREE ? PLACE_ROW_FREE : 0U) |
	       (known & PLACE_NODE_RECLAIMABLE ? PLACE_ROW_RECLAIMABLE : 0U) |
	       (known & PLACE_NODE_POOLS ? PLACE_ROW_POOLS : 0U);
}

static void fill_row(const struct place_node *node, const struct place_node_model *model,
		     enum place_reason reason, unsigned flags, struct place_row *row)
{
	*row = (struct place_row){
		.size = sizeof(*row),
		.id = node->id,
		.flags = flags,
		.total_bytes = model->total_bytes,
		.free_bytes = model->free_bytes,
		.reclaimable_bytes = model->reclaimable_bytes,
		.reserve_bytes = model->reserve_bytes,
		.promised_bytes = model->promised_bytes,
		.usable_bytes = model->usable_bytes,
		.n_cpus = model->n_cpus,
		.n_cores = node->n_cores,
		.capacity_millicpu = model->capacity_millicpu,
		.committed_millicpu = model->committed_millicpu,
		.reason = place_reason_word(reason),
		.reason_text = place_reason_text(reason),
	};
}

static int fill_reply(const struct place_host *host, const struct place_inquiry *inquiry,
		      struct place_reply *reply)
{
	const struct place_topology *topology = &host->topology;

	reply->verdict = inquiry->advice.verdict;
	reply->nodes = malloc(PLACE_SET_TEXT_MAX);
	reply->rows = calloc(topology->n_nodes, sizeof(*reply->rows));
	reply->pools = calloc(topology->n_nodes, sizeof(*reply->pools));
	if (!reply->nodes || !reply->rows || !reply->pools)
		return -ENOMEM;
	reply->n_rows = topology->n_nodes;
	for (size_t i = 0; i < reply->n_rows; i++) {
		const struct place_node_sample *sample = &host->sample.nodes[i];

		fill_row(&topology->nodes[i], &inquiry->nodes[i], inquiry->advice.reasons[i],
			 row_flags(sample->known,
				   place_set_has(&inquiry->advice.nodes, topology->nodes[i].id)),
			 &reply->rows[i]);
		reply->pools[i].n = sample->n_pools;
		memcpy(reply->pools[i].list, sample->pools, sizeof(sample->pools));
	}
	return place_set_format(&inquiry->advice.nodes, reply->nodes, PLACE_SET_TEXT_MAX) < 0 ?
		       -ENOMEM :
		       0;
}

int place_ask(struct place *place, const struct place_question *question,
	      struct place_reply **ret_reply)
{
	_cleanup_free_ struct place_promise *promises = NULL;
	struct place_ledger ledger = { .n = place->ledger.n };
	struct place_inquiry inquiry;
	struct place_reply *reply;
	struct place_policy policy;
	int r;

	if (!place->is_read)
		return -ENODATA;
	if (question->size < sizeof(*question))
		return -EINVAL;
	/* An answer changes what it is made from, and the next question starts anew. */
	promises = reallocarray(NULL, ledger.n + 1, sizeof(*promises));
	if (!promises)
		return -ENOMEM;
	memcpy(promises, place->ledger.promises, ledger.n * sizeof(*promises));
	ledger.promises = promises;
	place_policy_default(&policy);
	r = place_inquiry_run(
		&place->host, &ledger, &policy,
		&(struct place_request){ question->vcpus_centi, question->memory_bytes },
		place->read_ns, false, &inquiry);
	reply = r == 0 ? calloc(1, sizeof(*reply)) : NULL;
	if (r == 0)
		r = reply ? fill_reply(&place->host, &inquiry, reply) : -ENOMEM;
	place_inquiry_done(&inquiry);
	if (r < 0)
		place_reply_free(reply);
	else
		*ret_reply = reply;
	return r;
}

struct place_reply *place_reply_free(struct place_reply *reply)
{
	if (reply) {
		free(reply->nodes);
		free(reply->rows);
		free(reply->pools);
		free(reply);
	}
	return NULL;
}

const char *place_reply_nodes(const struct place_reply *reply)
{
	return reply->nodes;
}

const char *place_reply_verdict(const struct place_reply *reply)
{
	return place_verdict_word(reply->verdict);
}

const char *place_reply_sentence(const struct place_reply *reply)
{
	return place_verdict_text(reply->verdict);
}

size_t place_reply_row_count(const struct place_reply *reply)
{
	return reply->n_rows;
}

int place_reply_row(const struct place_reply *reply, size_t i, struct place_row *row)
{
	size_t size;

	if (row->size < sizeof(*row))
		return -EINVAL;
	if (i >= reply->n_rows)
		return -ENOENT;
	size = row->size;
	*row = reply->rows[i];
	row->size = size;
	return 0;
}

size_t place_reply_pool_count(const struct place_reply *reply, size_t i)
{
	return i < reply->n_rows ? reply->pools[i].n : 0;
}

int place_reply_pool(const struct place_reply *reply, size_t i, size_t j,
		     struct place_pool_row *row)
{
	const struct place_pool *pool;

	if (row->size < sizeof(*row))
		return -EINVAL;
	if (j >= place_reply_pool_count(reply, i))
		return -ENOENT;
	pool = &reply->pools[i].list[j];
	*row = (struct place_pool_row){
		.size = sizeof(*row),
		.page_bytes = pool->page_bytes,
		.total_pages = pool->total_pages,
		.free_pages = pool->free_pages,
	};
	return 0;
}
