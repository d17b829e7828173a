/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was advised and is not there yet. The ledger is an array of the caller's, in the order
 * of booking; these functions decide what stands in it. Reading and writing it is not theirs.
 */
#pragma once

#include "flow.h"

/*
 * A guest is started after its answer was booked, but start times are cut to clock ticks of 10 ms:
 * two of them. More would let a guest take up what was booked for its twin.
 */
#define PLACE_PROMISE_SLACK_NS UINT64_C(20000000)

/*
 * A promise without a guest that is older than this may belong to a start that failed. Between
 * an answer and its QEMU lie well under a second on a healthy host and some 10 s on a slow one.
 */
#define PLACE_PROMISE_RETRY_NS UINT64_C(15000000000)

/*
 * Brings the ledger up to the sample: promises that are over leave it, promises whose guest has
 * appeared name it (pid, start_ns). One guest takes up one promise at most, the oldest that it
 * fits. Guests must be in ascending order of pid.
 *
 * Returns: how many promises stand, moved together at the front in their old order.
 */
size_t place_promises_settle(struct place_promise *promises, size_t n,
			     const struct place_sample *sample, const struct place_policy *policy,
			     uint64_t now_ns);

/*
 * Removes the oldest promise that `request` is probably the second attempt of: of exactly that
 * size, without a guest, and at least PLACE_PROMISE_RETRY_NS old. Ask for it only when the
 * answer is not one node otherwise.
 *
 * Returns: how many promises stand: n - 1, or n where there is none like that.
 */
size_t place_promises_take_over(struct place_promise *promises, size_t n,
				const struct place_request *request, uint64_t now_ns);

/*
 * Books an answer. A request for nothing is not booked.
 *
 * Returns: 0 or -errno; *ret_n is the new number of promises, untouched on failure.
 * Errors: -ENOSPC all of `capacity` is in use; -EINVAL no nodes.
 */
int place_promise_add(struct place_promise *promises, size_t n, size_t capacity,
		      const struct place_request *request, const struct place_set *nodes,
		      uint64_t now_ns, size_t *ret_n);
