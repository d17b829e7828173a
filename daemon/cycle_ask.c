/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions: answered from a fresh picture, many together, and never late for its sake. */
#include "cycle_parts.h"

/* So long a question waits for looks at new guests; its client waits 250 ms. */
#define PATIENCE_US 150000

#define NOTE_LACKING "a new guest could not be looked at in time: its memory is not counted"

void cycle_answer_waiting(struct cycle *cycle)
{
	(void)sd_event_source_set_enabled(cycle->patience, SD_EVENT_OFF);
	cycle->has_refresh_pending = false;
	cycle_compose(cycle);
	cycle_hide_coming(cycle);
	advice_answer_all(&cycle->advice, cycle->sample.guests_complete ? NULL : NOTE_LACKING);
	cycle_show_coming(cycle);
	/* What does not fit may be made to, while its guest is on its way. */
	if (cycle->advice.has_unfit)
		cycle_turn_now(cycle);
	cycle->advice.has_unfit = false;
}

int cycle_on_patience(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source, (void)usec;
	cycle_answer_waiting(data);
	return 0;
}

/* All that were read meanwhile are answered together. */
int cycle_on_gathered(sd_event_source *source, void *userdata)
{
	struct cycle *cycle = userdata;

	(void)source;
	if (cycle->has_refresh_pending)
		return 0;
	/* Who found no place in the job before finds one now. */
	if ((cycle->is_crowded && !cycle->looks.look_job) ||
	    cycle_now_ns(cycle) - cycle->refreshed_ns >= CYCLE_FRESH_NS)
		cycle_refresh(cycle);
	if (!cycle_start_looks(cycle)) {
		cycle_answer_waiting(cycle);
		return 0;
	}
	cycle->has_refresh_pending = true;
	(void)sd_event_source_set_time_relative(cycle->patience, PATIENCE_US);
	(void)sd_event_source_set_enabled(cycle->patience, SD_EVENT_ONESHOT);
	return 0;
}

void cycle_ask(struct cycle *cycle, struct serve_ask *ask)
{
	advice_park(&cycle->advice, ask);
	if (!cycle->has_refresh_pending)
		(void)sd_event_source_set_enabled(cycle->gathering, SD_EVENT_ONESHOT);
}
