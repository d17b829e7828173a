/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* placectl's commands. Each gets the arguments behind its name and returns the exit status. */
#pragma once

int ctl_status(int argc, char **argv);
int ctl_explain(int argc, char **argv);
int ctl_advise(int argc, char **argv);
int ctl_doctor(int argc, char **argv);
int ctl_metrics(int argc, char **argv);
int ctl_pause(int argc, char **argv);
int ctl_resume(int argc, char **argv);
int ctl_reload(int argc, char **argv);
