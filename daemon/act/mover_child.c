/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/mover_child.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "arith.h"
#include "host/cleanup.h"
#include "host/root.h"
#include "observe/mounts.h"
#include "observe/ranges.h"

#define MIB (UINT64_C(1) << 20)
#define MS_NS UINT64_C(1000000)

/* How often reports go out, and commands and the guest's life are looked at. */
#define TICK_MS 100

/*
 * A call is to take 2 ms. Beside a SCHED_FIFO loop it takes most of a second (the scheduler lets
 * others run 50 ms in each), or it never comes back where sched_rt_runtime_us is -1.
 */
#define SLOW_NS (500 * MS_NS)

/* Tasks that stand still for memory a tenth of the time: PSI's own default trigger is 150 ms in 1
 * s. */
#define PRESSURE_WINDOW_NS (1000 * MS_NS)
#define PRESSURE_STALLED_US 100000

#define PAUSE_NS (20 * MS_NS)
#define RETRY_ROUNDS 3

struct crew {
	const struct mover_order *order;
	struct act *act;
	struct pages_task task;
	struct place_set right;
	struct pace pace;
	const struct pages_range *ranges;
	size_t n_ranges, n_windows;
	uint64_t begin_ns, total_bytes;
	atomic_size_t next_window;
	_Atomic uint64_t looked_bytes;
	atomic_int end_r; /* -errno that ended it, first come */
	atomic_bool is_paused;
	atomic_uint n_working;
	unsigned n_workers;
	struct pages_work *works[MOVER_WORKERS_MAX];
	pthread_t threads[MOVER_WORKERS_MAX];
	/* Pressure, at the begin of this window. */
	uint64_t pressure_ns, pressure_us;
	bool knows_pressure, is_pressed;
	enum relocate_state mems;
};

static void end_all(struct crew *crew, int r)
{
	int expected = 0;

	atomic_compare_exchange_strong(&crew->end_r, &expected, r);
}

static int may_go_on(void *data)
{
	struct crew *crew = data;

	while (atomic_load(&crew->is_paused) && !atomic_load(&crew->end_r))
		crew->act->ops->sleep_ns(crew->act, PAUSE_NS);
	return atomic_load(&crew->end_r) ? -ECANCELED : 0;
}

/* ---- workers ------------------------------------------------------------------------------- */

static int work_through(struct crew *crew, struct pages_work *work)
{
	struct pages_range window;
	size_t i;
	int r = 0;

	while (r == 0 && (i = atomic_fetch_add(&crew->next_window, 1)) < crew->n_windows) {
		pages_window(crew->act, crew->ranges, crew->n_ranges, i, &window);
		r = pages_move_window(work, &window);
		if (r == 0)
			atomic_fetch_add(&crew->looked_bytes, window.end - window.start);
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
	atomic_fetch_sub(&crew->n_working, 1);
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

/* ---- reports ------------------------------------------------------------------------------- */

static enum mover_end end_of(const struct crew *crew, int r)
{
	switch (-r) {
	case 0:
		return MOVER_DONE;
	case ECANCELED:
		return crew->is_pressed ? MOVER_PRESSURE : MOVER_STOPPED;
	case ESRCH:
		return MOVER_GONE;
	case ENOSPC:
		return MOVER_FULL;
	case ETIME:
		return MOVER_SLOW;
	default:
		return MOVER_DENIED;
	}
}

static void fill_report(struct crew *crew, struct mover_report *report)
{
	const uint64_t now_ns = crew->act->ops->now_ns(crew->act);

	*report = (struct mover_report){
		.total_bytes = crew->total_bytes,
		.looked_bytes = atomic_load(&crew->looked_bytes),
		.taken_ns = now_ns - crew->begin_ns,
		.mems = crew->mems,
	};
	for (unsigned i = 0; i < crew->n_workers; i++) {
		const uint64_t since_ns = atomic_load(&crew->works[i]->call_since_ns);
		struct pages_count count;

		pages_work_count(crew->works[i], &count);
		pages_count_add(&report->count, &count);
		if (since_ns && now_ns > since_ns && report->call_ns < now_ns - since_ns)
			report->call_ns = now_ns - since_ns;
	}
}

/* A loop that does not read loses a report on the way, never the last. */
static void send_report(const struct mover_report *report, int fd, int flags)
{
	while (send(fd, report, sizeof(*report), flags | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* ---- what ends it -------------------------------------------------------------------------- */

static void look_at_pressure(struct crew *crew)
{
	const uint64_t now_ns = crew->act->ops->now_ns(crew->act);
	uint64_t stalled_us;

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

static void hear(struct crew *crew, int fd)
{
	struct mover_command command;
	ssize_t n;

	while ((n = recv(fd, &command, sizeof(command), MSG_DONTWAIT)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (command.word == MOVER_STOP)
			break;
		if (command.word == MOVER_BANDWIDTH)
			pace_set(&crew->pace, command.bandwidth_mib_s * MIB);
		else
			atomic_store(&crew->is_paused, command.word == MOVER_PAUSE);
	}
	/* Told, or nobody is there any more. */
	end_all(crew, -ECANCELED);
}

static void watch_over(struct crew *crew, int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct mover_report report;
	int wait_ms = 1;

	while (atomic_load(&crew->n_working)) {
		if (poll(&poll_fd, 1, wait_ms) > 0)
			hear(crew, fd);
		if (!crew->act->ops->is_alive(crew->act))
			end_all(crew, -ESRCH);
		look_at_pressure(crew);
		if (wait_ms == TICK_MS) {
			fill_report(crew, &report);
			send_report(&report, fd, MSG_DONTWAIT);
		}
		/* Small moves are over in a few ms. */
		wait_ms = wait_ms * 2 < TICK_MS ? wait_ms * 2 : TICK_MS;
		/* A loop that is gone leaves a socket that is always ready. */
		if (atomic_load(&crew->end_r))
			poll_fd.fd = -1;
	}
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* In the child: maps may wait for the guest's mmap lock. */
static int read_ranges(const struct mover_order *order, uint64_t base_bytes,
		       struct pages_range **ret_ranges, size_t *ret_n)
{
	struct place_guest guest = { .pid = order->pid };
	_cleanup_text_ struct place_text text = { 0 };
	struct place_mounts mounts;
	struct place_ranges found;
	struct place_root root;
	int r = place_root_open(NULL, &root);

	if (r < 0)
		return r;
	if (order->guest)
		guest = *order->guest;
	(void)place_mounts_read(&root, &text, &mounts);
	r = place_ranges_read(&root, &text, &mounts, &guest, order->is_guest, &found);
	place_root_close(&root);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	*ret_ranges = calloc(found.n, sizeof(**ret_ranges));
	if (!*ret_ranges)
		return -ENOMEM;
	for (size_t i = 0; i < found.n; i++) {
		const struct place_range *range = &found.list[i];

		(*ret_ranges)[i] = (struct pages_range){
			.start = range->start,
			.end = range->end,
			.pool_bytes = range->page_bytes > base_bytes ? range->page_bytes : 0,
			.is_shared = range->is_shared,
		};
	}
	*ret_n = found.n;
	return 0;
}

static int find_ranges(struct crew *crew, struct pages_range **ret_owned)
{
	const struct mover_order *order = crew->order;
	int r = 0;

	crew->ranges = order->ranges;
	crew->n_ranges = order->n_ranges;
	if (!order->ranges) {
		r = read_ranges(order, crew->act->base_bytes, ret_owned, &crew->n_ranges);
		crew->ranges = *ret_owned;
	}
	crew->n_windows = pages_n_windows(crew->act, crew->ranges, crew->n_ranges);
	for (size_t i = 0; i < crew->n_ranges; i++)
		crew->total_bytes += crew->ranges[i].end - crew->ranges[i].start;
	return r;
}

static int prepare(struct crew *crew, struct pages_range **ret_owned)
{
	const struct mover_order *order = crew->order;
	struct act *act = crew->act;
	int r;

	crew->begin_ns = act->ops->now_ns(act);
	r = act->ops->attach(act, order->pid, order->start_ns);
	if (r == 0)
		r = find_ranges(crew, ret_owned);
	crew->right = order->keep;
	place_set_add(&crew->right, order->to_node);
	pace_init(&crew->pace, order->bandwidth_mib_s * MIB);
	crew->task = (struct pages_task){
		.act = act,
		.to_node = order->to_node,
		.right = &crew->right,
		.reserve_bytes = order->reserve_bytes,
		.budget_ns = order->stall_budget_ms * MS_NS,
		.slow_ns = SLOW_NS,
		.stuck = order->stuck,
		.pace = &crew->pace,
		.may_go_on = may_go_on,
		.data = crew,
	};
	if (r == 0 && !order->stuck)
		r = stuck_new(act->huge_bytes, &crew->task.stuck);
	return r;
}

static int make_act(const struct mover_order *order, struct act **ret_act)
{
	struct act *act = order->act, *null;
	int r = act ? 0 : act_linux_new(&act);

	if (r == 0 && order->is_dry) {
		r = act_null_new(act, &null);
		if (r < 0)
			return r;
		act = null;
	}
	if (r == 0)
		*ret_act = act;
	return r;
}

static int run_crew(struct crew *crew, int fd)
{
	const unsigned most =
		crew->order->workers < MOVER_WORKERS_MAX ? crew->order->workers : MOVER_WORKERS_MAX;
	int r = 0;

	for (unsigned i = 0; i < (most ? most : 1); i++)
		if (i < crew->n_windows || !i)
			r = start_worker(crew);
	if (!crew->n_workers)
		return r;
	watch_over(crew, fd);
	for (unsigned i = 0; i < crew->n_workers; i++)
		pthread_join(crew->threads[i], NULL);
	return atomic_load(&crew->end_r);
}

/* Free on the target beyond the reserve. */
static uint64_t room_left(const struct crew *crew)
{
	const struct mover_order *order = crew->order;
	struct act_room room;

	if (crew->act->ops->get_room(crew->act, order->to_node, ACT_PLAIN, crew->act->base_bytes,
				     &room) < 0 ||
	    room.free_bytes < order->reserve_bytes)
		return 0;
	return room.free_bytes - order->reserve_bytes;
}

/* The groups first, if they are to change; whatever the move came to, they end on one node. */
static int run_all(struct crew *crew, int fd, struct mover_report *report)
{
	const struct mover_order *order = crew->order;
	int r;

	if (order->moves_mems) {
		r = relocate_widen(crew->act, order->pid, order->from_node, order->to_node,
				   &crew->mems);
		if (r < 0) {
			fill_report(crew, report);
			return r == -ENODATA || r == -EBUSY ? -EPERM : r;
		}
	}
	r = run_crew(crew, fd);
	fill_report(crew, report);
	if (order->moves_mems)
		report->mems = relocate_settle(
			crew->act, order->pid, order->from_node, order->to_node, &report->count,
			place_subtract(report->total_bytes, report->looked_bytes), room_left(crew));
	if (report->mems == RELOCATE_FORWARD && order->cpus.name)
		(void)relocate_cpus(crew->act, order->pid, &order->cpus);
	return r;
}

void mover_child(const struct mover_order *order, int fd)
{
	struct crew crew = { .order = order };
	_cleanup_free_ struct pages_range *owned = NULL;
	struct mover_report report = { 0 };
	int r;

	r = make_act(order, &crew.act);
	if (r == 0)
		r = prepare(&crew, &owned);
	if (r == 0)
		r = run_all(&crew, fd, &report);
	report.end = end_of(&crew, r);
	/* A process on its way out refuses in words that mean other things (EINVAL, EPERM). */
	if (report.end == MOVER_DENIED && crew.act && !crew.act->ops->is_alive(crew.act))
		report.end = MOVER_GONE;
	report.error = r;
	send_report(&report, fd, 0);
	for (unsigned i = 0; i < crew.n_workers; i++)
		crew.works[i] = pages_work_free(crew.works[i]);
	if (!order->stuck)
		crew.task.stuck = stuck_free(crew.task.stuck);
	act_free(crew.act);
}
