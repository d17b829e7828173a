/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sentence of figures and one of what helps. */
#include "tell/risk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "decide/reason.h"

#define MIB(bytes) ((bytes) >> 20)

static void __attribute__((format(printf, 3, 4)))
append(char *text, size_t size, const char *format, ...)
{
	const size_t n = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + n, size - n, format, arguments);
	va_end(arguments);
}

#define SAY(words, ...) append((words)->text, sizeof((words)->text), __VA_ARGS__)
#define HELP(words, ...) append((words)->remedy, sizeof((words)->remedy), __VA_ARGS__)

static void name_nodes(const struct place_guest *guest, const struct place_pressure *pressure,
		       struct risk_words *words)
{
	struct place_set nodes = guest->mems;

	if (pressure->is_home) {
		snprintf(words->nodes, sizeof(words->nodes), "%u", pressure->home_node);
		return;
	}
	if (pressure->is_by_cpuset)
		place_nodes_to_set(&guest->allowed, &nodes);
	if (place_set_format(&nodes, words->nodes, sizeof(words->nodes)) < 0)
		strcpy(words->nodes, "...");
}

static void say_growth(const struct place_guest *guest, const struct place_pressure *pressure,
		       enum place_risk risk, struct risk_words *words)
{
	SAY(words, "it may take %" PRIu64 " MiB more", MIB(pressure->growth_bytes));
	if (pressure->is_pool)
		SAY(words, " in pages of %" PRIu64 " KiB", guest->hugepage_bytes >> 10);
	if (risk == PLACE_RISK_LOCALITY)
		SAY(words, ", and %snodes %s, where it belongs,",
		    pressure->is_pool ? "the pools of " : "", words->nodes);
	else
		SAY(words, ", only from %snodes %s, which",
		    pressure->is_pool ? "the pools of " : "", words->nodes);
	SAY(words, " have %" PRIu64 " MiB left, %" PRIu64 " MiB of that promised to others: ",
	    MIB(pressure->room_bytes), MIB(pressure->neighbours_bytes));
}

static void say_short(const struct place_pressure *pressure, struct risk_words *words)
{
	SAY(words, "%" PRIu64 " MiB short", MIB(pressure->short_bytes));
	if (pressure->is_by_cell)
		SAY(words, " where its NUMA cells are bound to one node each (most on node %u)",
		    pressure->short_node);
}

static void say_harm(const struct place_pressure *pressure, enum place_risk risk,
		     const struct place_stall *stall, struct risk_words *words)
{
	if (risk == PLACE_RISK_LOCALITY)
		SAY(words, "%" PRIu64 " MiB may come to lie elsewhere", MIB(pressure->short_bytes));
	else
		say_short(pressure, words);
	if (risk > PLACE_RISK_LOCALITY && pressure->is_pool)
		SAY(words, ", and it is killed when they run out");
	else if (risk == PLACE_RISK_SWAP)
		SAY(words, ", so that it or others there may be swapped out%s",
		    stall->known & PLACE_STALL_SWAP ? "" : ", or killed where there is no swap");
	else if (risk == PLACE_RISK_KILL && pressure->is_unswappable)
		SAY(words, ", and their groups may not swap as much (memory.swap.max): it or "
			   "another there may be killed");
	else if (risk == PLACE_RISK_KILL)
		SAY(words, ", and swap has %" PRIu64 " MiB: it or another there may be killed",
		    MIB(stall->swap_free_bytes));
	if (pressure->nearness > PLACE_NEARNESS_CALM)
		SAY(words, "; %s", place_nearness_text(pressure->nearness));
}

static void help_with_mode(const struct place_guest *guest, const struct place_pressure *pressure,
			   struct risk_words *words)
{
	if (pressure->is_by_cpuset)
		HELP(words, "more nodes in the cpuset of its groups (AllowedMemoryNodes=)");
	else
		HELP(words, "<numatune> mode preferred or interleave instead of %s, or other nodes",
		     guest->bind == PLACE_BIND_STRICT ? "strict" : "restrictive");
	if (pressure->has_better)
		HELP(words, ": node %u has room", pressure->better_node);
	else
		HELP(words, ": those have %" PRIu64 " MiB to spare",
		     MIB(pressure->elsewhere_bytes));
}

static void say_remedy(const struct place_guest *guest, const struct place_pressure *pressure,
		       enum place_risk risk, struct risk_words *words)
{
	if (pressure->is_pool) {
		const uint64_t pages = pressure->short_bytes / guest->hugepage_bytes +
				       (pressure->short_bytes % guest->hugepage_bytes != 0);

		HELP(words,
		     "%" PRIu64 " more pages in /sys/devices/system/node/nodeN/hugepages/"
		     "hugepages-%" PRIu64 "kB/nr_hugepages of these nodes, or other nodes",
		     pages, guest->hugepage_bytes >> 10);
	} else if (risk == PLACE_RISK_LOCALITY) {
		HELP(words, "nobody is harmed; less memory for guests on these nodes keeps it "
			    "local, and placed moves what it may");
	} else if (pressure->remedy == PLACE_REMEDY_ROOM) {
		HELP(words, "the host has not enough: less memory for guests, one of them on "
			    "another host, or more swap");
	} else {
		help_with_mode(guest, pressure, words);
	}
}

void risk_describe(const struct place_guest *guest, const struct place_pressure *pressure,
		   enum place_risk risk, const struct place_stall *stall,
		   struct risk_words *ret_words)
{
	*ret_words = (struct risk_words){
		.what = risk == PLACE_RISK_KILL ? "may_be_killed" :
			risk == PLACE_RISK_SWAP ? "may_be_swapped" :
						  "locality_at_risk",
	};
	if (guest->known & PLACE_GUEST_NAME)
		memcpy(ret_words->subject, guest->name, sizeof(guest->name));
	else
		snprintf(ret_words->subject, sizeof(ret_words->subject), "pid %d", guest->pid);
	name_nodes(guest, pressure, ret_words);
	say_growth(guest, pressure, risk, ret_words);
	say_harm(pressure, risk, stall, ret_words);
	say_remedy(guest, pressure, risk, ret_words);
}
