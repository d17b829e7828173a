/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a host that was read to an answer: buffers for the pure rooms, and their settings. */
#pragma once

#include "decide/advise.h"
#include "flow.h"
#include "observe/sample.h"

struct place_inquiry {
	struct place_node_model *nodes; /* buffers that the next three point into */
	struct place_advise_scratch scratch;
	struct place_model model;
	struct place_advice advice;
};

/* The settings that hold when nobody says otherwise. */
void place_policy_default(struct place_policy *ret_policy);

/*
 * Answers a request at now_ns; brings the ledger up to the sample on the way and, where
 * `is_booked`, adds the answer to it.
 *
 * Returns: 0 or -errno; -ENOSPC: there is an answer, but the ledger is full.
 * Errors: -ENOMEM.
 * Ownership: release with place_inquiry_done(), on failure too.
 */
int place_inquiry_run(const struct place_host *host, struct place_ledger *ledger,
		      const struct place_policy *policy, const struct place_request *request,
		      uint64_t now_ns, bool is_booked, struct place_inquiry *ret_inquiry);
void place_inquiry_done(struct place_inquiry *inquiry);
