/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer that libvirt waits for. A child reads and decides under a deadline; should it not
 * come back, the parent answers from the node files and the ledger, which no other process can
 * hold up. Telling comes after the answer is out, and may not hold anybody up either.
 */
#include "oneshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "ask/inquiry.h"
#include "decide/reason.h"
#include "guard.h"
#include "host/cleanup.h"
#include "host/text.h"
#include "observe/cores.h"
#include "observe/ledger.h"
#include "observe/load.h"
#include "settings.h"
#include "state_dir.h"
#include "tell/numad_log.h"

#define SECOND_DEADLINE_MS 150
#define LOCK_WAIT_MS 400
#define LOCK_TO_DEADLINE_MS 150 /* what stays for the rest, and for reading before it */
#define TELL_LIMIT_MS 100

/* The window of CPU load: kept times are replaced when they are older. */
#define LOAD_WINDOW_NS UINT64_C(60000000000)

struct work {
	const struct options *options;
	struct place_policy policy;
	struct place_request request;
	unsigned deadline_ms; /* the first one */
	int trouble;	      /* why the guests were not looked at, or 0 */
	int log_level;
	char log_file[SETTINGS_TEXT_MAX]; /* numad's lines go there, "" for nowhere */
	struct place_text complaints;	  /* about the settings, a line each */
};

static void put_note(FILE *out, const char *note)
{
	fprintf(out, "note %s\n", note);
}

static void put_answer(FILE *out, const struct place_advice *advice, bool is_booked)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);

	if (!nodes || place_set_format(&advice->nodes, nodes, PLACE_SET_TEXT_MAX) < 0)
		return;
	fprintf(out, "nodes %s\nverdict %s\nbooked %s\n", nodes,
		place_verdict_word(advice->verdict), is_booked ? "yes" : "no");
	if (advice->verdict == PLACE_VERDICT_NO_ROOM || advice->verdict == PLACE_VERDICT_BLIND)
		put_note(out, place_verdict_text(advice->verdict));
}

static void keep_text(const struct state_dir *state, const char *path, struct place_text *text)
{
	(void)state_dir_replace(state, strrchr(path, '/') + 1, text->data, text->size);
}

/* What spares the next question some reading. Failing to keep it harms nothing. */
static void keep_readings(const struct state_dir *state, struct place_host *host)
{
	_cleanup_text_ struct place_text text = { 0 };
	const uint64_t kept_ns = host->loads.taken_ns, now_ns = host->sample.taken_ns;

	if (host->topology.boot_id[0] == '\0')
		return;
	if (host->sample.n_guests && (!host->loads.list || now_ns > kept_ns + LOAD_WINDOW_NS) &&
	    place_loads_format(&host->sample, host->topology.boot_id, &text) == 0)
		keep_text(state, PLACE_LOAD_PATH, &text);
	if (host->cores_are_new && place_cores_format(&host->topology, &text) == 0)
		keep_text(state, PLACE_CORES_PATH, &text);
}

static bool keep_ledger(const struct state_dir *state, struct place_host *host,
			const struct place_ledger *ledger)
{
	const int r = state_dir_put_ledger(state, ledger, host->topology.boot_id);

	if (r < 0)
		place_host_note(host, "the answer is not booked: %s", strerror(-r));
	return r == 0;
}

/*
 * Only root's answers are booked, and only on the live host. The sample is taken before the
 * lock, so that nobody waits while /proc is read; the time of the answer is taken behind it,
 * so that no booking is later than now. A promise that the sample does not see taken up counts
 * in full: an older sample errs on the safe side.
 */
static bool may_book(const struct place_host *host)
{
	return host->root.is_live && geteuid() == 0;
}

static void open_state(struct place_host *host, unsigned wait_ms, struct state_dir *state)
{
	int r;

	if (!may_book(host))
		return;
	/* A ledger of no boot would wipe out that of this one. */
	if (host->topology.boot_id[0] == '\0') {
		place_host_note(host, "the boot id cannot be read: the answer is not booked");
		return;
	}
	r = state_dir_open(wait_ms, state);
	if (r < 0)
		place_host_note(host, STATE_DIR ": %s: the answer is not booked", strerror(-r));
}

static int answer_from(struct place_host *host, const struct work *work, unsigned lock_wait_ms,
		       FILE *out)
{
	struct state_dir state = { .fd = -1, .lock_fd = -1 };
	struct place_inquiry inquiry = { 0 };
	struct place_ledger ledger = { 0 };
	bool is_booked = false;
	uint64_t now_ns;
	int r;

	open_state(host, lock_wait_ms, &state);
	if (state.fd >= 0)
		keep_readings(&state, host);
	r = place_ledger_load(host, &ledger);
	/* Behind the load: without the lock, others go on booking. */
	now_ns = place_host_now_ns(host);
	if (r == 0)
		r = place_inquiry_run(host, &ledger, &work->policy, &work->request, now_ns,
				      state.fd >= 0, &inquiry);
	/* Not every answer becomes a promise; one that does is the last of them. */
	if (r == 0 && state.fd >= 0)
		is_booked = keep_ledger(&state, host, &ledger) && ledger.n &&
			    ledger.promises[ledger.n - 1].booked_ns == now_ns;
	if (r == -ENOSPC) {
		place_host_note(host, "the ledger is full: the answer is not booked");
		r = 0;
	}
	/* At once: an answer that is booked and gets lost would hold room for nobody. */
	if (r == 0)
		put_answer(out, &inquiry.advice, is_booked);
	state_dir_close(&state);
	place_inquiry_done(&inquiry);
	place_ledger_done(&ledger);
	return r;
}

static unsigned lock_wait_ms(const struct work *work)
{
	const unsigned most_ms = work->deadline_ms - LOCK_TO_DEADLINE_MS;

	return most_ms < LOCK_WAIT_MS ? most_ms : LOCK_WAIT_MS;
}

/* only_nodes: no guests, no cores, no waiting: nothing that another process can hold up. */
static int work_on_host(const struct work *work, bool only_nodes, FILE *out)
{
	struct place_host host;
	int r;

	r = place_host_init(work->options->root, &host);
	if (r < 0)
		return r;
	r = place_host_read_topology(&host, only_nodes);
	if (r == 0)
		r = place_host_take_sample(&host, only_nodes);
	if (r == 0)
		r = answer_from(&host, work, only_nodes ? 0 : lock_wait_ms(work), out);
	if (work->trouble)
		place_host_note(&host, "answered without looking at the guests: %s",
				strerror(-work->trouble));
	for (size_t i = 0; i < host.n_notes; i++)
		put_note(out, host.notes[i]);
	place_host_done(&host);
	return r;
}

static int work_fully(void *data, FILE *out)
{
	return work_on_host(data, false, out);
}

static int work_on_nodes(void *data, FILE *out)
{
	return work_on_host(data, true, out);
}

/* In this process: where no child can be made, and as the last resort. */
static int work_here(int (*work_on)(void *data, FILE *out), struct work *work,
		     struct place_text *text)
{
	FILE *out;
	int r;

	place_text_done(text);
	out = open_memstream(&text->data, &text->size);
	if (!out)
		return -ENOMEM;
	r = work_on(work, out);
	return fclose(out) != 0 ? -ENOMEM : r;
}

/*
 * Not even the node files should hold anybody up, but a child costs little. Only a live host is
 * then read without one: a recorded host may lie on a file system that hangs.
 */
static int answer(struct work *work, struct place_text *text)
{
	const bool is_live = !work->options->root;
	int r;

	r = guard_run(work_fully, work, work->deadline_ms, text);
	if (r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return work_here(work_fully, work, text);
	if (r >= 0 || (!is_live && r != -EIO && r != -ETIMEDOUT))
		return r;
	work->trouble = r;
	r = guard_run(work_on_nodes, work, SECOND_DEADLINE_MS, text);
	return r < 0 && is_live ? work_here(work_on_nodes, work, text) : r;
}

static unsigned long long memory_mib(const struct place_request *request)
{
	return request->memory_bytes >> 20;
}

static void tell_numad_log(const struct work *work, const char *nodes)
{
	const struct options *options = work->options;
	struct numad_log log;

	numad_log_open(work->log_file, work->log_level, &log);
	if (options->have_reserved_cpus) {
		_cleanup_free_ char *cpus = malloc(PLACE_SET_TEXT_MAX);

		if (cpus &&
		    place_set_format(&options->reserved_cpus, cpus, PLACE_SET_TEXT_MAX) >= 0)
			numad_log_line(&log, LOG_NOTICE, "Reserving %u CPUs (%s) for non-numad use",
				       place_set_count(&options->reserved_cpus), cpus);
	}
	numad_log_line(&log, LOG_NOTICE,
		       "Getting NUMA pre-placement advice for %u CPUs and %llu MBs",
		       work->request.vcpus_centi, memory_mib(&work->request));
	numad_log_line(&log, LOG_NOTICE,
		       "Advising pid -1 (unknown) move from nodes (%s) to nodes (%s)", nodes,
		       nodes);
	numad_log_close(&log);
}

static void tell_syslog(const struct work *work, const char *nodes, const char *verdict,
			const char *booked)
{
	syslog(LOG_INFO, "advice vcpus=%u.%02u memory_mib=%llu nodes=%s reason=%s booked=%s",
	       work->request.vcpus_centi / 100, work->request.vcpus_centi % 100,
	       memory_mib(&work->request), nodes, verdict, booked);
}

/* Warnings go to the log, and to stderr, where whoever asked by hand sees them. */
static void tell_lines(const struct work *work, const char *text, const char *prefix)
{
	const size_t skip = strlen(prefix);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, prefix, skip) != 0)
			continue;
		line += skip;
		fprintf(stderr, "%s: %.*s\n", work->options->program, (int)strcspn(line, "\n"),
			line);
		if (!work->options->root)
			syslog(LOG_WARNING, "%.*s", (int)strcspn(line, "\n"), line);
	}
}

bool oneshot_print(const struct options *options, const char *nodes)
{
	if (printf("%s\n", nodes) >= 0 && fflush(stdout) == 0)
		return true;
	fprintf(stderr, "%s: the answer cannot be written: %s\n", options->program,
		strerror(errno));
	return false;
}

static int print_and_tell(const struct work *work, const char *text)
{
	_cleanup_free_ char *nodes = malloc(PLACE_SET_TEXT_MAX);
	char verdict[32] = "unknown", booked[8] = "no";

	if (!nodes || place_text_find_word(text, "nodes ", nodes, PLACE_SET_TEXT_MAX) < 0) {
		fprintf(stderr, "%s: no answer could be found\n", work->options->program);
		return EXIT_FAILURE;
	}
	if (!oneshot_print(work->options, nodes))
		return EXIT_FAILURE;
	(void)place_text_find_word(text, "verdict ", verdict, sizeof(verdict));
	(void)place_text_find_word(text, "booked ", booked, sizeof(booked));
	guard_limit_rest(TELL_LIMIT_MS);
	openlog("placed", LOG_PID, LOG_DAEMON);
	if (!work->options->root) {
		tell_syslog(work, nodes, verdict, booked);
		if (work->log_file[0])
			tell_numad_log(work, nodes);
	}
	tell_lines(work, text, "note ");
	if (work->complaints.data)
		tell_lines(work, work->complaints.data, "");
	return EXIT_SUCCESS;
}

/*
 * numad's own falls back to stderr, as numad does. A file that the settings name is root's to
 * write: others' answers are not in it, and nobody is told of it each time.
 */
static void choose_log(const struct options *options, const char *from_settings, char *path)
{
	const char *usual = options->is_called_numad ? NUMAD_LOG_PATH : "";
	const bool is_root = geteuid() == 0;

	snprintf(path, SETTINGS_TEXT_MAX, "%s", is_root && *from_settings ? from_settings : usual);
}

/*
 * Whatever is wrong with the settings, the guest gets its answer, by the defaults. Those of this
 * host mean nothing for a recorded one.
 */
static void load_settings(struct work *work)
{
	const struct options *options = work->options;
	struct settings settings;
	FILE *errors = NULL;

	settings_default(&settings);
	if (!options->root || options->config)
		errors = open_memstream(&work->complaints.data, &work->complaints.size);
	if (errors && settings_load(options->config, &settings, errors) < 0)
		fputs("the settings cannot be used: answered by the defaults\n", errors);
	if (errors)
		(void)place_text_close(&work->complaints, errors);
	settings_override(&settings, options);
	settings_policy(&settings, &work->policy);
	work->log_level = (int)settings.log_level;
	choose_log(options, settings.log_file, work->log_file);
	settings_done(&settings);
}

int oneshot_run(const struct options *options, unsigned deadline_ms)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct work work = {
		.options = options,
		.request = options->request,
		.deadline_ms = deadline_ms,
	};
	int r;

	load_settings(&work);
	r = answer(&work, &text);
	if (r < 0)
		fprintf(stderr, "%s: %s: %s\n", options->program,
			options->root ? options->root : "/", strerror(-r));
	else
		r = print_and_tell(&work, text.data);
	place_text_done(&work.complaints);
	return r < 0 ? EXIT_FAILURE : r;
}
