/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The questions of the daemon's clients: those that wait, the ledger that their answers are made
 * from, and the answers. Nothing here reads a guest; it never waits longer than for the lock on
 * /run/placed.
 */
#pragma once

#include "decide/advise.h"
#include "flow.h"
#include "observe/sample.h"
#include "serve/serve.h"

/* To know a file again: another program may have replaced it meanwhile. */
struct ledger_stamp {
	uint64_t inode;
	uint64_t changed_ns;
	uint64_t size_bytes;
};

struct advice {
	struct place_host *host;
	struct place_sample *sample; /* the latest picture, guests in it */
	const struct place_policy *policy;
	bool books; /* false for a recorded host, and in a dry run */
	struct place_ledger ledger;
	struct ledger_stamp stamp;
	bool is_read;
	size_t n_nodes; /* of the buffers that follow */
	struct place_node_model *nodes;
	struct place_advise_scratch scratch;
	struct serve_ask *first, **last; /* waiting, in the order of arrival */
	uint64_t strangers_ns;		 /* answers to others than root that were told since */
	unsigned n_strangers;
	uint64_t n_answered, n_booked;
	bool has_unfit; /* an answer was booked although nothing holds it; the caller's to clear */
};

/*
 * `host`, `sample` and `policy` stay the caller's and may change between calls.
 * Returns: 0 or -ENOMEM. Ownership: release with advice_done(), which answers nobody.
 */
int advice_init(struct place_host *host, struct place_sample *sample,
		const struct place_policy *policy, bool books, struct advice *ret_advice);
void advice_done(struct advice *advice);

/* Buffers for the topology as it is now. Returns: 0 or -ENOMEM: there are none until it works. */
int advice_resize(struct advice *advice);

/* Whether `nodes` and the scratch are of the topology as it is now. */
bool advice_has_place(const struct advice *advice);

void advice_park(struct advice *advice, struct serve_ask *ask);
/* The asker has gone. */
void advice_forget(struct advice *advice, const struct serve_ask *ask);

/* Answers all that wait, on the picture as it is. `note` is said with each answer, or NULL. */
void advice_answer_all(struct advice *advice, const char *note);

/*
 * The ledger as it stands, for a plan: read again where somebody else wrote it, and settled. Its
 * promises may be elsewhere than before: whoever kept a pointer to them asks anew.
 * Ownership: advice's.
 */
const struct place_ledger *advice_settle(struct advice *advice);
