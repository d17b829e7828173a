/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists, rules and -S together: who is left alone, and who is managed without being a guest. */
#include <limits.h>
#include <string.h>

#include "control.h"
#include "decide/class.h"
#include "host/root.h"
#include "observe/group.h"
#include "observe/program.h"
#include "observe/watch.h"

/* What rules look at beside the look itself; "" where it could not be read. */
struct identity {
	char comm[RULE_TEXT_MAX];
	char program[PATH_MAX];
};

static bool has_command(const struct rule *rule)
{
	return *rule->command;
}

static bool has_group(const struct rule *rule)
{
	return *rule->cgroup;
}

static bool says_yes(const struct rule *rule)
{
	return rule->manage == RULE_MANAGE_YES;
}

static bool any_rule(const struct rules *rules, bool (*is)(const struct rule *rule))
{
	for (size_t i = 0; i < rules->n; i++)
		if (is(&rules->list[i]))
			return true;
	return false;
}

static void read_comm(const struct control_lists *lists, int pid, char *comm, size_t size)
{
	_cleanup_text_ struct place_text text = { 0 };

	if (place_root_readf(lists->root, &text, "proc/%d/comm", pid) == 0)
		snprintf(comm, size, "%.*s", (int)strcspn(text.data, "\n"), text.data);
}

/* After an upgrade the kernel says so behind the name; the rule means the program all the same. */
static void cut_deleted(char *program)
{
	static const char mark[] = " (deleted)";
	const size_t length = strlen(program), mark_length = sizeof(mark) - 1;

	if (length > mark_length && !strcmp(program + length - mark_length, mark))
		program[length - mark_length] = '\0';
}

static enum rule_manage ask_rules(const struct rules *rules, const struct place_look *look,
				  struct identity *identity)
{
	cut_deleted(identity->program);
	return rules_match(rules, look, *identity->comm ? identity->comm : NULL,
			   *identity->program == '/' ? identity->program : NULL, NULL);
}

static enum rule_manage ask_rules_of_look(const struct control_lists *lists,
					  const struct rules *rules, const struct place_look *look)
{
	struct identity identity = { 0 };

	if (any_rule(rules, has_command)) {
		read_comm(lists, look->guest.pid, identity.comm, sizeof(identity.comm));
		if (place_program_read(lists->root, (unsigned)look->guest.pid, identity.program,
				       sizeof(identity.program)) < 0)
			identity.program[0] = '\0';
	}
	return rules->n ? ask_rules(rules, look, &identity) : RULE_MANAGE_UNSET;
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
		answer = ask_rules_of_look(lists, &settings->rules, look);
	if (answer == RULE_MANAGE_UNSET && settings->scan_all && !look->is_guest && have_start)
		answer = RULE_MANAGE_YES;
	if (answer == RULE_MANAGE_NO)
		look->traits |= PLACE_TRAIT_EXCLUDED;
	else if (answer == RULE_MANAGE_YES)
		look->traits |= PLACE_TRAIT_INCLUDED;
	/* No QEMU, but a guest to us; not where it is gone and nothing is known of it. */
	if (answer == RULE_MANAGE_YES && have_start)
		look->is_guest = true;
}

void control_mark_listed(const struct control_lists *lists, struct place_watch *watch)
{
	for (size_t i = 0; i < watch->n; i++) {
		const struct place_guest *guest = &watch->guests[i];
		unsigned traits = watch->traits[i];

		if (!(guest->known & PLACE_GUEST_START))
			continue;
		traits &= ~(unsigned)(PLACE_TRAIT_EXCLUDED | PLACE_TRAIT_INCLUDED);
		if (control_list_has(&lists->excluded, guest->pid, guest->start_ns))
			traits |= PLACE_TRAIT_EXCLUDED;
		else if (control_list_has(&lists->included, guest->pid, guest->start_ns))
			traits |= PLACE_TRAIT_INCLUDED;
		else
			continue;
		watch->traits[i] = traits;
		watch->classes[i] = place_class_of(guest, traits);
	}
}

/* ---- before anybody has looked ----------------------------------------------------------- */

static bool is_listed(const struct control_lists *lists, const struct control_list *list,
		      const struct place_process *process)
{
	uint64_t start_ns = process->start_ns;

	if (!control_list_names(list, process->pid))
		return false;
	if (!process->have_usage && control_read_start(lists, process->pid, &start_ns) < 0)
		return false;
	return control_list_has(list, process->pid, start_ns);
}

/* Asked of every process in every scan: no file is read that no rule needs. */
static enum rule_manage ask_rules_of_process(const struct control_lists *lists,
					     const struct rules *rules,
					     const struct place_process *process)
{
	_cleanup_text_ struct place_text text = { 0 };
	struct place_look look = { .guest = { .pid = process->pid } };
	struct identity identity = { 0 };

	snprintf(identity.program, sizeof(identity.program), "%s", process->program);
	if (process->have_usage)
		snprintf(identity.comm, sizeof(identity.comm), "%s", process->comm);
	else if (any_rule(rules, has_command))
		read_comm(lists, process->pid, identity.comm, sizeof(identity.comm));
	if (any_rule(rules, has_group) &&
	    place_root_readf(lists->root, &text, "proc/%d/cgroup", process->pid) == 0)
		place_group_parse(text.data, look.group_v2, look.group_memory_v1);
	return ask_rules(rules, &look, &identity);
}

bool control_wants(const struct control_lists *lists, const struct settings *settings,
		   const struct place_process *process)
{
	enum rule_manage answer;
	bool is_big;

	if (is_listed(lists, &lists->excluded, process))
		return false;
	if (is_listed(lists, &lists->included, process))
		return true;
	is_big = settings->scan_all && process->have_usage &&
		 process->resident_bytes >= (uint64_t)settings->big_mib << 20 &&
		 process->busy_millicpu >= settings->busy_millicpu;
	if (!is_big && !any_rule(&settings->rules, says_yes))
		return false;
	answer = ask_rules_of_process(lists, &settings->rules, process);
	return answer == RULE_MANAGE_UNSET ? is_big : answer == RULE_MANAGE_YES;
}
