/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pace.h"

/* What may go at once after a pause: 20 ms of the bandwidth. */
#define BURST_NS UINT64_C(20000000)

void pace_init(struct pace *pace, uint64_t bytes_s)
{
	*pace = (struct pace){ .bytes_s = bytes_s };
	pthread_mutex_init(&pace->lock, NULL);
}

void pace_set(struct pace *pace, uint64_t bytes_s)
{
	pthread_mutex_lock(&pace->lock);
	pace->bytes_s = bytes_s;
	pthread_mutex_unlock(&pace->lock);
}

uint64_t pace_burst_bytes(struct pace *pace)
{
	uint64_t bytes_s, bytes;

	pthread_mutex_lock(&pace->lock);
	bytes_s = pace->bytes_s;
	pthread_mutex_unlock(&pace->lock);
	bytes = bytes_s / (UINT64_C(1000000000) / BURST_NS);
	return bytes_s && !bytes ? 1 : bytes;
}

uint64_t pace_take(struct pace *pace, uint64_t bytes, uint64_t now_ns)
{
	const uint64_t least_ns = now_ns > BURST_NS ? now_ns - BURST_NS : 0;
	uint64_t wait_ns;

	pthread_mutex_lock(&pace->lock);
	if (!pace->bytes_s) {
		pthread_mutex_unlock(&pace->lock);
		return 0;
	}
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

/* What a call's share of all later ones is multiplied with at each. */
#define DECAY 0.875

/* Sizes that differ by less say nothing of the cost per page: variance by the square of the sum. */
#define LEAST_SPREAD 0.02

/* One call in so many is twice as large, where nothing fits: else all would be alike. */
#define EXPLORE 4

static void remember(struct pace_batch *batch, double n, double took_ns)
{
	batch->weight = batch->weight * DECAY + 1;
	batch->sum_n = batch->sum_n * DECAY + n;
	batch->sum_ns = batch->sum_ns * DECAY + took_ns;
	batch->sum_n_n = batch->sum_n_n * DECAY + n * n;
	batch->sum_n_ns = batch->sum_n_ns * DECAY + n * took_ns;
}

/* The slope of a line through the recent calls; all of the time where their sizes are alike. */
static double page_ns(const struct pace_batch *batch, double n, double took_ns)
{
	const double all = took_ns / n;
	const double spread = batch->weight * batch->sum_n_n - batch->sum_n * batch->sum_n;
	double slope;

	if (spread < LEAST_SPREAD * batch->sum_n * batch->sum_n)
		return all;
	slope = (batch->weight * batch->sum_n_ns - batch->sum_n * batch->sum_ns) / spread;
	/* Chance may make a line of anything: no page is dearer than that, and none is free. */
	if (slope > all)
		return all;
	return slope < all / 64 ? all / 64 : slope;
}

/*
 * Down at once to what would have fitted, up by at most a half: a single slow call (the worker was
 * preempted) costs some small batches, a single fast one (nothing to move after all) no long stall.
 */
void pace_batch_took(struct pace_batch *batch, unsigned n, uint64_t took_ns)
{
	double fits;

	if (!n)
		return;
	if (!batch->budget_ns) {
		batch->n = batch->most;
		return;
	}
	remember(batch, n, (double)took_ns);
	batch->n_calls++;
	/* A list's last few addresses are no reason for smaller calls. */
	if (n < batch->n / 2 && took_ns <= batch->budget_ns)
		return;
	fits = took_ns ? (double)batch->budget_ns / page_ns(batch, n, (double)took_ns) :
			 batch->most;
	if (fits > batch->n + (batch->n + 1) / 2)
		fits = batch->n + (batch->n + 1) / 2;
	if (fits <= batch->least)
		fits = batch->n_calls % EXPLORE ? batch->least : 2 * batch->least;
	batch->n = fits > batch->most ? batch->most : (unsigned)fits;
}
