/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words for what was decided, in tables that fail to compile when an enum grows.
 */
#include "decide/reason.h"

struct words {
	const char *word;
	const char *text;
};

static const struct words unknown = { "unknown", "unknown" };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define WORDS(table, value) ((unsigned)(value) < COUNT(table) ? &(table)[value] : &unknown)

static const struct words reasons[] = {
	[PLACE_REASON_CHOSEN] = { "chosen", "chosen" },
	[PLACE_REASON_CHOSEN_NO_ROOM] = { "chosen_no_room",
					  "chosen although nothing holds the request" },
	[PLACE_REASON_WORSE_BALANCE] = { "worse_balance",
					 "would hold the request, but another node is left in a "
					 "better balance of memory and CPU" },
	[PLACE_REASON_WORSE_SET] = { "worse_set", "part of no set that is as small and as near" },
	[PLACE_REASON_TOO_LITTLE_MEMORY] = { "too_little_memory", "too little usable memory" },
	[PLACE_REASON_TOO_FEW_CPUS] = { "too_few_cpus",
					"fewer CPUs than the guest has virtual ones" },
	[PLACE_REASON_NO_MEMORY] = { "no_memory", "has no memory" },
	[PLACE_REASON_NO_CPUS] = { "no_cpus", "has no CPU that the guest may use" },
	[PLACE_REASON_NOT_ALLOWED] = { "not_allowed", "outside the cpuset of the asker" },
	[PLACE_REASON_UNREADABLE] = { "unreadable", "its memory could not be read" },
};

static const struct words verdicts[] = {
	[PLACE_VERDICT_ONE_NODE] = { "one_node", "one node holds the request" },
	[PLACE_VERDICT_SEVERAL] = { "several", "the fewest, nearest nodes that hold the request" },
	[PLACE_VERDICT_OVERFLOW] = { "overflow",
				     "only memory-only nodes make the room for the request" },
	[PLACE_VERDICT_NO_ROOM] = { "no_room",
				    "nothing holds the request: the nodes with most room" },
	[PLACE_VERDICT_BLIND] = { "blind",
				  "no node is known to be fit: a guess inside what is allowed" },
};

static const struct words classes[] = {
	[PLACE_CLASS_FREE] = { "free", "no pin and no policy" },
	[PLACE_CLASS_AUTO] = { "auto", "its nodes were advised" },
	[PLACE_CLASS_STATIC] = { "static", "its nodes were fixed: only inside them" },
	[PLACE_CLASS_PINNED] = { "pinned", "its CPUs are pinned: memory follows them" },
	[PLACE_CLASS_INTERLEAVED] = { "interleaved", "spread on purpose" },
	[PLACE_CLASS_MIGRATING] = { "migrating", "on its way to or from another host" },
	[PLACE_CLASS_DEVICE] = { "device", "a device holds its memory" },
	[PLACE_CLASS_CONFIDENTIAL] = { "confidential", "its memory is encrypted or private" },
	[PLACE_CLASS_UNREADABLE] = { "unreadable", "it could not be looked at" },
	[PLACE_CLASS_EXCLUDED] = { "excluded", "a setting says to leave it alone" },
};

static const struct words fates[] = {
	[PLACE_FATE_UNKNOWN] = { "unknown", "nothing is known of its access yet" },
	[PLACE_FATE_LOCAL] = { "local", "its access is local enough" },
	[PLACE_FATE_IDLE] = { "idle", "uses too little CPU for it to matter" },
	[PLACE_FATE_CLASS] = { "class", "guests of its class are not moved" },
	[PLACE_FATE_HELD_OFF] = { "held_off", "was moved, or tried, a short time ago" },
	[PLACE_FATE_NO_ROOM] = { "no_room", "no other node has room for it" },
	[PLACE_FATE_NO_BETTER] = { "no_better", "it is where advice would put it" },
	[PLACE_FATE_NOT_WORTH] = { "not_worth", "the move would not pay for itself in time" },
	[PLACE_FATE_CELLS] = { "cells", "it is placed by its NUMA cells" },
	[PLACE_FATE_WAITING] = { "waiting", "another guest goes first" },
	[PLACE_FATE_PAUSED] = { "paused", "moving is switched off" },
	[PLACE_FATE_MOVE] = { "move", "is to be moved" },
	[PLACE_FATE_MOVING] = { "moving", "is being moved" },
};

static const struct words evidences[] = {
	[PLACE_EVIDENCE_NONE] = { "none", "" },
	[PLACE_EVIDENCE_RESIDENCY] = { "residency", "" },
	[PLACE_EVIDENCE_HINT_FAULTS] = { "hint_faults", "" },
};

static const struct words sources[] = {
	[PLACE_BYTES_NONE] = { "none", "" },
	[PLACE_BYTES_CGROUP] = { "cgroup", "" },
	[PLACE_BYTES_SAMPLES] = { "samples", "" },
};

static const struct words causes[] = {
	[PLACE_CAUSE_LOCALITY] = { "locality", "to be where its vCPUs run" },
	[PLACE_CAUSE_ARRIVAL] = { "arrival",
				  "to make room, before the kernel swaps or kills somebody" },
	[PLACE_CAUSE_GROWTH] = { "growth", "to make room for a guest that grows there" },
};

static const struct words risks[] = {
	[PLACE_RISK_UNKNOWN] = { "unknown", "not enough is known to say" },
	[PLACE_RISK_NONE] = { "none", "its nodes hold all that it may take" },
	[PLACE_RISK_LOCALITY] = { "locality", "some of its memory may come to lie elsewhere" },
	[PLACE_RISK_SWAP] = { "swap", "its nodes may be reclaimed into swap" },
	[PLACE_RISK_KILL] = { "kill", "it may be killed" },
};

static const struct words nearnesses[] = {
	[PLACE_NEARNESS_UNKNOWN] = { "unknown", "" },
	[PLACE_NEARNESS_CALM] = { "calm", "" },
	[PLACE_NEARNESS_CLOSE] = { "close", "the kernel is about to reclaim there" },
	[PLACE_NEARNESS_RECLAIM] = { "reclaim", "the kernel reclaims there now" },
	[PLACE_NEARNESS_SWAP] = { "swap", "the kernel swaps there now" },
};

_Static_assert(COUNT(risks) == PLACE_RISK_COUNT, "a risk has no words");
_Static_assert(COUNT(nearnesses) == PLACE_NEARNESS_COUNT, "a nearness has no word");
_Static_assert(COUNT(reasons) == PLACE_REASON_COUNT, "a reason has no words");
_Static_assert(COUNT(verdicts) == PLACE_VERDICT_COUNT, "a verdict has no words");
_Static_assert(COUNT(classes) == PLACE_CLASS_COUNT, "a class has no words");
_Static_assert(COUNT(fates) == PLACE_FATE_COUNT, "a fate has no words");
_Static_assert(COUNT(causes) == PLACE_CAUSE_COUNT, "a cause has no word");
_Static_assert(COUNT(evidences) == PLACE_EVIDENCE_COUNT, "a kind of evidence has no word");
_Static_assert(COUNT(sources) == PLACE_BYTES_COUNT, "a source of bytes has no word");

const char *place_reason_text(enum place_reason reason)
{
	return WORDS(reasons, reason)->text;
}

const char *place_reason_word(enum place_reason reason)
{
	return WORDS(reasons, reason)->word;
}

const char *place_verdict_text(enum place_verdict verdict)
{
	return WORDS(verdicts, verdict)->text;
}

const char *place_verdict_word(enum place_verdict verdict)
{
	return WORDS(verdicts, verdict)->word;
}

const char *place_class_text(enum place_class class)
{
	return WORDS(classes, class)->text;
}

const char *place_class_word(enum place_class class)
{
	return WORDS(classes, class)->word;
}

const char *place_fate_text(enum place_fate fate)
{
	return WORDS(fates, fate)->text;
}

const char *place_fate_word(enum place_fate fate)
{
	return WORDS(fates, fate)->word;
}

const char *place_evidence_word(enum place_evidence evidence)
{
	return WORDS(evidences, evidence)->word;
}

const char *place_bytes_word(enum place_bytes_source source)
{
	return WORDS(sources, source)->word;
}

const char *place_risk_text(enum place_risk risk)
{
	return WORDS(risks, risk)->text;
}

const char *place_risk_word(enum place_risk risk)
{
	return WORDS(risks, risk)->word;
}

const char *place_nearness_text(enum place_nearness nearness)
{
	return WORDS(nearnesses, nearness)->text;
}

const char *place_nearness_word(enum place_nearness nearness)
{
	return WORDS(nearnesses, nearness)->word;
}

const char *place_cause_text(enum place_cause cause)
{
	return WORDS(causes, cause)->text;
}

const char *place_cause_word(enum place_cause cause)
{
	return WORDS(causes, cause)->word;
}
