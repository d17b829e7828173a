/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/crew.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "act/mover_child.h"
#include "arith.h"
#include "host/cleanup.h"

#define MIB (UINT64_C(1) << 20)
#define MS_NS UINT64_C(1000000)

/* How often reports go out, and commands and the guest's life are looked at. */
#define TICK_MS 100
/* Where it may go too far meanwhile. */
#define NARROW_TICK_MS 10

/* Tasks that stand still for memory a tenth of the time: PSI's own default is 150 ms in 1 s. */
#define PRESSURE_WINDOW_NS (1000 * MS_NS)
#define PRESSURE_STALLED_US 100000

/* The guest's threads are looked at once per tick; small moves are over before. */
#define STREAMS_FROM_MS (TICK_MS / 2)

#define PAUSE_NS (20 * MS_NS)
#define RETRY_ROUNDS 3

static void end_all(struct crew *crew, int r)
{
	int expected = 0;

	atomic_compare_exchange_strong(&crew->end_r, &expected, r);
}

int crew_may_go_on(void *data)
{
	struct crew *crew = data;

	while (atomic_load(&crew->is_paused) && !atomic_load(&crew->end_r))
		crew->act->ops->sleep_ns(crew->act, PAUSE_NS);
	return atomic_load(&crew->end_r) ? -ECANCELED : 0;
}

/* ---- workers ------------------------------------------------------------------------------- */

/*
 * How long all workers together may ask where pages lie, beside what they move. A page takes 0.1 us
 * (nothing there) to 0.4 us (6.18, measured); moved is whose tenth or more lies wrong
 * (remote_permille), so that each page to move stands for at most 4 us of asking. This is 30, and a
 * minute for address space that is empty: 7 to 20 TiB. Who needs more maps the same pages again and
 * again, or has a page here and there in terabytes, and would keep others from being moved.
 */
#define LOOK_LEAST_NS (60000 * MS_NS)
#define LOOK_BYTES_S (128 * MIB)

static bool has_looked_too_long(const struct crew *crew)
{
	const uint64_t planned_bytes = crew->order->planned_bytes;

	return planned_bytes &&
	       atomic_load(&crew->look_ns) >
		       place_add(LOOK_LEAST_NS,
				 place_scale(planned_bytes, 1000 * MS_NS, LOOK_BYTES_S));
}

/* Where nothing is there to be moved nobody else asks whether to go on. */
static int do_window(struct crew *crew, struct pages_work *work, const struct pages_range *window)
{
	const uint64_t before_ns = work->look_ns;
	int r = crew_may_go_on(crew);

	if (r == 0 && has_looked_too_long(crew))
		r = CREW_SPARSE;
	if (r == 0)
		r = pages_move_window(work, window);
	if (r == 0)
		atomic_fetch_add(&crew->looked_bytes, window->end - window->start);
	atomic_fetch_add(&crew->look_ns, work->look_ns - before_ns);
	return r;
}

static int work_through(struct crew *crew, struct pages_work *work)
{
	struct pages_range window;
	size_t i;
	int r = 0;

	while (r == 0 && (i = atomic_fetch_add(&crew->next_window, 1)) < crew->n_windows) {
		pages_window(crew->ranges, crew->n_ranges, crew->window_bytes, i, &window);
		r = do_window(crew, work, &window);
	}
	for (unsigned round = 0; r == 0 && work->n_retries && round < RETRY_ROUNDS; round++) {
		crew->act->ops->sleep_ns(crew->act, act_outcome_back_off_ns(ACT_BUSY));
		r = pages_retry_busy(work);
	}
	return r;
}

struct worker {
	struct crew *crew;
	struct pages_work *work;
};

static void *run_worker(void *data)
{
	struct worker *worker = data;
	struct crew *crew = worker->crew;
	const int r = work_through(crew, worker->work);

	if (r < 0)
		end_all(crew, r);
	free(worker);
	if (atomic_fetch_sub(&crew->n_working, 1) == 1)
		(void)eventfd_write(crew->end_fd, 1);
	return NULL;
}

static int start_worker(struct crew *crew)
{
	struct worker *worker = malloc(sizeof(*worker));
	struct pages_work **work = &crew->works[crew->n_workers];
	int r;

	if (!worker)
		return -ENOMEM;
	r = pages_work_new(&crew->task, work);
	if (r < 0) {
		free(worker);
		return r;
	}
	*worker = (struct worker){ .crew = crew, .work = *work };
	atomic_fetch_add(&crew->n_working, 1);
	r = pthread_create(&crew->threads[crew->n_workers], NULL, run_worker, worker);
	if (r != 0) {
		atomic_fetch_sub(&crew->n_working, 1);
		*work = pages_work_free(*work);
		free(worker);
		return -r;
	}
	crew->n_workers++;
	return 0;
}

/* ---- reports ---------------------------------------------------------------------------- */

void crew_report(struct crew *crew, struct mover_report *ret_report)
{
	const uint64_t now_ns = crew->act->ops->now_ns(crew->act);

	*ret_report = (struct mover_report){
		.total_bytes = crew->total_bytes,
		.looked_bytes = atomic_load(&crew->looked_bytes),
		.taken_ns = now_ns - crew->begin_ns,
		.mems = crew->mems,
	};
	for (unsigned i = 0; i < crew->n_workers; i++) {
		const uint64_t since_ns = atomic_load(&crew->works[i]->call_since_ns);
		struct pages_count count;

		pages_work_count(crew->works[i], &count);
		pages_count_add(&ret_report->count, &count);
		if (since_ns && now_ns > since_ns && ret_report->call_ns < now_ns - since_ns)
			ret_report->call_ns = now_ns - since_ns;
	}
}

void crew_send(const struct mover_report *report, int fd, int flags)
{
	while (send(fd, report, sizeof(*report), flags | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* ---- what ends it -------------------------------------------------------------------------- */

static void look_at_pressure(struct crew *crew)
{
	const uint64_t now_ns = crew->act->ops->now_ns(crew->act);
	uint64_t stalled_us;

	if (crew->order->bears_pressure)
		return;
	if (crew->knows_pressure && now_ns - crew->pressure_ns < PRESSURE_WINDOW_NS)
		return;
	if (crew->act->ops->get_pressure(crew->act, &stalled_us) < 0)
		return;
	if (crew->knows_pressure && (stalled_us - crew->pressure_us) * PRESSURE_WINDOW_NS >
					    PRESSURE_STALLED_US * (now_ns - crew->pressure_ns)) {
		crew->is_pressed = true;
		end_all(crew, -ECANCELED);
	}
	crew->knows_pressure = true;
	crew->pressure_ns = now_ns;
	crew->pressure_us = stalled_us;
}

bool crew_is_streaming(const struct crew *crew)
{
	return crew->order->is_guest && crew->act->ops->is_streaming(crew->act);
}

static void obey(struct crew *crew, const struct mover_command *command)
{
	if (command->word == MOVER_BANDWIDTH) {
		pace_set(&crew->pace, command->bandwidth_mib_s * MIB);
	} else if (command->word == MOVER_RESERVE) {
		atomic_store(&crew->task.reserve_bytes, command->reserve_bytes);
		crew->from_reserve_bytes = command->from_reserve_bytes;
	} else {
		atomic_store(&crew->is_paused, command->word == MOVER_PAUSE);
	}
}

static void hear(struct crew *crew, int fd)
{
	struct mover_command command = { 0 };
	ssize_t n;

	while ((n = recv(fd, &command, sizeof(command), MSG_DONTWAIT)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (command.word == MOVER_STOP || command.word == MOVER_HOLD)
			break;
		obey(crew, &command);
	}
	/* Told, or nobody is there any more. */
	end_all(crew, n && command.word == MOVER_HOLD ? CREW_MIGRATES : -ECANCELED);
}

static void look_at_most(struct crew *crew)
{
	struct mover_report report;

	if (!crew->order->most_bytes)
		return;
	crew_report(crew, &report);
	if (report.count.outcome_bytes[ACT_MOVED] >= crew->order->most_bytes)
		end_all(crew, -EDQUOT);
}

/* What happens while workers work: how long a look waits, and how long ago what was done. */
struct lookout {
	int fd;			    /* of the loop: commands come from it, reports go to it */
	int wait_ms, most_ms;	    /* the next wait; it grows, since small moves end in a few ms */
	int unlooked_ms, unsaid_ms; /* since the last look at its threads, and the last report */
};

static void wait_for_news(struct crew *crew, const struct lookout *lookout)
{
	struct pollfd fds[] = {
		/* A loop that is gone leaves a socket that is always ready. */
		{ .fd = atomic_load(&crew->end_r) ? -1 : lookout->fd, .events = POLLIN },
		{ .fd = crew->end_fd, .events = POLLIN },
	};
	eventfd_t n_ends;

	if (poll(fds, ELEMENTSOF(fds), lookout->wait_ms) <= 0)
		return;
	if (fds[0].revents)
		hear(crew, lookout->fd);
	/* One may end before the next was started. */
	if (fds[1].revents)
		(void)eventfd_read(crew->end_fd, &n_ends);
}

static void look_at_guest(struct crew *crew, struct lookout *lookout)
{
	if (!crew->act->ops->is_alive(crew->act))
		end_all(crew, -ESRCH);
	lookout->unlooked_ms += lookout->wait_ms;
	if (lookout->unlooked_ms < STREAMS_FROM_MS)
		return;
	lookout->unlooked_ms = 0;
	if (crew_is_streaming(crew))
		end_all(crew, CREW_MIGRATES);
}

static void report_now_and_then(struct crew *crew, struct lookout *lookout)
{
	struct mover_report report;

	lookout->unsaid_ms += lookout->wait_ms;
	if (lookout->wait_ms < lookout->most_ms || lookout->unsaid_ms < TICK_MS)
		return;
	lookout->unsaid_ms = 0;
	crew_report(crew, &report);
	crew_send(&report, lookout->fd, MSG_DONTWAIT);
}

static void watch_over(struct crew *crew, int fd)
{
	struct lookout lookout = {
		.fd = fd,
		.wait_ms = 1,
		.most_ms = crew->order->most_bytes ? NARROW_TICK_MS : TICK_MS,
	};

	while (atomic_load(&crew->n_working)) {
		wait_for_news(crew, &lookout);
		look_at_guest(crew, &lookout);
		look_at_pressure(crew);
		look_at_most(crew);
		report_now_and_then(crew, &lookout);
		lookout.wait_ms = lookout.wait_ms * 2 < lookout.most_ms ? lookout.wait_ms * 2 :
									  lookout.most_ms;
	}
}

int crew_run(struct crew *crew, int fd)
{
	const unsigned most =
		crew->order->workers < MOVER_WORKERS_MAX ? crew->order->workers : MOVER_WORKERS_MAX;
	int r = 0;

	crew->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned i = 0; i < (most ? most : 1); i++)
		if (i < crew->n_windows || !i)
			r = start_worker(crew);
	if (crew->n_workers)
		watch_over(crew, fd);
	for (unsigned i = 0; i < crew->n_workers; i++)
		pthread_join(crew->threads[i], NULL);
	if (crew->end_fd >= 0)
		close(crew->end_fd);
	return crew->n_workers ? atomic_load(&crew->end_r) : r;
}
