/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NUMA cells of wide guests: a line each, and a sentence each. */
#include <inttypes.h>

#include "arith.h"
#include "tell/report.h"

void report_cell_line(const struct report_cell *cell, FILE *out)
{
	fprintf(out, "cell pid=%d", cell->pid);
	report_text(out, "name", cell->name);
	report_number(out, "cell", cell->id);
	report_number(out, "vcpus", cell->n_vcpus);
	if (cell->has_node) {
		report_number(out, "node", cell->to_node);
		report_number(out, "there_bytes", cell->right_bytes);
	}
	report_number(out, "present_bytes", cell->present_bytes);
	fputc('\n', out);
}

void report_cell_sentence(const struct report_cell *cell, char *text, size_t size)
{
	const uint64_t permille =
		cell->present_bytes ? place_scale(cell->right_bytes, 1000, cell->present_bytes) : 0;

	if (!cell->has_node)
		snprintf(text, size,
			 "cell %u (%u vCPUs, %" PRIu64 " MiB there) stays as it is: its vCPUs may "
			 "run on several nodes and not be moved, or no node has room for it",
			 cell->id, cell->n_vcpus, cell->present_bytes >> 20);
	else
		snprintf(text, size,
			 "cell %u belongs to node %u: %u vCPUs, and %" PRIu64 ".%" PRIu64
			 " %% of the %" PRIu64 " MiB that are there%s",
			 cell->id, cell->to_node, cell->n_vcpus, permille / 10, permille % 10,
			 cell->present_bytes >> 20, cell->is_due ? "; the rest is to follow" : "");
}
