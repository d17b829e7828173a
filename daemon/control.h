/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What numad's option letters change in the running daemon, and what stays of it: settings that
 * were ordered, the lists of processes to manage and to leave alone, and the one setting of the
 * kernel that numad touches, which is put back at the end.
 */
#pragma once

#include "host/root.h"
#include "serve/serve.h"
#include "settings.h"

/* observe/watch.h */
struct place_process;
struct place_watch;

#define CONTROL_LIST_MAX 256
#define CONTROL_THP_PATH "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"

/* A process, and not another one that gets its PID later. */
struct control_entry {
	int pid;
	uint64_t start_ns;
};

struct control_list {
	size_t n;
	struct control_entry entries[CONTROL_LIST_MAX];
};

/*
 * The pause of khugepaged. What it was before is also kept in a file, so that the next start
 * puts it back where this one was killed.
 */
struct control_thp {
	const char *path, *kept_path;
	bool is_changed;
	unsigned before_ms, written_ms;
};

struct control_lists {
	const struct place_root *root; /* whose /proc says when a process began; borrowed */
	bool may_write;
	struct control_list included, excluded; /* -p, -x */
	struct control_thp thp;
	/* Settings that were ordered since the start, one of each letter: a reload keeps them. */
	size_t n_orders;
	struct option_order orders[sizeof(OPTION_ORDER_LETTERS)];
};

/* is_dry_run, and any root that is not this host: the kernel's setting is left alone. */
void control_init(struct control_lists *lists, const struct place_root *root, bool is_dry_run);

/* Puts back what was changed in the kernel, unless somebody else has changed it since. */
void control_done(struct control_lists *lists);

/*
 * Makes the kernel as the settings say: at the start, and after each change of them. Returns: 0 or
 * -errno.
 */
int control_use(struct control_lists *lists, const struct settings *settings);

/*
 * What the command line of the start says beside settings: the lists of processes; and the kernel
 * as the settings say. The settings themselves know it already (settings_override()).
 */
void control_start(struct settings *settings, struct control_lists *lists,
		   const struct options *options);

/*
 * One order of a client: checked as numad's command line checks it, done, told to numad's log and
 * as an event. `-i 0`, which stops the daemon, is the caller's to see before.
 *
 * Returns: 0; -EPERM not from root; -ERANGE a value that is refused; -ESRCH -p or -x of a process
 * that is not there; -ENOSPC the list is full of running processes; -EOPNOTSUPP a letter that is
 * none; -errno of writing the kernel's setting. Nothing is changed then.
 */
int control_apply(struct settings *settings, struct control_lists *lists,
		  const struct serve_order *order);

/*
 * Reads the settings again: files, then the command line, then what was ordered since. What only
 * a new start can change stays. told: a line per fault, or per setting that changed.
 *
 * Returns: 0; -EINVAL, -ENOMEM: the old settings stay.
 */
int control_reload(struct settings *settings, struct control_lists *lists,
		   const struct options *options, FILE *told);

/*
 * Whether a process that is no guest by its program is to be watched: it is on the list of -p, a
 * rule says so, or all that are big and busy are (-S 1). -x and rules that say no go before.
 */
bool control_wants(const struct control_lists *lists, const struct settings *settings,
		   const struct place_process *process);

/*
 * Sets PLACE_TRAIT_EXCLUDED or PLACE_TRAIT_INCLUDED of what was looked at, by lists, rules and -S:
 * what is no guest and has neither afterwards is nobody that we should have looked at.
 */
void control_mark(const struct control_lists *lists, const struct settings *settings,
		  struct place_look *look);

/* The same for guests under watch that are on a list: an order need not wait for the next look. */
void control_mark_listed(const struct control_lists *lists, struct place_watch *watch);

/* ---- of control*.c alone ----------------------------------------------------------------- */

/* With the PID alone it may be another process. */
bool control_list_names(const struct control_list *list, int pid);
bool control_list_has(const struct control_list *list, int pid, uint64_t start_ns);
/* When a process began. Returns: 0, -ESRCH, or -errno of reading. */
int control_read_start(const struct control_lists *lists, int pid, uint64_t *ret_start_ns);
/* -p, -x and -r. Returns: as control_apply(). */
int control_order_pid(struct control_lists *lists, char letter, int64_t pid);
/* 0 puts back what was there before. Returns: 0 or -errno. */
int control_thp_write(struct control_thp *thp, unsigned ms);
