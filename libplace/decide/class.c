/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Traits to one class, the strictest first. */
#include "decide/class.h"

#include "host/nodeset.h"

/* With a policy of its own, or a cpuset that leaves it some of the nodes only. */
static bool is_bound(const struct place_guest *guest)
{
	return guest->bind != PLACE_BIND_NONE;
}

static bool is_identified(const struct place_guest *guest)
{
	const unsigned needed = PLACE_GUEST_START | PLACE_GUEST_MEMORY | PLACE_GUEST_RESIDENT;

	return (guest->known & needed) == needed;
}

enum place_class place_class_of(const struct place_guest *guest, unsigned traits)
{
	if (traits & PLACE_TRAIT_EXCLUDED)
		return PLACE_CLASS_EXCLUDED;
	if (traits & PLACE_TRAIT_CONFIDENTIAL)
		return PLACE_CLASS_CONFIDENTIAL;
	if (!is_identified(guest) || traits & PLACE_TRAIT_PARTIAL)
		return PLACE_CLASS_UNREADABLE;
	if (traits & PLACE_TRAIT_MIGRATING)
		return PLACE_CLASS_MIGRATING;
	if (traits & PLACE_TRAIT_VFIO)
		return PLACE_CLASS_DEVICE;
	if (guest->bind == PLACE_BIND_INTERLEAVE || guest->is_split)
		return PLACE_CLASS_INTERLEAVED;
	if (traits & PLACE_TRAIT_PINNED)
		return PLACE_CLASS_PINNED;
	if (traits & PLACE_TRAIT_NODESET)
		return PLACE_CLASS_STATIC;
	if (traits & PLACE_TRAIT_ADVISED)
		return PLACE_CLASS_AUTO;
	if (is_bound(guest) || traits & PLACE_TRAIT_CONFINED)
		return PLACE_CLASS_STATIC;
	return PLACE_CLASS_FREE;
}

bool place_class_moves_memory(enum place_class class)
{
	return class == PLACE_CLASS_FREE || class == PLACE_CLASS_AUTO ||
	       class == PLACE_CLASS_STATIC || class == PLACE_CLASS_PINNED;
}

/* The affinity of an advised guest is the advice. */
bool place_class_moves_cpus(enum place_class class, unsigned traits)
{
	unsigned chosen = PLACE_TRAIT_PINNED | PLACE_TRAIT_NODESET;

	if (!(traits & PLACE_TRAIT_ADVISED))
		chosen |= PLACE_TRAIT_CONFINED;
	return (class == PLACE_CLASS_FREE || class == PLACE_CLASS_AUTO ||
		class == PLACE_CLASS_DEVICE) &&
	       !(traits & chosen);
}

bool place_class_changes_nodes(enum place_class class, const struct place_guest *guest,
			       unsigned traits)
{
	if (class != PLACE_CLASS_AUTO || traits & (PLACE_TRAIT_SLOTS | PLACE_TRAIT_SESSION) ||
	    !(guest->known & PLACE_GUEST_MEMS) || place_set_count(&guest->mems) != 1)
		return false;
	return guest->bind == PLACE_BIND_CPUSET ||
	       (guest->bind == PLACE_BIND_STRICT && !(traits & PLACE_TRAIT_SHARED));
}
