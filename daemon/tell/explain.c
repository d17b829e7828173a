/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why something happens to a guest, or nothing: in sentences, each about one topic. They say
 * what was seen, who says so and how sure that is, and what follows; never more than is known.
 */
#include "tell/explain.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "host/text.h"

void __attribute__((format(printf, 3, 4)))
explain_say(const struct explain_subject *subject, const char *topic, const char *format, ...)
{
	char sentence[EXPLAIN_SENTENCE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	fprintf(subject->out, "because");
	report_text(subject->out, "topic", topic);
	report_text(subject->out, "text", sentence);
	fputc('\n', subject->out);
}

static void explain_one(const struct report_view *view, size_t i, FILE *out)
{
	const struct explain_subject subject = {
		.view = view,
		.i = i,
		.guest = &view->sample->guests[i],
		.activity = &view->activities[i],
		.traits = view->traits[i],
		.class = view->classes[i],
		.fate = view->fates[i],
		.out = out,
	};

	report_guest_line(view, i, out);
	for (size_t j = 0; j < view->n_cells; j++)
		if (view->cells[j].pid == subject.guest->pid)
			report_cell_line(&view->cells[j], out);
	for (size_t j = 0; j < view->n_moves; j++)
		if (view->moves[j].pid == subject.guest->pid)
			report_move_line(view, &view->moves[j], out);
	explain_seen(&subject);
	explain_outlook(&subject);
}

/* A number is a pid first: no guest can take that from another one by its name. */
static bool is_meant(const struct place_guest *guest, const char *who, bool is_pid, unsigned pid)
{
	if (is_pid)
		return guest->pid > 0 && (unsigned)guest->pid == pid;
	return (guest->known & PLACE_GUEST_NAME && !strcmp(guest->name, who)) ||
	       (guest->known & PLACE_GUEST_UUID && !strcasecmp(guest->uuid, who));
}

static size_t explain_meant(const struct report_view *view, const char *who, bool is_pid,
			    unsigned pid, FILE *out)
{
	size_t n = 0;

	for (size_t i = 0; i < view->sample->n_guests; i++)
		if (is_meant(&view->sample->guests[i], who, is_pid, pid)) {
			explain_one(view, i, out);
			n++;
		}
	return n;
}

int report_explain(const struct report_view *view, const char *who, FILE *out)
{
	unsigned pid = 0;
	const bool is_number = place_text_unsigned(who, &pid) == 0;

	if (is_number && explain_meant(view, who, true, pid, out))
		return 0;
	return explain_meant(view, who, false, 0, out) ? 0 : -ENOENT;
}
