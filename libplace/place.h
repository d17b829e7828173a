/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libplace: where a guest's memory should live on a NUMA host, and why.
 *
 * It reads a host, the live one or a recorded tree, and answers the question that
 * `placed -w CPUS:MIB` answers. It never acts, books, logs, prints or exits.
 *
 *     cc program.c $(pkg-config --cflags --libs libplace)
 *
 *     struct place *place;
 *     struct place_question question = { .size = sizeof(question) };
 *     struct place_reply *reply;
 *
 *     if (place_open(NULL, &place) < 0 || place_read(place) < 0)
 *             return 1;
 *     place_question_parse("4:8192", &question);
 *     if (place_ask(place, &question, &reply) == 0)
 *             puts(place_reply_nodes(reply));
 *     place_reply_free(reply);
 *     place_close(place);
 *
 * Errors: functions that can fail return 0 or -errno; results come through trailing ret_
 * pointers, which are untouched on failure.
 * Threads: a struct place and its replies belong to one thread at a time; there is no other
 * state.
 * Growth: structs that a caller allocates begin with their size; set it, and later versions
 * fill or read no more than that.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLACE_API __attribute__((visibility("default")))

struct place;	    /* a host that is read */
struct place_reply; /* one answer about it */

/* Returns: the version of the library, such as "0.1.0". Since: 1.0 */
PLACE_API const char *place_version(void);

/*
 * Opens a host: NULL or "/" is the live one, any other directory a recorded tree.
 *
 * Returns: 0 or -errno.
 * Errors: -ENOENT, -ENOTDIR, -EACCES no such directory, or not to be opened; -ENOMEM.
 * Ownership: close with place_close(). Since: 1.0
 */
PLACE_API int place_open(const char *root, struct place **ret_place);

/* Closes it; NULL is fine. Returns: NULL. Since: 1.0 */
PLACE_API struct place *place_close(struct place *place);

/*
 * Reads the host: topology, memory, running guests, promises. May be called again for a newer
 * picture; replies keep the one they were made from.
 *
 * Returns: 0 or -errno.
 * Errors: -ENOMEM. Whatever else is missing becomes a note. Since: 1.0
 */
PLACE_API int place_read(struct place *place);

/*
 * What an operator should know about the last reading: files that are damaged or missing.
 * Returns: how many notes there are; the i-th one, or NULL. Valid until the next place_read().
 * Since: 1.0
 */
PLACE_API size_t place_note_count(const struct place *place);
PLACE_API const char *place_note(const struct place *place, size_t i);

/* A guest that is to be placed. */
struct place_question {
	size_t size;	       /* sizeof(struct place_question) */
	uint32_t vcpus_centi;  /* virtual CPUs in hundredths: 4 are 400 */
	uint64_t memory_bytes; /* its RAM */
};

/*
 * Parses "CPUS[:MIB]" as numad's -w does: "4:8192", "2.5:1024", "2".
 *
 * Returns: 0 or -errno; size must be set before.
 * Errors: -EINVAL it is not of that form; -ERANGE a number is too large. Since: 1.0
 */
PLACE_API int place_question_parse(const char *text, struct place_question *question);

/*
 * Answers a question on the last reading. Books nothing.
 *
 * Returns: 0 or -errno.
 * Errors: -ENODATA place_read() was never called; -EINVAL size is unknown; -ENOMEM.
 * Ownership: release with place_reply_free(); it does not depend on `place`. Since: 1.0
 */
PLACE_API int place_ask(struct place *place, const struct place_question *question,
			struct place_reply **ret_reply);

/* Releases it; NULL is fine. Returns: NULL. Since: 1.0 */
PLACE_API struct place_reply *place_reply_free(struct place_reply *reply);

/* Returns: the advised nodes in list format, "1" or "0-1"; never empty. Since: 1.0 */
PLACE_API const char *place_reply_nodes(const struct place_reply *reply);

/*
 * What kind of answer it is: a word for programs (one_node, several, overflow, no_room, blind),
 * and a sentence for people. Since: 1.0
 */
PLACE_API const char *place_reply_verdict(const struct place_reply *reply);
PLACE_API const char *place_reply_sentence(const struct place_reply *reply);

enum place_row_flag {
	PLACE_ROW_CHOSEN = 1 << 0,
	/* Which figures are known; the others mean nothing. */
	PLACE_ROW_TOTAL = 1 << 1,
	PLACE_ROW_FREE = 1 << 2, /* and with it promised_bytes, reserve_bytes, usable_bytes */
	PLACE_ROW_RECLAIMABLE = 1 << 3,
	PLACE_ROW_POOLS = 1 << 4,
};

/* One node as the answer saw it. Memory in bytes, CPU in thousandths of a CPU. */
struct place_row {
	size_t size; /* sizeof(struct place_row) */
	unsigned id;
	unsigned flags; /* of enum place_row_flag */
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t reclaimable_bytes; /* page cache that goes without writing */
	uint64_t reserve_bytes;	    /* left for the kernel and the host */
	uint64_t promised_bytes;    /* guests' untouched memory, answers not taken up yet */
	uint64_t usable_bytes;	    /* what a new guest may have */
	unsigned n_cpus;	    /* that a guest may use */
	unsigned n_cores;
	uint64_t capacity_millicpu;
	uint64_t committed_millicpu; /* to running guests and promises */
	const char *reason;	     /* a word for programs; lives as long as the library */
	const char *reason_text;     /* a sentence for people */
};

/*
 * The nodes of the host, ascending by id.
 * Returns: how many; for the i-th 0, -ENOENT there is none, -EINVAL size is unknown.
 * Since: 1.0
 */
PLACE_API size_t place_reply_row_count(const struct place_reply *reply);
PLACE_API int place_reply_row(const struct place_reply *reply, size_t i, struct place_row *row);

/* One hugepage pool of a node. */
struct place_pool_row {
	size_t size; /* sizeof(struct place_pool_row) */
	uint64_t page_bytes;
	uint64_t total_pages;
	uint64_t free_pages;
};

/* The pools of the i-th node, ascending by page size. Returns: as above. Since: 1.0 */
PLACE_API size_t place_reply_pool_count(const struct place_reply *reply, size_t i);
PLACE_API int place_reply_pool(const struct place_reply *reply, size_t i, size_t j,
			       struct place_pool_row *row);

#ifdef __cplusplus
}
#endif
