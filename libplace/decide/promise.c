/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger of what was advised and is not there yet. In doubt a promise stands: what is
 * counted twice for a minute widens an answer, what is not counted kills a guest.
 * doc/decisions/0004-promises.md argues each rule.
 */
#include "decide/promise.h"

#include <errno.h>
#include <string.h>

#include "arith.h"

/* What has become of a promise. */
enum state { STATE_OPEN, STATE_TAKEN, STATE_LOST, STATE_OVER };

static uint64_t in_mib(uint64_t bytes)
{
	return bytes / PLACE_MIB + (bytes % PLACE_MIB != 0);
}

static const struct place_guest *find_guest(const struct place_sample *sample, int pid)
{
	size_t first = 0, end = sample->n_guests;

	while (first < end) {
		size_t middle = first + (end - first) / 2;
		const struct place_guest *guest = &sample->guests[middle];

		if (guest->pid == pid)
			return guest;
		if (guest->pid < pid)
			first = middle + 1;
		else
			end = middle;
	}
	return NULL;
}

/*
 * A promise stands for promise_ns. One that was taken up no longer counts, but is kept until
 * every promise that its guest could be mistaken for is over too: those were booked before
 * that guest started.
 */
static bool is_expired(const struct place_promise *promise, const struct place_policy *policy,
		       uint64_t now_ns)
{
	uint64_t since = promise->booked_ns;

	/* The clock of a boot does not run backwards: the ledger is damaged, or of another boot. */
	if (promise->booked_ns > now_ns)
		return true;
	if (promise->pid)
		since = place_most(since, place_add(promise->start_ns, PLACE_PROMISE_SLACK_NS));
	return place_subtract(now_ns, since) > policy->promise_ns;
}

static enum state state_of(const struct place_promise *promise, const struct place_sample *sample,
			   const struct place_policy *policy, uint64_t now_ns)
{
	const struct place_guest *guest;

	if (is_expired(promise, policy, now_ns))
		return STATE_OVER;
	if (!promise->pid)
		return STATE_OPEN;
	guest = find_guest(sample, promise->pid);
	/*
	 * Samples are taken before the ledger is locked: only one that was begun after the guest
	 * had been written down says that it is gone.
	 */
	if (!guest)
		return sample->guests_complete && sample->taken_ns > promise->seen_ns ? STATE_OVER :
											STATE_LOST;
	if (!(guest->known & PLACE_GUEST_START))
		return STATE_LOST;
	if (guest->start_ns != promise->start_ns)
		return STATE_OVER;
	return guest->known & PLACE_GUEST_MEMORY ? STATE_TAKEN : STATE_LOST;
}

/*
 * Drops what is over, and counts again what cannot be seen to be counted as a guest. Whose it was
 * is kept: who answers without looking loses them all from sight, and the next one who looks must
 * be able to say that they are gone.
 */
static size_t sweep(struct place_promise *promises, size_t n, const struct place_sample *sample,
		    const struct place_policy *policy, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		enum state state = state_of(&promises[i], sample, policy, now_ns);

		if (state == STATE_OVER)
			continue;
		if (kept != i)
			promises[kept] = promises[i];
		promises[kept++].is_lost = state == STATE_LOST;
	}
	return kept;
}

static bool is_size_of(const struct place_guest *guest, const struct place_promise *promise)
{
	if (!promise->memory_bytes || in_mib(guest->memory_bytes) != in_mib(promise->memory_bytes))
		return false;
	if (!(guest->known & PLACE_GUEST_VCPUS) || !promise->vcpus_centi)
		return true;
	return (uint64_t)guest->n_vcpus * 100 == promise->vcpus_centi;
}

/*
 * Bound to what was answered. A preferred policy keeps one node of several on kernels before
 * 5.15 (MPOL_PREFERRED_MANY), and the asker may have named only that one.
 */
static bool is_bound_to(const struct place_guest *guest, const struct place_set *nodes)
{
	if (guest->bind == PLACE_BIND_NONE || place_set_is_empty(&guest->mems))
		return false;
	if (guest->bind == PLACE_BIND_PREFERRED)
		return place_set_is_subset(&guest->mems, nodes);
	return place_set_equal(&guest->mems, nodes);
}

static bool takes_up(const struct place_guest *guest, const struct place_promise *promise)
{
	return !promise->pid &&
	       place_add(guest->start_ns, PLACE_PROMISE_SLACK_NS) >= promise->booked_ns &&
	       is_size_of(guest, promise) && is_bound_to(guest, &promise->nodes);
}

/* The promise that the guest has taken up already, else the oldest that it fits, else NULL. */
static struct place_promise *promise_of(struct place_promise *promises, size_t n,
					const struct place_guest *guest)
{
	struct place_promise *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (promises[i].pid && promises[i].pid == guest->pid)
			return &promises[i];
		if (!takes_up(guest, &promises[i]))
			continue;
		if (!found || promises[i].booked_ns < found->booked_ns)
			found = &promises[i];
	}
	return found;
}

size_t place_promises_settle(struct place_promise *promises, size_t n,
			     const struct place_sample *sample, const struct place_policy *policy,
			     uint64_t now_ns)
{
	const unsigned needed = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_MEMS;
	uint64_t oldest_ns = UINT64_MAX;

	n = sweep(promises, n, sample, policy, now_ns);
	for (size_t i = 0; i < n; i++)
		if (place_promise_is_open(&promises[i]))
			oldest_ns = place_least(oldest_ns, promises[i].booked_ns);
	for (size_t i = 0; i < sample->n_guests; i++) {
		const struct place_guest *guest = &sample->guests[i];
		struct place_promise *promise;

		/* Most guests are older than every promise: they cost one look. */
		if ((guest->known & needed) != needed ||
		    place_add(guest->start_ns, PLACE_PROMISE_SLACK_NS) < oldest_ns)
			continue;
		promise = promise_of(promises, n, guest);
		if (promise && guest->pid > 0) {
			promise->pid = guest->pid;
			promise->start_ns = guest->start_ns;
			promise->seen_ns = now_ns;
			promise->is_lost = false;
		}
	}
	return n;
}

size_t place_promises_take_over(struct place_promise *promises, size_t n,
				const struct place_request *request, uint64_t now_ns)
{
	size_t oldest = n;

	for (size_t i = 0; i < n; i++) {
		const struct place_promise *promise = &promises[i];

		if (promise->pid || promise->vcpus_centi != request->vcpus_centi ||
		    promise->memory_bytes != request->memory_bytes ||
		    place_subtract(now_ns, promise->booked_ns) < PLACE_PROMISE_RETRY_NS)
			continue;
		if (oldest == n || promise->booked_ns < promises[oldest].booked_ns)
			oldest = i;
	}
	if (oldest == n)
		return n;
	memmove(&promises[oldest], &promises[oldest + 1], (n - oldest - 1) * sizeof(promises[0]));
	return n - 1;
}

int place_promise_add(struct place_promise *promises, size_t n, size_t capacity,
		      const struct place_request *request, const struct place_set *nodes,
		      uint64_t now_ns, size_t *ret_n)
{
	uint64_t id = 0;

	if (place_set_is_empty(nodes))
		return -EINVAL;
	if (!request->vcpus_centi && !request->memory_bytes) {
		*ret_n = n;
		return 0;
	}
	if (n >= capacity)
		return -ENOSPC;
	for (size_t i = 0; i < n; i++)
		id = place_most(id, promises[i].id);
	promises[n] = (struct place_promise){ .id = place_add(id, 1),
					      .booked_ns = now_ns,
					      .vcpus_centi = request->vcpus_centi,
					      .memory_bytes = request->memory_bytes,
					      .nodes = *nodes };
	*ret_n = n + 1;
	return 0;
}
