/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two distributions over the nodes, multiplied. */
#include "decide/remote.h"

#include "arith.h"

/* What the inference is worth at best, and where memory and accesses may be split any way. */
#define SURE_MOST 900
#define SURE_LEAST 300

bool place_remote_infer(const struct place_activity *activity, size_t n_nodes,
			unsigned *ret_remote_permille, unsigned *ret_sure_permille)
{
	const unsigned both = PLACE_ACTIVITY_BYTES | PLACE_ACTIVITY_RUN;
	const uint64_t all_bytes =
		(activity->known & both) == both ? place_sum(activity->bytes, n_nodes) : 0;
	uint64_t local_millionth = 0, most_permille = 0, remote;

	if (!all_bytes)
		return false;
	for (size_t i = 0; i < n_nodes; i++) {
		const uint64_t here = place_scale(activity->bytes[i], 1000, all_bytes);

		local_millionth += here * activity->run_permille[i];
		most_permille = place_most(most_permille, here);
	}
	remote = 1000 - place_least(local_millionth / 1000, 1000);
	*ret_remote_permille = (unsigned)remote;
	/* All on one node: 1000; on two alike: 500, and less on more. */
	*ret_sure_permille = most_permille <= 500 ?
				     SURE_LEAST :
				     (unsigned)(SURE_LEAST + (SURE_MOST - SURE_LEAST) *
								     (most_permille - 500) / 500);
	return true;
}
