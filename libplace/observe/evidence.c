/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of sources, and the one that needs no file: where memory lies x where vCPUs ran. */
#include "observe/evidence.h"

#include <errno.h>

#include "decide/remote.h"
#include "observe/hint_faults.h"

static bool probe_residency(const struct place_root *root, struct place_text *text)
{
	(void)root, (void)text;
	return true;
}

static int read_residency(const struct place_evidence_ask *ask, struct place_reading *ret_reading)
{
	unsigned remote_permille, sure_permille;

	if (!place_remote_infer(ask->activity, ask->topology->n_nodes, &remote_permille,
				&sure_permille))
		return -ENODATA;
	*ret_reading = (struct place_reading){ remote_permille, 1000, sure_permille };
	return 0;
}

static const struct place_evidence_source residency = {
	.evidence = PLACE_EVIDENCE_RESIDENCY,
	.probe = probe_residency,
	.read = read_residency,
};

const struct place_evidence_source *const place_evidence_sources[] = {
	&place_hint_faults,
	&residency,
	NULL,
};

bool place_evidence_permille(const struct place_evidence_source *source,
			     const struct place_reading *before, const struct place_reading *now,
			     unsigned *ret_permille)
{
	const struct place_reading nothing = { 0 };
	uint64_t remote, all;

	if (!source->is_cumulative)
		before = &nothing;
	if (!before || before->all > now->all || before->remote > now->remote)
		return false;
	all = now->all - before->all;
	remote = now->remote - before->remote;
	if (!all || remote > all)
		return false;
	*ret_permille = (unsigned)((unsigned __int128)remote * 1000 / all);
	return true;
}

int place_evidence_find(const struct place_evidence_ask *ask, struct place_activity *activity)
{
	activity->known &= ~(unsigned)PLACE_ACTIVITY_REMOTE;
	activity->evidence = PLACE_EVIDENCE_NONE;
	for (size_t i = 0; place_evidence_sources[i]; i++) {
		const struct place_evidence_source *source = place_evidence_sources[i];
		struct place_reading reading;
		unsigned permille;

		if (!source->probe(ask->root, ask->text) || source->read(ask, &reading) < 0 ||
		    !place_evidence_permille(source, NULL, &reading, &permille))
			continue;
		activity->remote_permille = permille;
		activity->sure_permille = reading.sure_permille;
		activity->evidence = source->evidence;
		activity->known |= PLACE_ACTIVITY_REMOTE;
		return 0;
	}
	return -ENODATA;
}
