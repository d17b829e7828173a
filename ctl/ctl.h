/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placectl's commands. Each gets the arguments behind its name and returns the exit status. */
#pragma once

int ctl_advise(int argc, char **argv);
