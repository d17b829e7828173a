/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether swap takes what confined guests lack, or somebody is killed. */
#include "arith.h"
#include "decide/pressure_parts.h"

/*
 * What swap has to take if all take what they may: the same for all, in whatever order they come.
 * What is promised of the nodes of a policy may come from all that the cpuset has, too.
 */
static uint64_t swap_needed(const struct place_pressure_node *nodes, size_t n)
{
	uint64_t needed = 0, promised = 0, room = 0;

	for (size_t i = 0; i < n; i++) {
		if (nodes[i].is_short) {
			needed = place_add(needed, place_subtract(nodes[i].promised_bytes,
								  nodes[i].room_bytes));
		} else if (nodes[i].is_short_together) {
			promised = place_add(promised, nodes[i].promised_bytes);
			room = place_add(room, nodes[i].room_bytes);
		}
	}
	return place_add(needed, place_subtract(promised, room));
}

/* Of those that lack room: it is part of what they may take yet. */
static uint64_t swapped_already(const struct place_pressure_input *input,
				const struct place_pressure *pressures)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < input->sample->n_guests; i++)
		if (pressures[i].risk == PLACE_RISK_SWAP)
			sum = place_add(sum, input->sample->guests[i].swapped_bytes);
	return sum;
}

/* ---- groups that may not swap ------------------------------------------------------------- */

static uint64_t limit_of(const struct place_guest *guest)
{
	return guest->known & PLACE_GUEST_SWAP_LIMIT ? guest->swap_limit_bytes : UINT64_MAX;
}

/* Where it is not known how much lies there, all that the group may swap. */
static uint64_t swappable_on(const struct place_pressure_input *input, size_t guest, size_t i)
{
	const struct place_activity *activity = pressure_activity(input, guest);
	const uint64_t limit = limit_of(&input->sample->guests[guest]);

	return activity && activity->known & PLACE_ACTIVITY_BYTES ?
		       place_least(activity->bytes[i], limit) :
		       limit;
}

/* Returns: whether any guest's group is limited; else there is nothing to be weighed. */
static bool fill_swappable(const struct place_pressure_input *input,
			   struct place_pressure_node *nodes)
{
	bool is_any_limited = false;

	for (size_t guest = 0; guest < input->sample->n_guests; guest++)
		is_any_limited =
			is_any_limited || limit_of(&input->sample->guests[guest]) != UINT64_MAX;
	for (size_t guest = 0; is_any_limited && guest < input->sample->n_guests; guest++)
		for (size_t i = 0; i < input->model->n_nodes; i++)
			nodes[i].swappable_bytes =
				place_add(nodes[i].swappable_bytes, swappable_on(input, guest, i));
	return is_any_limited;
}

/* What may go into swap on the nodes of a guest, once it has grown. */
static uint64_t may_be_swapped(const struct place_pressure_input *input,
			       const struct place_pressure_node *nodes, size_t guest,
			       const struct place_pressure *pressure)
{
	const struct place_guest *facts = &input->sample->guests[guest];
	uint64_t sum = place_least(pressure->limit_bytes, limit_of(facts));

	for (size_t i = 0; i < input->model->n_nodes; i++)
		if (place_pressure_may_be_confined_to(facts, input->model->nodes[i].id))
			sum = place_add(sum, place_subtract(nodes[i].swappable_bytes,
							    swappable_on(input, guest, i)));
	return sum;
}

/* ---- all of them -------------------------------------------------------------------------- */

static void settle(uint64_t all_bytes, uint64_t swap_bytes, uint64_t swappable_bytes,
		   struct place_pressure *pressure)
{
	if (swap_bytes < all_bytes) {
		pressure->risk = PLACE_RISK_KILL;
	} else if (swappable_bytes < pressure->short_bytes) {
		pressure->risk = PLACE_RISK_KILL;
		pressure->is_unswappable = true;
	} else {
		pressure->spare_bytes = place_least(swap_bytes - all_bytes,
						    swappable_bytes - pressure->short_bytes);
	}
}

void pressure_settle_swap(const struct place_pressure_input *input,
			  struct place_pressure_node *nodes, struct place_pressure *pressures)
{
	const uint64_t needed = swap_needed(nodes, input->model->n_nodes);
	bool is_any_limited;
	uint64_t swap_bytes;

	if (!input->stall || !(input->stall->known & PLACE_STALL_SWAP))
		return;
	is_any_limited = fill_swappable(input, nodes);
	swap_bytes = place_add(input->stall->swap_free_bytes, swapped_already(input, pressures));
	for (size_t i = 0; i < input->sample->n_guests; i++)
		if (pressures[i].risk == PLACE_RISK_SWAP)
			settle(place_most(needed, pressures[i].short_bytes), swap_bytes,
			       is_any_limited ? may_be_swapped(input, nodes, i, &pressures[i]) :
						UINT64_MAX,
			       &pressures[i]);
}
