/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pace.h"

/* What may go at once after a pause: 20 ms of the bandwidth. */
#define BURST_NS UINT64_C(20000000)

void pace_init(struct pace *pace, uint64_t bytes_s)
{
	*pace = (struct pace){ .bytes_s = bytes_s };
	pthread_mutex_init(&pace->lock, NULL);
}

uint64_t pace_take(struct pace *pace, uint64_t bytes, uint64_t now_ns)
{
	const uint64_t least_ns = now_ns > BURST_NS ? now_ns - BURST_NS : 0;
	uint64_t wait_ns;

	if (!pace->bytes_s)
		return 0;
	pthread_mutex_lock(&pace->lock);
	if (pace->next_ns < least_ns)
		pace->next_ns = least_ns;
	wait_ns = pace->next_ns > now_ns ? pace->next_ns - now_ns : 0;
	pace->next_ns +=
		(uint64_t)((unsigned __int128)bytes * UINT64_C(1000000000) / pace->bytes_s);
	pthread_mutex_unlock(&pace->lock);
	return wait_ns;
}

void pace_batch_init(struct pace_batch *batch, unsigned first, unsigned least, unsigned most,
		     uint64_t budget_ns)
{
	*batch = (struct pace_batch){
		.n = first, /* the first call is small: it is timed */
		.least = least,
		.most = most,
		.budget_ns = budget_ns,
	};
}

/*
 * Down at once to what would have fitted, up by at most a half: a single slow call (the worker was
 * preempted) costs some small batches, a single fast one (nothing to move after all) no long stall.
 */
void pace_batch_took(struct pace_batch *batch, unsigned n, uint64_t took_ns)
{
	uint64_t fits;

	if (!n)
		return;
	if (!batch->budget_ns) {
		batch->n = batch->most;
		return;
	}
	/* A list's last few addresses say more of what a call costs than of a page. */
	if (n < batch->n / 2 && took_ns <= batch->budget_ns)
		return;
	fits = took_ns ? (uint64_t)((unsigned __int128)batch->budget_ns * n / took_ns) :
			 batch->most;
	if (fits > batch->n + batch->n / 2)
		fits = batch->n + (batch->n > 1 ? batch->n / 2 : 1);
	if (fits < batch->least)
		fits = batch->least;
	batch->n = fits > batch->most ? batch->most : (unsigned)fits;
}
