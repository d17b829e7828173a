/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Orders to the running daemon, and reading the settings again beneath them. */
#include "control.h"

#include <errno.h>
#include <string.h>

#include "host/cleanup.h"
#include "state_dir.h"
#include "tell/event.h"
#include "tell/numad_log.h"

void control_init(struct control_lists *lists, const struct place_root *root, bool is_dry_run)
{
	*lists = (struct control_lists){
		.root = root,
		.may_write = root->is_live && !is_dry_run,
		.thp = { .path = CONTROL_THP_PATH, .kept_path = STATE_DIR "/thp_scan_sleep_ms" },
	};
}

static void tell_thp(int r)
{
	event(LOG_WARNING, EVENT_TROUBLE, KV("note", CONTROL_THP_PATH), KV("error", strerror(-r)));
}

void control_done(struct control_lists *lists)
{
	const int r = lists->may_write ? control_thp_write(&lists->thp, 0) : 0;

	if (r < 0)
		tell_thp(r);
}

int control_use(struct control_lists *lists, const struct settings *settings)
{
	return lists->may_write ? control_thp_write(&lists->thp, settings->thp_scan_sleep_ms) : 0;
}

static void tell_reserved(const struct settings *settings)
{
	_cleanup_free_ char *cpus = malloc(PLACE_SET_TEXT_MAX);

	if (cpus && place_set_format(&settings->reserved_cpus, cpus, PLACE_SET_TEXT_MAX) > 0)
		numad_line(LOG_NOTICE, "Reserving %u CPUs (%s) for non-numad use",
			   place_set_count(&settings->reserved_cpus), cpus);
}

void control_start(struct settings *settings, struct control_lists *lists,
		   const struct options *options)
{
	int r;

	tell_reserved(settings);
	for (size_t i = 0; i < options->n_orders; i++) {
		const struct option_order *given = &options->orders[i];
		const struct serve_order order = {
			.letter = given->letter,
			.arg1 = given->arg1,
			.peer = { .is_root = true },
		};

		if (strchr("prx", given->letter))
			(void)control_apply(settings, lists, &order);
	}
	r = control_use(lists, settings);
	if (r < 0)
		tell_thp(r);
}

/* ---- orders ------------------------------------------------------------------------------ */

/* numad's lines, which scripts wait for. That of -H is written where the kernel's file is. */
static void tell_numad(char letter, int64_t arg1, int64_t arg2)
{
	switch (letter) {
	case 'C':
		numad_line(LOG_NOTICE, "Counting inactive file cache as %s",
			   arg1 ? "available" : "unavailable");
		break;
	case 'i':
		numad_line(LOG_NOTICE, "Changing interval to %d:%d", (int)arg1, (int)arg2);
		break;
	case 'K':
		numad_line(LOG_NOTICE, "%s",
			   arg1 ? "Keeping interleaved memory spread across nodes" :
				  "Merging interleaved memory to localized NUMA nodes");
		break;
	case 'l':
		numad_line(LOG_NOTICE, "Changing log level to %d", (int)arg1);
		break;
	case 'm':
		numad_line(LOG_NOTICE, "Changing target memory locality to %d", (int)arg1);
		break;
	case 'S':
		numad_line(LOG_NOTICE, "%s",
			   arg1 ? "Scanning all processes" :
				  "Scanning only explicit PID list processes");
		break;
	case 't':
		numad_line(LOG_NOTICE, "Changing logical CPU thread percent to %d", (int)arg1);
		break;
	case 'u':
		numad_line(LOG_NOTICE, "Changing target utilization to %d", (int)arg1);
		break;
	default:
		break;
	}
}

/* Of each setting that is another now. */
static void tell_events(const struct settings *before, const struct settings *now)
{
	char value[SETTINGS_TEXT_MAX], name[64];

	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting *setting = &settings_table[i];

		if (!setting_has_changed(setting, before, now, value, sizeof(value)))
			continue;
		snprintf(name, sizeof(name), "[%s] %s", setting->section, setting->key);
		event(LOG_NOTICE, EVENT_SETTING, KV("setting", name), KV("value", value),
		      KV("by", "order"));
	}
}

/* Whoever asked for more lines sees that he gets them, and who asked for fewer too. */
static void tell_order(const struct settings *before, const struct settings *now,
		       const struct serve_order *order)
{
	const unsigned level =
		before->log_level > now->log_level ? before->log_level : now->log_level;

	if (order->letter == 'l')
		numad_lines_set_level((int)level);
	tell_numad(order->letter, order->arg1, order->arg2);
	numad_lines_set_level((int)now->log_level);
	tell_events(before, now);
}

static void remember(struct control_lists *lists, const struct serve_order *order)
{
	const struct option_order kept = {
		.letter = order->letter,
		.arg1 = order->arg1,
		.arg2 = order->arg2,
	};
	size_t i = 0;

	while (i < lists->n_orders && lists->orders[i].letter != order->letter)
		i++;
	lists->orders[i] = kept;
	if (i == lists->n_orders)
		lists->n_orders++;
}

static int order_setting(struct settings *settings, struct control_lists *lists,
			 const struct serve_order *order)
{
	struct settings changed = *settings;
	int r;

	r = settings_order(&changed, order->letter, order->arg1, order->arg2);
	if (r == 0 && order->letter == 'H')
		r = control_use(lists, &changed);
	if (r < 0)
		return r;
	tell_order(settings, &changed, order);
	*settings = changed;
	remember(lists, order);
	return 0;
}

int control_apply(struct settings *settings, struct control_lists *lists,
		  const struct serve_order *order)
{
	const char letter[] = { order->letter, '\0' };
	int r;

	if (!order->peer.is_root)
		return -EPERM;
	if (order->letter == 'p' || order->letter == 'r' || order->letter == 'x')
		r = control_order_pid(lists, order->letter, order->arg1);
	else
		r = order_setting(settings, lists, order);
	if (r < 0)
		event(LOG_WARNING, EVENT_REFUSED, KV("order", letter), KV("error", strerror(-r)));
	return r;
}

/* ---- reload ------------------------------------------------------------------------------ */

/* What only a start can change is as it was, and who reads is told. */
static void hold_back(const struct settings *before, struct settings *now, FILE *told)
{
	char value[SETTINGS_TEXT_MAX];

	if (settings_tell_changes(before, now, true, told))
		fputs("needs a new start: the lines above\n", told);
	for (size_t i = 0; i < SETTINGS_N; i++)
		if (settings_table[i].needs_start &&
		    setting_format(&settings_table[i], before, value, sizeof(value)) >= 0)
			(void)setting_parse(&settings_table[i], value, now);
}

int control_reload(struct settings *settings, struct control_lists *lists,
		   const struct options *options, FILE *told)
{
	struct settings now;
	int r;

	r = settings_load(options->config, &now, told);
	if (r < 0)
		return r;
	settings_override(&now, options);
	for (size_t i = 0; i < lists->n_orders; i++)
		(void)settings_order(&now, lists->orders[i].letter, lists->orders[i].arg1,
				     lists->orders[i].arg2);
	hold_back(settings, &now, told);
	(void)settings_tell_changes(settings, &now, false, told);
	settings_done(settings);
	*settings = now;
	numad_lines_set_level((int)settings->log_level);
	r = control_use(lists, settings);
	if (r < 0)
		fprintf(told, "[host] thp_scan_sleep_ms: %s\n", strerror(-r));
	return 0;
}
