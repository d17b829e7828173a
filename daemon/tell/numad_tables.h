/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numad writes each turn at log level 6 and above: its nodes, the processes that it watches,
 * and at level 7 who is big. Test suites grep "Node <n>: MBs_total ... CPUs_total ...". Nothing is
 * read or written where nobody asked for that level.
 */
#pragma once

#include <systemd/sd-event.h>

#include "flow.h"
#include "host/root.h"

/*
 * The tables, at level 6. CPUs are in hundredths; the distances of a row and the CPUs of a node
 * stand behind it as numad 20150602 has them. model: NULL where there is none.
 */
void numad_tables_write(const struct place_topology *topology, const struct place_sample *sample,
			const struct place_model *model, const struct place_activity *activities);

/*
 * At level 7: every process with more than 300 MB resident, guest or not (numad's candidates),
 * found by a child. Only one at a time; starts nothing while one runs or the level is lower.
 * root must stay. numad_tables_cancel() before the event loop goes.
 */
void numad_tables_scan(sd_event *event, struct place_root *root);
void numad_tables_cancel(void);

/* The work of that child: a line per process. Returns: 0 or -errno of listing /proc. */
int numad_tables_list(const struct place_root *root, FILE *out);
