/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words for reasons and verdicts, in tables that fail to compile when an enum grows.
 */
#include "decide/reason.h"

struct words {
	const char *word;
	const char *text;
};

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
	[PLACE_VERDICT_BLIND] = { "blind", "no node is known to be fit: a guess inside what is "
					   "allowed" },
};

_Static_assert(sizeof(reasons) / sizeof(reasons[0]) == PLACE_REASON_COUNT, "a reason has no words");
_Static_assert(sizeof(verdicts) / sizeof(verdicts[0]) == PLACE_VERDICT_COUNT,
	       "a verdict has no words");

static const struct words unknown = { "unknown", "unknown" };

static const struct words *reason_words(enum place_reason reason)
{
	return (unsigned)reason < PLACE_REASON_COUNT ? &reasons[reason] : &unknown;
}

static const struct words *verdict_words(enum place_verdict verdict)
{
	return (unsigned)verdict < PLACE_VERDICT_COUNT ? &verdicts[verdict] : &unknown;
}

const char *place_reason_text(enum place_reason reason)
{
	return reason_words(reason)->text;
}

const char *place_reason_word(enum place_reason reason)
{
	return reason_words(reason)->word;
}

const char *place_verdict_text(enum place_verdict verdict)
{
	return verdict_words(verdict)->text;
}

const char *place_verdict_word(enum place_verdict verdict)
{
	return verdict_words(verdict)->word;
}
