/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What -h and -V print: man/placed.8 in short. */
#include "options.h"

#include "config.h"

void options_print_usage(FILE *file, const char *program)
{
	fprintf(file,
		"Usage: %s <options> ...\n"
		"Keeps the memory of KVM guests beside their CPUs, and says on which NUMA nodes a\n"
		"new guest should live. Without -w it becomes a daemon, or steers the one that "
		"runs.\n"
		"\n"
		"  -w CPUS[:MIB]  print the nodes for a guest of that size, and exit\n"
		"  -i [MIN:]MAX   seconds between two looks at the guests (default 5:15);\n"
		"                 -i 0 stops the daemon\n"
		"  -C 0|1         count inactive page cache as free memory (default 1)\n"
		"  -H MS          pause of the kernel's huge page scan, 10 to 1000000; 0, the\n"
		"                 default, leaves it alone\n"
		"  -K 0|1         keep interleaved memory spread (default 1)\n"
		"  -l LEVEL       of numad's log: 5 notice (default), 6 info, 7 debug\n"
		"  -v, -d         the same as -l 6, -l 7\n"
		"  -m PERCENT     memory that is local enough, 50 to 100 (default 90)\n"
		"  -p PID         manage this process too; may be given several times\n"
		"  -x PID         leave this process alone; may be given several times\n"
		"  -r PID         forget what -p or -x said of this process\n"
		"  -R CPULIST     CPUs that are not for guests (at the start, and with -w)\n"
		"  -S 0|1         manage all processes that are big and busy (default 0)\n"
		"  -t PERCENT     what a second thread adds to its core (default 20)\n"
		"  -u PERCENT     of a node's room, what a guest moved there may fill, 10 to 130\n"
		"                 (default 85)\n"
		"  -D DIR         ignored, as numad does\n"
		"  -V             print the version, and exit\n"
		"  -h             print this on stderr, and exit with status 1\n"
		"\n"
		"      --config FILE           settings (default " SYSCONFDIR
		"/placed/placed.conf)\n"
		"      --check-config[=FILE]   say what is wrong with them; status 1 if anything "
		"is\n"
		"      --print-config          print the settings of such a start\n"
		"      --foreground            stay in the foreground, log to stderr too\n"
		"      --dry-run               decide and tell, but move and change nothing\n"
		"      --root DIR              the host to read, if not this one: a recorded tree\n"
		"      --version               the same as -V\n"
		"      --help                  print this, and exit\n",
		program);
}

void options_print_version(const char *program)
{
	printf("%s version: %s: compiled %s\n", program, PACKAGE_VERSION, PLACED_BUILD_DATE);
}
