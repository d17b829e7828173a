/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists, rules and -S together: who is left alone, and who is managed without being a guest. */
#include <string.h>

#include "control.h"
#include "host/root.h"
#include "observe/program.h"

/* What rules look at beside the look itself; read only where a rule asks. */
struct identity {
	struct place_text comm;
	char program[RULE_TEXT_MAX];
	bool have_program;
};

static bool has_command_rule(const struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (*rules->list[i].command)
			return true;
	return false;
}

static void read_identity(const struct control_lists *lists, const struct rules *rules, int pid,
			  struct identity *identity)
{
	if (!has_command_rule(rules))
		return;
	if (place_root_readf(lists->root, &identity->comm, "proc/%d/comm", pid) == 0)
		identity->comm.data[strcspn(identity->comm.data, "\n")] = '\0';
	identity->have_program = place_program_read(lists->root, (unsigned)pid, identity->program,
						    sizeof(identity->program)) >= 0;
}

static enum rule_manage ask_rules(const struct control_lists *lists, const struct rules *rules,
				  const struct place_look *look)
{
	struct identity identity = { 0 };
	enum rule_manage answer;

	if (rules->n == 0)
		return RULE_MANAGE_UNSET;
	read_identity(lists, rules, look->guest.pid, &identity);
	answer = rules_match(rules, look, identity.comm.size ? identity.comm.data : NULL,
			     identity.have_program ? identity.program : NULL, NULL);
	place_text_done(&identity.comm);
	return answer;
}

void control_mark(const struct control_lists *lists, const struct settings *settings,
		  struct place_look *look)
{
	const struct place_guest *guest = &look->guest;
	const bool have_start = guest->known & PLACE_GUEST_START;
	enum rule_manage answer;

	look->traits &= ~(unsigned)(PLACE_TRAIT_EXCLUDED | PLACE_TRAIT_INCLUDED);
	if (have_start && control_list_has(&lists->excluded, guest->pid, guest->start_ns))
		answer = RULE_MANAGE_NO;
	else if (have_start && control_list_has(&lists->included, guest->pid, guest->start_ns))
		answer = RULE_MANAGE_YES;
	else
		answer = ask_rules(lists, &settings->rules, look);
	if (answer == RULE_MANAGE_UNSET && settings->scan_all && !look->is_guest && have_start)
		answer = RULE_MANAGE_YES;
	if (answer == RULE_MANAGE_NO)
		look->traits |= PLACE_TRAIT_EXCLUDED;
	else if (answer == RULE_MANAGE_YES)
		look->traits |= PLACE_TRAIT_INCLUDED;
}
