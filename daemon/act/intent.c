/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/intent.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "state_dir.h"

#define HEADING "placed intents 1\n"
#define LOCK_MS 100

static const char *const kind_words[INTENT_KIND_COUNT] = {
	[INTENT_AFFINITY] = "affinity",
	[INTENT_MEMS] = "mems",
	[INTENT_NODES] = "nodes",
};

/* Reads "WORD " at *at. */
static int take_word(const char **at, const char *word)
{
	const size_t size = strlen(word);

	if (strncmp(*at, word, size) != 0 || (*at)[size] != ' ')
		return -EINVAL;
	*at += size + 1;
	return 0;
}

static int take_number(const char **at, const char *key, uint64_t most, uint64_t *ret_number)
{
	if (take_word(at, key) < 0 || place_text_digits(at, ret_number) < 0 || *ret_number > most ||
	    **at != ' ')
		return -EINVAL;
	(*at)++;
	return 0;
}

/* A set and what ends it: a blank, or the line. */
static int take_set(const char **at, const char *key, struct place_set *ret_set)
{
	_cleanup_free_ char *list = NULL;
	size_t size;

	if (take_word(at, key) < 0)
		return -EINVAL;
	size = strcspn(*at, " ");
	list = strndup(*at, size);
	if (!list)
		return -ENOMEM;
	*at += size + ((*at)[size] == ' ');
	return place_set_parse_list(list, ret_set) < 0 || place_set_is_empty(ret_set) ? -EINVAL : 0;
}

static int parse_line(const char *line, struct intent *intent)
{
	uint64_t pid, start_ns;

	*intent = (struct intent){ .kind = INTENT_KIND_COUNT };
	for (unsigned kind = 0; kind < INTENT_KIND_COUNT; kind++)
		if (take_word(&line, kind_words[kind]) == 0) {
			intent->kind = (enum intent_kind)kind;
			break;
		}
	if (intent->kind == INTENT_KIND_COUNT || take_number(&line, "pid", INT_MAX, &pid) < 0 ||
	    take_number(&line, "start_ns", UINT64_MAX, &start_ns) < 0 ||
	    take_set(&line, "before", &intent->before) < 0 ||
	    take_set(&line, "given", &intent->given) < 0)
		return -EINVAL;
	if (*line && take_set(&line, "vcpus", &intent->vcpus) < 0)
		return -EINVAL;
	if (*line)
		return -EINVAL;
	intent->pid = (int)pid;
	intent->start_ns = start_ns;
	return 0;
}

int intents_parse(const char *text, struct intents *ret_intents, size_t *ret_n_damaged)
{
	_cleanup_free_ struct intent *intent = malloc(sizeof(*intent));
	_cleanup_free_ char *copy = strdup(text);
	struct intents intents = { 0 };
	size_t n_damaged = 0;
	char *rest, *line;
	int r = 0;

	if (!copy || !intent)
		return -ENOMEM;
	/* Another heading, another format: nothing of it is believed. */
	if (strncmp(text, HEADING, strlen(HEADING)) != 0) {
		*ret_intents = intents;
		*ret_n_damaged = 1;
		return 0;
	}
	rest = copy + strlen(HEADING);
	while (r != -ENOMEM && (line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		r = parse_line(line, intent);
		if (r == 0)
			r = intents_put(&intents, intent);
		n_damaged += r < 0;
	}
	if (r == -ENOMEM) {
		intents_done(&intents);
		return r;
	}
	*ret_intents = intents;
	*ret_n_damaged = n_damaged;
	return 0;
}

int intents_read(const struct place_root *root, struct place_text *text,
		 struct intents *ret_intents, size_t *ret_n_damaged)
{
	/* What others may write there is not ours. */
	if (place_root_check_private(root, "run/placed") < 0 ||
	    place_root_read(root, text, INTENT_PATH) < 0) {
		*ret_intents = (struct intents){ 0 };
		*ret_n_damaged = 0;
		return 0;
	}
	return intents_parse(text->data, ret_intents, ret_n_damaged);
}

static void format_set(FILE *out, const char *key, const struct place_set *set, char *list)
{
	(void)place_set_format(set, list, PLACE_SET_TEXT_MAX);
	fprintf(out, " %s %s", key, list);
}

int intents_format(const struct intents *intents, struct place_text *text)
{
	_cleanup_free_ char *list = malloc(PLACE_SET_TEXT_MAX);
	FILE *out;

	place_text_done(text);
	if (!list)
		return -ENOMEM;
	out = open_memstream(&text->data, &text->size);
	if (!out)
		return -ENOMEM;
	fputs(HEADING, out);
	for (size_t i = 0; i < intents->n; i++) {
		const struct intent *intent = &intents->list[i];

		fprintf(out, "%s pid %d start_ns %llu", kind_words[intent->kind], intent->pid,
			(unsigned long long)intent->start_ns);
		format_set(out, "before", &intent->before, list);
		format_set(out, "given", &intent->given, list);
		if (!place_set_is_empty(&intent->vcpus))
			format_set(out, "vcpus", &intent->vcpus, list);
		fputc('\n', out);
	}
	return place_text_close(text, out);
}

int intents_write(const struct intents *intents)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct state_dir state;
	int r = intents_format(intents, &text);

	if (r == 0)
		r = state_dir_open(LOCK_MS, &state);
	if (r < 0)
		return r;
	r = state_dir_replace(&state, INTENT_NAME, text.data, text.size);
	state_dir_close(&state);
	return r;
}

static bool is_of(const struct intent *intent, enum intent_kind kind, int pid, uint64_t start_ns)
{
	return intent->kind == kind && intent->pid == pid && intent->start_ns == start_ns;
}

struct intent *intents_find(const struct intents *intents, enum intent_kind kind, int pid,
			    uint64_t start_ns)
{
	for (size_t i = 0; i < intents->n; i++)
		if (is_of(&intents->list[i], kind, pid, start_ns))
			return &intents->list[i];
	return NULL;
}

struct intent *intents_find_vcpus(const struct intents *intents, enum intent_kind kind, int pid,
				  uint64_t start_ns, const struct place_set *vcpus)
{
	for (size_t i = 0; i < intents->n; i++)
		if (is_of(&intents->list[i], kind, pid, start_ns) &&
		    place_set_equal(&intents->list[i].vcpus, vcpus))
			return &intents->list[i];
	return NULL;
}

struct intent *intents_find_whole(const struct intents *intents, int pid, uint64_t start_ns)
{
	return intents_find_vcpus(intents, INTENT_AFFINITY, pid, start_ns,
				  &(struct place_set){ 0 });
}

int intents_put(struct intents *intents, const struct intent *intent)
{
	struct intent *found = intents_find_vcpus(intents, intent->kind, intent->pid,
						  intent->start_ns, &intent->vcpus);

	if (found) {
		*found = *intent;
		return 0;
	}
	if (intents->n == INTENTS_MAX)
		return -E2BIG;
	if (intents->n == intents->room) {
		const size_t room = intents->room ? intents->room * 2 : 8;
		struct intent *list = realloc(intents->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		intents->list = list;
		intents->room = room;
	}
	intents->list[intents->n++] = *intent;
	return 0;
}

void intents_drop(struct intents *intents, enum intent_kind kind, int pid, uint64_t start_ns)
{
	struct intent *found = intents_find(intents, kind, pid, start_ns);

	if (found)
		*found = intents->list[--intents->n];
}

void intents_drop_vcpus(struct intents *intents, enum intent_kind kind, int pid, uint64_t start_ns,
			const struct place_set *vcpus)
{
	struct intent *found = intents_find_vcpus(intents, kind, pid, start_ns, vcpus);

	if (found)
		*found = intents->list[--intents->n];
}

void intents_done(struct intents *intents)
{
	free(intents->list);
	*intents = (struct intents){ 0 };
}
